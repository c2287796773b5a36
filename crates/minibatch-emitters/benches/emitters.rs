//! Messages per second through a strategy: a driver fed whole chunks, its windows dropped as they come.
//!
//! Chunks are prepared before, as the runtime's prefetch does; nothing is decoded. `messages/…/n` has windows of n;
//! `buffered/…/n` has windows of 100 while n older messages stay in the buffer.

#![expect(clippy::unwrap_used, reason = "what is prepared here is valid")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minibatch_core::{
    Buffer, Message, Observed, Offset, ProducerId, Readiness, Slot, Strategy, Timestamp, WindowEmitter,
    chunk::{CHUNK_MAX_MESSAGES, Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
    driver::{Driver, WindowDriver},
    storage::Position,
    window::{Reason, Selection},
};
use minibatch_emitters::{
    BatchWindow, Condition, CountWindow, EventTime, FixedTimeWindow, Pattern, PatternWindow, RelaxedTimeWindow,
    SessionWindow, TimeWindow,
};

/// Chunks of so many small messages, ten milliseconds apart.
fn chunks(count: usize, messages: usize) -> Vec<Arc<Chunk>> {
    let values: Vec<i64> = (0..).take(messages).collect();
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

/// Feeds chunks and says how many windows came.
fn feed(driver: &mut dyn WindowDriver, chunks: &[Arc<Chunk>]) -> usize {
    let mut windows = Vec::new();
    let mut count = 0;
    for chunk in chunks {
        driver.feed(chunk, 0, chunk.len(), &mut windows).unwrap();
        count += windows.len();
        windows.clear();
    }
    count
}

fn messages(c: &mut Criterion) {
    let chunks = chunks(256, CHUNK_MAX_MESSAGES);
    let mut group = c.benchmark_group("messages");
    group.throughput(Throughput::Elements((chunks.len() * CHUNK_MAX_MESSAGES) as u64));
    let mut bench = |name: &str, size: usize, strategy: &dyn Strategy| {
        let run = || feed(&mut *strategy.driver(Position::START).unwrap(), &chunks);
        group.bench_function(BenchmarkId::new(name, size), |b| b.iter(|| black_box(run())));
    };
    // the messages have 10 bytes each
    for size in [2, 100, 1_000, 1_000_000] {
        let batch = BatchWindow::new().size(size).max_wait(Duration::from_secs(2));
        bench("count", size, &CountWindow::new(size));
        bench("batch_size_wait", size, &batch);
        bench("batch_size_wait_bytes", size, &batch.clone().bytes(1 << 30));
        bench("batch_bytes", size, &BatchWindow::new().bytes(size * 10));
    }
    bench("batch_until", 100, &BatchWindow::new().size(100).until(|message| message.size() == 0));
    // a second is 100 chunks
    let second = Duration::from_secs(1);
    bench("fixed_time", 100 * CHUNK_MAX_MESSAGES, &FixedTimeWindow::new(second));
    bench("relaxed_time", 100 * CHUNK_MAX_MESSAGES, &RelaxedTimeWindow::new(second));
    let by_event_time = || EventTime::by(|message| Some(message.time())).out_of_order(second);
    bench("event_time", 100 * CHUNK_MAX_MESSAGES, &TimeWindow::tumbling(second).event_time(by_event_time()));
    let sliding = TimeWindow::sliding(second, second / 4).event_time(by_event_time());
    bench("event_time_sliding", 100 * CHUNK_MAX_MESSAGES, &sliding);
    bench("session", 100 * CHUNK_MAX_MESSAGES, &SessionWindow::new(second).max_length(second));
    // of so many messages three are a match
    for (every, size) in [(3, 3), (100, 100)] {
        let value = move |rest: i64| Condition::of(move |value: &i64| value % every == rest);
        let index = move |rest: i64| Condition::by(move |message| i64::from(message.offset().index()) % every == rest);
        bench("pattern", size, &PatternWindow::new(three_steps(value)));
        bench("pattern_undecoded", size, &PatternWindow::new(three_steps(index)));
        bench("pattern_within", size, &PatternWindow::new(three_steps(index).within(second)));
    }
    group.finish();
}

/// Three messages, others between them.
fn three_steps(condition: impl Fn(i64) -> Condition<i64>) -> Pattern<i64> {
    Pattern::begin("first", condition(0)).then("second", condition(1)).then("third", condition(2))
}

/// Windows of 100 of the newest messages; the oldest, which came first, stay for ever.
#[derive(Default)]
struct Newest {
    stays: usize,
    next: Vec<Offset>,
}

impl WindowEmitter for Newest {
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        match self.stays.checked_sub(1) {
            Some(stays) => self.stays = stays,
            None => self.next.push(message.offset()),
        }
        Observed::Keep
    }

    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        if self.next.len() < 100 { Readiness::wait_for(100 - self.next.len()) } else { Readiness::Ready }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::of(std::mem::take(&mut self.next), Reason::Count)
    }
}

/// The buffer's cost does not grow with what is in it.
fn buffered(c: &mut Criterion) {
    let mut group = c.benchmark_group("buffered");
    for stays in [1_000, 10_000, 100_000, 1_000_000] {
        // whole windows: nothing of the newest chunk is left when it comes again
        let mut old = chunks(stays / 1_000 + 1, 1_000);
        let newest = old.pop().map(|newest| vec![newest; 100]).unwrap();
        group.throughput(Throughput::Elements(newest.len() as u64 * 1_000));
        let mut driver = Driver::new(Newest { stays, next: Vec::new() }, Position::START);
        feed(&mut driver, &old);
        assert_eq!(driver.buffer().len(), stays);
        group.bench_function(BenchmarkId::new("newest", stays), |b| b.iter(|| black_box(feed(&mut driver, &newest))));
        assert_eq!(driver.buffer().len(), stays);
    }
    group.finish();
}

criterion_group!(benches, messages, buffered);
criterion_main!(benches);
