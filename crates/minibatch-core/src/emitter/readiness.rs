//! Whether a window is ready, and if not, when to ask again.

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
        until: Option<Timestamp>,
    },
}

impl Readiness {
    /// No window before the next message.
    #[must_use]
    pub const fn wait() -> Self {
        Self::wait_for(1)
    }

    /// No window before `more` more messages (at least 1).
    #[must_use]
    pub const fn wait_for(more: usize) -> Self {
        Self::Wait { more: if more == 0 { 1 } else { more }, bytes: usize::MAX, until: None }
    }

    /// The same, but ask at the message with which `bytes` more are there at the latest. Bytes are those of the messages
    /// in the log, as in [`Message::size`](crate::Message::size).
    #[must_use]
    pub const fn or_bytes(self, bytes: usize) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Wait { more, until, .. } => Self::Wait { more, bytes, until },
        }
    }

    /// The same, but ask when log time reaches `deadline`, at the latest.
    ///
    /// At the end of the log, where no message shows that this time has come, the consumer decides that it has, and records
    /// that with its group.
    #[must_use]
    pub const fn until(self, deadline: Timestamp) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Wait { more, bytes, .. } => Self::Wait { more, bytes, until: Some(deadline) },
        }
    }
}
