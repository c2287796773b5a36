//! Strategies by key.

use minibatch_core::{Strategy, Timestamp, storage::Position};
use minibatch_emitters::{
    BatchWindow, ByKey, CountWindow, EventTime, FixedTimeWindow, RelaxedTimeWindow, SessionWindow, StrategyExt,
    TimeWindow,
};
use minibatch_testkit::{
    emitter::{Suite, check},
    log,
};

use crate::tools::{SEC, bad_durations, check_fingerprint, check_refused, keyed_chunk};

/// `a` and `A` have the key a; what is no text has none.
fn by_letter(strategy: impl Strategy) -> ByKey {
    strategy.by_key().key(|text: &String| text.to_lowercase())
}

/// Numbers have one of three keys, or none.
fn by_number(strategy: impl Strategy) -> ByKey {
    strategy.by_key().key_of(|message| {
        let number: u32 = message.decode().ok()?;
        (!number.is_multiple_of(4)).then(|| (number % 4).to_string())
    })
}

/// Messages that are numbers happened at so many seconds.
fn told() -> EventTime {
    EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000))
}

#[test]
fn each_key_has_its_own_windows() {
    check(by_letter(CountWindow::new(2)), "a b A | B a c A", &["aA count", "bB count", "aA count"]);
    check(by_letter(BatchWindow::new().size(2).max_wait(SEC)), "a@0 b@0.5 A@0.9 @9", &["aA count", "b max_wait@1.5"]);
}

#[test]
fn and_its_own_timers() {
    check(by_letter(RelaxedTimeWindow::new(2 * SEC)), "a@0 b@1 A@2 @9", &["a @2", "b @3", "A @4"]);
    check(by_letter(SessionWindow::new(2 * SEC)), "a@0 b@1 A@1.5 b@2.9 @9", &["aA gap@3.5", "bb gap@4.9"]);
}

#[test]
fn it_is_as_drawn() {
    let drawn = "a@1 b@2 A@5 a@7 A@12 B@13 @20";
    check(by_letter(CountWindow::new(2)), drawn, &["aA @5", "aA @12", "bB @13"]);
    let relaxed = by_letter(RelaxedTimeWindow::new(5 * SEC));
    check(relaxed, drawn, &["aA @6", "b @7", "a @12", "A @17", "B @18"]);
}

#[test]
fn at_one_instant_they_come_as_their_keys_came() {
    check(by_letter(RelaxedTimeWindow::new(2 * SEC)), "b@0 c a C@1 A @9", &["b @2", "cC @2", "aA @2"]);
    let fixed = by_letter(FixedTimeWindow::new(5 * SEC));
    check(fixed, "b@1 a@2 @5 a@6 b@7 @10", &["b @5", "a @5", "b @10", "a @10"]);
}

#[test]
fn without_a_key_they_are_together() {
    check(by_letter(CountWindow::new(2)), "1 a 2 A", &["1,2", "aA"]);
    check(CountWindow::new(2).by_key(), "a b c", &["ab"]);
}

#[test]
fn a_drain_goes_from_key_to_key() {
    check(by_letter(CountWindow::new(3)), "b a 1 B !drain b", &["1 drain", "a drain", "bB drain"]);
    let sliding = by_letter(CountWindow::sliding(2, 1));
    check(sliding, "b a B !drain a !drain b", &["bB count", "a drain", "a drain", "Bb count"]);
}

#[test]
fn by_event_time_each_has_its_watermark() {
    let times = TimeWindow::tumbling(5 * SEC).event_time(told());
    check(times.clone(), "1@100 23 2 34 @200", &["1 @100", "2 late@100", "23 @100", "34 @111"]);
    let by_digit = times.by_key().key(|number: &u32| number % 10);
    check(by_digit, "1@100 23 2 34 @200", &["34 watermark@111", "23 @112", "2 @113", "1 @114"]);
}

#[test]
fn windows_say_their_key() {
    let chunk = keyed_chunk(1, 0, &[(0, Some("x")), (1, None), (2, Some("y")), (3, Some("x")), (4, None)]);
    let mut driver = CountWindow::new(2).by_key().driver(Position::START).unwrap();
    let mut out = Vec::new();
    driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
    let keys: Vec<_> = out.iter().map(|window| window.key.as_deref()).collect();
    assert_eq!(keys, [Some("x"), None]);
}

#[test]
fn it_says_what_comes_next_and_no_key() {
    let mut driver = by_letter(BatchWindow::new().size(3).max_wait(5 * SEC)).driver(Position::START).unwrap();
    let mut out = Vec::new();
    assert_eq!(driver.explain().to_string(), "a first message");
    let said = [
        "2 more messages of its key or 5 s",
        "2 more messages of its key or 4 s or what another open key waits for",
        "2 more messages of its key or 3 s or what 2 other open keys wait for",
    ];
    for (chunk, said) in log::chunks("secret@1 other@2 third@3").unwrap().into_iter().zip(said) {
        driver.feed(&chunk, 0, 1, &mut out).unwrap();
        assert_eq!(driver.explain().to_string(), said);
    }
}

#[test]
fn only_what_makes_sense_is_built() {
    check_refused(&CountWindow::new(0).by_key());
    for bad in bad_durations() {
        check_refused(&CountWindow::new(1).by_key().forget_after(bad));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    let keyed = CountWindow::new(50).by_key();
    check_fingerprint(&keyed, "by_key/1(count/1(50),forget_after=3600000ms)");
    check_fingerprint(&keyed.clone().never_forget(), "by_key/1(count/1(50),forget_after=never)");
    let told = keyed.key(|number: &u32| *number).forget_after(SEC);
    check_fingerprint(&told, "by_key/1(count/1(50),key,forget_after=1000ms)");
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| by_number(CountWindow::new(2)).build().unwrap()).check();
    Suite::new(|| by_number(CountWindow::sliding(3, 2)).build().unwrap()).may_repeat().check();
    let batch = || BatchWindow::new().size(3).bytes(30).max_wait(2 * SEC).min_size(2);
    Suite::new(move || by_number(batch()).build().unwrap()).check();
    let until = || BatchWindow::new().max_wait(2 * SEC).until_value(|number: &u32| *number > 7);
    Suite::new(move || by_number(until()).build().unwrap()).check();
    // of a key of its own in each key
    let twice = || by_number(CountWindow::new(2)).by_key().key(|number: &u32| number % 2);
    Suite::new(move || twice().build().unwrap()).check();
}

#[test]
fn keeps_the_laws_by_time() {
    Suite::new(|| by_number(RelaxedTimeWindow::new(SEC)).build().unwrap()).check();
    Suite::new(|| by_number(FixedTimeWindow::new(SEC)).build().unwrap()).check();
    let sliding = || TimeWindow::sliding(3 * SEC, SEC);
    Suite::new(move || by_number(sliding()).build().unwrap()).may_repeat().check();
    Suite::new(|| by_number(SessionWindow::new(SEC).max_length(3 * SEC)).build().unwrap()).check();
}

#[test]
fn keeps_the_laws_though_it_forgets() {
    let time = || EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 700)).idle_after(SEC);
    let tumbling = move || by_number(TimeWindow::tumbling(SEC).event_time(time())).forget_after(2 * SEC);
    Suite::new(move || tumbling().build().unwrap()).check();
    let session = move || by_number(SessionWindow::new(SEC).event_time(time())).forget_after(SEC / 10);
    Suite::new(move || session().build().unwrap()).check();
    let fixed = || by_number(FixedTimeWindow::new(SEC).with_empty(true)).forget_after(SEC / 10);
    Suite::new(move || fixed().build().unwrap()).check();
}
