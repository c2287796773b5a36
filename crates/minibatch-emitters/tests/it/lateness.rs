//! Windows that come again for what comes after they are over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use minibatch_core::{
    Strategy as WindowStrategy, Timestamp,
    checkpoint::DecisionKind,
    chunk::Chunk,
    driver::WindowDriver,
    storage::Position,
    window::{
        FormedWindow,
        Panes::{self, Accumulating, Discarding},
        Reason,
    },
};
use minibatch_emitters::{CalendarUnit, EventTime, Every, StrategyExt, TimeWindow, Tz};
use minibatch_testkit::emitter::{Suite, check};
use proptest::{collection::vec, prelude::*};

use crate::tools::{SEC, bad_durations, check_fingerprint, check_refused, keyed_chunk};

/// Messages that are numbers happened at so many seconds; texts do not say when.
fn told() -> EventTime {
    EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000))
}

fn five(lateness: u32, panes: Panes) -> TimeWindow {
    TimeWindow::tumbling(5 * SEC).event_time(told()).allowed_lateness(lateness * SEC, panes)
}

#[test]
fn it_is_as_drawn() {
    let log = "1@100 3 6 2 4 11 7 16 1 !drain";
    let windows =
        ["1,3 watermark [0,5)", "1,3,2,4 update [0,5)", "6 watermark", "6,7 update [5,10)", "11", "1 late", "16"];
    check(five(10, Accumulating), log, &windows);
    let windows = ["1,3 watermark [0,5)", "2,4 update [0,5)", "6 watermark", "7 update [5,10)", "11", "1 late", "16"];
    check(five(10, Discarding), log, &windows);
    let windows = ["1,3", "2,4 late", "6", "7 late", "11", "1 late", "16 drain"];
    check(five(0, Accumulating), log, &windows);
}

/// It is stored by its name.
#[test]
fn the_reason_has_a_name() {
    assert_eq!(Reason::named(Reason::Update.name()), Some(Reason::Update));
}

#[test]
fn updates_are_gathered_for_a_second() {
    let windows = ["1 watermark@100", "2,3,4 update@101.5", "4 update@102.6"];
    check(five(10, Discarding), "1@100 6 2@100.5 3@101.4 4@101.499 4@101.6 @110", &windows);
    let again = ["1 @100", "1,2 update@101.5 [0,5)", "11 update@101.5 [10,15)", "20 @115.5"];
    // a window that was over without a message
    check(five(20, Accumulating), "1@100 20 2@100.5 11 @300", &again);
}

#[test]
fn a_thousand_do_not_wait_any_longer() {
    let messages: Vec<(u32, Option<&str>)> =
        [1, 6].into_iter().chain([2; 1_001]).map(|number| (number, None)).collect();
    let (windows, _) = formed(&five(10, Discarding), &[keyed_chunk(1, 100_000, &messages)]);
    let found: Vec<_> = windows.iter().map(|window| (window.reason, window.members.len())).collect();
    assert_eq!(found, [(Reason::Watermark, 1), (Reason::Update, 1_000), (Reason::Update, 1), (Reason::Drain, 1)]);
}

#[test]
fn what_is_beyond_the_lateness_is_late() {
    // 5 s past the end of the first window and not yet
    check(five(5, Discarding), "1@100 9 2 10 3 !drain", &["1", "2 update", "9 watermark", "3 late", "10 drain"]);
    check(five(6, Discarding), "1@100 9 2 10 3 !drain", &["1", "2 update", "9 watermark", "3 update", "10 drain"]);
    check(five(9, Discarding), "1@100 9 a !drain", &["1", "a late", "9 drain"]);
}

#[test]
fn where_windows_slide_it_goes_to_all_of_them() {
    let sliding = TimeWindow::sliding(10 * SEC, 5 * SEC).event_time(told());
    let log = "1@100 6 4 11 3 16 !drain";
    // without, 4 is in the one that is open, and 3 in none
    let windows = ["1 [-5,5)", "1,6,4 [0,10)", "3 late", "6,11 [5,15)", "11,16 [10,20)", "16 drain [15,25)"];
    check(sliding.clone(), log, &windows);
    let windows = [
        "1 watermark [-5,5)",
        "1,4 update [-5,5)",
        "1,6,4 watermark [0,10)",
        "1,4,3 update [-5,5)",
        "1,6,4,3 update [0,10)",
        "6,11 watermark [5,15)",
        "11,16 drain [10,20)",
        "16 drain [15,25)",
    ];
    check(sliding.allowed_lateness(20 * SEC, Accumulating), log, &windows);
}

#[test]
fn by_a_calendar_too() {
    let day = TimeWindow::calendar(CalendarUnit::Day, Tz::UTC).event_time(told());
    let kept = day.allowed_lateness(3_600 * SEC, Accumulating);
    let windows = ["5 watermark", "5,9 update [0,86400)", "7 late", "86401,90001 drain"];
    check(kept, "5@100000 86401 9 @100010 90001 7 !drain", &windows);
}

#[test]
fn a_drain_shows_what_waits_and_keeps_nothing() {
    let windows = ["1 watermark", "1,2 update@100", "6 drain", "3 update@101"];
    check(five(10, Accumulating), "1@100 6 2 !drain 3 @101", &windows);
    let mut driver = five(10, Accumulating).driver(Position::START).unwrap();
    let mut out = Vec::new();
    let chunk = keyed_chunk(1, 100_000, &[(1, None), (6, None), (2, None)]);
    driver.feed(&chunk, 0, 3, &mut out).unwrap();
    assert_eq!((driver.buffer().len(), driver.base().unwrap().waiting()), (3, 2));
    driver.decide(DecisionKind::Drain, &mut out).unwrap();
    let base = driver.base().unwrap();
    assert_eq!((driver.buffer().len(), base.left, base.kept, base.dropped), (0, 3, 0, 0));
}

/// On an idle stream, too: the watermark goes on, and what is kept is let go.
#[test]
fn what_is_kept_goes_when_its_time_is_over() {
    let idle = TimeWindow::tumbling(5 * SEC).event_time(told().idle_after(2 * SEC));
    let mut driver = idle.allowed_lateness(7 * SEC, Discarding).driver(Position::START).unwrap();
    let mut out = Vec::new();
    driver.feed(&keyed_chunk(1, 100_000, &[(1, None), (2, None)]), 0, 2, &mut out).unwrap();
    let mut seen = Vec::new();
    while let Some(deadline) = driver.deadline().map(|deadline| deadline.at) {
        driver.decide(DecisionKind::Grant(deadline), &mut out).unwrap();
        let base = driver.base().unwrap();
        seen.push((deadline.as_millis(), out.len(), driver.buffer().len(), base.left));
    }
    // the watermark is at 2 s, and goes on from 102 s on
    assert_eq!(seen, [(105_000, 1, 2, 2), (112_000, 1, 0, 2)]);
}

#[test]
fn each_key_has_its_own() {
    let by_digit = five(10, Accumulating).by_key().key(|number: &u32| number % 2);
    let windows = ["1 watermark", "2,4 drain", "1,3 update", "7 drain"];
    check(by_digit, "1@100 2 7 4 3 !drain", &windows);
}

#[test]
fn it_is_shown_early_and_again_and_refined() {
    let log = "1@100 3 2 6 4 11 !drain";
    let windows = ["1,3 early", "1,3,2 watermark", "6 early", "1,3,2,4 update", "6 watermark", "11 early", "11 drain"];
    check(five(10, Accumulating).early(Every::messages(2), Accumulating), log, &windows);
    let windows = ["1,3 early", "2 watermark", "6 early", "4 update", "_ watermark [5,10)", "11 early", "_ drain"];
    check(five(10, Discarding).early(Every::messages(2), Discarding), log, &windows);
    let sorted = five(10, Accumulating).sorted_by(|number: &i64| *number);
    check(sorted, log, &["1,2,3 watermark", "1,2,3,4 update", "6", "11 drain"]);
}

#[test]
fn only_what_makes_sense_is_built() {
    let five = TimeWindow::tumbling(5 * SEC);
    check_refused(&five.clone().allowed_lateness(SEC, Accumulating));
    check_refused(&five.clone().allowed_lateness(Duration::ZERO, Accumulating));
    for bad in bad_durations().into_iter().filter(|bad| !bad.is_zero()) {
        check_refused(&five.clone().event_time(told()).allowed_lateness(bad, Accumulating));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    let event = "event_time,out_of_order=0ms,idle_after=10000ms,max_ahead=60000ms";
    check_fingerprint(&five(9, Discarding), &format!("time/1(5000ms,{event},allowed_lateness=9000ms,discarding)"));
    check_fingerprint(&five(0, Discarding), &format!("time/1(5000ms,{event})"));
}

fn slack() -> EventTime {
    let time = EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 700)).idle_after(2 * SEC);
    time.max_ahead(4 * SEC)
}

#[test]
fn keeps_the_laws() {
    let tumbling = || TimeWindow::tumbling(SEC).event_time(slack()).allowed_lateness(2 * SEC, Accumulating);
    Suite::new(move || tumbling().build().unwrap()).may_repeat().check();
    let sliding = || TimeWindow::sliding(3 * SEC, SEC).event_time(slack().out_of_order(SEC));
    let sliding = move || sliding().allowed_lateness(2 * SEC, Discarding);
    Suite::new(move || sliding().build().unwrap()).may_repeat().check();
}

#[test]
fn keeps_the_laws_by_key_and_shown_early() {
    let tumbling = || TimeWindow::tumbling(SEC).event_time(slack()).allowed_lateness(2 * SEC, Discarding);
    let by_number = move || tumbling().by_key().key(|number: &u32| number % 2);
    Suite::new(move || by_number().build().unwrap()).may_repeat().check();
    let early = move || tumbling().early(Every::messages(2), Discarding);
    Suite::new(move || early().build().unwrap()).may_repeat().check();
}

/// The windows of a log and a drain, and whether all was counted once.
fn formed(strategy: &dyn WindowStrategy, chunks: &[Arc<Chunk>]) -> (Vec<FormedWindow>, bool) {
    let mut driver = strategy.driver(Position::START).unwrap();
    let (mut windows, mut offered, mut is_counted) = (Vec::new(), 0, true);
    let mut count = |driver: &dyn WindowDriver, offered: u64| {
        let base = driver.base().unwrap();
        is_counted &= base.left + base.dropped + base.waiting() == offered;
    };
    for chunk in chunks {
        for index in 0..chunk.len() {
            driver.feed(chunk, index, index + 1, &mut windows).unwrap();
            offered += 1;
            count(&*driver, offered);
        }
    }
    driver.decide(DecisionKind::Drain, &mut windows).unwrap();
    count(&*driver, offered);
    is_counted &= driver.buffer().is_empty() && windows.iter().map(|window| window.leaving).sum::<u64>() == offered;
    (windows, is_counted)
}

fn numbers(window: &FormedWindow) -> Vec<usize> {
    window.members.iter().map(|message| message.offset().index() as usize).collect()
}

proptest! {
    /// Against the definition, told another way: every message looked at for every window.
    #[test]
    fn a_message_is_in_every_window_that_is_open_or_kept(
        events in vec(0i64..60, 1..60),
        (size, step) in (1i64..20).prop_flat_map(|size| (Just(size), 1..=size)),
        (out_of_order, lateness) in (0i64..20, 0i64..30),
    ) {
        let mut expected: BTreeMap<(i64, i64), Vec<usize>> = BTreeMap::new();
        let mut late = Vec::new();
        for (number, event) in events.iter().enumerate() {
            let watermark = events[..number].iter().map(|before| before - out_of_order).max();
            let starts = (-40..70).map(|k| k * step).filter(|start| (*start..start + size).contains(event));
            let kept = |start: &i64| watermark.is_none_or(|watermark| start + size + lateness > watermark);
            let taken: Vec<i64> = starts.filter(kept).collect();
            if taken.is_empty() {
                late.push(number);
            }
            for start in taken {
                expected.entry((start, start + size)).or_default().push(number);
            }
        }
        let millis = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        let time = EventTime::of(|millis: &i64| Timestamp::from_millis(*millis)).out_of_order(millis(out_of_order));
        let messages: Vec<_> = events.iter().map(|event| (u32::try_from(*event).unwrap(), None)).collect();
        for panes in [Accumulating, Discarding] {
            let strategy = TimeWindow::sliding(millis(size), millis(step)).event_time(time.clone());
            let strategy = strategy.allowed_lateness(millis(lateness), panes);
            let (windows, is_counted) = formed(&strategy, &[keyed_chunk(1, 1_000, &messages)]);
            prop_assert!(is_counted);
            let mut found: BTreeMap<(i64, i64), Vec<usize>> = BTreeMap::new();
            let mut found_late = Vec::new();
            for window in &windows {
                if window.reason == Reason::Late {
                    found_late.extend(numbers(window));
                    continue;
                }
                let before = found.entry((window.bounds.start.as_millis(), window.bounds.end.as_millis())).or_default();
                prop_assert!(window.reason == Reason::Update || before.is_empty(), "a window closes once, and first");
                let members = numbers(window);
                match panes {
                    Accumulating => {
                        prop_assert!(members.starts_with(before) && members.len() > before.len());
                        *before = members;
                    }
                    Discarding => before.extend(members),
                }
            }
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(&found_late, &late);
        }
    }
}
