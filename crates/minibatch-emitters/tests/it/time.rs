//! Windows that cover time.

use std::time::Duration;

use minibatch_core::{Strategy, Timestamp, storage::Position};
use minibatch_emitters::{CalendarUnit, EventTime, TimeWindow, Tz};
use minibatch_testkit::{
    emitter::{Suite, check},
    log,
};

use crate::tools::{LOG, SEC, bad_durations, check_fingerprint, check_refused};

/// Messages that are numbers happened at so many seconds; texts do not say when.
fn told() -> EventTime {
    EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000))
}

#[test]
fn each_stretch_once() {
    let five = TimeWindow::tumbling(5 * SEC);
    check(five.clone(), LOG, &["ab boundary@5 [0,5)", "cd boundary@10 [5,10)"]);
    check(five.clone(), "a@4.999 b@5 c@9.999 d@10 @15", &["a [0,5)", "bc [5,10)", "d @15 [10,15)"]);
    check(five.clone().origin(Timestamp::from_millis(2_000)), LOG, &["a @2 [-3,2)", "bc @7 [2,7)", "d @12 [7,12)"]);
    check(five, "a@1 !punct@5", &["a @5"]);
}

#[test]
fn windows_that_slide_share_messages() {
    let windows = ["ab @5 [-5,5)", "abcd @10 [0,10)", "cdef @15 [5,15)", "ef @20 [10,20)"];
    check(TimeWindow::sliding(10 * SEC, 5 * SEC), "a@1 b@2 c@5 d@7 e@12 f@13 @30", &windows);
    let uneven = TimeWindow::sliding(5 * SEC, 2 * SEC);
    check(uneven, "a@0 b@3 @20", &["a @1 [-4,1)", "a @3 [-2,3)", "ab @5 [0,5)", "b @7 [2,7)"]);
}

#[test]
fn days_of_a_zone() {
    let day = TimeWindow::calendar(CalendarUnit::Day, Tz::Europe__Berlin);
    // 23:30 on 30 March 2024 in Berlin, and noon of the next day, which has 23 hours
    let windows = ["a @1711839600 [1711753200,1711839600)", "b @1711922400 [1711839600,1711922400)"];
    check(day, "a@1711837800 b@1711879200 @1711930000", &windows);
}

#[test]
fn by_the_clock_of_a_zone() {
    let quarter = TimeWindow::tumbling(6 * 3_600 * SEC).zone(Tz::Europe__Berlin).event_time(told().never_idle());
    // of the night of 31 March 2024 in Berlin, which has an hour less
    let windows = ["1711839600,1711857599 watermark [1711839600,1711857600)", "1711857600 [1711857600,1711879200)"];
    check(quarter, "1711839600@1711900000 1711857599 1711857600 1711879200", &windows);
}

/// Else its day would be all of time, and never close.
#[test]
fn what_happened_before_all_calendars_is_late() {
    let day = TimeWindow::calendar(CalendarUnit::Day, Tz::UTC).event_time(told().out_of_order(SEC));
    let late = "-9000000000000000 late@100000";
    check(day, "-9000000000000000@100000 5 86401", &[late, "5 watermark [0,86400)"]);
}

#[test]
fn by_event_time_the_order_of_the_log_does_not_matter() {
    let five = TimeWindow::tumbling(5 * SEC).event_time(told().out_of_order(3 * SEC));
    // appended at 100 s; the watermark is three seconds behind the newest
    check(five, "1@100 7 4 8 12 9 18@100.1", &["1,4 watermark@100 [0,5)", "7,8,9 @100.1 [5,10)", "12 @100.1 [10,15)"]);
}

#[test]
fn what_comes_when_its_windows_are_over_is_late() {
    let five = TimeWindow::tumbling(5 * SEC).event_time(told());
    check(five.clone(), "1@100 6 2 3@100.5 7 @101", &["1 watermark@100 [0,5)", "2,3 late@101"]);
    // they go before any other window
    check(five.clone(), "1@100 6 2 11", &["1", "2 late@100", "6 watermark@100"]);
    check(five, "1@100 6 2 !drain", &["1", "2 late", "6 drain"]);
    let sliding = TimeWindow::sliding(10 * SEC, 5 * SEC).event_time(told());
    // of the two windows that 4 is in one is still open
    check(sliding, "1@100 6 4 11", &["1 [-5,5)", "1,6,4 [0,10)"]);
}

#[test]
fn what_does_not_say_when_it_happened_is_late() {
    let five = TimeWindow::tumbling(5 * SEC).event_time(told());
    check(five, "1@100 a 7 @101", &["a late@100", "1 watermark@100"]);
}

#[test]
fn one_message_from_the_future_makes_no_other_late() {
    let five = TimeWindow::tumbling(5 * SEC).event_time(told().max_ahead(10 * SEC));
    check(five.clone(), "1@2 900 3 4 @30", &["900 late@3", "1,3,4 watermark@13"]);
    check(five, "1@2 12 3 @30", &["1 watermark@2", "3 late@3", "12 watermark@15"]);
}

#[test]
fn on_an_idle_stream_event_time_goes_on() {
    let five = TimeWindow::tumbling(5 * SEC).event_time(told().out_of_order(SEC).idle_after(20 * SEC));
    check(five.clone(), "1@100 @125", &["1 watermark@125 [0,5)"]);
    check(five.clone(), "1@100 @124.999", &[]);
    // a message in between, however late, and it begins to wait anew
    check(five, "1@100 2@119 @144", &["1,2 @143"]);
    let never = TimeWindow::tumbling(5 * SEC).event_time(told().never_idle());
    check(never, "1@100 @1000000", &[]);
}

#[test]
fn a_drain_cuts_what_is_open() {
    let five = TimeWindow::tumbling(5 * SEC);
    check(five, "a@1 !drain !drain b@2 @5", &["a drain@1 [0,5)", "b boundary@5 [0,5)"]);
    let sliding = TimeWindow::sliding(10 * SEC, 5 * SEC);
    check(
        sliding,
        "a@1 b@6 !drain c@7 @20",
        &["a @5", "ab drain@6 [0,10)", "b drain@6 [5,15)", "c @10 [0,10)", "c @15"],
    );
}

#[test]
fn what_it_waits_for_is_said() {
    let time = EventTime::by(|message| Some(message.time()));
    let mut driver = TimeWindow::tumbling(300 * SEC).event_time(time).driver(Position::START).unwrap();
    assert_eq!(driver.explain().to_string(), "a first message");
    for chunk in log::chunks("a@180").unwrap() {
        driver.feed(&chunk, 0, 1, &mut Vec::new()).unwrap();
    }
    let said = "the watermark, which is at 1970-01-01T00:03:00.000Z, to reach 1970-01-01T00:05:00.000Z";
    assert_eq!(driver.explain().to_string(), said);
}

#[test]
fn only_what_makes_sense_is_built() {
    for bad in bad_durations() {
        check_refused(&TimeWindow::tumbling(bad));
        check_refused(&TimeWindow::sliding(Duration::MAX, bad));
    }
    check_refused(&TimeWindow::sliding(SEC, 2 * SEC));
    check_refused(&TimeWindow::calendar(CalendarUnit::Day, Tz::UTC).origin(Timestamp::from_millis(1)));
    check_refused(&TimeWindow::calendar(CalendarUnit::Day, Tz::UTC).zone(Tz::UTC));
    check_refused(&TimeWindow::sliding(2 * SEC, SEC).zone(Tz::UTC));
    check_refused(&TimeWindow::tumbling(7 * SEC).zone(Tz::UTC));
    check_refused(&TimeWindow::tumbling(SEC).zone(Tz::UTC).origin(Timestamp::from_millis(1)));
    check_refused(&TimeWindow::tumbling(SEC).event_time(told().idle_after(Duration::from_nanos(1))));
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&TimeWindow::tumbling(SEC), "time/1(1000ms)");
    let origin = TimeWindow::sliding(3 * SEC, SEC).origin(Timestamp::from_millis(-5));
    check_fingerprint(&origin, "time/1(3000ms,step=1000ms,origin=-5ms)");
    check_fingerprint(&TimeWindow::tumbling(SEC).zone(Tz::UTC), "time/1(1000ms,zone=UTC)");
    let event = "time/1(week UTC,event_time,out_of_order=2000ms,idle_after=10000ms,max_ahead=60000ms)";
    let time = EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds)).out_of_order(2 * SEC);
    check_fingerprint(&TimeWindow::calendar(CalendarUnit::Week, Tz::UTC).event_time(time), event);
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| TimeWindow::tumbling(SEC).build().unwrap()).check();
    Suite::new(|| TimeWindow::tumbling(7 * SEC).origin(Timestamp::from_millis(1_500)).build().unwrap()).check();
    Suite::new(|| TimeWindow::sliding(5 * SEC, 2 * SEC).build().unwrap()).may_repeat().check();
    let minute = || TimeWindow::calendar(CalendarUnit::Hour, Tz::Asia__Kathmandu).build().unwrap();
    Suite::new(minute).unit(1_000 * SEC).check();
}

#[test]
fn keeps_the_laws_by_event_time() {
    let time = || EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 700)).idle_after(2 * SEC);
    Suite::new(move || TimeWindow::tumbling(SEC).event_time(time()).build().unwrap()).check();
    let slack = move || time().out_of_order(2 * SEC).max_ahead(4 * SEC);
    Suite::new(move || TimeWindow::tumbling(2 * SEC).event_time(slack()).build().unwrap()).check();
    Suite::new(move || TimeWindow::sliding(3 * SEC, SEC).event_time(slack()).build().unwrap()).may_repeat().check();
}
