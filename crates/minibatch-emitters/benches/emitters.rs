//! Messages per second through a strategy: a driver fed whole chunks, its windows dropped as they come.
//!
//! Chunks are prepared before, as the runtime's prefetch does; nothing is decoded but by `sorted`, `unique`, `pattern` and `aggregate`.
//! `messages/…/n` has windows of n; `buffered/newest/n` has windows of 100 while n older messages stay in the buffer; the
//! other `buffered/…/n` have windows of n, so that n messages are buffered before one closes; `by_key/…/n` has windows of
//! 10 of n keys, which come in random order. `chunks_timeout/n` is, to compare, tokio-stream's way to batch, by count and time as
//! `batch_size_wait`, over plain integers in memory.

#![expect(clippy::unwrap_used, reason = "what is prepared here is valid")]

mod logs;

use std::{hint::black_box, pin::pin, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use logs::{chunks, feed, keyed_chunks, sum, three_steps};
use minibatch_core::{
    Aggregation, Buffer, Message, Observed, Offset, Readiness, Strategy, Timestamp, WindowEmitter,
    chunk::CHUNK_MAX_MESSAGES,
    driver::{Driver, WindowDriver},
    storage::Position,
    window::{Reason, Selection},
};
use minibatch_emitters::{
    BatchWindow, CalendarUnit, Condition, CountWindow, EventTime, Every, FixedTimeWindow, Keep, Panes, PatternWindow,
    RelaxedTimeWindow, Sample, SessionWindow, StrategyExt, TimeWindow, Tz,
};
use tokio_stream::StreamExt as _;

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
    let kept = TimeWindow::tumbling(second).event_time(by_event_time()).allowed_lateness(second, Panes::Discarding);
    bench("event_time_lateness", 100 * CHUNK_MAX_MESSAGES, &kept);
    let zone = FixedTimeWindow::new(second).zone(Tz::Europe__Berlin);
    bench("fixed_time_zone", 100 * CHUNK_MAX_MESSAGES, &zone);
    let day = TimeWindow::calendar(CalendarUnit::Day, Tz::Europe__Berlin).event_time(by_event_time());
    bench("event_time_calendar", usize::MAX, &day);
    bench("aggregate", 100 * CHUNK_MAX_MESSAGES, &TimeWindow::tumbling(second).aggregate(sum()).into_strategy());
    let summed = TimeWindow::tumbling(second).event_time(by_event_time()).aggregate(sum());
    bench("aggregate_event_time", 100 * CHUNK_MAX_MESSAGES, &summed.into_strategy());
    let value = |number: &i64| number % 1_000;
    bench("sorted", 1_000, &CountWindow::new(1_000).sorted_by(value));
    bench("unique", 1_000, &CountWindow::new(1_000).unique_by(value, Keep::Last));
    bench("sampled_at_most", 1_000, &CountWindow::new(1_000).sampled(Sample::at_most(100)));
    bench("sampled_share", 1_000, &CountWindow::new(1_000).sampled(Sample::share(0.1)));
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

/// Its cost a message does not grow with what is in the buffer.
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
    // chunks of 1,000, ten milliseconds apart
    let chunks = chunks(2_000, 1_000);
    group.throughput(Throughput::Elements(chunks.len() as u64 * 1_000));
    for size in [1_000, 10_000, 100_000, 1_000_000] {
        let mut bench = |name: &str, strategy: &dyn Strategy| {
            let run = || feed(&mut *strategy.driver(Position::START).unwrap(), &chunks);
            group.bench_function(BenchmarkId::new(name, size), |b| b.iter(|| black_box(run())));
        };
        let length = Duration::from_millis(size as u64 / 100);
        let event_time = || EventTime::by(|message| Some(message.time()));
        bench("batch", &BatchWindow::new().size(size).max_wait(length * 2));
        bench("event_time", &TimeWindow::tumbling(length).event_time(event_time()));
        bench("event_time_sliding", &TimeWindow::sliding(length, length / 2).event_time(event_time()));
        bench("session", &SessionWindow::new(length).max_length(length).event_time(event_time()));
        // firings of 100, whatever was shown before
        let early = |strategy: Arc<dyn Strategy>| strategy.early(Every::messages(100), Panes::Discarding);
        bench("early_count", &early(Arc::new(CountWindow::new(size))));
        bench("early_event_time", &early(Arc::new(TimeWindow::tumbling(length).event_time(event_time()))));
    }
    group.finish();
}

/// What keys cost, however many there are.
fn by_key(c: &mut Criterion) {
    let mut group = c.benchmark_group("by_key");
    group.sample_size(10);
    for keys in [1_000, 10_000, 100_000] {
        let chunks = keyed_chunks(512, CHUNK_MAX_MESSAGES, keys);
        group.throughput(Throughput::Elements((chunks.len() * CHUNK_MAX_MESSAGES) as u64));
        let mut bench = |name: &str, strategy: &dyn Strategy| {
            let run = || feed(&mut *strategy.driver(Position::START).unwrap(), &chunks);
            group.bench_function(BenchmarkId::new(name, keys), |b| b.iter(|| black_box(run())));
        };
        bench("count", &CountWindow::new(10).by_key());
        bench("batch_size_wait", &BatchWindow::new().size(10).max_wait(Duration::from_secs(1)).by_key());
        bench("session", &SessionWindow::new(Duration::from_secs(1)).by_key());
        let index = |rest: u32| Condition::by(move |message| message.offset().index() % 3 == rest);
        bench("pattern", &PatternWindow::new(three_steps(index)).by_key());
        bench("pattern_within", &PatternWindow::new(three_steps(index).within(Duration::from_secs(1))).by_key());
        bench("aggregate", &TimeWindow::tumbling(Duration::from_secs(1)).aggregate(sum()).by_key().into_strategy());
    }
    group.finish();
}

/// What others do with numbers that come from nowhere and go nowhere.
fn chunks_timeout(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunks_timeout");
    let numbers = 256 * CHUNK_MAX_MESSAGES as u64;
    group.throughput(Throughput::Elements(numbers));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for size in [2, 100] {
        let count = || async move {
            let mut batches = pin!(tokio_stream::iter(0..numbers).chunks_timeout(size, Duration::from_secs(2)));
            let mut count = 0;
            while let Some(batch) = batches.next().await {
                count += black_box(batch).len();
            }
            count
        };
        group.bench_function(BenchmarkId::from_parameter(size), |b| b.iter(|| runtime.block_on(count())));
    }
    group.finish();
}

criterion_group!(benches, messages, buffered, by_key, chunks_timeout);
criterion_main!(benches);
