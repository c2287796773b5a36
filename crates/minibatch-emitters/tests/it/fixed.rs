//! Windows by the interval.

use minibatch_core::{Strategy, Timestamp, storage::Position};
use minibatch_emitters::{FixedTimeWindow, Tz};
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
fn or_from_an_origin() {
    let five = FixedTimeWindow::new(5 * SEC).origin(Timestamp::from_millis(12_000));
    check(five, LOG, &["a boundary@2 [-3,2)", "bc @7 [2,7)", "d @12 [7,12)"]);
}

#[test]
fn or_by_the_clock_of_a_zone() {
    let hour = 3_600 * SEC;
    // midnight before 31 March 2024 in Berlin: from two to three there is no hour
    let berlin = FixedTimeWindow::new(6 * hour).zone(Tz::Europe__Berlin).with_empty(true);
    let windows = ["a @1711857600 [1711839600,1711857600)", "_ @1711879200 [1711857600,1711879200)", "b @1711900800"];
    check(berlin, "a@1711839600 @1711857599 b@1711879200 @1711900800", &windows);
    // midnight before 27 October 2024: from two to three there are two
    let windows = ["a @1730005200 [1729980000,1730005200)", "b @1730026800 [1730005200,1730026800)"];
    check(berlin.with_empty(false), "a@1729980000 b@1730005200 @1730026800", &windows);
    // a day of 25 hours
    let day = FixedTimeWindow::new(24 * hour).zone(Tz::Europe__Berlin);
    check(day, "a@1729980000 b@1730069999 @1730070000", &["ab @1730070000 [1729980000,1730070000)"]);
}

#[test]
fn a_drain_cuts_intervals_of_a_zone() {
    // half past a full hour of UTC, as it was there then
    let hour = FixedTimeWindow::new(3_600 * SEC).zone(Tz::Asia__Kathmandu).with_empty(true);
    check(hour, "a@1000 !drain b@1100 @5400", &["a drain [-1800,1800)", "b boundary [-1800,1800)", "_ [1800,5400)"]);
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
        driver.feed(&chunk, 0, 1, &mut windows).unwrap();
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
        check_refused(&FixedTimeWindow::new(bad).zone(Tz::UTC));
    }
    check_refused(&FixedTimeWindow::new(SEC).zone(Tz::UTC).origin(Timestamp::from_millis(1)));
    for undivided in [7 * 3_600 * SEC, 48 * 3_600 * SEC] {
        check_refused(&FixedTimeWindow::new(undivided).zone(Tz::UTC));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&FixedTimeWindow::new(SEC), "fixed_time/1(1000ms)");
    check_fingerprint(&FixedTimeWindow::new(SEC).with_empty(true), "fixed_time/1(1000ms,empty)");
    let origin = FixedTimeWindow::new(SEC).origin(Timestamp::from_millis(7));
    check_fingerprint(&origin, "fixed_time/1(1000ms,origin=7ms)");
    let zone = FixedTimeWindow::new(SEC).zone(Tz::Europe__Berlin).with_empty(true);
    check_fingerprint(&zone, "fixed_time/1(1000ms,zone=Europe/Berlin,empty)");
    let day = FixedTimeWindow::new(86_400 * SEC).zone(Tz::Europe__Berlin);
    check_fingerprint(&day, "fixed_time/1(day Europe/Berlin)");
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| FixedTimeWindow::new(SEC).build().unwrap()).check();
    Suite::new(|| FixedTimeWindow::new(7 * SEC).build().unwrap()).check();
    Suite::new(|| FixedTimeWindow::new(SEC).with_empty(true).build().unwrap()).check();
    let origin = || FixedTimeWindow::new(7 * SEC).origin(Timestamp::from_millis(1_500)).with_empty(true);
    Suite::new(move || origin().build().unwrap()).check();
    let zone = || FixedTimeWindow::new(1_800 * SEC).zone(Tz::Asia__Kathmandu).with_empty(true);
    Suite::new(move || zone().build().unwrap()).unit(1_000 * SEC).check();
}
