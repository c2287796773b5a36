//! Windows every so often.

use minibatch_emitters::RelaxedTimeWindow;
use minibatch_testkit::emitter::{Suite, check};

use crate::tools::{LOG, SEC, bad_durations, check_fingerprint, check_refused};

#[test]
fn the_time_runs_from_the_first_message() {
    check(RelaxedTimeWindow::new(5 * SEC), LOG, &["abc max_wait@6 [1,5.001)", "d max_wait@12 [7,7.001)"]);
    check(RelaxedTimeWindow::new(5 * SEC), "a@7 b@11", &[]);
}

#[test]
fn a_message_of_that_very_time_is_in_the_next() {
    check(RelaxedTimeWindow::new(2 * SEC), "a@0 b@1.999 c@2 d@2 e@4", &["ab @2", "cd @4"]);
}

#[test]
fn without_messages_there_is_no_window() {
    check(RelaxedTimeWindow::new(SEC), "@5 a@7 @100 !punct@200", &["a @8"]);
}

#[test]
fn the_clock_or_a_punctuation_ends_the_last_one() {
    check(RelaxedTimeWindow::new(2 * SEC), "a b@1 @1.999", &[]);
    check(RelaxedTimeWindow::new(2 * SEC), "a b@1 @2", &["ab @2"]);
    check(RelaxedTimeWindow::new(2 * SEC), "a b@1 !tomb@3 !unknown@3", &[]);
    check(RelaxedTimeWindow::new(2 * SEC), "a b@1 !punct@3", &["ab @2"]);
}

/// Its producer's clock is behind that of the storage, by which the window before was closed.
#[test]
fn a_message_from_a_slow_clock_starts_its_own_time() {
    check(RelaxedTimeWindow::new(2 * SEC), "a@1 @3.5 b@2 c@3.9 @4", &["a @3", "bc @4 [2,3.901)"]);
}

#[test]
fn a_drain_takes_the_rest() {
    check(RelaxedTimeWindow::new(SEC), "a !drain b@0.5 c@1 @2", &["a drain@0", "bc max_wait@1.5"]);
}

#[test]
fn only_whole_milliseconds_are_durations() {
    for bad in bad_durations() {
        check_refused(&RelaxedTimeWindow::new(bad));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&RelaxedTimeWindow::new(SEC / 2), "relaxed_time/1(500ms)");
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| RelaxedTimeWindow::new(SEC).build().unwrap()).check();
    Suite::new(|| RelaxedTimeWindow::new(SEC / 1_000).build().unwrap()).check();
}
