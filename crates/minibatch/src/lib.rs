//! Mini-batch stream processing for humans.

mod connection;
mod environment;
#[cfg(feature = "macros")]
mod function;
pub mod prelude;
mod settings;
mod url;

#[cfg(feature = "macros")]
pub use function::{Stateful, With};
#[cfg(feature = "macros")]
pub use minibatch_macros::streaming;

pub use bson::{Document, doc};
pub use connection::Minibatch;
pub use minibatch_core::{
    Buffer, BufferedSlot, Cause, Clock, EmitterState, Error, ErrorKind, Fingerprint, GroupName, Members, Message,
    Observed, Offset, Readiness, Result, Slot, Strategy, StreamName, Timestamp, WindowEmitter,
    chunk::Extras,
    storage,
    window::{Bounds, Leaves, Picks, Reason, Selection, WindowId},
};
pub use minibatch_emitters::{
    BatchEmitter, BatchWindow, CountEmitter, CountWindow, FixedTimeEmitter, FixedTimeWindow, RelaxedTimeEmitter,
    RelaxedTimeWindow,
};
pub use minibatch_runtime::{
    Ack, Appended, Backoff, Client, ClientOptions, Consumer, ConsumerOptions, MessageMeta, NoWindow, OnBufferFull,
    Outcome, Stream, Streaming, Summary, SystemClock, Window,
};
pub use settings::WindowSettings;

/// Streams in memory.
pub use minibatch_memory as memory;
/// Streams in MongoDB.
#[cfg(feature = "mongodb")]
pub use minibatch_mongo as mongodb;
/// Streams in one SQLite file.
#[cfg(feature = "sqlite")]
pub use minibatch_sqlite as sqlite;

/// The README's program compiles.
#[cfg(all(doctest, feature = "macros", feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
