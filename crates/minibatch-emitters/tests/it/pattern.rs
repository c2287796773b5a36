//! Sequences of messages, and what is missing in them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use minibatch_core::{
    ErrorKind, Strategy,
    checkpoint::{Base, DecisionKind},
    chunk::Chunk,
    driver::{Driver, WindowDriver},
    storage::Position,
};
use minibatch_emitters::{AfterMatch, Condition, Pattern, PatternWindow};
use minibatch_testkit::{
    emitter::{Suite, check},
    log,
};
use proptest::prelude::*;

use crate::tools::{SEC, bad_durations, check_fingerprint, check_refused};

/// A message that is one of these letters.
fn any(letters: &'static str) -> Condition<String> {
    Condition::of(move |text: &String| letters.contains(text.as_str()))
}

fn a() -> Pattern<String> {
    Pattern::begin("a", any("a"))
}

fn window(pattern: Pattern<String>) -> PatternWindow<String> {
    PatternWindow::new(pattern)
}

/// The windows of a pattern.
#[track_caller]
fn finds(pattern: Pattern<String>, line: &str, expected: &[&str]) {
    check(window(pattern), line, expected);
}

#[test]
fn steps_follow_one_another() {
    finds(a().then("b", any("b")), "a@1 b@2 a@5 x@7 b@8 b@9", &["ab pattern@2 [1,2.001)", "ab pattern@8 [5,8.001)"]);
    finds(a().next("b", any("b")), "a b a x b a a b", &["ab", "ab"]);
    finds(a().then("b", any("b")).next("c", any("c")), "a x b c  a b x c  a b b c", &["abc"]);
    finds(a(), "x a a y a", &["a", "a", "a"]);
    // one chunk or many
    finds(a().then("b", any("b")), "a | x | b a b", &["ab", "ab"]);
}

/// The drawing of the docs.
#[test]
fn as_drawn() {
    let line = "a@1 b@2 a@5 x@7 b@8 a@12 a@17 b@18";
    finds(a().then("b", any("b")), line, &["ab [1,2.001)", "ab [5,8.001)", "ab [12,18.001)"]);
    finds(a().next("b", any("b")), line, &["ab [1,2.001)", "ab [17,18.001)"]);
    finds(a().without("x", any("x")).then("b", any("b")), line, &["ab [1,2.001)", "ab [12,18.001)"]);
    finds(a().without("b", any("b")).within(4 * SEC), line, &["a pattern@16 [12,16)"]);
}

#[test]
fn what_must_not_come_between() {
    let ship = a().without("x", any("x")).then("b", any("b"));
    finds(ship, "a y b  a x b  a y x y b  a a b", &["ab", "ab"]);
    // it is looked at first
    finds(a().without("x", any("bx")).then("b", any("b")), "a b y b", &[]);
    finds(a().not_next("x", any("x")).then("b", any("b")), "a x b  a y x b  a b", &["ab", "ab"]);
    finds(a().not_next("x", any("x")).without("y", any("y")).then("b", any("b")), "a z x b  a z y b  a x b", &["ab"]);
    // between the last of a repeated step and the next
    finds(a().one_or_more().without("x", any("x")).then("b", any("b")), "a x b a b", &["aab"]);
    // also where what follows is left out
    let perhaps = a().without("x", any("x")).then("b", any("b")).optional().then("c", any("c"));
    finds(perhaps, "a x c  a c  a b x c", &["ac", "abc"]);
}

#[test]
fn how_often() {
    finds(a().times(3), "a x a a a a a a", &["aaa", "aaa"]);
    finds(a().times(3).consecutive(), "a x a a x a a a", &["aaa"]);
    finds(a().one_or_more().then("b", any("b")), "a x a a b b a b", &["aaab", "ab"]);
    finds(a().at_least(3).then("b", any("b")), "a a b a b", &["aaab"]);
    finds(
        a().then("b", any("b")).times_between(2, 3).then("c", any("c")),
        "a b c b c  a b b b b c",
        &["abbc", "abbbc"],
    );
    finds(a().then("b", any("b")).one_or_more().consecutive().next("c", any("c")), "a b b c  a b x b c", &["abbc"]);
    // an open end ends as soon as it may
    finds(a().then("b", any("b")).one_or_more(), "a b b b", &["ab"]);
    // what both steps would take
    finds(a().one_or_more().then("any", any("abc")), "a b a a a c", &["ab", "aa", "ac"]);
    finds(a().then("b", any("ab")).times(2).then("c", any("bc")), "a a b b", &["aabb"]);
}

#[test]
fn what_may_be_left_out() {
    let perhaps = a().then("b", any("b")).optional().then("c", any("c"));
    finds(perhaps, "a b c  a c  a x b x c  a b b c", &["abc", "ac", "abc", "abc"]);
    let directly = a().next("b", any("b")).optional().next("c", any("c"));
    finds(directly, "a b c  a c  a x c  a b x c", &["abc", "ac"]);
    let first = a().optional().then("b", any("b"));
    finds(first, "b  a b  x b", &["b", "ab", "b"]);
    let many = a().then("b", any("b")).one_or_more().optional().then("c", any("c"));
    finds(many, "a c  a b b b c", &["ac", "abbbc"]);
}

#[test]
fn within_some_time() {
    let soon = a().then("b", any("b")).within(5 * SEC);
    finds(soon.clone(), "a@1 b@5.999", &["ab pattern@5.999 [1,6)"]);
    finds(soon.clone(), "a@1 b@6  a@7 x@11 b", &["ab pattern@11"]);
    finds(soon, "a@1 a@3 b@7", &["ab [3,7.001)"]);
}

#[test]
fn absence_is_found_on_an_idle_stream() {
    let unpaid = a().without("b", any("b")).within(5 * SEC);
    finds(unpaid.clone(), "a@1 @5.999", &[]);
    finds(unpaid.clone(), "a@1 @100", &["a pattern@6 [1,6)"]);
    finds(unpaid.clone(), "a@1 x@2 x@3 !punct@6", &["a pattern@6"]);
    finds(unpaid.clone(), "a@1 b@5.999 @100", &[]);
    finds(unpaid.clone(), "a@1 b@6", &["a pattern@6"]);
    finds(unpaid.clone(), "a@1 a@3 x@20 a@21 b@22 @100", &["a pattern@6", "a pattern@8"]);
    // its producer's clock is behind that of the storage, by which the one before was ended
    finds(unpaid, "a@1 @6 a@1 b@1 a@2 b@2", &["a pattern@6", "a pattern@6 [1,6)"]);
    let unconfirmed = a().then("b", any("b")).without("c", any("c")).within(5 * SEC);
    finds(unconfirmed.clone(), "a@1 b@3 @100", &["ab pattern@6 [1,6)"]);
    finds(unconfirmed, "a@1 c@2 b@3 c@4 a@5 @100", &[]);
    let all = a().one_or_more().without("c", any("c")).within(5 * SEC);
    finds(all, "a@1 a@2 x@3 a@4 @9  a@10 a@11 c@12 @100", &["aaa pattern@6"]);
}

#[test]
fn by_default_no_message_is_in_two_matches() {
    let pattern = || window(a().then("b", any("ab")).then("c", any("c")));
    check(pattern(), "a@1 a@2 a@3 c@4 c@5", &["aac @4"]);
    check(pattern().after(AfterMatch::ToNext), "a@1 a@2 a@3 c@4 c@5", &["aac @4", "aac @4"]);
    let absence = || window(a().then("b", any("b")).without("c", any("c")).within(5 * SEC));
    check(absence(), "a@1 a@2 b@3 a@4 b@5 @100", &["ab pattern@6 [1,6)", "ab pattern@9 [4,9)"]);
    let every = ["ab @6 [1,6)", "ab @7 [2,7)", "ab @9 [4,9)"];
    check(absence().after(AfterMatch::ToNext), "a@1 a@2 b@3 a@4 b@5 @100", &every);
    check(window(a().times(2)).after(AfterMatch::ToNext), "a a a a", &["aa", "aa", "aa"]);
}

#[test]
fn what_is_not_complete_in_time_may_be_seen() {
    let pattern = || window(a().then("b", any("b")).then("c", any("c")).within(5 * SEC)).timeouts();
    check(pattern(), "a@1 b@2 @100", &["ab timeout@6 [1,6)"]);
    check(pattern(), "a@1 b@2 c@3 @100", &["abc pattern@3"]);
    check(pattern(), "a@1 a@2 b@3 c@6.5 @100", &["ab timeout@6", "abc pattern@6.5"]);
    let barred = window(a().without("x", any("x")).then("b", any("b")).within(5 * SEC)).timeouts();
    check(barred, "a@1 x@2 a@3 @100", &["a timeout@8"]);
}

#[test]
fn one_pattern_or_another() {
    let b = || any("b");
    let either = || window(a().then("b", b()).then("c", any("c"))).or(a().then("b", b()).next("d", any("d")));
    check(either(), "a b d  a b x d c  a b c", &["abd", "abc", "abc"]);
    let timed = window(a().without("c", any("c")).within(5 * SEC)).or(a().then("d", any("d")).within(9 * SEC));
    check(timed, "a@1 @7  a@8 d@9  a@20 c@21 d@27 a@40 c@41 @100", &["a @6", "ad @9", "ad @27"]);
}

/// What patterns begin with is looked for once.
#[test]
fn shared_conditions_are_asked_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let letter = Condition::of(move |text: &String| {
        counter.fetch_add(1, Ordering::Relaxed);
        text == "a"
    });
    let begin = || Pattern::begin("first", &letter).then("second", &letter);
    let either = window(begin().then("b", any("b"))).or(begin().then("c", any("c")));
    check(either.clone(), "a a x c  a a b", &["aac", "aab"]);
    assert_eq!(asked.load(Ordering::Relaxed), 7);
    let mut driver = Driver::new(either.build().unwrap(), Position::START);
    feed(&mut driver, "a a");
    // for `second` and for both ends of the two
    assert_eq!(driver.emitter().partials(), 3);
}

fn feed(driver: &mut dyn WindowDriver, line: &str) -> usize {
    let mut out = Vec::new();
    for chunk in log::chunks(line).unwrap() {
        driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
    }
    out.len()
}

#[test]
fn messages_of_no_match_are_dropped() {
    let mut driver = Driver::new(window(a().then("b", any("b")).within(SEC)).build().unwrap(), Position::START);
    assert_eq!(feed(&mut driver, "x@1 y a@2 x"), 0);
    assert_eq!((driver.dropped(), driver.buffer().len()), (3, 1));
    driver.decide(DecisionKind::Grant(driver.deadline().unwrap().at), &mut Vec::new()).unwrap();
    assert_eq!((driver.dropped(), driver.buffer().len(), driver.deadline()), (4, 0, None));
    assert!(driver.base().unwrap().state.bytes().is_empty(), "nothing is left to remember");
}

#[test]
fn a_state_of_other_patterns_is_refused() {
    let mut driver = window(a().then("b", any("b"))).driver(Position::START).unwrap();
    feed(&mut *driver, "a b a");
    let mut base = driver.base().unwrap();
    let restored = |pattern: Pattern<String>, base: &Base| {
        let chunks: Vec<Arc<Chunk>> = log::chunks("a b a").unwrap();
        let mut driver = window(pattern).driver(Position::START).unwrap();
        driver.restore(base, &chunks, &mut Vec::new()).map_err(|error| error.kind())
    };
    assert_eq!(restored(a().then("b", any("b")), &base), Ok(()));
    assert_eq!(restored(a(), &base), Err(ErrorKind::Corrupt));
    base.buffered.clear();
    assert_eq!(restored(a().then("b", any("b")), &base), Err(ErrorKind::Corrupt));
}

/// Without a deadline the first of those that wait for the same stands for all.
#[test]
fn state_is_bounded() {
    let starts = vec!["a"; 3_000].join(" ");
    let emitter = |pattern| Driver::new(PatternWindow::build(&pattern).unwrap(), Position::START);
    let mut untimed = emitter(window(a().then("b", any("b"))));
    feed(&mut untimed, &starts);
    assert_eq!((untimed.emitter().partials(), untimed.emitter().given_up(), untimed.buffer().len()), (1, 0, 1));
    let mut timed = emitter(window(a().then("b", any("b")).within(SEC)));
    feed(&mut timed, &starts);
    assert_eq!((timed.emitter().partials(), timed.emitter().given_up()), (1_000, 2_000));
    assert_eq!((timed.buffer().len(), timed.dropped()), (1_000, 2_000));
    // those that began first are given up
    let few = window(a().then("b", any("b"))).after(AfterMatch::ToNext).max_partials(2);
    check(few.clone(), "a@1 a@2 a@3 b@4", &["ab [2,4.001)", "ab [3,4.001)"]);
    let mut few = emitter(few);
    feed(&mut few, "a a a");
    few.decide(DecisionKind::BufferFull, &mut Vec::new()).unwrap();
    assert_eq!((few.emitter().partials(), few.emitter().given_up(), few.buffer().len()), (0, 3, 0));
}

#[test]
fn a_drain_ends_nothing() {
    finds(a().then("b", any("b")), "a !drain b", &["ab pattern"]);
    finds(a().then("b", any("b")), "a !shutdown b", &["ab pattern"]);
    finds(a().then("b", any("b")), "a !full b a b", &["ab pattern"]);
}

#[test]
fn it_says_what_it_waits_for() {
    let pattern = a().then("b", any("b")).without("c", any("c")).within(5 * SEC);
    let check = |line: &str, expected: &str| {
        let mut driver = window(pattern.clone()).driver(Position::START).unwrap();
        feed(&mut *driver, line);
        assert_eq!(driver.explain().to_string(), expected);
    };
    check("x", "a message to begin with: `a`");
    check("a@0 a@1", "step `b` of 2 partial matches until 1970-01-01T00:00:05.000Z");
    check("a b", "no `c` until 1970-01-01T00:00:05.000Z, in 1 partial match");
}

#[test]
fn only_what_makes_sense_is_built() {
    for bad in bad_durations() {
        check_refused(&window(a().within(bad)));
    }
    let b = || a().then("b", any("b"));
    for bad in [
        a().times(0),
        a().times_between(3, 2),
        a().at_least(0),
        a().optional(),
        b().optional(),
        b().without("c", any("c")),
        b().not_next("c", any("c")).within(SEC),
        b().without("c", any("c")).times(2).within(SEC),
        b().then("a", any("c")),
        a().optional().without("c", any("c")).within(SEC),
        (0..64).fold(a(), |pattern, number| pattern.then(number.to_string(), any("b"))),
    ] {
        check_refused(&window(bad.clone()));
        check_refused(&window(a()).or(bad));
    }
    check_refused(&window(a()).max_partials(0));
}

#[test]
fn fingerprints_differ_with_the_windows() {
    let rest = "after=past_last,max_partials=1000)";
    check_fingerprint(&window(a()), &format!("pattern/1(begin \"a\",{rest}"));
    let all = a().not_next("x", any("x")).next("b", any("b")).times_between(2, 4).consecutive().optional();
    let all = all.then("c", any("c")).at_least(2).without("d", any("d")).within(SEC);
    let text = "begin \"a\" not_next \"x\" next \"b\"{2,4}!? then \"c\"{2,} without \"d\" within 1000ms";
    check_fingerprint(&window(all.clone()), &format!("pattern/1({text},{rest}"));
    let two = window(a()).or(all).after(AfterMatch::ToNext).max_partials(7).timeouts();
    let rest = "after=to_next,max_partials=7,timeouts";
    check_fingerprint(&two, &format!("pattern/1(begin \"a\" or {text},{rest})"));
}

/// Numbers from 0 to 9 as few letters.
fn letter(number: u32) -> String {
    ["a", "b", "c", "x"][number as usize % 4].to_owned()
}

#[test]
fn keeps_the_laws() {
    let suite = |pattern: fn() -> PatternWindow<String>| Suite::new(move || pattern().build().unwrap()).values(letter);
    suite(|| window(a().then("b", any("b")).then("c", any("c")))).check();
    suite(|| window(a().one_or_more().then("b", any("b")).optional().next("c", any("c")))).check();
    suite(|| window(a().without("b", any("b")).within(SEC))).check();
    suite(|| window(a().then("b", any("ab")).times_between(1, 3).without("c", any("c")).within(2 * SEC))).check();
    suite(|| window(a().then("b", any("b")).within(2 * SEC)).or(a().next("c", any("c")).within(SEC))).check();
}

#[test]
fn keeps_the_laws_where_matches_overlap() {
    let suite = |pattern: fn() -> PatternWindow<String>| {
        Suite::new(move || pattern().after(AfterMatch::ToNext).build().unwrap()).values(letter).may_repeat()
    };
    suite(|| window(a().then("b", any("ab")).one_or_more().then("c", any("c")))).check();
    suite(|| window(a().then("b", any("b")).then("c", any("c")).within(3 * SEC)).timeouts()).check();
    suite(|| window(a().then("b", any("ab")).without("c", any("c")).within(2 * SEC)).max_partials(2)).check();
}

proptest! {
    /// Looked for once or apart, the same is found.
    #[test]
    fn shared_beginnings_change_nothing(word in "[abcd]{0,40}") {
        let line: Vec<&str> = word.split("").filter(|letter| !letter.is_empty()).collect();
        let line = line.join(" ");
        let shared = [any("a"), any("b")];
        let begin = |[a, b]: &[Condition<String>; 2]| Pattern::begin("a", a).then("b", b).one_or_more();
        let either = |one, other| window(begin(one).then("c", any("c"))).or(begin(other).then("d", any("d")));
        let windows = |strategy: PatternWindow<String>| {
            let mut driver = strategy.driver(Position::START).unwrap();
            (feed(&mut *driver, &line), driver.dropped(), driver.base().unwrap().chain)
        };
        prop_assert_eq!(windows(either(&shared, &shared)), windows(either(&shared, &[any("a"), any("b")])));
    }
}
