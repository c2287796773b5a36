//! Windows shown before they are over.

mod examples;
mod laws;
mod properties;

use minibatch_core::Timestamp;
use minibatch_emitters::EventTime;

/// Messages that are numbers happened at so many seconds.
fn told() -> EventTime {
    EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000))
}
