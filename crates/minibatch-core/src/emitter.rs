//! The trait of a window strategy.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Buffer, Cause, Error, Message, Timestamp,
    chunk::decode_document,
    window::{Reason, Selection},
};

/// Decides when a window is ready, and what is in it.
///
/// A strategy is pure: it sees the messages in the order of the log and the time as an argument, and answers. It never
/// waits, reads no clock, and gives the same windows for the same log however it is fed; predicates, closures and
/// iteration orders must be deterministic (no randomly seeded maps).
///
/// # Contract
/// 1. `window_ready` is asked after every message in slot order, unless it said that it waits for more of them, and at
///    the deadlines that it asked for. After [`Readiness::Ready`] the driver calls `query` and asks again with the same `now`, until it is told
///    to wait.
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

    /// What to emit of an open window when no more messages are to come; asked until `None`.
    ///
    /// Without an implementation, all that is buffered is one last window.
    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        (!buffer.is_empty()).then(|| Selection::first(buffer.len(), reason))
    }

    /// Name, version and parameters: two strategies that could form different windows differ in it.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("custom", 1, "")
    }

    /// What the strategy remembers beside the buffer.
    ///
    /// # Errors
    /// [`Cause::Encode`] when the state cannot be encoded.
    fn snapshot(&self) -> Result<EmitterState, Error> {
        Ok(EmitterState::default())
    }

    /// Goes on from what [`WindowEmitter::snapshot`] gave, with the buffer as it was then.
    ///
    /// # Errors
    /// [`Cause::CorruptState`] when the state is not one of this strategy's.
    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        let _ = (state, buffer);
        Ok(())
    }
}

/// The answer of [`WindowEmitter::window_ready`].
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
    /// in the log, as in [`Message::size`].
    #[must_use]
    pub const fn or_bytes(self, bytes: usize) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Wait { more, until, .. } => Self::Wait { more, bytes, until },
        }
    }

    /// The same, but ask at `deadline` at the latest.
    #[must_use]
    pub const fn until(self, deadline: Timestamp) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Wait { more, bytes, .. } => Self::Wait { more, bytes, until: Some(deadline) },
        }
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
}

/// Name, version and parameters of a strategy.
///
/// A group keeps it, so that a changed strategy is noticed before it forms other windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a strategy's name, the version of its rules, and its parameters as text.
    #[must_use]
    pub fn new(name: &str, version: u32, parameters: &str) -> Self {
        Self(format!("{name}/{version}({parameters})"))
    }

    /// The fingerprint as text, as `count/1(50)`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a strategy remembers beside the buffer, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmitterState(Bytes);

#[derive(Serialize, serde::Deserialize)]
struct StateDocument<T> {
    s: T,
}

impl EmitterState {
    /// Encodes a state.
    ///
    /// # Errors
    /// [`Cause::Encode`] for what BSON cannot say.
    pub fn encode<T: Serialize + ?Sized>(state: &T) -> Result<Self, Error> {
        let bytes = bson::serialize_to_vec(&StateDocument { s: state }).map_err(|_| Cause::Encode)?;
        Ok(Self(bytes.into()))
    }

    /// Decodes a state; `None` when nothing was remembered.
    ///
    /// # Errors
    /// [`Cause::CorruptState`] when it is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let document: Option<StateDocument<T>> = decode_document(&self.0);
        document
            .map(|document| Some(document.s))
            .ok_or_else(|| Cause::corrupt_state("window state", "it is of another strategy or version").into())
    }

    /// The encoded bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// A state as it was stored.
    #[must_use]
    pub fn stored(bytes: Bytes) -> Self {
        Self(bytes)
    }
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
    fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
        (**self).drain(buffer, reason)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::nested;

    #[test]
    fn a_state_too_deep_to_decode_is_damaged() {
        let state = EmitterState::stored(nested(2_000_000).into());
        assert!(matches!(state.decode::<bson::Bson>().unwrap_err().cause(), Cause::CorruptState { .. }));
    }
}
