//! What most programs need: `use minibatch::prelude::*;`.
//!
//! `Serialize` and `Deserialize` are serde's, derives included; whoever derives them has `serde` in their own manifest.

pub use bson::{Document, doc};
pub use chrono::{DateTime, Utc};
pub use serde::{Deserialize, Serialize};

#[cfg(feature = "macros")]
pub use crate::streaming;
pub use crate::{Error, Minibatch, Result, Stream, Window, WindowSettings, retry_after};
