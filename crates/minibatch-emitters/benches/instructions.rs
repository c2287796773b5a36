//! Instructions that messages take through a strategy, counted by valgrind: the same each time, whatever else the machine does.
//!
//! Wants valgrind, and the library's runner in the same version: `cargo install gungraun-runner --version 0.20.0`. As
//! `emitters`: a driver is fed whole chunks that were prepared before, here [`MESSAGES`] messages in all.

#![expect(clippy::unwrap_used, reason = "what is prepared here is valid")]
#![expect(missing_docs, reason = "what the macros make")]

mod logs;

use std::{sync::Arc, time::Duration};

use gungraun::{library_benchmark, library_benchmark_group, main};
use logs::{chunks, feed, keyed_chunks, sum, three_steps};
use minibatch_core::{
    Aggregation, Strategy,
    chunk::{CHUNK_MAX_MESSAGES, Chunk},
    driver::WindowDriver,
    storage::Position,
};
use minibatch_emitters::{
    BatchWindow, Condition, CountWindow, EventTime, PatternWindow, SessionWindow, StrategyExt, TimeWindow,
};

/// In each log.
const MESSAGES: usize = 64 * CHUNK_MAX_MESSAGES;
const SECOND: Duration = Duration::from_secs(1);

type Log = Vec<Arc<Chunk>>;

#[expect(clippy::needless_pass_by_value, reason = "as the macro gives it")]
fn unkeyed(strategy: impl Strategy) -> (Box<dyn WindowDriver>, Log) {
    (strategy.driver(Position::START).unwrap(), chunks(MESSAGES / CHUNK_MAX_MESSAGES, CHUNK_MAX_MESSAGES))
}

/// Of so many keys, in random order.
fn keyed(strategy: impl Strategy, keys: u64) -> (Box<dyn WindowDriver>, Log) {
    let log = keyed_chunks(MESSAGES / CHUNK_MAX_MESSAGES, CHUNK_MAX_MESSAGES, keys);
    (strategy.by_key().driver(Position::START).unwrap(), log)
}

fn by_event_time() -> EventTime {
    EventTime::by(|message| Some(message.time())).out_of_order(SECOND)
}

fn steps_by_index() -> PatternWindow<i64> {
    let index = |rest: u32| Condition::by(move |message| message.offset().index() % 3 == rest);
    PatternWindow::new(three_steps(index))
}

// What is fed is given back, so that dropping it is not counted.
#[library_benchmark]
#[bench::count_2(setup = unkeyed, args = (CountWindow::new(2)))]
#[bench::count_100(setup = unkeyed, args = (CountWindow::new(100)))]
#[bench::batch_2(setup = unkeyed, args = (BatchWindow::new().size(2).max_wait(SECOND)))]
#[bench::batch_100(setup = unkeyed, args = (BatchWindow::new().size(100).max_wait(SECOND)))]
#[bench::event_time(setup = unkeyed, args = (TimeWindow::tumbling(SECOND).event_time(by_event_time())))]
#[bench::session(setup = unkeyed, args = (SessionWindow::new(SECOND)))]
#[bench::aggregate(setup = unkeyed, args = (TimeWindow::tumbling(SECOND).aggregate(sum()).into_strategy()))]
#[bench::pattern(setup = unkeyed, args = (steps_by_index()))]
#[bench::count_10_of_1000_keys(setup = keyed, args = (CountWindow::new(10), 1_000))]
#[bench::count_10_of_10000_keys(setup = keyed, args = (CountWindow::new(10), 10_000))]
#[bench::session_of_1000_keys(setup = keyed, args = (SessionWindow::new(SECOND), 1_000))]
#[bench::pattern_of_1000_keys(setup = keyed, args = (steps_by_index(), 1_000))]
fn messages((mut driver, log): (Box<dyn WindowDriver>, Log)) -> (Box<dyn WindowDriver>, Log, usize) {
    let windows = feed(&mut *driver, &log);
    (driver, log, windows)
}

library_benchmark_group!(name = strategies; benchmarks = messages);
main!(library_benchmark_groups = strategies);
