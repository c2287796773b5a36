//! What several tests need.

use std::time::Duration;

use minibatch_core::{Cause, Strategy, storage::Position};

pub(crate) const SEC: Duration = Duration::from_secs(1);
/// A log in which every strategy has something to close: that of the crate's front page.
pub(crate) const LOG: &str = "a@1 b@2 c@5 d@7 e@12 f@13";

pub(crate) fn check_fingerprint(strategy: &impl Strategy, expected: &str) {
    assert_eq!(strategy.driver(Position::START).unwrap().fingerprint().as_str(), expected);
}

pub(crate) fn check_refused(strategy: &impl Strategy) {
    let error = strategy.driver(Position::START).unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidWindow { .. }), "{error}");
}

/// What a duration of a window cannot be.
pub(crate) fn bad_durations() -> [Duration; 4] {
    [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1_500), Duration::MAX]
}
