//! What the strategy makes of a log, and the laws that every strategy keeps.

use minibatch_core::ErrorKind;
use minibatch_testkit::emitter::{Suite, check};

use crate::SortedWindow;

fn sorted() -> SortedWindow {
    SortedWindow::new(3).unwrap()
}

#[test]
fn even_numbers_in_order() {
    check(sorted, "6 1 4 3 2 8", &["2,4,6 count"]);
    check(sorted, "6 4 1 | 2 5 | 8 3 8@7 0@9", &["2,4,6 count@0", "0,8,8 count@9"]);
}

#[test]
fn what_is_no_number_stays() {
    check(sorted, "2 x 4 3 y 6", &["2,4,6"]);
}

#[test]
fn a_drain_takes_the_even_numbers_alone() {
    check(sorted, "4 1 2 !drain !drain 3 !drain 6 8 0", &["2,4 drain", "0,6,8 count"]);
}

#[test]
fn nothing_is_no_window() {
    assert_eq!(SortedWindow::new(0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn keeps_the_laws() {
    Suite::new(sorted).check();
}
