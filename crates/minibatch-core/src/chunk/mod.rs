//! The unit of storage: many messages in one record.
//!
//! [`Encoded`] and [`ChunkBuilder`] make a [`Payload`] of values; a storage carries it in a [`NewChunk`] and gives it
//! back in a [`Record`]; a [`Chunk`] is such a record with its messages found.

mod element;
mod encode;
mod open;
mod payload;
mod record;

pub use element::decode_document;
#[cfg(test)]
pub(crate) use element::tests::nested;
pub(crate) use element::{DOCUMENT, STRING, check_depth, value_len};
pub use encode::{CHUNK_MAX_MESSAGES, CHUNK_TARGET_BYTES, ChunkBuilder, Encoded, Extras, MESSAGE_MAX_BYTES};
pub use open::Chunk;
pub use payload::{Codec, Payload};
pub use record::{DerivedChunk, NewChunk, ProducerStamp, Record, RecordKind, clamp_time};
