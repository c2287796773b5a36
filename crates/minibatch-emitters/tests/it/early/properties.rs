//! What is shown early, against the strategy run alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use minibatch_core::{
    Offset, Strategy as WindowStrategy, Timestamp,
    checkpoint::DecisionKind,
    chunk::Chunk,
    storage::Position,
    window::{Bounds, FormedWindow, Reason},
};
use minibatch_emitters::{
    BatchWindow, CountWindow, EventTime, Every, FixedTimeWindow, Panes, RelaxedTimeWindow, SessionWindow, StrategyExt,
    TimeWindow,
};
use proptest::{collection::vec, prelude::*};

use crate::tools::{SEC, keyed_chunk};

/// A log: of each chunk the milliseconds since the one before, and numbers.
type Log = Vec<(i64, Vec<u32>)>;

fn logs() -> impl Strategy<Value = Log> {
    vec((prop_oneof![0i64..700, 0i64..4_000], vec(0u32..40, 1..6)), 0..14)
}

fn every() -> impl Strategy<Value = Every> {
    prop_oneof![(1usize..6).prop_map(Every::messages), (1u32..30).prop_map(|tenths| Every::time(SEC / 10 * tenths))]
}

fn chunks(log: &Log) -> Vec<Arc<Chunk>> {
    let mut now = 0;
    let chunk = |(slot, (pause, numbers)): (u64, &(i64, Vec<u32>))| {
        now += pause;
        let messages: Vec<_> = numbers.iter().map(|number| (*number, None)).collect();
        keyed_chunk(slot, now, &messages)
    };
    (1..).zip(log).map(chunk).collect()
}

/// The windows of a log and a drain; whether every message left once.
fn formed(strategy: &dyn WindowStrategy, chunks: &[Arc<Chunk>], drain: bool) -> Vec<FormedWindow> {
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut windows = Vec::new();
    for chunk in chunks {
        driver.feed(chunk, 0, chunk.len(), &mut windows).unwrap();
    }
    if drain {
        driver.decide(DecisionKind::Drain, &mut windows).unwrap();
    }
    let left: u64 = windows.iter().map(|window| window.leaving).sum();
    let offered: u64 = chunks.iter().map(|chunk| u64::from(chunk.len())).sum();
    assert_eq!(left + driver.dropped() + driver.buffer().len() as u64, offered);
    windows
}

fn members(window: &FormedWindow) -> Vec<Offset> {
    window.members.iter().map(|message| message.offset()).collect()
}

fn event_time() -> EventTime {
    EventTime::of(|tenths: &i64| Timestamp::from_millis(*tenths * 100)).out_of_order(SEC / 2)
}

/// Strategies whose windows keep their bounds while they are open.
fn fixed() -> [Arc<dyn WindowStrategy>; 5] {
    [
        Arc::new(FixedTimeWindow::new(SEC)),
        Arc::new(TimeWindow::tumbling(SEC)),
        Arc::new(TimeWindow::sliding(2 * SEC, SEC)),
        Arc::new(TimeWindow::tumbling(SEC).event_time(event_time())),
        Arc::new(TimeWindow::sliding(SEC, SEC / 4).event_time(event_time())),
    ]
}

/// Strategies of which a message is in one window.
fn apart() -> [Arc<dyn WindowStrategy>; 6] {
    [
        Arc::new(CountWindow::new(5)),
        Arc::new(BatchWindow::new().size(7).bytes(100).max_wait(SEC)),
        Arc::new(RelaxedTimeWindow::new(SEC)),
        Arc::new(TimeWindow::tumbling(SEC).event_time(event_time())),
        Arc::new(SessionWindow::new(SEC / 4).event_time(event_time())),
        Arc::new(SessionWindow::new(SEC / 4).max_length(SEC / 2).event_time(event_time())),
    ]
}

/// All of a window but its members and what is counted with it.
fn rest(window: &FormedWindow) -> (Bounds, Option<String>, Reason, Offset, u64) {
    (window.bounds, window.key.clone(), window.reason, window.next, window.leaving)
}

/// Fewer logs than else, as each is that of several strategies.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.div_ceil(2), ..config }
}

proptest! {
    #![proptest_config(config())]

    /// Panes of a window are known by its bounds: accumulating each is a prefix of the next, discarding they make it up.
    #[test]
    fn the_panes_of_a_window_are_the_window(log in logs(), every in every()) {
        let chunks = chunks(&log);
        for strategy in fixed() {
            let plain = formed(&strategy, &chunks, true);
            for panes in [Panes::Accumulating, Panes::Discarding] {
                let shown = formed(&Arc::clone(&strategy).early(every, panes), &chunks, true);
                let last: Vec<_> = shown.iter().filter(|window| window.reason != Reason::Early).collect();
                prop_assert_eq!(last.iter().map(|window| rest(window)).collect::<Vec<_>>(), plain.iter().map(rest).collect::<Vec<_>>());
                let mut so_far: BTreeMap<(Timestamp, Timestamp), Vec<Offset>> = BTreeMap::new();
                let mut plain = plain.iter();
                for window in &shown {
                    let (found, bounds) = (members(window), (window.bounds.start, window.bounds.end));
                    if window.reason == Reason::Late {
                        prop_assert_eq!(found, members(plain.next().unwrap()));
                        continue;
                    }
                    let before = so_far.entry(bounds).or_default();
                    let is_last = window.reason != Reason::Early;
                    match panes {
                        Panes::Accumulating => {
                            prop_assert!(found.starts_with(before));
                            prop_assert!(is_last || found.len() > before.len(), "a firing has news");
                            *before = found;
                        }
                        Panes::Discarding => {
                            prop_assert!(is_last || !found.is_empty(), "a firing has news");
                            before.extend(found);
                        }
                    }
                    if is_last {
                        prop_assert_eq!(so_far.remove(&bounds), plain.next().map(members));
                    }
                }
            }
        }
    }

    /// Whatever the windows are, each message is shown once where panes discard, and by the end of its window.
    #[test]
    fn every_message_is_shown_once_where_panes_discard(log in logs(), every in every(), drain: bool) {
        let chunks = chunks(&log);
        for strategy in apart() {
            let plain = formed(&strategy, &chunks, drain);
            let shown = formed(&strategy.early(every, Panes::Discarding), &chunks, drain);
            let mut seen = BTreeSet::new();
            let mut plain = plain.iter();
            for window in &shown {
                for offset in members(window) {
                    prop_assert!(seen.insert(offset), "{offset:?} is shown twice");
                }
                if window.reason != Reason::Early {
                    let whole = plain.next().unwrap();
                    prop_assert_eq!(rest(window), rest(whole));
                    prop_assert!(members(whole).iter().all(|offset| seen.contains(offset)));
                }
            }
            prop_assert!(plain.next().is_none());
        }
    }

    /// A firing by count shows what was not shown by then of all that was kept: as a list of messages.
    #[test]
    fn firings_are_every_so_many_messages(log in logs(), n in 1usize..6) {
        let chunks = chunks(&log);
        let all: Vec<Offset> = chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|index| chunk.offset(index))).collect();
        let expected: Vec<Vec<Offset>> = all.chunks_exact(n).map(<[Offset]>::to_vec).collect();
        let strategy = CountWindow::new(1_000).early(Every::messages(n), Panes::Discarding);
        prop_assert_eq!(formed(&strategy, &chunks, false).iter().map(members).collect::<Vec<_>>(), expected);
    }
}
