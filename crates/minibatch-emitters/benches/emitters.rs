//! Messages per second through a strategy: a driver fed whole chunks, its windows dropped as they come.
//!
//! Chunks are prepared before, as the runtime's prefetch does; nothing is decoded.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minibatch_core::{
    ProducerId, Slot, Strategy, Timestamp,
    chunk::{CHUNK_MAX_MESSAGES, Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
    storage::Position,
};
use minibatch_emitters::{BatchWindow, CountWindow, FixedTimeWindow, RelaxedTimeWindow};

/// Chunks of 4,096 small messages, ten milliseconds apart.
fn chunks(count: usize) -> Vec<Arc<Chunk>> {
    let values: Vec<i64> = (0..).take(CHUNK_MAX_MESSAGES).collect();
    let encoded = Encoded::values(&values).unwrap();
    let mut builder = ChunkBuilder::new();
    builder.fill(&encoded, 0);
    let payload = builder.finish();
    let producer = ProducerStamp { id: ProducerId::new("bench").unwrap(), epoch: 1, sequence: 1 };
    (1..)
        .take(count)
        .map(|number: u32| {
            let slot = Slot::new(number.into()).unwrap();
            let time = Timestamp::from_millis(i64::from(number) * 10);
            let (producer, payload) = (producer.clone(), payload.clone());
            let record = Record { slot, kind: RecordKind::Data, producer, time, payload };
            Arc::new(Chunk::open(&record, time).unwrap())
        })
        .collect()
}

/// Feeds all chunks to a fresh driver and says how many windows came.
fn feed(strategy: &impl Strategy, chunks: &[Arc<Chunk>]) -> usize {
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut windows = Vec::new();
    let mut count = 0;
    for chunk in chunks {
        driver.feed(chunk, 0, chunk.len(), &mut windows).unwrap();
        count += windows.len();
        windows.clear();
    }
    count
}

fn throughput(c: &mut Criterion) {
    let chunks = chunks(64);
    let messages = (chunks.len() * CHUNK_MAX_MESSAGES) as u64;
    let mut group = c.benchmark_group("messages");
    group.throughput(Throughput::Elements(messages));
    for size in [2, 100, 10_000] {
        let mut bench = |name: &str, strategy: &dyn Fn() -> usize| {
            group.bench_function(BenchmarkId::new(name, size), |b| b.iter(|| black_box(strategy())));
        };
        let batch = BatchWindow::new().size(size);
        let timed = batch.clone().max_wait(Duration::from_secs(2));
        let bounded = timed.clone().bytes(1 << 20);
        let by_bytes = BatchWindow::new().bytes(size * 15);
        bench("count", &|| feed(&CountWindow::new(size), &chunks));
        bench("batch_size", &|| feed(&batch, &chunks));
        bench("batch_size_wait", &|| feed(&timed, &chunks));
        bench("batch_size_wait_bytes", &|| feed(&bounded, &chunks));
        bench("batch_bytes", &|| feed(&by_bytes, &chunks));
    }
    let second = Duration::from_secs(1);
    group.bench_function("fixed_time/1s", |b| b.iter(|| black_box(feed(&FixedTimeWindow::new(second), &chunks))));
    group.bench_function("relaxed_time/1s", |b| b.iter(|| black_box(feed(&RelaxedTimeWindow::new(second), &chunks))));
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
