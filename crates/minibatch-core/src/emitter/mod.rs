//! The trait of a window strategy.

mod adaptive;
mod deadline;
mod explanation;
mod fingerprint;
mod readiness;
mod state;

use crate::{
    Buffer, Error, Message, Offset, Timestamp,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};

pub use adaptive::{Adaptive, Served};
pub use deadline::Deadline;
pub use explanation::{Explanation, Waiting};
pub use fingerprint::Fingerprint;
pub use readiness::Readiness;
pub use state::EmitterState;

/// Decides when a window is ready, and what is in it.
///
/// A strategy is pure: it sees the messages in the order of the log and the time as an argument, and answers. It never
/// waits, reads no clock, and gives the same windows for the same log however it is fed; predicates, closures and
/// iteration orders must be deterministic (no randomly seeded maps).
///
/// # Contract
/// 1. `window_ready` is asked after every message in slot order, unless it said that it waits for more of them and is not
///    [due](WindowEmitter::is_due) before, and at the deadlines that it asked for. After [`Readiness::Ready`] the driver
///    calls `query` and asks again with the same `now`, until it is told to wait.
/// 2. Asking more often than needed changes nothing.
/// 3. `now` is log time: the append time of the newest message, or the deadline granted if that is later. It never goes
///    back. A deadline is granted before a message of that very time enters the buffer. Before the first message `now` may
///    be [`Timestamp::MIN`]: no deadline can be counted from that.
/// 4. After `restore` with a state that `snapshot` gave and the same buffer, it goes on as if nothing had happened. It is
///    asked once after `restore`.
///
/// # Example
/// Pairs, in the order in which they came:
///
/// ```
/// use minibatch_core::{Buffer, Readiness, Timestamp, WindowEmitter, window::{Reason, Selection}};
///
/// struct Pairs;
///
/// impl WindowEmitter for Pairs {
///     fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
///         if buffer.len() >= 2 { Readiness::Ready } else { Readiness::wait() }
///     }
///
///     fn query(&mut self, _buffer: &Buffer) -> Selection {
///         Selection::first(2, Reason::Count)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a window strategy",
    note = "implement `WindowEmitter`: `window_ready` and `query` are enough"
)]
pub trait WindowEmitter: Send {
    /// Is there a window to emit at `now`?
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness;

    /// The window that `window_ready` announced.
    fn query(&mut self, buffer: &Buffer) -> Selection;

    /// Sees a message once, before it enters the buffer, and says whether it does.
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let _ = message;
        Observed::Keep
    }

    /// Whether the message observed last is a reason to be asked now, although it waits for more of them: so a strategy that
    /// knows by the message alone waits for [any number](Readiness::wait_until_due), and is asked only where it has a window
    /// or another deadline.
    ///
    /// Without an implementation it never is.
    ///
    /// Windows that end with an empty message:
    ///
    /// ```
    /// # use minibatch_core::{Buffer, Message, Observed, Readiness, Timestamp, WindowEmitter, window::{Reason, Selection}};
    /// #[derive(Default)]
    /// struct Paragraphs {
    ///     ends: bool,
    /// }
    ///
    /// impl WindowEmitter for Paragraphs {
    ///     fn observe(&mut self, line: &Message<'_>) -> Observed {
    ///         self.ends = line.decode::<String>().is_ok_and(|line| line.is_empty());
    ///         Observed::Keep
    ///     }
    ///
    ///     fn is_due(&self) -> bool {
    ///         self.ends
    ///     }
    ///
    ///     fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
    ///         if self.ends { Readiness::Ready } else { Readiness::wait_until_due() }
    ///     }
    ///
    ///     fn query(&mut self, buffer: &Buffer) -> Selection {
    ///         self.ends = false;
    ///         Selection::first(buffer.len(), Reason::Predicate)
    ///     }
    /// }
    /// ```
    fn is_due(&self) -> bool {
        false
    }

    /// What to emit of an open window when no more messages are to come; asked until `None`.
    ///
    /// Without an implementation, all that is buffered is one last window.
    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        (!buffer.is_empty()).then(|| Selection::first(buffer.len(), reason))
    }

    /// What the open window waits for at `now`, for people. Asked while it waits, never between `window_ready` and `query`.
    ///
    /// What it says holds: after so many messages, bytes or so much time a window is emitted, if none was before. The
    /// emitter suite of the testkit checks that.
    ///
    /// Without an implementation it says that the strategy does not tell.
    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let _ = buffer;
        Explanation::at(now)
    }

    /// The windows that are open, to be shown before they are over: those that have a message from `since` on, each with
    /// these or with all its messages as `panes` says, in the order, the bounds and with the key that it would have by now.
    /// Their reason is [`Reason::Early`], and nothing leaves with them. Asked while it waits, as [`WindowEmitter::explain`].
    ///
    /// All that may be in windows to come, or nothing, ever: who has shown these windows leaves out of them, when they are
    /// over, what was buffered then. A strategy that cannot tell them names none.
    ///
    /// Without an implementation, all that is buffered is one open window, within its messages' append times.
    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        let new = buffer.iter_from(since).next().map(|message| message.offset());
        let (Some(new), Some(first), Some(last)) = (new, buffer.first(), buffer.last()) else { return Vec::new() };
        let from = if panes == Panes::Discarding { new } else { first.offset() };
        let members = buffer.iter_from(from).map(|message| message.offset()).collect();
        let open = Selection::of(members, Reason::Early).leaving(Leaves::Nothing);
        vec![match Bounds::around([first.time(), last.time()]) {
            Some(bounds) => open.within(bounds),
            None => open,
        }]
    }

    /// Itself, if it goes by how a consumer's function fares. It is always that or never. A strategy around another gives that
    /// one's answer, where its windows are that one's.
    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        None
    }

    /// Name, version and parameters: two strategies that could form different windows differ in it.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("custom", 1, "")
    }

    /// What the strategy remembers beside the buffer.
    ///
    /// # Errors
    /// [`Cause::Encode`](crate::Cause::Encode) when the state cannot be encoded.
    fn snapshot(&self) -> Result<EmitterState, Error> {
        Ok(EmitterState::default())
    }

    /// Goes on from what [`WindowEmitter::snapshot`] gave, with the buffer as it was then.
    ///
    /// # Errors
    /// [`Cause::CorruptState`](crate::Cause::CorruptState) when the state is not one of this strategy's.
    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        let _ = (state, buffer);
        Ok(())
    }
}

/// The answer of [`WindowEmitter::observe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// The message enters the buffer.
    Keep,
    /// The message is left out; it is counted as dropped.
    Drop,
    /// The message is part of what the strategy remembers, and comes in no buffer: a [`Folded`](crate::window::Folded) value
    /// will stand for it.
    Fold,
}

#[deny(clippy::missing_trait_methods)]
impl<E: WindowEmitter + ?Sized> WindowEmitter for Box<E> {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        (**self).window_ready(buffer, now)
    }
    fn query(&mut self, buffer: &Buffer) -> Selection {
        (**self).query(buffer)
    }
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        (**self).observe(message)
    }
    fn is_due(&self) -> bool {
        (**self).is_due()
    }
    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        (**self).drain(buffer, reason)
    }
    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        (**self).explain(buffer, now)
    }
    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        (**self).open(buffer, since, panes)
    }
    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        (**self).adaptive()
    }
    fn fingerprint(&self) -> Fingerprint {
        (**self).fingerprint()
    }
    fn snapshot(&self) -> Result<EmitterState, Error> {
        (**self).snapshot()
    }
    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        (**self).restore(state, buffer)
    }
}
