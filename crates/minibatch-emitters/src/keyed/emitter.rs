//! The emitter of a strategy by key.

use std::{collections::BTreeMap, fmt, sync::Arc};

use minibatch_core::{
    Buffer, Cause, Deadline, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness,
    Strategy, Timestamp, WindowEmitter,
    window::{Panes, Reason, Selection},
};
use smol_str::SmolStr;

use super::{
    ahead::Ahead,
    group::Group,
    groups::{Groups, Index},
    key::Key,
    state::Kept,
};
use crate::millis::Millis;

/// So many bytes must have been let go at least before the keys' buffers are gone through.
const WORTH_RENEWING: u64 = 8 << 20;

/// The emitter of a [`ByKey`](super::ByKey).
pub struct ByKeyEmitter {
    strategy: Arc<dyn Strategy>,
    key: Key,
    forget_after: Option<Millis>,
    /// Of an emitter that has seen nothing.
    fingerprint: Fingerprint,
    fresh: EmitterState,
    groups: Groups,
    ahead: Ahead,
    /// The groups to be asked now: always the last one, until it waits.
    turns: Vec<Index>,
    /// In the middle of a drain: the groups still to be drained, the last one first.
    draining: Option<Vec<Index>>,
    /// What the buffer had let go when the groups' buffers were gone through last.
    renewed: u64,
    /// The strategy made no emitter when it had to.
    is_broken: bool,
}

impl ByKeyEmitter {
    pub(super) fn new(strategy: Arc<dyn Strategy>, key: Key, forget_after: Option<Millis>) -> Result<Self, Error> {
        let first = strategy.emitter()?;
        let told = if matches!(key, Key::OfMessage) { "" } else { ",key" };
        let forget = forget_after.map_or("never".to_owned(), |after| after.to_string());
        let parameters = format!("{}{told},forget_after={forget}", first.fingerprint().as_str());
        Ok(Self {
            fingerprint: Fingerprint::new("by_key", 1, &parameters),
            fresh: first.snapshot()?,
            strategy,
            key,
            forget_after,
            groups: Groups::default(),
            ahead: Ahead::default(),
            turns: Vec::new(),
            draining: None,
            renewed: 0,
            is_broken: false,
        })
    }

    /// How many keys are remembered, that of messages without a key among them.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.groups.len()
    }

    fn find(&self, message: &Message<'_>) -> Option<Index> {
        let key = self.key.of(message).map(|key| self.groups.hashed(&key));
        self.groups.find(key.as_ref())
    }

    /// The group of a message, made where there is none.
    fn group(&mut self, message: &Message<'_>) -> Result<Index, Error> {
        let key = self.ahead.key(message, &self.key, &self.groups);
        if let Some(at) = self.groups.find(key.as_ref()) {
            return Ok(at);
        }
        let (key, emitter) = (key.map(|hashed| hashed.key), self.strategy.emitter()?);
        Ok(self.groups.insert(Group::new(key, message.offset(), message.time(), emitter)))
    }

    /// Lets go the chunks that the buffer of all keys has let go, once they are more than it takes to find them.
    fn renew(&mut self, buffer: &Buffer) {
        let let_go = buffer.let_go_bytes() - self.renewed;
        if let_go > WORTH_RENEWING.max(buffer.pinned_bytes() as u64) {
            self.groups.iter_mut().for_each(|group| group.buffer.renew(buffer));
            self.renewed = buffer.let_go_bytes();
        }
    }

    /// The group whose turn it is: one that was asked and had a window, or one whose deadline has come.
    fn turn(&mut self, now: Timestamp) -> Option<Index> {
        if let Some(&at) = self.turns.last() {
            return Some(at);
        }
        let (_, at) = self.groups.next().filter(|(deadline, _)| deadline.at <= now)?;
        self.turns.push(at);
        Some(at)
    }

    /// A group waits: for messages, until an instant, or for nothing but to be forgotten.
    fn rest(&mut self, at: Index, until: Option<Deadline>) {
        self.turns.pop();
        self.groups.set_deadline(at, until);
        let Some(group) = self.groups.get(at) else { return };
        let is_idle = until.is_none() && group.is_empty();
        if is_idle && group.is_as_new(&self.fresh) {
            self.groups.remove(at);
        } else {
            self.groups.set_idle(at, is_idle);
        }
    }

    /// As a driver asks its strategy after a restart and after a drain.
    fn ask_all(&mut self) {
        self.turns = self.groups.stack_by(|group| group.born);
    }
}

impl WindowEmitter for ByKeyEmitter {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        self.renew(buffer);
        while let Some(at) = self.turn(now) {
            match self.groups.get_mut(at).map(|group| group.ask(now)) {
                Some(None) => return Readiness::Ready,
                Some(Some(until)) => self.rest(at, until),
                None => drop(self.turns.pop()),
            }
        }
        let wait = Readiness::wait_until_due();
        self.groups.next().map_or(wait, |(deadline, _)| wait.or_at(deadline))
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        let group = self.turns.last().and_then(|&at| self.groups.get_mut(at));
        group.map_or(Selection::first(0, Reason::Count), Group::query)
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        if let Some(after) = self.forget_after {
            self.groups.forget(after.before(message.time()));
        }
        let Ok(at) = self.group(message) else {
            self.is_broken = true;
            return Observed::Keep;
        };
        self.groups.set_idle(at, false);
        let Some(group) = self.groups.get_mut(at) else { return Observed::Keep };
        let observed = group.offer(message);
        if group.is_to_be_asked() {
            self.turns.push(at);
        }
        observed
    }

    fn is_due(&self) -> bool {
        !self.turns.is_empty()
    }

    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        let groups = &mut self.groups;
        let draining = self.draining.get_or_insert_with(|| groups.stack_by(|group| group.key.clone()));
        while let Some(&at) = draining.last() {
            if let Some(selection) = groups.get_mut(at).and_then(|group| group.drain(reason)) {
                return Some(selection);
            }
            draining.pop();
        }
        self.draining = None;
        self.ask_all();
        None
    }

    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        let of_the_oldest = || self.find(&buffer.first()?);
        let next = self.groups.next().map(|(_, at)| at).or_else(of_the_oldest);
        let Some(group) = next.and_then(|at| self.groups.get(at)) else {
            return Explanation::at(now).other("a first message");
        };
        let waits = group.waits(now).into_iter().fold(Explanation::at(now), Explanation::or);
        match self.groups.open().saturating_sub(1) {
            _ if waits.waits().is_empty() => waits,
            0 => waits,
            1 => waits.other("what another open key waits for"),
            others => waits.other(format!("what {others} other open keys wait for")),
        }
    }

    fn open(&self, buffer: &Buffer, since: Offset, panes: Panes) -> Vec<Selection> {
        let group = |message: Message<'_>| self.groups.get(self.find(&message)?);
        let groups: BTreeMap<Offset, &Group> =
            buffer.iter_from(since).filter_map(group).map(|group| (group.born, group)).collect();
        groups.into_values().flat_map(|group| group.open(since, panes)).collect()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        if self.is_broken {
            return Err(Cause::invalid_window("its strategy has made emitters, and makes no more").into());
        }
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|group| group.born);
        EmitterState::encode(&groups.into_iter().map(Kept::of).collect::<Result<Vec<_>, _>>()?)
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.groups = Groups::default();
        self.ahead.clear();
        self.draining = None;
        self.renewed = buffer.let_go_bytes();
        self.is_broken = false;
        let mut kept = Vec::new();
        for group in state.decode::<Vec<Kept<'_>>>()?.unwrap_or_default() {
            let emitter = self.strategy.emitter()?;
            let key = group.key.as_deref().map(SmolStr::new);
            let at = self.groups.insert(Group::new(key, group.born(), group.seen(), emitter));
            if let Some(made) = self.groups.get_mut(at) {
                made.folded = group.folded;
            }
            kept.push((at, group.state));
        }
        for message in buffer.iter() {
            // another closure than before makes groups of its own: that will show
            let at = self.group(&message)?;
            if let Some(group) = self.groups.get_mut(at) {
                group.buffer.add(&message);
            }
        }
        for (at, state) in kept {
            if let Some(group) = self.groups.get_mut(at) {
                group.emitter.restore(&state, &group.buffer)?;
            }
        }
        self.ask_all();
        Ok(())
    }
}

impl fmt::Debug for ByKeyEmitter {
    /// Never a key: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKeyEmitter")
            .field("fingerprint", &self.fingerprint)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}
