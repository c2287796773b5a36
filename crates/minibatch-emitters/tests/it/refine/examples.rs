//! What each makes of a log.

use minibatch_core::Timestamp;
use minibatch_emitters::{CountWindow, EventTime, FixedTimeWindow, Keep, Sample, StrategyExt, TimeWindow};
use minibatch_testkit::emitter::check;

use super::{itself, tens};
use crate::tools::{SEC, check_fingerprint, check_refused};

#[test]
fn sorted_by_a_key() {
    check(CountWindow::new(3).sorted_by(itself), "3 1 | 2 6 5 4", &["1,2,3 count", "4,5,6 count"]);
    // equal ones stay as they are
    check(CountWindow::new(4).sorted_by(tens), "21 12 22 11", &["12,11,21,22"]);
    check(CountWindow::sliding(3, 1).sorted_by(itself), "3 2 1 0", &["1,2,3", "0,1,2"]);
}

#[test]
fn what_does_not_decode_is_shown() {
    check(CountWindow::new(5).sorted_by(itself), "b 2 a 1 c", &["1,2,b,a,c"]);
    check(CountWindow::new(5).unique_by(tens, Keep::Last), "a 1 a 2 a", &["a,a,2,a"]);
    check(CountWindow::new(5).unique_by(tens, Keep::First), "a 1 a 2 a", &["a,1,a,a"]);
    check(CountWindow::new(3).sampled(Sample::share_by(1e-9, itself)), "a 1 b", &["ab"]);
}

#[test]
fn one_of_each_key() {
    let four = CountWindow::new(4);
    check(four.unique_by(tens, Keep::First), "21 11 12 31 10 11 12 13", &["21,11,31 count", "10 count"]);
    check(four.unique_by(tens, Keep::Last), "21 11 12 31 10 11 12 13", &["21,12,31", "13"]);
}

#[test]
fn one_around_another() {
    let strategy = CountWindow::new(4).sorted_by(itself).unique_by(tens, Keep::Last);
    check(strategy.clone(), "12 25 11 21", &["12,25"]);
    check(strategy.sampled(Sample::every(2)), "12 25 11 21", &["12"]);
}

#[test]
fn some_of_each_window() {
    check(CountWindow::new(4).sampled(Sample::every(2)), "a b c d e f g h !drain i !drain", &["ac", "eg", "i drain"]);
    check(CountWindow::new(4).sampled(Sample::every(9)), "a b c d", &["a"]);
    check(CountWindow::new(2).sampled(Sample::at_most(2)), "a b", &["ab"]);
    check(CountWindow::new(2).sampled(Sample::share(1.0)), "a b", &["ab"]);
    // what shows nothing is a window, and covers what it covered
    check(CountWindow::new(2).sampled(Sample::share(1e-9)), "a@1 b@2 c", &["_ count@2 [1,2.001)"]);
}

#[test]
fn late_windows_and_drains_are_windows() {
    let time = EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000));
    let strategy = TimeWindow::tumbling(5 * SEC).event_time(time).sorted_by(itself);
    check(strategy, "4@100 1 6 3 2 @101 8 7 !drain", &["1,4 watermark", "2,3 late@101", "6,7,8 drain"]);
    check(FixedTimeWindow::new(SEC).with_empty(true).sampled(Sample::every(2)), "a@0 b @2", &["a", "_ [1,2)"]);
}

#[test]
fn only_what_makes_sense_is_built() {
    let two = CountWindow::new(2);
    for sample in [Sample::every(0), Sample::at_most(0)] {
        check_refused(&two.sampled(sample));
    }
    for share in [0.0, -0.5, 1.1, f64::NAN, f64::INFINITY] {
        check_refused(&two.sampled(Sample::share(share)));
        check_refused(&two.sampled(Sample::share_by(share, itself)));
    }
    check_refused(&CountWindow::new(0).sorted_by(itself));
    check_refused(&two.sampled(Sample::every(0)).sorted_by(itself));
}

#[test]
fn fingerprints_differ_with_the_windows() {
    let two = CountWindow::new(2);
    check_fingerprint(&two.sorted_by(itself), "sorted/1(count/1(2))");
    check_fingerprint(&two.unique_by(itself, Keep::First), "unique/1(count/1(2),first)");
    check_fingerprint(&two.sampled(Sample::every(3)), "sample/1(count/1(2),every=3)");
    check_fingerprint(&two.sampled(Sample::at_most(3)), "sample/1(count/1(2),at_most=3)");
    check_fingerprint(&two.sampled(Sample::share(0.1)), "sample/1(count/1(2),share=0.1)");
    check_fingerprint(
        &two.sorted_by(itself).sampled(Sample::share_by(0.1, itself)),
        "sample/1(sorted/1(count/1(2)),share_by=0.1)",
    );
}
