//! Storage in MongoDB 6.0 and newer for minibatch: streams, logs and groups that many machines share.
//!
//! ```no_run
//! use minibatch_core::{
//!     ProducerId, StreamName, Timestamp,
//!     chunk::{ChunkBuilder, Encoded, NewChunk, ProducerStamp},
//!     storage::{ChunkLog, StreamStore},
//! };
//! use minibatch_mongo::{MongoOptions, MongoStorage};
//!
//! # async fn run() -> Result<(), minibatch_core::Error> {
//! let url = "mongodb://user:password@host/plant?replicaSet=rs0";
//! let storage = MongoStorage::connect(url, MongoOptions::default()).await?;
//! let partition = storage.open_stream(&StreamName::new("quakes")?, 1).await?.partition(0);
//!
//! let id = ProducerId::new("sensor-7")?;
//! let grant = storage.register_producer(&partition, &id).await?;
//! let mut chunk = ChunkBuilder::new();
//! chunk.fill(&Encoded::values(&[5.1, 6.3])?, 0);
//! let producer = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
//! let time = Timestamp::from_millis(1_711_966_347_337);
//! let slot = storage.append(&partition, NewChunk { producer, time, payload: chunk.finish() }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`MongoStorage`] keeps the whole contract of [`minibatch_core::storage`]. Start reading at its module for the
//! protocol, which stands over `database::Database`: operations that the driver has, and that a model in the tests has as
//! well.
//!
//! Everything is written with `w: majority` and read with majority from the primary. A replica set, even of one server,
//! is what it is meant for; a standalone server works, without hints of new messages (they are seen by polling) and
//! without anything that survives the loss of its machine.

mod attempts;
mod client;
mod clock;
mod config;
mod database;
mod error;
mod groups;
mod hints;
mod log;
mod members;
mod migrate;
#[cfg(test)]
mod model_tests;
mod notes;
mod partition;
mod random;
mod storage;
mod streams;

pub use config::MongoOptions;
pub use migrate::Migration;
pub use storage::MongoStorage;
