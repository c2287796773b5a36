//! The simulation against logs made by hand.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Strategy, Timestamp, chunk::Chunk, driver::LogEntry, storage::Position};
use minibatch_emitters::{BatchWindow, CountWindow, EventTime, FixedTimeWindow, SessionWindow, TimeWindow};
use minibatch_testkit::log;
use proptest::prelude::*;

use super::{LeftOpen, Spread, StrategyReport, WhatIfReport, report::Extent, simulation::Simulation, tally::Tally};

const SECOND: Duration = Duration::from_secs(1);

/// What a strategy makes of a log, which ends at an instant in seconds or with its last record.
fn simulate(strategy: &dyn Strategy, chunks: &[Arc<Chunk>], end: Option<u32>, max_buffer: usize) -> StrategyReport {
    let mut tally = Tally::new();
    let mut simulation = Simulation::new(strategy.driver(Position::START).unwrap(), max_buffer, &mut tally);
    for chunk in chunks {
        simulation.feed(&LogEntry::Messages(Arc::clone(chunk))).unwrap();
    }
    simulation.finish(end.map(|seconds| Timestamp::EPOCH.plus(seconds * SECOND))).unwrap();
    let messages = chunks.iter().map(|chunk| u64::from(chunk.len())).sum();
    tally.report("it".to_owned(), &strategy.emitter().unwrap().fingerprint(), messages)
}

fn chunks(line: &str) -> Vec<Arc<Chunk>> {
    log::chunks(line).unwrap()
}

fn of(line: &str, end: Option<u32>, strategy: &impl Strategy) -> StrategyReport {
    simulate(strategy, &chunks(line), end, usize::MAX)
}

/// In one line: reasons and how often; least, middle and greatest size; the same of the waits; late; left open.
#[expect(clippy::needless_pass_by_value, reason = "a check makes its strategy where it stands")]
fn check(line: &str, end: Option<u32>, strategy: impl Strategy, expected: &str) {
    let found = of(line, end, &strategy);
    let reasons: Vec<String> = found.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let spread = |spread: Option<Spread>| {
        spread.map_or("-".to_owned(), |spread| format!("{}/{}/{}", spread.min, spread.p50, spread.max))
    };
    let LeftOpen { windows, messages } = found.left_open;
    let text = format!(
        "{}; {}; {}; late {}; open {windows}/{messages}",
        reasons.join(" "),
        spread(found.size),
        spread(found.wait_millis),
        found.late
    );
    assert_eq!(text, expected, "{line}");
}

/// The words of a log are the seconds at which they happened.
fn happened() -> EventTime {
    let time = |word: &String| Timestamp::EPOCH.plus(word.parse::<u32>().unwrap_or(0) * SECOND);
    EventTime::of(time).never_idle().max_ahead(Duration::from_hours(1))
}

#[test]
fn windows_close_with_messages_and_at_deadlines() {
    let line = "a@0 b@1 c@1.5 d@9";
    check(line, None, CountWindow::new(2), "count 2; 2/2/2; 0/0/7500; late 0; open 0/0");
    check(line, None, CountWindow::new(3), "count 1; 3/3/3; 0/500/1500; late 0; open 1/1");
    let batch = || BatchWindow::new().size(3).max_wait(2 * SECOND);
    check(line, None, batch(), "count 1; 3/3/3; 0/500/1500; late 0; open 1/1");
    check(line, Some(10), batch(), "count 1; 3/3/3; 0/500/1500; late 0; open 1/1");
    check(line, Some(11), batch(), "count 1 max_wait 1; 1/1/3; 0/500/2000; late 0; open 0/0");
    let session = || SessionWindow::new(3 * SECOND);
    check(line, None, session(), "gap 1; 3/3/3; 3000/3500/4500; late 0; open 1/1");
    check(line, Some(12), session(), "gap 2; 1/1/3; 3000/3000/4500; late 0; open 0/0");
    // the deadline of 1 s comes before the message of 1 s
    check(line, Some(10), FixedTimeWindow::new(SECOND), "boundary 3; 1/1/2; 500/1000/1000; late 0; open 0/0");
}

#[test]
fn late_messages_are_counted_also_where_they_are_left_open() {
    let line = "10@10 20@20 5@21 6@22 31@31 7@31.5";
    let tumbling = TimeWindow::tumbling(10 * SECOND).event_time(happened());
    check(line, None, tumbling, "late 2 watermark 2; 1/1/1; 1000/1000/11000; late 3; open 2/2");
    let patient = TimeWindow::tumbling(10 * SECOND).event_time(happened().out_of_order(15 * SECOND));
    check(line, None, patient, "watermark 1; 2/2/2; 9000/9000/10000; late 1; open 4/4");
    assert_eq!(of(line, None, &TimeWindow::tumbling(10 * SECOND).event_time(happened())).late_share, 0.5);
}

#[test]
fn nothing_in_nothing_out() {
    check("", None, CountWindow::new(2), "; -; -; late 0; open 0/0");
    check("", Some(100), FixedTimeWindow::new(SECOND), "; -; -; late 0; open 0/0");
    check("| |", Some(100), SessionWindow::new(SECOND), "; -; -; late 0; open 0/0");
}

#[test]
fn a_buffer_is_emptied_where_it_is_full() {
    let words: Vec<String> = (0..100).map(|number| format!("word{number}@{number}")).collect();
    let chunks = chunks(&words.join(" "));
    let found = simulate(&CountWindow::new(1_000), &chunks, None, 10 * chunks[0].pinned_bytes());
    assert!(found.reasons["buffer_full"] > 5 && found.messages + found.left_open.messages == 100, "{found:?}");
    assert!((5..20).contains(&found.largest_buffer), "{found:?}");
    let unlimited = simulate(&CountWindow::new(1_000), &chunks, None, usize::MAX);
    assert_eq!((unlimited.windows, unlimited.largest_buffer, unlimited.left_open.messages), (0, 100, 100));
}

#[test]
fn a_report_is_a_table() {
    let line = "10@10 20@20 5@21 6@22 31@31 7@31.5";
    let log = chunks(line);
    let mut extent = Extent::default();
    log.iter().for_each(|chunk| extent.saw(chunk));
    let named = |name: &str, report| StrategyReport { name: name.to_owned(), ..report };
    let strategies = vec![
        named("by event time", of(line, None, &TimeWindow::tumbling(10 * SECOND).event_time(happened()))),
        named("pairs", of(line, None, &CountWindow::new(2))),
        named("too many", of(line, None, &CountWindow::new(2_000))),
    ];
    let text = WhatIfReport::new(&extent, strategies).to_string();
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    assert!(head.starts_with("6 messages, ") && head.ends_with(", over 21.5 s"), "{text}");
    let rows: Vec<&str> = lines.skip(1).collect();
    let width = rows.iter().map(|row| row.chars().count()).max();
    assert!(rows.iter().all(|row| Some(row.chars().count()) == width), "{text}");
    for cells in [
        ["windows", "4", "3", "0"],
        ["  by late", "2", "-", "-"],
        ["wait of a message, mean", "5.8 s", "1.9 s", "-"],
        ["late", "3 = 50.0 %", "0", "0"],
        ["  messages in them", "2", "0", "6"],
    ] {
        let of = |row: &&str| {
            cells.iter().map(|cell| cell.trim()).eq(row.split("   ").map(str::trim).filter(|c| !c.is_empty()))
        };
        assert!(rows.iter().any(of), "{cells:?} in\n{text}");
    }
}

proptest! {
    /// Every message is counted once, and the spreads are those of the numbers themselves.
    #[test]
    fn the_counts_add_up(pauses in prop::collection::vec(0_u32..4_000, 0..200), size in 1_usize..20, wait in 1_u64..5_000) {
        let mut seconds = 0.0;
        let words = pauses.iter().map(|pause| {
            seconds += f64::from(*pause) / 1_000.0;
            format!("m@{seconds:.3}")
        });
        let chunks = chunks(&words.collect::<Vec<_>>().join(" "));
        let strategy = BatchWindow::new().size(size).max_wait(Duration::from_millis(wait));
        let found = simulate(&strategy, &chunks, None, usize::MAX);
        let messages = pauses.len() as u64;
        prop_assert_eq!(found.messages + found.left_open.messages, messages);
        prop_assert_eq!(found.reasons.values().sum::<u64>(), found.windows);
        if let (Some(sizes), Some(waits)) = (found.size, found.wait_millis) {
            prop_assert!(sizes.min >= 1 && sizes.max <= size as u64 && waits.max <= wait, "{:?}", found);
            prop_assert!((sizes.mean * found.windows as f64 - found.messages as f64).abs() < 1e-6);
        }
        // the last window waits at most so long after its first message
        let ended = simulate(&strategy, &chunks, Some(1_000_000), usize::MAX);
        prop_assert_eq!((ended.messages, ended.left_open), (messages, LeftOpen::default()));
    }
}
