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
//! - A consumer ([`Streaming`]) is a task that owns a partition for its group: it reads ahead, forms windows, hands them
//!   out, and commits what is done, one commit in flight and the next taking all that gathered.
//! - A window whose function fails is tried again with growing waits, then split down to the messages at fault, which go
//!   to the stream `<name>.dead`; where nothing succeeds, the function is at fault, and nothing is given up on. What is
//!   left of such a window is kept with the group, so that a restart goes on where it was.
//! - A consumer says what it does by [`Consumer::status`]; it can be [paused](Consumer::pause), and so can a
//!   [group](Stream::pause_group) in all processes.

mod client;
mod clock;
mod consumer;
mod group_control;
mod producer;
mod random;
mod retry;
mod stream;
mod window;

/// How long a shutdown waits for what is under way, before it leaves it to the next start.
const STOP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

pub use client::{Client, ClientOptions};
pub use clock::SystemClock;
pub use consumer::{
    Consumer, ConsumerOptions, Failure, NoWindow, OnBufferFull, OnExhausted, Outcome, PartitionStatus, RetryAfter,
    Streaming, Summary, WorkState, retry_after,
};
pub use producer::Appended;
pub use retry::Backoff;
pub use stream::Stream;
pub use window::{Ack, MessageMeta, Window};
