//! Streams: created once, found by name, dropped for good.

use std::fmt;

use async_trait::async_trait;
use twox_hash::XxHash3_64;

use crate::{Error, StreamName, Timestamp};

/// Which life of a stream: drawn at random when it is created, so that a stream dropped and created again shares
/// nothing with the former.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(i64);

/// Which run of a group over its stream: drawn at random when its windows start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(i64);

macro_rules! random_number {
    ($name:ident) => {
        impl $name {
            /// From a number that the storage drew at random.
            #[must_use]
            pub const fn new(random: i64) -> Self {
                Self(random)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }
    };
}
random_number!(Incarnation);
random_number!(Generation);

/// A stream as the storage has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name.
    pub name: StreamName,
    /// Which life of that name this is.
    pub incarnation: Incarnation,
    /// How many partitions it has, fixed at creation.
    pub partitions: u32,
}

impl StreamInfo {
    /// Partition `index`, whether or not the stream has it: the storage says.
    #[must_use]
    pub fn partition(&self, index: u32) -> Partition {
        Partition { stream: self.name.clone(), incarnation: self.incarnation, index }
    }

    /// The partition of the messages with this key: XXH3 (64 bits, seed 0) of the key's UTF-8, modulo the number of
    /// partitions. Fixed for the stream's life, and the same for every version and producer.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of a u32")]
    pub fn partition_of(&self, key: &str) -> u32 {
        (XxHash3_64::oneshot(key.as_bytes()) % u64::from(self.partitions.max(1))) as u32
    }
}

/// Names one partition of one life of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The stream's name.
    pub stream: StreamName,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Which partition: 0, 1, …
    pub index: u32,
}

/// Creates, finds and drops streams; tells the storage's time.
///
/// # Contract
/// 1. `open_stream` creates the stream or finds it; of any number of calls at once all get the same incarnation.
/// 2. The number of partitions is fixed: another gives [`StreamDiffers`](crate::Cause::StreamDiffers), 0 gives
///    [`OutOfRange`](crate::Cause::OutOfRange).
/// 3. A new stream's partitions are empty: floor 0, tail 0.
/// 4. `find_stream` creates nothing.
/// 5. `list_streams` has every stream once, by name.
/// 6. After `drop_stream` the name is free; a stream of that name then has another incarnation and none of the
///    former's records or groups.
/// 7. `now` never lags behind a time that this storage stamped on a record read before, by more than the 1 s that
///    [`clamp_time`](crate::chunk::clamp_time) allows.
///
/// # Errors
/// Besides those named, [`Retry`](crate::ErrorKind::Retry) when the storage does not answer, and
/// [`Misconfigured`](crate::ErrorKind::Misconfigured) when it refuses.
///
/// # Cancel safety
/// A dropped `open_stream` or `drop_stream` may still take effect; call it again.
#[async_trait]
pub trait StreamStore: fmt::Debug + Send + Sync + 'static {
    /// Finds the stream, or creates it with so many partitions.
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error>;

    /// Finds the stream.
    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error>;

    /// All streams by name.
    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error>;

    /// Drops the stream with its records and groups; `false` when there was none.
    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error>;

    /// The storage's clock.
    async fn now(&self) -> Result<Timestamp, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_where_it_is() {
        let of = |partitions, key: &str| {
            let name = StreamName::new("quakes").unwrap();
            StreamInfo { name, incarnation: Incarnation::new(1), partitions }.partition_of(key)
        };
        // the hashes of the reference implementation, modulo: these never change
        for (partitions, expected) in [(1, [0, 0, 0]), (4, [2, 3, 0]), (1000, [138, 719, 104])] {
            assert_eq!(["", "a", "abc"].map(|key| of(partitions, key)), expected);
        }
    }
}
