//! The words of minibatch as types.
//!
//! No I/O, no clock, no async runtime, no database: time and bytes come in as arguments.

mod buffer;
pub mod checkpoint;
pub mod chunk;
mod clock;
pub mod driver;
mod emitter;
mod error;
mod gallop;
mod leb128;
mod members;
mod message;
mod name;
mod offset;
pub mod storage;
mod strategy;
mod timestamp;
pub mod window;

pub use buffer::{Buffer, BufferedSlot};
pub use clock::Clock;
pub use emitter::{
    Adaptive, Deadline, EmitterState, Explanation, Fingerprint, Observed, Readiness, Served, Waiting, WindowEmitter,
};
pub use error::{Cause, Error, ErrorKind, Result};
pub use members::{Members, Run};
pub use message::Message;
pub use name::{GroupName, MemberId, ProducerId, StreamName};
pub use offset::{Offset, Slot};
pub use strategy::{Aggregation, Strategy};
pub use timestamp::Timestamp;
