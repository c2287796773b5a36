//! The emitter of patterns.

use std::{collections::BTreeMap, sync::Arc};

use minibatch_core::{
    Buffer, EmitterState, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Timestamp,
    WindowEmitter,
    window::{Bounds, Leaves, Panes, Reason, Selection},
};

use super::{
    automaton::{Automaton, WaitId},
    partials::{Match, Partials},
    snapshot,
};

/// The emitter of a [`PatternWindow`](super::PatternWindow). Those of one strategy share what was compiled.
#[derive(Clone, Debug)]
pub struct PatternEmitter {
    automaton: Arc<Automaton>,
    partials: Partials,
    /// When it is asked at the latest.
    deadline: Option<Timestamp>,
}

impl PatternEmitter {
    pub(super) fn new(automaton: Arc<Automaton>) -> Self {
        Self { automaton, partials: Partials::default(), deadline: None }
    }

    /// How many partial matches there are.
    #[must_use]
    pub fn partials(&self) -> usize {
        self.partials.open().len()
    }

    /// How many partial matches were given up since this emitter was made, because there were too many or the buffer was
    /// full.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.partials.given_up()
    }

    fn select(&mut self, found: Match, buffer: &Buffer) -> Selection {
        let members = self.partials.chains.offsets(found.last);
        self.partials.chains.show(&members);
        self.partials.chains.release(found.last);
        let first = members.first().and_then(|first| buffer.get(*first));
        let bounds = first.zip(found.until).map(|(first, until)| Bounds::new(first.time(), until));
        let selection =
            Selection::of(members, found.reason).leaving(Leaves::Offsets(self.partials.chains.take_spent()));
        match bounds {
            Some(bounds) => selection.within(bounds),
            None => selection,
        }
    }
}

impl WindowEmitter for PatternEmitter {
    fn window_ready(&mut self, _buffer: &Buffer, now: Timestamp) -> Readiness {
        self.partials.expire(&self.automaton, now);
        if self.partials.has_match() || self.partials.chains.has_dead() {
            return Readiness::Ready;
        }
        self.deadline = self.partials.deadline();
        let wait = Readiness::wait_until_due();
        self.deadline.map_or(wait, |deadline| wait.until_shared(deadline))
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        match self.partials.take_match() {
            Some(found) => self.select(found, buffer),
            None => Selection::dropping(self.partials.chains.take_dead()),
        }
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        if self.partials.offer(&self.automaton, message) { Observed::Keep } else { Observed::Drop }
    }

    fn is_due(&self) -> bool {
        self.partials.has_match() || self.partials.chains.has_dead() || self.partials.deadline() != self.deadline
    }

    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        if reason == Reason::BufferFull {
            self.partials.clear();
        }
        let dead = self.partials.chains.take_dead();
        (!dead.is_empty()).then(|| Selection::dropping(dead))
    }

    fn explain(&self, _buffer: &Buffer, now: Timestamp) -> Explanation {
        let mut waits: BTreeMap<WaitId, (usize, Option<Timestamp>)> = BTreeMap::new();
        for partial in self.partials.open() {
            let (count, deadline) = waits.entry(partial.wait).or_default();
            *count += 1;
            *deadline = deadline.iter().copied().chain(partial.deadline).min();
        }
        let mut explanation = Explanation::at(now);
        for (wait, (count, deadline)) in waits {
            let Some(wait) = self.automaton.wait(wait) else { continue };
            let matches = if count == 1 { "1 partial match".to_owned() } else { format!("{count} partial matches") };
            let until = deadline.map_or(String::new(), |deadline| format!(" until {deadline}"));
            explanation = explanation.other(match wait.is_for_absence() {
                true => format!("no `{}`{until}, in {matches}", wait.name),
                false => format!("step `{}` of {matches}{until}", wait.name),
            });
        }
        if explanation.waits().is_empty() {
            let begins = |wait: &WaitId| Some(format!("`{}`", self.automaton.wait(*wait)?.name));
            let names: Vec<String> = self.automaton.beginnings.iter().filter_map(begins).collect();
            explanation = explanation.other(format!("a message to begin with: {}", names.join(", ")));
        }
        explanation
    }

    /// None: what is not complete may never be a match.
    fn open(&self, _buffer: &Buffer, _since: Offset, _panes: Panes) -> Vec<Selection> {
        Vec::new()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("pattern", 1, &self.automaton.parameters)
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        snapshot::take(&self.partials)
    }

    fn restore(&mut self, state: &EmitterState, buffer: &Buffer) -> Result<(), Error> {
        self.partials = snapshot::restore(&self.automaton, state, buffer)?;
        Ok(())
    }
}
