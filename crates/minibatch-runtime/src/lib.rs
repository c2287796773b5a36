//! Producers and consumers of minibatch over any storage.
//!
//! Most users depend on the façade crate `minibatch`, which adds storages by URL, built-in windows and the
//! `#[streaming]` macro. This crate is for whoever brings a storage of their own: [`Client::new`] takes any
//! [`Storage`](minibatch_core::storage::Storage).
//!
//! ```
//! use std::sync::Arc;
//! use minibatch_memory::MemoryStorage;
//! use minibatch_emitters::CountWindow;
//! use minibatch_runtime::{Client, Window};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> minibatch_core::Result<()> {
//! let client = Client::new(Arc::new(MemoryStorage::new()));
//! let numbers = client.stream::<u32>("numbers").await?;
//! numbers.append_many(&[1, 2, 3, 4, 5]).await?;
//!
//! let summary = numbers
//!     .streaming()
//!     .window(CountWindow::new(2))
//!     .drain(|window: Window<u32>| async move { println!("{:?}", window.data) })
//!     .await?;
//! assert_eq!((summary.messages, summary.windows), (5, 3));
//! client.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//! - A [`Stream`]'s appends go through one task a partition and client: those that come while a chunk is on its way share
//!   the next one.
//! - A consumer ([`Streaming`]) has a task for each partition that it owns for its group: it reads ahead, forms windows,
//!   hands them out, and commits what is done, one commit in flight and the next taking all that gathered.
//! - The consumers of a group share the partitions of a stream ([`Consumer`] says what can be relied on). A client has one
//!   heartbeat, however many groups it reads as; a group costs a document for each partition, and a look at its other
//!   members a second where there are several partitions to share.
//! - A window whose function fails is tried again with growing waits, then split down to the messages at fault, which go
//!   to the stream `<name>.dead`; where nothing succeeds, the function is at fault, and nothing is given up on. What is
//!   left of such a window is kept with the group, so that a restart goes on where it was.
//! - A consumer says what it does by [`Consumer::status`]; it can be [paused](Consumer::pause), and so can a
//!   [group](Group::pause) in all processes.

mod accounts;
mod audit;
mod client;
mod clock;
mod consumer;
pub mod delivery;
mod documents;
mod effects;
mod group;
mod producer;
mod random;
mod retry;
mod status;
mod stored;
mod stream;
#[cfg(feature = "testing")]
pub mod testing {
    //! Windows from literals, for tests of functions: without a storage and without a consumer.

    pub use crate::consumer::literal::{Settled, WindowLiteral, window};
}
mod upkeep;
mod what_if;
mod window;

/// How long a shutdown waits for what is under way, before it leaves it to the next start.
const STOP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// How long a storage may take for the last things it is asked: a commit, to release, to leave.
const FAREWELL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

pub use audit::{Audit, Difference, PartitionAudit, Term, Terms};
pub use client::{Client, ClientOptions, StreamOptions};
pub use clock::SystemClock;
pub use consumer::{
    Consumer, ConsumerOptions, Failing, Failure, KeptMembers, KeptWindow, KeptWindows, NoWindow, OnBufferFull,
    OnExhausted, OnExpired, OnLate, Outcome, Output, Outputs, PartitionStatus, RetryAfter, Streaming, StreamingInto,
    Summary, retry_after,
};
pub use effects::Effects;
pub use group::{Group, OnStrategyChange, PartitionSeek, Seek, StartAt};
pub use producer::{Appended, AppendedShare, MessageId, StableProducer};
pub use retry::Backoff;
pub use status::{ConsumerState, GroupStatus};
pub use stream::Stream;
pub use upkeep::{Backlog, Retention, WhenFull};
pub use what_if::{LeftOpen, Spread, StrategyReport, WhatIf, WhatIfReport};
pub use window::{Ack, MessageMeta, Window};
