//! Windows by the interval.

use minibatch_core::{Strategy, storage::Position};
use minibatch_emitters::FixedTimeWindow;
use minibatch_testkit::{
    emitter::{Suite, check},
    log,
};

use crate::tools::{LOG, SEC, bad_durations, check_fingerprint, check_refused};

#[test]
fn each_interval_once() {
    let five = FixedTimeWindow::new(5 * SEC);
    check(five, LOG, &["ab boundary@5 [0,5)", "cd boundary@10 [5,10)"]);
    check(five, "a@4.999 b@5 c@9.999 d@10 @15", &["a [0,5)", "bc [5,10)", "d @15 [10,15)"]);
}

#[test]
fn intervals_are_counted_from_the_epoch() {
    check(FixedTimeWindow::new(7 * SEC), "a@1700000000 @1700000007", &["a [1699999994,1700000001)"]);
}

#[test]
fn intervals_without_messages_have_no_window() {
    check(FixedTimeWindow::new(SEC), "a@0 b@100 @200", &["a @1 [0,1)", "b @101 [100,101)"]);
}

#[test]
fn or_have_one_if_asked_for() {
    let all = FixedTimeWindow::new(5 * SEC).with_empty(true);
    check(all, LOG, &["ab [0,5)", "cd [5,10)"]);
    check(all, "a@1 b@2 c@5 d@7 e@17 @20", &["ab", "cd", "_ @15 [10,15)", "e @20 [15,20)"]);
    check(all, "@3 a@1 b@21 @25", &["a", "_ @10 [5,10)", "_ @15 [10,15)", "_ boundary@20 [15,20)", "b @25 [20,25)"]);
    check(all, "a !punct@12 @15", &["a @5", "_ @10", "_ @15"]);
}

/// The log of a day's gap between two messages, in intervals of a second.
#[test]
fn a_gap_is_no_flood() {
    let all = FixedTimeWindow::new(SEC).with_empty(true);
    let mut driver = all.driver(Position::START).unwrap();
    let mut windows = Vec::new();
    for chunk in log::chunks("a@0 b@86400 c@86402").unwrap() {
        driver.feed(&chunk.into(), 0, 1, &mut windows).unwrap();
    }
    let empty = FixedTimeWindow::MAX_EMPTY as usize;
    assert_eq!(windows.len(), 1 + empty + 2);
    let start = |index: usize| windows[index].bounds.start.as_millis();
    // the last empty one, the message after the gap, and again an empty one
    assert_eq!([start(empty), start(empty + 1), start(empty + 2)], [10_000_000, 86_400_000, 86_401_000]);
    assert_eq!(windows[empty + 1].members.len(), 1);
}

#[test]
fn the_clock_ends_the_last_one() {
    check(FixedTimeWindow::new(5 * SEC), "a@1 @4.999", &[]);
    check(FixedTimeWindow::new(5 * SEC), "a@1 @5", &["a @5"]);
    check(FixedTimeWindow::new(5 * SEC), "a@1 !punct@5", &["a @5"]);
}

/// Its producer's clock is behind that of the storage, by which the interval before was closed.
#[test]
fn an_interval_that_is_over_stays_so() {
    let five = FixedTimeWindow::new(5 * SEC);
    check(five, "a@1 @5.5 b@4 c@6 @20", &["a @5 [0,5)", "bc @10 [5,10)"]);
    check(five.with_empty(true), "a@1 @11 b@4 c@6 @15", &["a", "_", "bc @15 [10,15)"]);
}

#[test]
fn a_drain_cuts_the_interval() {
    let five = FixedTimeWindow::new(5 * SEC);
    check(five, "a@1 !drain !drain b@2 @5", &["a drain@1 [0,5)", "b boundary@5 [0,5)"]);
    check(five, "!drain a@1 !shutdown @5", &["a shutdown"]);
    let all = five.with_empty(true);
    check(all, "a@1 !drain @10", &["a drain [0,5)", "_ @10 [5,10)"]);
    check(all, "a@1 !drain b@2 @10", &["a drain [0,5)", "b boundary [0,5)", "_ @10 [5,10)"]);
}

#[test]
fn only_whole_milliseconds_are_durations() {
    for bad in bad_durations() {
        check_refused(&FixedTimeWindow::new(bad));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&FixedTimeWindow::new(SEC), "fixed_time/1(1000ms)");
    check_fingerprint(&FixedTimeWindow::new(SEC).with_empty(true), "fixed_time/1(1000ms,empty)");
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| FixedTimeWindow::new(SEC).build().unwrap()).check();
    Suite::new(|| FixedTimeWindow::new(7 * SEC).build().unwrap()).check();
    Suite::new(|| FixedTimeWindow::new(SEC).with_empty(true).build().unwrap()).check();
}
