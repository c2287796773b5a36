//! What each makes of a log.

use minibatch_core::{
    Buffer, Observed, Offset, Readiness, Strategy, Timestamp, WindowEmitter,
    checkpoint::DecisionKind,
    storage::Position,
    window::{FormedWindow, Reason, Selection},
};
use minibatch_emitters::{
    BatchWindow, ByKey, Condition, CountWindow, Every, FixedTimeWindow, Keep,
    Panes::{Accumulating, Discarding},
    Pattern, PatternWindow, RelaxedTimeWindow, SessionWindow, StrategyExt, TimeWindow,
};
use minibatch_testkit::{emitter::check, log};

use super::told;
use crate::tools::{SEC, bad_durations, check_fingerprint, check_refused, keyed_chunk};

const TWO: Every = Every::messages(2);

/// `a` and `A` have the key a.
fn by_letter(strategy: impl Strategy) -> ByKey {
    strategy.by_key().key(|text: &String| text.to_lowercase())
}

#[test]
fn it_is_as_drawn() {
    let (log, ten) = ("a@1 b@2 c@5 d@7 e@12 f@13", TimeWindow::tumbling(10 * SEC));
    let windows = ["ab early@2 [0,10)", "abcd early@7 [0,10)", "abcd boundary@10 [0,10)", "ef early@13 [10,20)"];
    check(ten.clone().early(TWO, Accumulating), log, &windows);
    let windows = ["ab early@2 [0,10)", "cd early@7 [0,10)", "_ boundary@10 [0,10)", "ef early@13 [10,20)"];
    check(ten.clone().early(TWO, Discarding), log, &windows);
    let three = Every::time(3 * SEC);
    let windows = ["ab early@4", "cd early@8", "_ boundary@10 [0,10)", "ef early@15", "_ @20"];
    check(ten.early(three, Discarding), "a@1 b@2 c@5 d@7 e@12 f@13 @30", &windows);
}

#[test]
fn the_last_one_shows_all_or_the_rest() {
    check(CountWindow::new(5).early(TWO, Accumulating), "a b | c d e", &["ab early", "abcd early", "abcde count"]);
    check(CountWindow::new(5).early(TWO, Discarding), "a b | c d e", &["ab early", "cd early", "e count"]);
    // where both come together it is over
    check(CountWindow::new(4).early(TWO, Accumulating), "a b c d e f", &["ab early", "abcd count", "ef early"]);
    check(CountWindow::new(4).early(TWO, Discarding), "a b c d e f", &["ab early", "cd count", "ef early"]);
    check(CountWindow::new(2).early(Every::messages(3), Discarding), "a b c d", &["ab count", "cd count"]);
    let batch = BatchWindow::new().max_wait(5 * SEC);
    check(batch.early(TWO, Discarding), "a@1 b@2 c@3 @9", &["ab early@2 [1,2.001)", "c max_wait@6 [1,3.001)"]);
}

#[test]
fn a_firing_waits_for_its_time_and_for_messages() {
    let ten = RelaxedTimeWindow::new(10 * SEC).early(Every::time(2 * SEC), Discarding);
    // a message of that very time is in none of it
    check(ten.clone(), "a@1 b@2.999 c@3 @10", &["ab early@3", "c early@5"]);
    check(ten.clone(), "a@1 @1000", &["a early@3", "_ max_wait@11"]);
    check(ten, "a@1 !punct@3 b@4 !punct@12", &["a early@3", "b early@6", "_ max_wait@11"]);
    // it begins anew with what opens a window
    let five = FixedTimeWindow::new(5 * SEC).early(Every::time(2 * SEC), Accumulating);
    check(five, "a@4 b@6 @9", &["a boundary@5", "b early@8"]);
}

#[test]
fn all_that_are_open_and_have_news_are_shown() {
    let sliding = TimeWindow::sliding(10 * SEC, 5 * SEC);
    let windows =
        ["ab early@4 [-5,5)", "ab early@4 [0,10)", "ab @5 [-5,5)", "abcd early@8 [0,10)", "cd early@8 [5,15)"];
    check(sliding.clone().early(TWO, Accumulating), "a@1 b@4 c@6 d@8", &windows);
    let windows = ["ab [-5,5)", "ab [0,10)", "_ @5 [-5,5)", "cd early@8 [0,10)", "cd [5,15)", "_ boundary@10 [0,10)"];
    check(sliding.early(TWO, Discarding), "a@1 b@4 c@6 d@8 @10", &windows);
    let sessions = SessionWindow::new(5 * SEC).event_time(told().out_of_order(100 * SEC));
    let windows = ["1,3 early [1,8)", "50 early [50,55)", "1,3,4 early [1,9)", "50,51 early [50,56)"];
    check(sessions.clone().early(TWO, Accumulating), "1@100 3 50 50 4 51", &["1,3", "50,50", "1,3,4", "50,50,51"]);
    check(
        sessions.clone().early(Every::messages(3), Accumulating),
        "1@100 3 50 4 51 4",
        &[windows[0], windows[1], "1,3,4,4 early", "50,51"],
    );
    // with 5 the two are one
    let windows = ["1 early [1,6)", "9 early [9,14)", "5,9 early [1,14)", "_ drain [1,14)"];
    check(sessions.early(TWO, Discarding), "1@100 9 5 9 !drain", &windows);
}

#[test]
fn of_counts_that_slide_each_is_open_from_its_first_message() {
    let sliding = CountWindow::sliding(4, 2);
    let windows = ["abc early", "c early", "abcd count", "cde early", "e early"];
    check(
        sliding.early(Every::messages(3), Accumulating),
        "a b c d e f",
        &[&windows[..2], &["abcd", "cdef", "ef early"]].concat(),
    );
    let windows = ["abc early [0,0.001)", "c early", "d count", "def count", "ef early"];
    check(sliding.early(Every::messages(3), Discarding), "a b c d e f", &windows);
}

#[test]
fn a_session_longer_than_it_may_be_is_several() {
    let session = SessionWindow::new(5 * SEC).max_length(8 * SEC).event_time(told().out_of_order(20 * SEC));
    let windows = ["1,5 early [1,9)", "9 early [9,14)", "3 early [1,9)", "13,17 early [9,17)"];
    check(session.clone().early(Every::messages(3), Discarding), "1@100 5 9", &windows[..2]);
    check(
        session.early(Every::messages(3), Accumulating),
        "1@100 9 5 13 3 9",
        &["1,5 [1,9)", "9 [9,14)", "1,5,3 [1,9)", "9,13,9 [9,17)"],
    );
}

#[test]
fn inside_by_key_each_key_has_its_firings() {
    let log = "a b A | B a A b c";
    let windows = ["aA early", "bB early", "aAaA early"];
    check(by_letter(CountWindow::new(5).early(TWO, Accumulating)), log, &windows);
    let timed = by_letter(RelaxedTimeWindow::new(10 * SEC).early(Every::time(3 * SEC), Discarding));
    check(timed, "a@1 b@2 A@4 @9", &["a early@4", "b early@5", "A early@7"]);
}

#[test]
fn around_by_key_all_keys_are_shown() {
    let log = "b a B | a a c c c";
    let windows = ["bB early", "a early", "aaa count", "c early", "ccc count"];
    check(by_letter(CountWindow::new(3)).early(Every::messages(3), Accumulating), log, &windows);
    let windows = ["bB early", "a early", "aa count", "c early", "cc count"];
    check(by_letter(CountWindow::new(3)).early(Every::messages(3), Discarding), log, &windows);
}

#[test]
fn what_is_shown_of_a_key_says_so() {
    let chunk = keyed_chunk(1, 0, &[(0, Some("x")), (1, None), (2, Some("y"))]);
    let strategy = CountWindow::new(9).by_key().early(Every::messages(3), Accumulating);
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut out = Vec::new();
    driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
    let keys: Vec<_> = out.iter().map(|window| window.key.as_deref()).collect();
    assert_eq!(keys, [Some("x"), None, Some("y")]);
    assert_eq!((driver.buffer().len(), out.iter().map(|window| window.leaving).sum::<u64>()), (3, 0));
}

#[test]
fn late_windows_are_as_without() {
    let five = TimeWindow::tumbling(5 * SEC).event_time(told());
    let log = "1@100 6 2 7 3 8 11";
    let windows = ["1 watermark", "6 early", "6,7 early", "6,7,8 early", "2,3 late@100", "6,7,8 watermark"];
    check(five.clone().early(TWO, Accumulating), log, &windows);
    let windows = ["1 watermark", "6 early", "7 early", "8 early", "2,3 late@100", "_ watermark"];
    check(five.early(TWO, Discarding), log, &windows);
}

#[test]
fn a_pattern_has_nothing_to_show() {
    let is = |text: &'static str| Condition::of(move |found: &String| found == text);
    let pattern = Pattern::begin("a", is("a")).then("b", is("b"));
    for panes in [Accumulating, Discarding] {
        check(PatternWindow::new(pattern.clone()).early(TWO, panes), "a x x b", &["ab pattern"]);
    }
}

#[test]
fn refinements_refine_each_pane() {
    let (itself, tens) = (|number: &i64| *number, |number: &i64| number / 10);
    let four = CountWindow::new(4);
    let inside = four.sorted_by(itself);
    check(inside.clone().early(TWO, Accumulating), "3 1 4 2", &["1,3 early", "1,2,3,4 count"]);
    check(inside.early(TWO, Discarding), "3 1 4 2", &["1,3 early", "2,4 count"]);
    let five = CountWindow::new(5);
    check(
        five.unique_by(tens, Keep::Last).early(TWO, Discarding),
        "11 12 13 21 22",
        &["12 early", "13,21 early", "22"],
    );
    check(five.early(TWO, Accumulating).unique_by(tens, Keep::Last), "11 12 13 21 22", &["12", "13,21", "13,22 count"]);
}

#[test]
fn one_around_another() {
    let strategy = CountWindow::new(6).early(TWO, Accumulating).early(Every::messages(3), Discarding);
    check(strategy, "a b c d e f", &["ab early", "abc early", "abcd early", "def count"]);
}

#[test]
fn a_drain_shows_the_rest() {
    check(CountWindow::new(9).early(TWO, Discarding), "a b c !drain d e", &["ab early", "c drain", "de early"]);
    check(
        CountWindow::new(9).early(TWO, Discarding),
        "a b !full c !shutdown",
        &["ab early", "_ buffer_full", "c shutdown"],
    );
}

#[test]
fn what_it_waits_for_is_said() {
    let said = |every: Every| {
        let mut driver = BatchWindow::new().size(9).early(every, Discarding).driver(Position::START).unwrap();
        let mut said = vec![driver.explain().to_string()];
        for chunk in log::chunks("a@1 b@2").unwrap() {
            driver.feed(&chunk, 0, 1, &mut Vec::new()).unwrap();
            said.push(driver.explain().to_string());
        }
        said
    };
    let by_count = ["9 more messages", "8 more messages or 2 more messages for an early firing"];
    let by_count = [by_count[0], by_count[1], "7 more messages or 1 more message for an early firing"];
    assert_eq!(said(Every::messages(3)), by_count);
    let by_time = said(Every::time(5 * SEC));
    assert_eq!(by_time[0], "9 more messages");
    assert_eq!(by_time[2], "7 more messages or an early firing at 1970-01-01T00:00:06.000Z");
}

#[test]
fn only_what_makes_sense_is_built() {
    check_refused(&CountWindow::new(2).early(Every::messages(0), Accumulating));
    check_refused(&CountWindow::new(0).early(TWO, Accumulating));
    for bad in bad_durations() {
        check_refused(&CountWindow::new(2).early(Every::time(bad), Accumulating));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    let two = CountWindow::new(2);
    check_fingerprint(&two.early(Every::messages(9), Accumulating), "early/1(count/1(2),every=9,accumulating)");
    check_fingerprint(&two.early(Every::time(SEC), Discarding), "early/1(count/1(2),every=1000ms,discarding)");
}

/// A window of one's own with no more said than must be: odd messages are left out.
struct Evens;

impl WindowEmitter for Evens {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() >= 3 { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::first(3, Reason::Count)
    }

    fn observe(&mut self, message: &minibatch_core::Message<'_>) -> Observed {
        let number: u32 = message.decode().unwrap_or_default();
        if number.is_multiple_of(2) { Observed::Keep } else { Observed::Drop }
    }
}

#[test]
fn of_a_strategy_of_ones_own_all_that_is_buffered_is_open() {
    check((|| Evens).early(TWO, Accumulating), "1@0 2 3 4@1 5 6 8", &["2,4 early@1 [0,1.001)", "2,4,6 count"]);
}

/// A day of seconds that slide: more windows in a row leave the buffer as it is than a strategy that is stuck may.
#[test]
fn many_open_windows_are_no_endless_loop() {
    let day = TimeWindow::sliding(86_400 * SEC, SEC).early(Every::messages(1), Discarding);
    let mut driver = day.driver(Position::START).unwrap();
    let mut out: Vec<FormedWindow> = Vec::new();
    let chunk = keyed_chunk(1, 500, &[(0, None)]);
    driver.feed(&chunk, 0, 1, &mut out).unwrap();
    assert_eq!((out.len(), out.first().map(|window| window.reason)), (86_400, Some(Reason::Early)));
    driver.decide(DecisionKind::Drain, &mut out).unwrap();
    assert_eq!((out.len(), driver.buffer().len()), (2 * 86_400, 0));
}

/// Once nothing is open it is as good as new: so a key can be forgotten.
#[test]
fn what_is_over_leaves_nothing() {
    let strategy = CountWindow::new(3).early(TWO, Discarding);
    let mut driver = strategy.driver(Position::START).unwrap();
    let fresh = driver.base().unwrap().state;
    let mut out = Vec::new();
    let chunk = keyed_chunk(1, 0, &[(0, None), (1, None), (2, None)]);
    driver.feed(&chunk, 0, 2, &mut out).unwrap();
    assert_ne!(driver.base().unwrap().state, fresh);
    driver.feed(&chunk, 2, 3, &mut out).unwrap();
    assert_eq!((out.len(), driver.base().unwrap().state), (2, fresh));
    assert_eq!(Offset::FIRST, out[0].members.iter().next().unwrap().offset());
}
