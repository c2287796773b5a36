//! One key: its messages, its emitter, and when that is to be asked.

use std::sync::Arc;

use minibatch_core::{
    Buffer, Deadline, EmitterState, Message, Offset, Readiness, Timestamp, Waiting, WindowEmitter,
    window::{Reason, Selection},
};

/// The messages of one key, and what the strategy makes of them.
pub(super) struct Group {
    pub(super) key: Option<Arc<str>>,
    /// Where its first message was: groups have an order by that.
    pub(super) born: Offset,
    /// The append time of its last message.
    pub(super) seen: Timestamp,
    pub(super) emitter: Box<dyn WindowEmitter>,
    pub(super) buffer: Buffer,
    /// The emitter is not asked before so many more messages were offered,
    more: usize,
    /// or messages of so many more bytes,
    more_bytes: usize,
    /// or then.
    pub(super) deadline: Option<Deadline>,
    /// It waits to be forgotten.
    pub(super) is_idle: bool,
}

impl Group {
    pub(super) fn new(key: Option<&str>, born: Offset, seen: Timestamp, emitter: Box<dyn WindowEmitter>) -> Self {
        Self {
            key: key.map(Arc::from),
            born,
            seen,
            emitter,
            buffer: Buffer::new(),
            more: 1,
            more_bytes: usize::MAX,
            deadline: None,
            is_idle: false,
        }
    }

    /// Shows the emitter a message that may enter the buffer next.
    pub(super) fn offer(&mut self, message: &Message<'_>) -> minibatch_core::Observed {
        self.seen = message.time();
        self.more = self.more.saturating_sub(1);
        if self.more_bytes < usize::MAX {
            self.more_bytes = self.more_bytes.saturating_sub(message.size());
        }
        self.emitter.observe(message)
    }

    /// Whether what was offered is a reason to ask. One that has nothing buffered could be forgotten.
    pub(super) fn is_to_be_asked(&self) -> bool {
        self.more == 0 || self.more_bytes == 0 || self.buffer.is_empty()
    }

    /// Asks at `now`; `None` if there is a window, else when to ask again unless messages come.
    pub(super) fn ask(&mut self, now: Timestamp) -> Option<Option<Deadline>> {
        match self.emitter.window_ready(&self.buffer, now) {
            Readiness::Ready => None,
            Readiness::Wait { more, bytes, until, .. } => {
                self.more = more.max(1);
                self.more_bytes = bytes;
                Some(until.filter(|until| until.at > now))
            }
        }
    }

    pub(super) fn query(&mut self) -> Selection {
        let selection = self.emitter.query(&self.buffer);
        self.take(&selection)
    }

    pub(super) fn drain(&mut self, reason: Reason) -> Option<Selection> {
        let selection = self.emitter.drain(&self.buffer, reason)?;
        Some(self.take(&selection))
    }

    /// Takes out what leaves with a window; the same window of the buffer of all keys.
    fn take(&mut self, selection: &Selection) -> Selection {
        let shared = selection.by_offset(&self.buffer);
        self.buffer.remove_with(selection);
        match &self.key {
            Some(key) => shared.keyed(&**key),
            None => shared,
        }
    }

    /// Whether one that comes anew would go on in the same way.
    pub(super) fn is_as_new(&self, fresh: &EmitterState) -> bool {
        self.emitter.snapshot().is_ok_and(|state| state == *fresh)
    }

    /// What its open window waits for. Messages of other keys do not count for it.
    pub(super) fn waits(&self, now: Timestamp) -> Vec<Waiting> {
        let of_its_key = |waiting: &Waiting| match waiting {
            Waiting::Messages(1) => Waiting::Other("1 more message of its key".to_owned()),
            Waiting::Messages(more) => Waiting::Other(format!("{more} more messages of its key")),
            Waiting::Bytes(1) => Waiting::Other("1 more byte of its key".to_owned()),
            Waiting::Bytes(more) => Waiting::Other(format!("{more} more bytes of its key")),
            other => other.clone(),
        };
        self.emitter.explain(&self.buffer, now).waits().iter().map(of_its_key).collect()
    }
}
