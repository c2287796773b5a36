//! Windows by count.

use minibatch_emitters::CountWindow;
use minibatch_testkit::emitter::{Suite, check};

use crate::tools::{LOG, check_fingerprint, check_refused};

#[test]
fn exactly_so_many_in_order() {
    check(CountWindow::new(3), "a b c d e f g", &["abc count", "def count"]);
    check(CountWindow::new(1), "a b@1", &["a count@0", "b count@1"]);
    check(CountWindow::new(2), LOG, &["ab @2 [1,2.001)", "cd @7", "ef @13"]);
}

#[test]
fn the_rest_waits_however_long() {
    check(CountWindow::new(3), "a b c d e @1000000", &["abc"]);
}

#[test]
fn a_drain_takes_the_rest() {
    check(CountWindow::new(3), "a b c d !drain !drain e f g", &["abc count", "d drain", "efg count"]);
    check(CountWindow::new(3), "!drain a !shutdown b !full", &["a shutdown", "b buffer_full"]);
}

#[test]
fn windows_that_slide_share_messages() {
    check(CountWindow::sliding(3, 1), "a b | c d e", &["abc", "bcd", "cde"]);
    check(CountWindow::sliding(4, 3), "a b c d | e f g", &["abcd", "defg"]);
    check(CountWindow::sliding(3, 2), "a b c d !drain !drain e f g h", &["abc count", "cd drain", "efg count"]);
    // all was shown before, and stays for the next window
    check(CountWindow::sliding(3, 2), "a b c !drain d e", &["abc count", "cde count"]);
}

#[test]
fn nothing_is_no_window() {
    check_refused(&CountWindow::new(0));
    check_refused(&CountWindow::sliding(3, 0));
    check_refused(&CountWindow::sliding(3, 4));
}

#[test]
fn fingerprints_differ_with_the_windows() {
    check_fingerprint(&CountWindow::new(50), "count/1(50)");
    check_fingerprint(&CountWindow::sliding(50, 50), "count/1(50)");
    check_fingerprint(&CountWindow::sliding(50, 7), "count/1(50,step=7)");
}

#[test]
fn keeps_the_laws() {
    Suite::new(|| CountWindow::new(1).build().unwrap()).check();
    Suite::new(|| CountWindow::new(3).build().unwrap()).check();
    Suite::new(|| CountWindow::new(usize::MAX).build().unwrap()).check();
    Suite::new(|| CountWindow::sliding(4, 1).build().unwrap()).may_repeat().check();
    Suite::new(|| CountWindow::sliding(5, 3).build().unwrap()).may_repeat().check();
}
