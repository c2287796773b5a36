//! Consuming: from a stream to windows, from windows to functions, and back to what is done.
//!
//! [`Streaming`] is the builder; it starts a [`crew`], which has a [`supervisor`] task for each partition that is its to
//! work on: it owns the partition for as long as it can, each time in a [`session`]. Which partitions these are is an
//! [`assignment`] among the group's [`members`]. The [`Consumer`] is the user's end: it takes windows, and acknowledges or
//! returns them.

mod assignment;
mod attempt;
mod builder;
mod crew;
mod dead;
mod function;
mod handle;
mod handoff;
mod into;
mod kept;
mod ladder;
#[cfg(feature = "testing")]
pub(crate) mod literal;
mod members;
mod options;
mod origin;
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
pub(crate) use handoff::{Delivery, GroupRun};
pub use into::{Output, Outputs, StreamingInto};
pub use kept::{KeptMembers, KeptWindow, KeptWindows};
pub use options::{ConsumerOptions, OnBufferFull, OnExhausted, OnExpired, OnLate};
pub(crate) use redrive::redrive;
pub use serve::Summary;
pub(crate) use settlement::{GivenBack, Passed, Rejected, Settlement};
pub use status::{Failing, PartitionStatus};
