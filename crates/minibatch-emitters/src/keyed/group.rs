//! One key: its messages, its emitter, and when that is to be asked.

use minibatch_core::{
    Buffer, Deadline, EmitterState, Message, Observed, Offset, Readiness, Timestamp, Waiting, WindowEmitter,
    window::{Panes, Reason, Selection},
};
use smol_str::SmolStr;

/// The messages of one key, and what the strategy makes of them.
pub(super) struct Group {
    pub(super) key: Option<SmolStr>,
    /// Where its first message was: groups have an order by that.
    pub(super) born: Offset,
    /// The append time of its last message.
    pub(super) seen: Timestamp,
    pub(super) emitter: Box<dyn WindowEmitter>,
    pub(super) buffer: Buffer,
    /// How many messages are in what the emitter remembers, and not in the buffer.
    pub(super) folded: u64,
    /// The emitter is not asked before so many more messages were offered,
    more: usize,
    /// or messages of so many more bytes,
    more_bytes: usize,
    /// or then.
    pub(super) deadline: Option<Deadline>,
    /// When that is looked at: then or before.
    pub(super) looked_at: Option<Timestamp>,
    /// It waits to be forgotten.
    pub(super) is_idle: bool,
}

impl Group {
    pub(super) fn new(key: Option<SmolStr>, born: Offset, seen: Timestamp, emitter: Box<dyn WindowEmitter>) -> Self {
        Self {
            key,
            born,
            seen,
            emitter,
            buffer: Buffer::new(),
            folded: 0,
            more: 1,
            more_bytes: usize::MAX,
            deadline: None,
            looked_at: None,
            is_idle: false,
        }
    }

    /// Shows the emitter a message, which enters the buffer if it keeps it.
    pub(super) fn offer(&mut self, message: &Message<'_>) -> Observed {
        self.seen = message.time();
        self.more = self.more.saturating_sub(1);
        if self.more_bytes < usize::MAX {
            self.more_bytes = self.more_bytes.saturating_sub(message.size());
        }
        let observed = self.emitter.observe(message);
        match observed {
            Observed::Keep => self.buffer.add(message),
            Observed::Fold => self.folded += 1,
            _ => {}
        }
        observed
    }

    /// Whether nothing of it waits for a window.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.folded == 0
    }

    /// Whether what was offered is a reason to ask. One that has nothing buffered could be forgotten.
    pub(super) fn is_to_be_asked(&self) -> bool {
        self.more == 0 || self.more_bytes == 0 || self.buffer.is_empty() || self.emitter.is_due()
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
        self.take(selection)
    }

    pub(super) fn drain(&mut self, reason: Reason) -> Option<Selection> {
        let selection = self.emitter.drain(&self.buffer, reason)?;
        Some(self.take(selection))
    }

    /// Takes out what leaves with a window; the same window of the buffer of all keys.
    fn take(&mut self, selection: Selection) -> Selection {
        self.folded = self.folded.saturating_sub(selection.folded_leaving());
        let shared = selection.taken_from(&mut self.buffer);
        self.keyed(shared)
    }

    fn keyed(&self, selection: Selection) -> Selection {
        match &self.key {
            Some(key) => selection.keyed(key.as_str()),
            None => selection,
        }
    }

    /// Its open windows that have a message from `since` on.
    pub(super) fn open(&self, since: Offset, panes: Panes) -> impl Iterator<Item = Selection> {
        let open = self.emitter.open(&self.buffer, since, panes).into_iter();
        open.map(|selection| self.keyed(selection.shown_of(&self.buffer)))
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
