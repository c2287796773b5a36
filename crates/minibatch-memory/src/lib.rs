//! A storage of minibatch that lives in memory: for tests, for streams that need not outlive the process, and as the
//! reference model that the other storages are compared with.
//!
//! ```
//! use minibatch_core::{
//!     ProducerId, Slot, StreamName, Timestamp,
//!     chunk::{ChunkBuilder, Encoded, NewChunk, ProducerStamp},
//!     storage::{ChunkLog, ReadLimit, StreamStore},
//! };
//! use minibatch_memory::MemoryStorage;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), minibatch_core::Error> {
//! let storage = MemoryStorage::new();
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
//! # Ok(())
//! # }
//! ```
//!
//! [`MemoryStorage`] keeps the whole contract of [`minibatch_core::storage`]: what differs from the other storages is
//! only that everything is gone with the last handle. There is one lock around one plain state; no operation scans the
//! log, and reading copies handles to the payloads and never their bytes.

mod groups;
mod log;
mod notes;
mod random;
mod registry;
mod state;
mod storage;
mod streams;
mod time;

pub use storage::MemoryStorage;
