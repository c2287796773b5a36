//! Windows by whatever comes first.

use minibatch_core::{Strategy as _, storage::Position, window::FormedWindow};
use minibatch_emitters::BatchWindow;
use minibatch_testkit::{
    emitter::{Suite, check},
    log,
};
use proptest::prelude::*;

use crate::tools::{LOG, SEC, bad_durations, check_fingerprint, check_refused};

/// The bytes of a one-letter text in the log: two, its length, the letter, a NUL.
const LETTER: usize = 2 + 4 + 1 + 1;

fn batch() -> BatchWindow {
    BatchWindow::new()
}

#[test]
fn by_size_or_time_whichever_is_first() {
    let both = batch().size(2).max_wait(3 * SEC);
    check(both, LOG, &["ab count@2", "cd count@7", "ef count@13"]);
    let both = batch().size(2).max_wait(2 * SEC);
    check(both, LOG, &["ab count@2", "c max_wait@7", "d max_wait@9", "ef count@13"]);
    let both = batch().size(3).max_wait(2 * SEC);
    check(both.clone(), "a@0 b@1 @3", &["ab max_wait@2"]);
    check(both.clone(), "a@0 b@1 c@1 d@1 @3", &["abc count@1", "d max_wait@3"]);
    check(both, "a@0 b@2 c@3.999 @5", &["a max_wait@2", "bc max_wait@4"]);
}

#[test]
fn each_limit_alone() {
    check(batch().size(2), "a b c@100 @1000", &["ab count"]);
    check(batch().max_wait(SEC), "a b c@0.999 d@1 @2", &["abc max_wait@1", "d max_wait@2"]);
    check(batch().bytes(2 * LETTER), "a b c d e @1000", &["ab bytes", "cd bytes"]);
    check(
        batch().until(|message| message.decode().is_ok_and(|text: String| text == "x")),
        "a x x b c x d",
        &["ax predicate", "x predicate", "bcx predicate"],
    );
}

#[test]
fn a_window_has_no_more_bytes_than_allowed() {
    // the third letter is one too many
    check(batch().bytes(3 * LETTER - 1), "a b c d e", &["ab bytes", "cd bytes"]);
    check(batch().bytes(LETTER + 1), "a b c", &["a bytes", "b bytes"]);
}

#[test]
fn unless_it_is_one_message_that_has() {
    check(batch().bytes(LETTER), "a b", &["a bytes", "b bytes"]);
    check(batch().bytes(1), "a b", &["a bytes", "b bytes"]);
    check(batch().bytes(3 * LETTER), "a long-as-can-be-and-more b c d", &["a", "long-as-can-be-and-more", "bcd"]);
}

#[test]
fn the_message_that_does_not_fit_starts_the_next_timer() {
    check(batch().bytes(3 * LETTER - 1).max_wait(2 * SEC), "a b@1 c@1.5 @4", &["ab bytes@1.5", "c max_wait@3.5"]);
}

#[test]
fn bytes_come_before_count_before_predicate() {
    let all = || batch().size(2).bytes(2 * LETTER).until(|_| true);
    check(all(), "a", &["a predicate"]);
    check(all().until(|message| message.offset().index() == 1), "a b", &["ab bytes"]);
    check(all().bytes(2 * LETTER + 1).until(|message| message.offset().index() == 1), "a b", &["ab count"]);
    // the one too many ends the next window, alone
    check(all().bytes(LETTER + 1).until(|message| message.offset().index() == 1), "a b c", &["a bytes", "b predicate"]);
}

#[test]
fn values_that_are_something_else_end_no_window() {
    let big = || batch().until_value(|&number: &i64| number > 9).size(4);
    check(big(), "1 2 10 3 11 4", &["1,2,10 predicate", "3,11 predicate"]);
    check(big(), "1 x 3 10", &["1,x,3,10 count"]);
}

#[test]
fn a_drain_takes_the_rest() {
    let all = batch().size(3).max_wait(SEC).bytes(1_000).until(|_| false);
    check(all, "a b !drain c d@0.5 !full @9", &["ab drain", "cd buffer_full"]);
}

#[test]
fn without_a_limit_it_would_never_close() {
    check_refused(&batch());
    check_refused(&batch().size(0).max_wait(SEC));
    check_refused(&batch().size(3).min_size(2));
    check_refused(&batch().size(3).max_wait(SEC).min_size(4));
    check_refused(&batch().bytes(0).max_wait(SEC));
    for bad in bad_durations() {
        check_refused(&batch().size(1).max_wait(bad));
    }
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&batch().size(50), "batch/1(size=50)");
    check_fingerprint(
        &batch().until(|_| true).max_wait(2 * SEC).bytes(7).size(50),
        "batch/1(size=50,bytes=7,max_wait=2000ms,until)",
    );
}

#[test]
fn max_wait_waits_for_a_least_size() {
    let two = batch().size(4).max_wait(2 * SEC).min_size(2);
    check(two.clone(), "a@1 @9 b@10 c@11 d@11.5 @20", &["ab max_wait@10", "cd max_wait@13"]);
    check(two.clone(), "a@1 b c d e@2 @20", &["abcd count@1"]);
    check(two.clone(), "a@1 @9 !drain", &["a drain@3"]);
    check_fingerprint(&two, "batch/1(size=4,max_wait=2000ms,min_size=2)");
}

#[test]
fn keeps_the_laws() {
    let small = |number: u32| "-".repeat(number as usize);
    Suite::new(|| batch().size(3).max_wait(SEC).build().unwrap()).check();
    Suite::new(|| batch().bytes(20).build().unwrap()).values(small).check();
    Suite::new(|| batch().size(4).max_wait(SEC).min_size(3).build().unwrap()).check();
    Suite::new(|| batch().max_wait(SEC).min_size(3).bytes(30).build().unwrap()).values(small).check();
    Suite::new(|| batch().size(4).bytes(40).max_wait(SEC).build().unwrap()).values(small).check();
    Suite::new(|| batch().until_value(|&number: &u32| number > 6).build().unwrap()).check();
    Suite::new(|| {
        let all = batch().size(4).bytes(45).max_wait(SEC);
        all.until_value(|text: &String| text.len() == 5).build().unwrap()
    })
    .values(small)
    .check();
}

/// The windows of texts of these lengths, in chunks of seven.
fn windows(strategy: &BatchWindow, lengths: &[usize]) -> Vec<FormedWindow> {
    let words: Vec<String> = lengths.iter().map(|&length| "-".repeat(length)).collect();
    let line: Vec<String> = words.chunks(7).map(|words| words.join(" ")).collect();
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut out = Vec::new();
    for chunk in log::chunks(&line.join(" | ")).unwrap() {
        driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
    }
    out
}

proptest! {
    #[test]
    fn windows_are_full_and_not_too_full(lengths in prop::collection::vec(1usize..60, 0..60), limit in 1usize..150) {
        let windows = windows(&BatchWindow::new().bytes(limit), &lengths);
        let sizes: Vec<Vec<usize>> =
            windows.iter().map(|window| window.members.iter().map(|message| message.size()).collect()).collect();
        for (window, next) in sizes.iter().zip(sizes.iter().skip(1)) {
            let bytes: usize = window.iter().sum();
            prop_assert!(bytes <= limit || window.len() == 1);
            prop_assert!(bytes + next[0] > limit);
        }
    }
}
