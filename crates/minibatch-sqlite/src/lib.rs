//! A storage of minibatch in one SQLite file: no server, and several processes share the file.
//!
//! ```
//! use minibatch_core::{
//!     ProducerId, Slot, StreamName, Timestamp,
//!     chunk::{ChunkBuilder, Encoded, NewChunk, ProducerStamp},
//!     storage::{ChunkLog, ReadLimit, StreamStore},
//! };
//! use minibatch_sqlite::{SqliteOptions, SqliteStorage};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("quakes.db");
//! let storage = SqliteStorage::open(path, SqliteOptions::default()).await?;
//! let partition = storage.open_stream(&StreamName::new("quakes")?, 1).await?.partition(0);
//!
//! let id = ProducerId::new("sensor-7")?;
//! let grant = storage.register_producer(&partition, &id).await?;
//! let mut chunk = ChunkBuilder::new();
//! chunk.fill(&Encoded::values(&[5.1, 6.3])?, 0);
//! let producer = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
//! let time = Timestamp::from_millis(1_711_966_347_337);
//! let slot = storage.append(&partition, NewChunk { producer, time, payload: chunk.finish() }).await?;
//!
//! let records = storage.read(&partition, slot, ReadLimit { messages: 100, bytes: 1 << 20 }).await?;
//! assert_eq!((slot, records[0].payload.count()), (Slot::FIRST, 2));
//! storage.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//! Everything in [`minibatch_core::storage`]. An append or a commit that returned has been synced to the disk: it
//! survives the process, and with [`Durability::Full`] (the default) the power as well. With [`Durability::Normal`] a
//! power cut may take the last commits; what is left is still a beginning of what was written.
//!
//! # How it works
//! One thread owns the connection that writes. Whatever waits for it when it begins a transaction goes into that
//! transaction, each call under a savepoint of its own, and is answered after the commit: calls that come at once share
//! one sync of the disk, and none can spoil the others'. A few more threads read. Nothing needs an async runtime of a
//! certain kind, and no transaction is open across an `await`.
//!
//! Who waits for records is woken by the writer thread in the same process. For other processes there is a doorbell, a
//! Unix datagram socket in the directory `<file>-bell`, as a hint; and as the truth, and alone where there are no such
//! sockets, SQLite's change counter is polled while somebody waits.
//!
//! # What it needs
//! A local file system: SQLite's write-ahead log does not work between machines, so network file systems are refused.
//! The machine's wall clock says whether a member is alive.

mod backup;
mod bell;
mod clock;
mod config;
mod connection;
mod error;
mod file;
mod groups;
mod keys;
mod log;
mod migrate;
mod mounts;
mod notes;
mod partition;
mod random;
mod readers;
mod schema;
mod storage;
mod streams;
mod tails;
mod threads;
mod watcher;
mod writer;

pub use config::{Durability, SqliteOptions};
pub use migrate::Migration;
pub use storage::SqliteStorage;
