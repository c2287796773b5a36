//! The built-in strategies: what each makes of a log, and the laws that all keep.

mod batch;
mod count;
mod fixed;
mod relaxed;

use std::time::Duration;

use minibatch_core::{Cause, Strategy, storage::Position};

const SEC: Duration = Duration::from_secs(1);
/// A log in which all of them have something to close.
const LOG: &str = "a@1 b@2 c@5 d@7 e@12 f@13";

fn check_fingerprint(strategy: &impl Strategy, expected: &str) {
    assert_eq!(strategy.driver(Position::START).unwrap().fingerprint().as_str(), expected);
}

fn check_refused(strategy: &impl Strategy) {
    let error = strategy.driver(Position::START).unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidWindow { .. }), "{error}");
}

/// What a duration of a window cannot be.
fn bad_durations() -> [Duration; 4] {
    [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1_500), Duration::MAX]
}
