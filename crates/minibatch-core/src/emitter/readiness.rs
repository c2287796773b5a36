//! Whether a window is ready, and if not, when to ask again.

use super::Deadline;
use crate::Timestamp;

/// The answer of [`WindowEmitter::window_ready`](crate::WindowEmitter::window_ready).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// There is a window: ask for it.
    Ready,
    /// There is none yet: [`Readiness::wait`], [`Readiness::wait_for`].
    #[non_exhaustive]
    Wait {
        /// Ask again when so many more messages were offered, at least 1.
        more: usize,
        /// Ask again when messages of so many more bytes were offered, if that comes first.
        bytes: usize,
        /// Ask again when log time reaches this instant, if that comes first.
        until: Option<Deadline>,
    },
}

impl Readiness {
    /// No window before the next message.
    #[inline]
    #[must_use]
    pub const fn wait() -> Self {
        Self::wait_for(1)
    }

    /// No window before `more` more messages (at least 1).
    #[inline]
    #[must_use]
    pub const fn wait_for(more: usize) -> Self {
        Self::Wait { more: if more == 0 { 1 } else { more }, bytes: usize::MAX, until: None }
    }

    /// No window before a message of which the strategy says that it is [due](crate::WindowEmitter::is_due).
    #[inline]
    #[must_use]
    pub const fn wait_until_due() -> Self {
        Self::wait_for(usize::MAX)
    }

    /// The same, but ask at the message with which `bytes` more are there at the latest. Bytes are those of the messages
    /// in the log, as in [`Message::size`](crate::Message::size).
    #[inline]
    #[must_use]
    pub const fn or_bytes(self, bytes: usize) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Wait { more, until, .. } => Self::Wait { more, bytes, until },
        }
    }

    /// The same, but ask when log time reaches `deadline`, at the latest: the group's own deadline.
    ///
    /// At the end of the log, where no message shows that this time has come, the consumer *decides* that it has, and records
    /// that with its group. The same group gets the same windows after a crash; another group, which reads the next message
    /// right after, need not.
    ///
    /// For what only bounds a wait, so that it costs others nothing: "at most 2 s after the first message". Of several
    /// deadlines the [earliest](Deadline::earliest) counts.
    #[inline]
    #[must_use]
    pub fn until(self, deadline: Timestamp) -> Self {
        self.or_at(Deadline::private(deadline))
    }

    /// The same, but ask when log time reaches `deadline`, at the latest: a deadline of everyone who reads the log.
    ///
    /// At the end of the log the consumer appends a *punctuation* of that time, a record without messages that whoever reads
    /// the log passes, and every later message has that time or a later one: so every group and every replay gets the same
    /// windows there, too. Where the storage takes none, it is as [`until`](Self::until).
    ///
    /// For a deadline that follows from the log alone, as the end of an interval does, and while something is open that
    /// ends with it: never without end on a stream to which nothing comes, as each one costs a record.
    #[inline]
    #[must_use]
    pub fn until_shared(self, deadline: Timestamp) -> Self {
        self.or_at(Deadline::shared(deadline))
    }

    /// The same, but ask when log time reaches `deadline`, at the latest.
    #[inline]
    #[must_use]
    pub fn or_at(self, deadline: Deadline) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Wait { more, bytes, until } => {
                let until = until.map_or(deadline, |known| known.earliest(deadline));
                Self::Wait { more, bytes, until: Some(until) }
            }
        }
    }
}
