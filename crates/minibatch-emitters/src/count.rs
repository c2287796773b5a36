//! So many messages.

use minibatch_core::{
    Buffer, Cause, EmitterState, Error, Explanation, Fingerprint, Message, Offset, Readiness, Timestamp, WindowEmitter,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};

use crate::strategy::strategy;

/// Windows of exactly so many messages, in order.
///
/// The rest waits for its window to fill up, **for ever if nothing more comes**: with
/// [`BatchWindow`](crate::BatchWindow), `max_wait` beside `size` bounds that.
///
/// ```text
/// messages                a b   c       d e   f g
///
/// CountWindow::new(3)     a b   c]      d e   f]g …
/// CountWindow::sliding    a b   c]
///     (3, 1)                b   c       d]
///                               c       d e]
/// ```
///
/// # Behaviour
/// - reason: [`Reason::Count`]; bounds: from the first message's append time to just after the last one's
/// - decides by the messages alone: the same windows for every group and every replay
/// - a drain or a shutdown gives what is buffered, unless all of it was in a window before; the next window begins anew
/// - remembers how many of the buffered messages were in a window before, where windows slide
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct CountWindow {
    count: usize,
    step: usize,
}

impl CountWindow {
    /// Windows of `count` messages.
    pub const fn new(count: usize) -> Self {
        Self { count, step: count }
    }

    /// Windows of `count` messages, a new one beginning with every `step`-th message: each message is in several. `step` is
    /// at most `count`.
    pub const fn sliding(count: usize, step: usize) -> Self {
        Self { count, step }
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for 0, and for a `step` that is greater than `count`.
    pub fn build(&self) -> Result<CountEmitter, Error> {
        if self.count == 0 || self.step == 0 {
            return Err(Cause::invalid_window("a window has at least one message, and begins with one").into());
        }
        if self.step > self.count {
            return Err(Cause::invalid_window("a step is at most a window, or some messages were in none").into());
        }
        Ok(CountEmitter { count: self.count, step: self.step, shown: 0 })
    }
}

strategy!(CountWindow);

/// The emitter of a [`CountWindow`].
#[derive(Clone, Debug)]
pub struct CountEmitter {
    count: usize,
    step: usize,
    /// How many of the buffered messages were in a window before.
    shown: usize,
}

impl WindowEmitter for CountEmitter {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        match self.count.checked_sub(buffer.len()) {
            None | Some(0) => Readiness::Ready,
            Some(missing) => Readiness::wait_for(missing),
        }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let selection = Selection::first(self.count, Reason::Count);
        if self.step == self.count {
            return selection;
        }
        self.shown = self.count - self.step;
        match buffer.nth(self.step) {
            Some(next) => selection.leaving(Leaves::Before(next.offset())),
            None => selection,
        }
    }

    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        if buffer.len() <= self.shown {
            return None;
        }
        self.shown = 0;
        Some(Selection::first(buffer.len(), reason))
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        Explanation::at(now).messages(self.count.saturating_sub(buffer.len()))
    }

    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        if buffer.iter_from(since).next().is_none() {
            return Vec::new();
        }
        // one begins with every step
        let starts = (0..buffer.len()).step_by(self.step).filter_map(|before| buffer.nth(before));
        let window = |start: Message<'_>| {
            let from = if panes == Panes::Discarding { since.max(start.offset()) } else { start.offset() };
            let members = buffer.iter_from(from).map(|message| message.offset()).collect();
            let open = Selection::of(members, Reason::Early).leaving(Leaves::Nothing);
            Some(open.within(Bounds::around([start.time(), buffer.last()?.time()])?))
        };
        starts.filter_map(window).collect()
    }

    fn fingerprint(&self) -> Fingerprint {
        let step = if self.step < self.count { format!(",step={}", self.step) } else { String::new() };
        Fingerprint::new("count", 1, &format!("{}{step}", self.count))
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        if self.step == self.count { Ok(EmitterState::default()) } else { EmitterState::encode(&(self.shown as u64)) }
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        let shown = state.decode::<u64>()?.unwrap_or(0);
        self.shown = usize::try_from(shown).unwrap_or(usize::MAX).min(buffer.len());
        Ok(())
    }
}
