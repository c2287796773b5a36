//! What strategies would have done, as numbers.

use std::collections::BTreeMap;

use minibatch_core::{Timestamp, chunk::Chunk};
use serde::Serialize;

/// What strategies would have made of a range of a stream. [`Display`](std::fmt::Display) is a table of it, a column each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WhatIfReport {
    /// How many messages there are in the range.
    pub messages: u64,
    /// Their bytes, each message's as in [`Message::size`](minibatch_core::Message::size).
    pub bytes: u64,
    /// From the first message's append time to the last one's, in milliseconds.
    pub span_millis: u64,
    /// Each strategy, in the order in which they were given.
    pub strategies: Vec<StrategyReport>,
}

/// What a strategy would have made of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StrategyReport {
    /// The name that it was given.
    pub name: String,
    /// Its own name, version and parameters.
    pub fingerprint: String,
    /// How many windows closed.
    pub windows: u64,
    /// How many messages they have; one that is in several windows counts in each.
    pub messages: u64,
    /// The bytes of these messages, each as in [`Message::size`](minibatch_core::Message::size).
    pub bytes: u64,
    /// How many messages a window has; `None` where none closed.
    pub size: Option<Spread>,
    /// How long messages wait: from their append times to the instant at which their window closes, in milliseconds. `None`
    /// where none is in a window.
    pub wait_millis: Option<Spread>,
    /// How many messages came when their windows were over, and are in windows of the reason
    /// [`Late`](minibatch_core::window::Reason::Late).
    pub late: u64,
    /// Which share of the messages in the range these are, from 0 to 1.
    pub late_share: f64,
    /// How many messages the strategy left out.
    pub dropped: u64,
    /// How many windows closed for which [reason](minibatch_core::window::Reason::name).
    pub reasons: BTreeMap<&'static str, u64>,
    /// The most messages that were kept waiting in a partition after a record.
    pub largest_buffer: u64,
    /// The most bytes that were: each message's as in [`Message::size`](minibatch_core::Message::size).
    pub largest_buffer_bytes: u64,
    /// What was open at the end of the range; no part of what is counted above, but for late messages.
    pub left_open: LeftOpen,
}

/// How numbers spread. `p50` and `p99`, the least number that half and 99 % of them do not exceed, are right to three
/// significant digits; the others are exact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "named for what they are")]
pub struct Spread {
    pub min: u64,
    pub p50: u64,
    pub mean: f64,
    pub p99: u64,
    pub max: u64,
}

/// What was open at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOpen {
    /// How many windows a drain would emit there.
    pub windows: u64,
    /// How many messages they would have.
    pub messages: u64,
}

/// What there is in a range.
#[derive(Debug, Default)]
pub(super) struct Extent {
    pub(super) messages: u64,
    bytes: u64,
    times: Option<(Timestamp, Timestamp)>,
}

impl Extent {
    pub(super) fn saw(&mut self, chunk: &Chunk) {
        if chunk.is_empty() {
            return;
        }
        self.messages += u64::from(chunk.len());
        self.bytes += chunk.size_between(0, chunk.len()) as u64;
        let (first, last) = self.times.unwrap_or((chunk.time(), chunk.time()));
        self.times = Some((first.min(chunk.time()), last.max(chunk.time())));
    }
}

impl WhatIfReport {
    pub(super) fn new(extent: &Extent, strategies: Vec<StrategyReport>) -> Self {
        let span = extent.times.map_or(0, |(first, last)| last.since(first).as_millis());
        Self {
            messages: extent.messages,
            bytes: extent.bytes,
            span_millis: u64::try_from(span).unwrap_or(u64::MAX),
            strategies,
        }
    }
}
