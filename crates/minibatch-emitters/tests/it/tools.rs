//! What several tests need.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, ProducerId, Slot, Strategy, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, Extras, ProducerStamp, Record, RecordKind},
    storage::Position,
};

pub(crate) const SEC: Duration = Duration::from_secs(1);
/// A log in which every strategy has something to close: that of the crate's front page.
pub(crate) const LOG: &str = "a@1 b@2 c@5 d@7 e@12 f@13";

pub(crate) fn check_fingerprint(strategy: &impl Strategy, expected: &str) {
    assert_eq!(strategy.driver(Position::START).unwrap().fingerprint().as_str(), expected);
}

pub(crate) fn check_refused(strategy: &impl Strategy) {
    let error = strategy.driver(Position::START).unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidWindow { .. }), "{error}");
}

/// What a duration of a window cannot be.
pub(crate) fn bad_durations() -> [Duration; 4] {
    [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1_500), Duration::MAX]
}

/// A chunk of numbers, each appended with a key or without.
pub(crate) fn keyed_chunk(slot: u64, millis: i64, messages: &[(u32, Option<&str>)]) -> Arc<Chunk> {
    let extras = |key: Option<&str>| Extras { key: key.map(ToOwned::to_owned), headers: Vec::new() };
    let messages: Vec<(u32, Extras)> = messages.iter().map(|(number, key)| (*number, extras(*key))).collect();
    let encoded = Encoded::values_with_extras(messages.iter().map(|(number, extras)| (number, extras))).unwrap();
    let mut builder = ChunkBuilder::new();
    assert_eq!(builder.fill(&encoded, 0), messages.len());
    let (slot, time) = (Slot::new(slot).unwrap(), Timestamp::from_millis(millis));
    let producer = ProducerStamp { id: ProducerId::new("p").unwrap(), epoch: 1, sequence: slot.get() };
    let record = Record { slot, kind: RecordKind::Data, producer, time, payload: builder.finish() };
    Chunk::open(&record, time).unwrap()
}
