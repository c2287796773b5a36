//! Counting what a strategy does, in a memory that does not grow with it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use minibatch_core::{
    Buffer, Fingerprint, Run, Timestamp,
    window::{FormedWindow, Reason},
};

use super::report::{LeftOpen, Spread, StrategyReport};

/// What is known of a strategy so far, over all partitions.
#[derive(Debug)]
pub(super) struct Tally {
    sizes: Sample,
    waits: Sample,
    bytes: u64,
    reasons: BTreeMap<&'static str, u64>,
    late: u64,
    dropped: u64,
    largest_buffer: u64,
    largest_buffer_bytes: u64,
    left_open: LeftOpen,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            sizes: Sample::new(),
            waits: Sample::new(),
            bytes: 0,
            reasons: BTreeMap::new(),
            late: 0,
            dropped: 0,
            largest_buffer: 0,
            largest_buffer_bytes: 0,
            left_open: LeftOpen::default(),
        }
    }

    /// A window closed at that instant.
    pub(super) fn closed(&mut self, window: &FormedWindow, at: Timestamp) {
        self.sizes.add(window.messages(), 1);
        for run in window.members.runs() {
            self.waits.add(millis(at, run), run.len() as u64);
        }
        self.bytes += window.members.bytes() as u64;
        *self.reasons.entry(window.reason.name()).or_default() += 1;
        self.count_late(window);
    }

    /// A window was open at the end.
    pub(super) fn left_open(&mut self, window: &FormedWindow) {
        self.left_open.windows += 1;
        self.left_open.messages += window.messages();
        self.count_late(window);
    }

    /// So much is kept waiting.
    pub(super) fn held(&mut self, buffer: &Buffer) {
        self.largest_buffer = self.largest_buffer.max(buffer.len() as u64);
        self.largest_buffer_bytes = self.largest_buffer_bytes.max(buffer.bytes() as u64);
    }

    /// So many messages were left out, in one more partition.
    pub(super) fn dropped(&mut self, messages: u64) {
        self.dropped += messages;
    }

    /// Of a range of so many messages.
    pub(super) fn report(self, name: String, fingerprint: &Fingerprint, of: u64) -> StrategyReport {
        StrategyReport {
            name,
            fingerprint: fingerprint.as_str().to_owned(),
            windows: self.sizes.count,
            messages: self.waits.count,
            bytes: self.bytes,
            size: self.sizes.spread(),
            wait_millis: self.waits.spread(),
            late: self.late,
            late_share: if of == 0 { 0.0 } else { self.late as f64 / of as f64 },
            dropped: self.dropped,
            reasons: self.reasons,
            largest_buffer: self.largest_buffer,
            largest_buffer_bytes: self.largest_buffer_bytes,
            left_open: self.left_open,
        }
    }

    fn count_late(&mut self, window: &FormedWindow) {
        if window.reason == Reason::Late {
            self.late += window.members.len() as u64;
        }
    }
}

/// How long the messages of a run waited.
fn millis(at: Timestamp, run: &Run) -> u64 {
    u64::try_from(at.since(run.time()).as_millis()).unwrap_or(u64::MAX)
}

/// Numbers of which only their distribution is kept.
#[derive(Debug)]
struct Sample {
    /// Three significant digits of each: some 450 KB, however many there are and however great.
    histogram: Histogram<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Sample {
    #[expect(clippy::expect_used, reason = "the bounds are fixed, and good ones")]
    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, u64::MAX, 3).expect("1 is less than half of the largest");
        Self { histogram, count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// So many times the same number.
    fn add(&mut self, number: u64, times: u64) {
        self.histogram.saturating_record_n(number, times);
        self.count += times;
        self.sum += u128::from(number) * u128::from(times);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }

    /// `None` of nothing.
    fn spread(&self) -> Option<Spread> {
        let quantile = |q| {
            let value = self.histogram.lowest_equivalent(self.histogram.value_at_quantile(q));
            value.clamp(self.min, self.max)
        };
        (self.count > 0).then(|| Spread {
            min: self.min,
            p50: quantile(0.5),
            mean: self.sum as f64 / self.count as f64,
            p99: quantile(0.99),
            max: self.max,
        })
    }
}
