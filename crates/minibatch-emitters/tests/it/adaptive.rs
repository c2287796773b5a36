//! The largest windows that a function gets done in time.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Adaptive, Served, Strategy as _, WindowEmitter,
    checkpoint::{Checkpoint, DecisionKind},
    driver::{LogEntry, WindowFormer},
    storage::Position,
    window::FormedWindow,
};
use minibatch_emitters::{AdaptiveWindow, Every, Panes, StrategyExt};
use minibatch_testkit::emitter::{Suite, check};
use proptest::{collection::vec, prelude::*, strategy::Strategy};

use crate::tools::{SEC, bad_durations, check_fingerprint, check_refused, keyed_chunk};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn it_begins_small_and_a_window_fills_for_half_the_time() {
    let strategy = || AdaptiveWindow::new(2 * SEC).sizes(3..=300);
    check(strategy(), "a@1 b c d e@1.5 @3", &["abc count@1", "de max_wait@2"]);
    let mut driver = strategy().driver(Position::START).unwrap();
    assert_eq!(driver.explain().to_string(), "3 more messages or a first message and 1000ms");
    driver.feed(&keyed_chunk(1, 0, &[(1, None)]), 0, 1, &mut Vec::new()).unwrap();
    assert_eq!(driver.explain().to_string(), "2 more messages or 1 s");
}

#[test]
fn it_grows_by_steps_and_halves_at_once() {
    let mut emitter = AdaptiveWindow::new(2 * SEC).sizes(10..=510).build().unwrap();
    let mut serve = |messages, took| {
        let size = emitter.adapt(Served::new(messages, millis(took)));
        size.into_iter().for_each(|size| emitter.resize(size));
        emitter.size()
    };
    assert_eq!(serve(10, 100), 15, "a hundredth of the way");
    assert_eq!(serve(10, 100), 15, "one that was formed before says nothing of the new size");
    assert_eq!(serve(15, 751), 15, "near the limit");
    assert_eq!(serve(15, 1_000), 15, "at the limit");
    assert_eq!(serve(15, 1_001), 10, "above it: half, but no less than the smallest");
    let mut size = 10;
    for _ in 0..200 {
        size = serve(size as u64, 1);
    }
    assert_eq!(size, 510, "and no more than the largest");
    assert_eq!(serve(510, 5_000), 255);
    assert_eq!(serve(510, 5_000), 255, "one that was under way is no reason to halve again");
    assert_eq!(serve(200, 5_000), 100);
}

#[test]
fn others_around_it_pass_it_on() {
    let strategy = AdaptiveWindow::new(2 * SEC).sizes(1..=201).sorted_by(|number: &u32| *number);
    let mut emitter = strategy.early(Every::messages(1), Panes::Discarding).emitter().unwrap();
    let adaptive = emitter.adaptive().unwrap();
    assert_eq!(adaptive.adapt(Served::new(1, millis(1))), Some(3));
    adaptive.resize(3);
    assert_eq!(adaptive.adapt(Served::new(3, millis(1))), Some(5));
}

#[test]
fn fingerprints_and_parameters() {
    check_fingerprint(&AdaptiveWindow::new(SEC), "adaptive/1(1000ms,1..=10000)");
    for (smallest, largest) in [(0, 5), (6, 5)] {
        check_refused(&AdaptiveWindow::new(SEC).sizes(smallest..=largest));
    }
    bad_durations().into_iter().chain([millis(1), millis(3)]).for_each(|bad| check_refused(&AdaptiveWindow::new(bad)));
}

#[test]
fn it_keeps_the_laws() {
    Suite::new(|| AdaptiveWindow::new(4 * SEC).sizes(3..=5).build().unwrap()).check();
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many messages come.
    Come(u8),
    /// The function took so many milliseconds for so many messages.
    Served(u8, u16),
    /// The next part of what came is fed.
    Fed,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (1u8..40).prop_map(Event::Come),
        (1u8..40, 0u16..2_000).prop_map(|(n, took)| Event::Served(n, took)),
        Just(Event::Fed),
    ];
    vec(event, 0..90)
}

fn former(checkpoint: Checkpoint, entries: &[LogEntry], out: &mut Vec<FormedWindow>) -> WindowFormer {
    let driver = AdaptiveWindow::new(2 * SEC).sizes(1..=30).driver(Position::START).unwrap();
    let slots: Vec<_> = WindowFormer::slots_needed(&checkpoint).map(|(slot, _)| slot).collect();
    let chunks = entries.iter().filter_map(|entry| match entry {
        LogEntry::Messages(chunk) if slots.contains(&chunk.slot()) => Some(Arc::clone(chunk)),
        _ => None,
    });
    WindowFormer::new(driver, checkpoint, &chunks.collect::<Vec<_>>(), out).unwrap()
}

proptest! {
    /// Whatever was measured: read again from any checkpoint, the log gives the same windows.
    #[test]
    fn what_was_decided_is_decided_again(events in events(), stored in 0usize..90) {
        let (mut out, mut entries, mut fed) = (Vec::new(), Vec::new(), 0);
        let mut live = former(Checkpoint::start(Position::START), &[], &mut out);
        let mut checkpoint = Checkpoint::start(Position::START);
        for (number, event) in events.iter().enumerate() {
            match *event {
                Event::Come(messages) => {
                    let messages: Vec<_> = (0..u32::from(messages)).map(|message| (message, None)).collect();
                    entries.push(LogEntry::Messages(keyed_chunk(entries.len() as u64 + 1, 0, &messages)));
                }
                Event::Fed => if let Some(entry) = entries.get(fed) {
                    fed += usize::from(live.feed_part(entry, &mut out).unwrap());
                }
                Event::Served(messages, took) => {
                    if let Some(size) = live.adapt(Served::new(messages.into(), millis(took.into()))) {
                        live.decide(DecisionKind::Resize(size), &mut out).unwrap();
                    }
                }
            }
            // nothing is settled, so all windows are formed again from the beginning
            if number <= stored {
                checkpoint = live.checkpoint().unwrap();
            }
        }
        entries[fed..].iter().for_each(|entry| live.feed(entry, &mut out).unwrap());
        let mut again = Vec::new();
        let decided = live.checkpoint().unwrap().decisions;
        let mut heir = former(Checkpoint { decisions: decided, ..checkpoint }, &entries, &mut again);
        for entry in &entries {
            heir.feed(entry, &mut again).unwrap();
        }
        let tell = |windows: &[FormedWindow]| -> Vec<_> {
            windows.iter().map(|window| (window.ordinal, window.members.len(), window.chain)).collect()
        };
        prop_assert_eq!(tell(&again), tell(&out));
    }
}
