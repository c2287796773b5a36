//! Values in place of messages: the same windows as without, and the value is that of their messages.

use std::collections::BTreeSet;

use minibatch_core::{
    Aggregation, Offset, Strategy as WindowStrategy, Timestamp, WindowEmitter,
    checkpoint::DecisionKind,
    storage::Position,
    window::{Bounds, Reason},
};
use minibatch_emitters::{
    Aggregate, Aggregated, CalendarUnit, Distinct, EventTime, Every, Panes, Quantiles, SessionWindow, StrategyExt,
    TimeWindow, Top, Tz,
};
use minibatch_testkit::{
    emitter::{Suite, check},
    log,
};
use proptest::{collection::vec, prelude::*};

use crate::tools::{SEC, bad_durations, check_fingerprint, check_refused};

/// All letters as one word.
fn word() -> Aggregate<String, String> {
    Aggregate::new(String::new, |word: &mut String, letter: &String| *word += letter, |word, more| *word += &more)
        .named("word")
}

/// All numbers as a list.
fn numbers() -> Aggregate<i64, Vec<i64>> {
    Aggregate::new(Vec::new, |list: &mut Vec<i64>, number: &i64| list.push(*number), Extend::extend)
}

fn told() -> EventTime {
    EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000)).out_of_order(2 * SEC)
}

fn emitter<T: 'static, A: 'static>(aggregated: &Aggregated<T, A>) -> Box<dyn WindowEmitter> {
    aggregated.clone().into_strategy().emitter().unwrap()
}

#[test]
fn a_window_is_one_value() {
    let five = TimeWindow::tumbling(5 * SEC).aggregate(word()).into_strategy();
    check(five, "a@1 b@2 c@5 | d@7 @10", &["ab boundary@5 [0,5)", "cd boundary@10 [5,10)"]);
    let sliding = TimeWindow::sliding(10 * SEC, 5 * SEC).aggregate(word()).into_strategy();
    let line = "a@1 b@6 c@12 @30";
    check(sliding, line, &["a @5 [-5,5)", "ab @10 [0,10)", "bc @15 [5,15)", "c @20 [10,20)"]);
    let day = TimeWindow::calendar(CalendarUnit::Day, Tz::UTC).aggregate(word()).into_strategy();
    check(day, "a@1 b@86399 c@86400", &["ab boundary@86400 [0,86400)"]);
    let session = SessionWindow::new(5 * SEC).aggregate(word()).into_strategy();
    check(session, "a@1 b@5 c@11 !drain", &["ab gap@10 [1,10)", "c drain [11,16)"]);
}

#[test]
fn sessions_that_join_are_one_value() {
    let sum = Aggregate::new(|| 0, |sum: &mut i64, number: &i64| *sum += number, |sum, more| *sum += more);
    let session = SessionWindow::new(5 * SEC).event_time(told().out_of_order(60 * SEC)).aggregate(sum);
    check(session.into_strategy(), "10@100 18 14 100 !drain", &["42 gap [10,23)", "100 drain"]);
}

#[test]
fn what_cannot_be_folded_comes_behind_the_value() {
    let five = || TimeWindow::tumbling(5 * SEC).aggregate(word()).into_strategy();
    check(five(), "a@1 7 b 8@2 c@5 9@5 10@10 @15", &["ab,7,8 boundary@5", "c,9 boundary@10", "10 boundary@15"]);
}

#[test]
fn late_messages_are_messages() {
    let five =
        TimeWindow::tumbling(5 * SEC).event_time(told().out_of_order(SEC)).aggregate(Aggregate::<i64, _>::count());
    check(five.into_strategy(), "1@100 2 7 3 !drain", &["2 watermark [0,5)", "3 late", "1 drain [5,10)"]);
}

/// A value is kept as long as its window, and what comes late is folded in.
#[test]
fn a_value_comes_again_with_what_came_late() {
    let sum = || Aggregate::new(|| 0, |sum: &mut i64, number: &i64| *sum += number, |sum, more| *sum += more);
    let five = |panes| {
        let five = TimeWindow::tumbling(5 * SEC).event_time(told().out_of_order(SEC));
        five.allowed_lateness(10 * SEC, panes).aggregate(sum()).into_strategy()
    };
    let line = "1@100 3 6 2 4 11 7 16 1 !drain";
    let all = [
        "4 watermark [0,5)",
        "10 update [0,5)",
        "6 watermark",
        "13 update [5,10)",
        "11 watermark",
        "1 late",
        "16 drain",
    ];
    check(five(Panes::Accumulating), line, &all);
    let new =
        ["4 watermark [0,5)", "6 update [0,5)", "6 watermark", "7 update [5,10)", "11 watermark", "1 late", "16 drain"];
    check(five(Panes::Discarding), line, &new);
    // a window that was over without a message
    check(five(Panes::Accumulating), "16@100 7 8 @102 !drain", &["15 update@101 [5,10)", "16 drain"]);
    let sliding = TimeWindow::sliding(5 * SEC, SEC).event_time(told()).allowed_lateness(SEC, Panes::Discarding);
    check_refused(&sliding.aggregate(sum()).into_strategy());
}

#[test]
fn each_key_has_its_value() {
    let words =
        TimeWindow::tumbling(5 * SEC).aggregate(word()).by_key_with(|by_key| by_key.key(|word: &String| word.clone()));
    check(words.into_strategy(), "a@1 b@2 a@3 a@6 @30", &["aa boundary@5", "b boundary@5", "a boundary@10"]);
}

/// Nothing of it is buffered, and it has no deadline; an hour without a message is longer than others are remembered.
#[test]
fn a_key_with_a_value_is_not_forgotten() {
    let sum = Aggregate::new(|| 0, |sum: &mut i64, number: &i64| *sum += number, |sum, more| *sum += more);
    let day = TimeWindow::tumbling(86_400 * SEC).event_time(told().never_idle()).aggregate(sum);
    let parity = day.by_key_with(|by_key| by_key.key(|number: &i64| number % 2)).into_strategy();
    check(parity, "2@1 1@2 4@3 3@20000 6@20000 !drain", &["12 drain [0,86400)", "4 drain"]);
}

#[test]
fn both_of_two() {
    let both = Aggregate::count().and(Aggregate::max(|word: &String| word.clone())).and(Aggregate::min(String::len));
    let strategy = TimeWindow::tumbling(5 * SEC).aggregate(both).into_strategy();
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut out = Vec::new();
    for chunk in log::chunks("bb a ccc@2 a@3").unwrap() {
        driver.feed(&chunk, 0, u32::MAX, &mut out).unwrap();
    }
    driver.decide(DecisionKind::Drain, &mut out).unwrap();
    let value: ((u64, Option<String>), Option<usize>) = out[0].members.first().unwrap().decode().unwrap();
    assert_eq!((value, out[0].messages()), (((4, Some("ccc".to_owned())), Some(1)), 4));
}

#[test]
fn fingerprints_and_parameters() {
    let five = TimeWindow::tumbling(5 * SEC);
    check_fingerprint(&five.aggregate(word()).into_strategy(), "time/1(5000ms,fold=word)");
    let session = SessionWindow::new(SEC).max_length(5 * SEC);
    check_fingerprint(
        &session.clone().aggregate(numbers()).into_strategy(),
        "session/1(1000ms,max_length=5000ms,fold=custom)",
    );
    check_refused(&session.event_time(told()).aggregate(numbers()).into_strategy());
    for bad in bad_durations() {
        check_refused(&TimeWindow::tumbling(bad).aggregate(word()).into_strategy());
    }
}

#[test]
fn time_windows_keep_the_laws() {
    let letters = |seed: u32| format!("{seed}");
    for window in [TimeWindow::tumbling(2 * SEC), TimeWindow::sliding(3 * SEC, SEC)] {
        let aggregated = window.aggregate(word());
        Suite::new(move || emitter(&aggregated)).values(letters).may_repeat().may_discard().check();
    }
}

#[test]
fn event_time_keeps_the_laws() {
    let sliding = TimeWindow::sliding(3 * SEC, SEC).event_time(told()).aggregate(numbers());
    Suite::new(move || emitter(&sliding)).values(i64::from).may_repeat().may_discard().check();
}

#[test]
fn sessions_keep_the_laws() {
    let by_append_time = SessionWindow::new(2 * SEC).max_length(5 * SEC).aggregate(word());
    Suite::new(move || emitter(&by_append_time)).values(|seed| seed.to_string()).may_discard().check();
    let by_event_time = SessionWindow::new(2 * SEC).event_time(told()).aggregate(numbers());
    Suite::new(move || emitter(&by_event_time)).values(i64::from).may_repeat().may_discard().check();
}

#[test]
fn values_by_key_keep_the_laws() {
    let words = TimeWindow::tumbling(2 * SEC).aggregate(numbers());
    let by_key = words.by_key_with(|by_key| by_key.key(|number: &i64| number % 3));
    Suite::new(move || emitter(&by_key)).values(i64::from).may_discard().check();
}

#[test]
fn values_that_come_again_keep_the_laws() {
    for panes in [Panes::Accumulating, Panes::Discarding] {
        let window = TimeWindow::tumbling(SEC).event_time(told()).allowed_lateness(2 * SEC, panes);
        let aggregated = window.clone().aggregate(numbers());
        Suite::new(move || emitter(&aggregated)).values(i64::from).may_repeat().may_discard().check();
        let by_key = window.aggregate(numbers()).by_key_with(|by_key| by_key.key(|number: &i64| number % 3));
        Suite::new(move || emitter(&by_key)).values(i64::from).may_repeat().may_discard().check();
    }
}

/// Half the messages are texts, which are kept.
#[test]
fn what_is_kept_beside_values_keeps_the_laws() {
    for strategy in [TimeWindow::tumbling(2 * SEC), TimeWindow::sliding(3 * SEC, SEC)] {
        let halves = strategy.aggregate(numbers());
        let value = |seed: u32| if seed.is_multiple_of(2) { Ok(i64::from(seed)) } else { Err(seed.to_string()) };
        let untagged = move |seed| value(seed).map_or_else(serde_json::Value::from, serde_json::Value::from);
        Suite::new(move || emitter(&halves)).values(untagged).may_repeat().may_discard().check();
    }
}

/// A window as told of both: reason, bounds, key, the numbers in it, and the places of what is no number.
type Told = (Reason, Bounds, Option<String>, Vec<i64>, BTreeSet<Offset>);

fn windows(strategy: &dyn WindowStrategy, line: &str) -> Vec<Told> {
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut out = Vec::new();
    for chunk in log::chunks(line).unwrap() {
        driver.feed(&chunk, 0, u32::MAX, &mut out).unwrap();
    }
    driver.decide(DecisionKind::Drain, &mut out).unwrap();
    let told = out.into_iter().map(|window| {
        let (mut numbers, mut texts) = (Vec::new(), BTreeSet::new());
        for message in window.members.iter() {
            match (message.is_folded(), message.decode::<String>()) {
                (true, _) => numbers.extend(message.decode::<Vec<i64>>().unwrap()),
                (false, Ok(text)) if text.parse::<i64>().is_ok() => numbers.push(text.parse().unwrap()),
                (false, _) => drop(texts.insert(message.offset())),
            }
        }
        numbers.sort_unstable();
        (window.reason, window.bounds, window.key, numbers, texts)
    });
    told.collect()
}

/// Texts of digits are numbers, others are none.
fn digits() -> Aggregate<Digits, Vec<i64>> {
    Aggregate::new(Vec::new, |list: &mut Vec<i64>, digits: &Digits| list.push(digits.0), Extend::extend)
}

#[derive(serde::Deserialize)]
#[serde(try_from = "String")]
struct Digits(i64);

impl TryFrom<String> for Digits {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

proptest! {
    #[test]
    fn windows_are_those_of_messages(
        messages in vec((0u32..60, 0u32..2_000, 0u8..6), 0..40),
        size in 1u64..12,
        step in 1u64..12,
    ) {
        let mut time = 0;
        let words = messages.iter().map(|(number, pause, kind)| {
            time += pause;
            let word = if *kind == 0 { "text".to_owned() } else { number.to_string() };
            format!("{word}@{}", f64::from(time) / 1_000.0)
        });
        let line = words.collect::<Vec<_>>().join(" ");
        let event_time = EventTime::by(|message| {
            let text: String = message.decode().ok()?;
            Some(Timestamp::from_millis(text.parse::<i64>().unwrap_or_default() * 100))
        });
        let event_time = event_time.out_of_order(SEC);
        let (size, step) = (millis(size * 500), millis(step.min(size) * 500));
        let by_append_time = [TimeWindow::tumbling(size), TimeWindow::sliding(size, step)];
        let [tumbling, sliding] = by_append_time.clone().map(|window| window.event_time(event_time.clone()));
        let again = [Panes::Accumulating, Panes::Discarding].map(|panes| tumbling.clone().allowed_lateness(size, panes));
        for window in by_append_time.into_iter().chain([tumbling, sliding]).chain(again) {
            let aggregated = window.clone().aggregate(digits());
            prop_assert_eq!(windows(&aggregated.clone().into_strategy(), &line), windows(&window, &line));
            let by_key = windows(&aggregated.by_key_with(|by_key| by_key.key(String::len)).into_strategy(), &line);
            prop_assert_eq!(by_key, windows(&window.by_key().key(String::len), &line));
        }
        let session = SessionWindow::new(size);
        let by_event_time = session.clone().event_time(event_time);
        for session in [session.clone(), session.max_length(size * 2), by_event_time] {
            let aggregated = session.clone().aggregate(digits());
            prop_assert_eq!(windows(&aggregated.into_strategy(), &line), windows(&session, &line));
        }
    }

    /// A sketch that was stored half way, or made of two, is the sketch.
    #[test]
    fn sketches_are_what_they_were_after_a_restart(values in vec(0u32..2_000, 0..3_000), at in 0usize..3_000) {
        let (first, second) = values.split_at(at.min(values.len()));
        let (mut top, mut distinct, mut quantiles) = (Top::default(), Distinct::default(), Quantiles::default());
        let mut stored = (top.clone(), distinct.clone(), quantiles.clone());
        let mut merged = stored.clone();
        for (part, restarts) in [(first, true), (second, false)] {
            let mut of_part = (Top::default(), Distinct::default(), Quantiles::default());
            for &value in part {
                for (top, distinct, quantiles) in [
                    (&mut top, &mut distinct, &mut quantiles),
                    (&mut stored.0, &mut stored.1, &mut stored.2),
                    (&mut of_part.0, &mut of_part.1, &mut of_part.2),
                ] {
                    top.add(value % 700);
                    distinct.add(value);
                    quantiles.add(f64::from(value));
                }
            }
            merged.0.merge(&of_part.0);
            merged.1.merge(&of_part.1);
            merged.2.merge(&of_part.2);
            if restarts {
                let bytes = bson::serialize_to_vec(&bson::doc! { "s": bson::serialize_to_bson(&stored).unwrap() }).unwrap();
                let document: bson::Document = bson::deserialize_from_slice(&bytes).unwrap();
                stored = bson::deserialize_from_bson(document.get("s").unwrap().clone()).unwrap();
            }
        }
        let tell = |(top, distinct, quantiles): (&Top, &Distinct, &Quantiles)| {
            (top.first(1_000), distinct.estimate(), [0.0, 0.5, 0.99, 1.0].map(|share| quantiles.at(share)))
        };
        let live = tell((&top, &distinct, &quantiles));
        prop_assert_eq!(&tell((&stored.0, &stored.1, &stored.2)), &live);
        prop_assert_eq!(&tell((&merged.0, &merged.1, &merged.2)), &live);

        // and near the truth
        let different = values.iter().collect::<BTreeSet<_>>().len() as f64;
        prop_assert!((distinct.estimate() as f64 - different).abs() <= 1.0 + 0.08 * different);
        let mut sorted = values.clone();
        sorted.sort_unstable();
        if let (Some(median), Some(&exact)) = (quantiles.at(0.5), sorted.get((values.len().max(1) - 1) / 2)) {
            prop_assert!((median - f64::from(exact)).abs() <= 0.011 * f64::from(exact) + 1e-9, "{} {}", median, exact);
        }
        prop_assert_eq!(top.error(), 0);
        prop_assert_eq!(top.first(1_000).iter().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
    }
}

fn millis(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}

#[test]
fn values_so_far_are_shown_early() {
    let five = || TimeWindow::tumbling(5 * SEC).aggregate(word()).early(Every::messages(2));
    check(
        five().into_strategy(),
        "a@1 b@2 c@5 d@7 e @10",
        &["ab early@2", "ab boundary@5", "cd early@7", "cde boundary@10"],
    );
    let sliding = TimeWindow::sliding(10 * SEC, 5 * SEC).aggregate(word()).early(Every::time(3 * SEC));
    let windows =
        ["a early@4 [-5,5)", "a early@4 [0,10)", "a @5", "ab early@9 [0,10)", "b early@9 [5,15)", "ab @10", "b @15"];
    check(sliding.into_strategy(), "a@1 b@6 @30", &windows);
    let session = SessionWindow::new(5 * SEC).aggregate(word()).early(Every::messages(1));
    check(session.into_strategy(), "a@1 b@3 @30", &["a early@1 [1,6)", "ab early@3 [1,8)", "ab gap@8"]);
    let by_key = five().by_key_with(|by_key| by_key.key(|word: &String| word.clone()));
    check(by_key.into_strategy(), "a@1 b a b @5", &["aa early@1", "bb early@1", "aa boundary", "bb boundary"]);
}

#[test]
fn values_shown_early_keep_the_laws() {
    let window = TimeWindow::sliding(3 * SEC, SEC).event_time(told());
    for every in [Every::messages(2), Every::time(2 * SEC)] {
        let early = window.clone().aggregate(numbers()).early(every);
        Suite::new(move || emitter(&early)).values(i64::from).may_repeat().may_discard().check();
    }
    let by_key = SessionWindow::new(2 * SEC).aggregate(word()).early(Every::messages(2)).by_key();
    Suite::new(move || emitter(&by_key)).values(|seed| seed.to_string()).may_repeat().may_discard().check();
}
