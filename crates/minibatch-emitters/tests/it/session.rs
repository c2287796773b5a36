//! Windows of activity.

use minibatch_core::Timestamp;
use minibatch_emitters::{EventTime, SessionWindow};
use minibatch_testkit::emitter::{Suite, check};

use crate::tools::{LOG, SEC, bad_durations, check_fingerprint, check_refused};

/// Messages that are numbers happened at so many seconds.
fn told() -> EventTime {
    EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000))
}

#[test]
fn a_session_ends_when_nothing_comes() {
    check(SessionWindow::new(3 * SEC), LOG, &["ab gap@5 [1,5)", "cd gap@10 [5,10)"]);
    check(SessionWindow::new(3 * SEC), "a@1 b@3.999 c@6.998 @10", &["abc @9.998 [1,9.998)"]);
    check(SessionWindow::new(3 * SEC), "a@1 b@4 @7", &["a @4 [1,4)", "b @7 [4,7)"]);
}

#[test]
fn or_when_it_has_lasted_long_enough() {
    let six = SessionWindow::new(4 * SEC).max_length(6 * SEC);
    check(six.clone(), LOG, &["abc max_wait@7 [1,7)", "d gap@11 [7,11)"]);
    check(six, "a@1 b@4 c@7 d@9 e@12.9 @20", &["ab max_wait@7 [1,7)", "cde max_wait@13 [7,13)"]);
}

#[test]
fn by_event_time_a_message_joins_two() {
    let session = SessionWindow::new(5 * SEC).event_time(told().out_of_order(10 * SEC));
    check(session.clone(), "1@100 8 4 30", &["1,8,4 gap@100 [1,13)"]);
    check(session.clone(), "1@100 8 3 30", &["1,3 [1,8)", "8 [8,13)"]);
    // what would have joined a session that is over
    check(session.clone(), "1@100 2 18 3 14 40", &["1,2 [1,7)", "3 late@100", "18,14 gap@100 [14,23)"]);
    check(session, "1@100 2 16 6 40", &["1,2,6 [1,11)", "16 [16,21)"]);
}

#[test]
fn by_event_time_it_has_a_length_too() {
    let session = SessionWindow::new(5 * SEC).max_length(8 * SEC).event_time(told().out_of_order(20 * SEC));
    let windows = ["1,5,7,3 max_wait@100 [1,9)", "9,13 max_wait [9,17)", "17 gap [17,22)"];
    check(session, "1@100 5 9 13 17 7 3 50", &windows);
}

#[test]
fn a_drain_cuts_what_is_open() {
    let session = SessionWindow::new(5 * SEC);
    check(session.clone(), "a@1 !drain b@2 @9", &["a drain@1 [1,6)", "b gap@7 [2,7)"]);
    check(session.event_time(told().out_of_order(9 * SEC)), "1@100 8 !shutdown", &["1 shutdown", "8 shutdown"]);
}

#[test]
fn only_what_makes_sense_is_built() {
    for bad in bad_durations() {
        check_refused(&SessionWindow::new(bad));
        check_refused(&SessionWindow::new(SEC).max_length(bad));
    }
    check_refused(&SessionWindow::new(2 * SEC).max_length(SEC));
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&SessionWindow::new(SEC), "session/1(1000ms)");
    let event = "session/1(1000ms,max_length=2000ms,event_time,out_of_order=0ms,idle_after=10000ms,max_ahead=60000ms)";
    check_fingerprint(&SessionWindow::new(SEC).max_length(2 * SEC).event_time(told()), event);
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| SessionWindow::new(SEC).build().unwrap()).check();
    Suite::new(|| SessionWindow::new(2 * SEC).max_length(5 * SEC).build().unwrap()).check();
}

#[test]
fn keeps_the_laws_by_event_time() {
    let time = || EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 700)).idle_after(2 * SEC);
    Suite::new(move || SessionWindow::new(SEC).event_time(time()).build().unwrap()).check();
    let slack = move || time().out_of_order(2 * SEC).max_ahead(4 * SEC);
    let session = move || SessionWindow::new(SEC).max_length(3 * SEC).event_time(slack());
    Suite::new(move || session().build().unwrap()).check();
}
