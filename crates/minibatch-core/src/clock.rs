//! Time as something that is asked: core reads no clock, whoever runs it brings one.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::Timestamp;

/// A clock: the wall's, a steady one, and waiting.
///
/// The runtime brings the system's; tests bring one that stands still until it is moved.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock; may jump either way.
    fn now(&self) -> Timestamp;

    /// Time since some fixed instant; never goes back.
    fn elapsed(&self) -> Duration;

    /// Returns once [`Clock::elapsed`] has grown by `duration`.
    async fn sleep(&self, duration: Duration);
}
