//! A chore that this client may not do: it is left to others, said once, and tried seldom.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::millis;

/// How long a chore that was refused is left alone.
const LASTS: Duration = Duration::from_secs(600);

/// Whether a chore was refused, and until when that is taken for granted, in milliseconds of the steady clock; 0 as long
/// as it never was.
#[derive(Debug, Default)]
pub(super) struct Refusal(AtomicU64);

impl Refusal {
    /// There is no use in trying.
    pub(super) fn lasts(&self, now: u64) -> bool {
        now < self.0.load(Relaxed)
    }

    /// The chore was refused; true the first time.
    pub(super) fn begin(&self, now: u64) -> bool {
        self.0.swap(now.saturating_add(millis(LASTS)), Relaxed) == 0
    }
}
