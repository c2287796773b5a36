//! The logs that strategies are measured with, and how they are fed.

use std::sync::Arc;

use minibatch_core::{
    ProducerId, Slot, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, Extras, Payload, ProducerStamp, Record, RecordKind},
    driver::WindowDriver,
};
use minibatch_emitters::{Aggregate, Condition, Pattern};

/// Chunks of so many small messages, ten milliseconds apart.
pub(crate) fn chunks(count: usize, messages: usize) -> Vec<Arc<Chunk>> {
    let values: Vec<i64> = (0..).take(messages).collect();
    let payload = payload(&Encoded::values(&values).unwrap());
    (1..).take(count).map(|number| chunk(number, payload.clone())).collect()
}

/// The same, each message appended with one of so many keys.
pub(crate) fn keyed_chunks(count: usize, messages: usize, keys: u64) -> Vec<Arc<Chunk>> {
    let mut random = 1_u64;
    let mut key = || {
        // Knuth's multiplier; the upper bits are the random ones
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Extras { key: Some(format!("key {}", (random >> 33) % keys)), headers: Vec::new() }
    };
    let keyed = |number| {
        let extras: Vec<Extras> = std::iter::repeat_with(&mut key).take(messages).collect();
        let encoded = Encoded::values_with_extras(extras.iter().map(|extras| (&1_i64, extras))).unwrap();
        chunk(number, payload(&encoded))
    };
    (1..).take(count).map(keyed).collect()
}

fn payload(encoded: &Encoded) -> Payload {
    let mut builder = ChunkBuilder::new();
    builder.fill(encoded, 0);
    builder.finish()
}

fn chunk(number: u32, payload: Payload) -> Arc<Chunk> {
    let producer = ProducerStamp { id: ProducerId::new("bench").unwrap(), epoch: 1, sequence: 1 };
    let slot = Slot::new(number.into()).unwrap();
    let time = Timestamp::from_millis(i64::from(number) * 10);
    let record = Record { slot, kind: RecordKind::Data, producer, time, payload };
    Chunk::open(&record, time).unwrap()
}

/// Feeds chunks and says how many windows came.
pub(crate) fn feed(driver: &mut dyn WindowDriver, chunks: &[Arc<Chunk>]) -> usize {
    let mut windows = Vec::new();
    let mut count = 0;
    for chunk in chunks {
        driver.feed(chunk, 0, chunk.len(), &mut windows).unwrap();
        count += windows.len();
        windows.clear();
    }
    count
}

/// Three messages, others between them.
pub(crate) fn three_steps<N: From<u8>>(condition: impl Fn(N) -> Condition<i64>) -> Pattern<i64> {
    let condition = |rest: u8| condition(rest.into());
    Pattern::begin("first", condition(0)).then("second", condition(1)).then("third", condition(2))
}

/// A sum of numbers.
pub(crate) fn sum() -> Aggregate<i64, i64> {
    Aggregate::new(|| 0, |sum, number: &i64| *sum += number, |sum, other| *sum += other)
}
