//! The largest windows that a function gets done in time.

use std::{ops::RangeInclusive, time::Duration};

use minibatch_core::{
    Adaptive, Buffer, Cause, EmitterState, Error, Explanation, Fingerprint, Readiness, Served, Timestamp,
    WindowEmitter,
    window::{Reason, Selection},
};

use crate::{millis::Millis, strategy::strategy};

/// So many steps lead from the smallest size to the largest.
const STEPS: usize = 100;

/// The largest windows with which messages are done within a time: as large as the function is quick.
///
/// Half of the time is for a window to fill, half for the function. A full window that the function gets done in less than
/// three quarters of its half makes those that follow larger, by a hundredth of the way from the smallest size to the largest;
/// one that it does not get done in its half makes them half as large as that one was: additive increase, multiplicative
/// decrease (Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks",
/// 1989).
///
/// ```text
/// messages                                     a b c d e f g h i j k l m n o p q
/// the function takes, of its half                ½     ½       ⅝         2     ½
///
/// AdaptiveWindow::new(2 s).sizes(2..=100)      a b]c d e]f g h i]j k l m n]o p]q
/// ```
///
/// # Behaviour
/// - closes with as many messages as its size is by then (reason: [`Reason::Count`]), or half of the time after its first
///   message (reason: [`Reason::MaxWait`]); bounds: its messages' append times
/// - begins with the smallest size. A window that comes again, or a piece of one, is measured like another
/// - what is measured is not in the log: each new size is a decision, recorded with the group. The same group gets the same
///   windows after a crash and goes on with the size that it had; another group need not
/// - a function is measured, so the size of windows that are pulled stays the smallest. So does that of each key inside
///   [`by_key`](crate::ByKey)
/// - remembers its size
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_core::WindowEmitter;
/// use minibatch_emitters::AdaptiveWindow;
///
/// let within_two_seconds = AdaptiveWindow::new(Duration::from_secs(2)).sizes(10..=5_000);
/// assert_eq!(within_two_seconds.build()?.fingerprint().as_str(), "adaptive/1(2000ms,10..=5000)");
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct AdaptiveWindow {
    target: Duration,
    sizes: RangeInclusive<usize>,
}

impl AdaptiveWindow {
    /// Messages are to be done within `target` of their append time, which is an even number of milliseconds. Sizes are from 1 to
    /// 10,000 unless [said](Self::sizes).
    pub const fn new(target: Duration) -> Self {
        Self { target, sizes: 1..=10_000 }
    }

    /// From the smallest size to the largest.
    pub fn sizes(mut self, sizes: RangeInclusive<usize>) -> Self {
        self.sizes = sizes;
        self
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for a target of nothing, one that is not an even number of milliseconds, one of more than 63 bits, a
    /// smallest size of 0, and one that is greater than the largest.
    pub fn build(&self) -> Result<AdaptiveEmitter, Error> {
        let (smallest, largest) = (*self.sizes.start(), *self.sizes.end());
        if smallest == 0 || smallest > largest {
            let reason = "a window has at least one message, and its largest size is not less";
            return Err(Cause::invalid_window(reason).into());
        }
        let (target, half) = (Millis::new(self.target)?, Millis::new(self.target / 2)?);
        Ok(AdaptiveEmitter { target, half, budget: self.target / 2, smallest, largest, size: smallest })
    }
}

strategy!(AdaptiveWindow);

/// The emitter of an [`AdaptiveWindow`].
#[derive(Clone, Debug)]
pub struct AdaptiveEmitter {
    target: Millis,
    /// How long a window fills at most.
    half: Millis,
    /// How long its function may take.
    budget: Duration,
    smallest: usize,
    largest: usize,
    size: usize,
}

impl AdaptiveEmitter {
    /// The size of windows at present.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    fn within(&self, size: usize) -> usize {
        size.clamp(self.smallest, self.largest)
    }
}

impl WindowEmitter for AdaptiveEmitter {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        let Some(first) = buffer.first() else { return Readiness::wait() };
        let deadline = self.half.after(first.time());
        match self.size.saturating_sub(buffer.len()) {
            more if more > 0 && deadline > now => Readiness::wait_for(more).until(deadline),
            _ => Readiness::Ready,
        }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let reason = if buffer.len() < self.size { Reason::MaxWait } else { Reason::Count };
        Selection::first(self.size, reason)
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let waits = Explanation::at(now).messages(self.size.saturating_sub(buffer.len()));
        match buffer.first() {
            Some(first) => waits.until(self.half.after(first.time())),
            None => waits.other(format!("a first message and {}", self.half)),
        }
    }

    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        Some(self)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("adaptive", 1, &format!("{},{}..={}", self.target, self.smallest, self.largest))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        EmitterState::encode(&(self.size as u64))
    }

    fn restore(&mut self, state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
        let size: Option<u64> = state.decode()?;
        self.size = size.map_or(self.smallest, |size| self.within(usize::try_from(size).unwrap_or(usize::MAX)));
        Ok(())
    }
}

impl Adaptive for AdaptiveEmitter {
    fn adapt(&self, served: Served) -> Option<usize> {
        let messages = usize::try_from(served.messages).unwrap_or(usize::MAX);
        let size = if served.took > self.budget {
            // of several large ones that were under way the first is enough
            self.size.min(self.within(messages / 2))
        } else if served.took <= self.budget / 4 * 3 && messages == self.size {
            self.within(self.size + (self.largest - self.smallest).div_ceil(STEPS))
        } else {
            self.size
        };
        (size != self.size).then_some(size)
    }

    fn resize(&mut self, size: usize) {
        self.size = self.within(size);
    }
}
