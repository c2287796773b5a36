//! Consuming: from a stream to windows, from windows to functions, and back to what is done.
//!
//! [`Streaming`] is the builder; it starts a [`supervisor`] task that owns the partition for as long as it can, each time
//! in a [`session`]; the [`Consumer`] is the user's end: it takes windows, and acknowledges or returns them.

mod attempt;
mod builder;
mod dead;
mod function;
mod handle;
mod handoff;
mod ladder;
mod options;
mod redrive;
mod serve;
mod session;
mod settlement;
mod stats;
mod status;
mod supervisor;

pub use builder::{NoWindow, Streaming};
pub use function::{Failure, Outcome, RetryAfter, retry_after};
pub use handle::Consumer;
pub(crate) use handoff::Delivery;
pub use options::{ConsumerOptions, OnBufferFull, OnExhausted};
pub(crate) use redrive::redrive;
pub use serve::Summary;
pub(crate) use settlement::{GivenBack, Passed, Rejected, Settlement};
pub use status::{PartitionStatus, WorkState};
