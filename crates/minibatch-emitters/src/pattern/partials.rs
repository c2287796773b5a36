//! The partial matches of one sequence of messages, and what becomes of them.

use std::{collections::VecDeque, mem};

use minibatch_core::{Message, Offset, Timestamp, window::Reason};

use super::{
    AfterMatch,
    automaton::{Automaton, Move, Wait, WaitId},
    chains::{Chains, Link},
    condition::Conditions,
};

/// A beginning of a match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial {
    /// Its first message.
    pub(super) start: Offset,
    pub(super) wait: WaitId,
    /// How many messages the step that it waits for has taken, as far as that makes a difference.
    pub(super) count: u32,
    pub(super) last: Link,
    /// When its time is over.
    pub(super) deadline: Option<Timestamp>,
}

/// What is to be a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) last: Link,
    pub(super) reason: Reason,
    /// The end of its time, where it was that which ended it.
    pub(super) until: Option<Timestamp>,
}

/// The partial matches: those that began first come first, and of those with the same first message the dearest.
///
/// A first message has at most one match: the first that is complete. So of two partial matches with the same first message
/// that wait for the same, the dearer one stands for both, and there are never more of them than things to wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Partials {
    open: VecDeque<Partial>,
    pub(super) chains: Chains,
    complete: VecDeque<Match>,
    minded: Minded,
    given_up: u64,
}

/// What does something to some of the partial matches; all else need not be looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Minded {
    conditions: Conditions,
    all: bool,
    deadline: Option<Timestamp>,
}

/// Partial matches in the order in which they came up, without those that another stands for.
#[derive(Default)]
struct Kept {
    partials: VecDeque<Partial>,
    /// What those wait for that may stand for the next, sorted.
    known: Vec<(WaitId, u32)>,
}

impl Kept {
    /// Adds one, or says that another stands for it.
    fn add(&mut self, partial: Partial) -> bool {
        let waits = (partial.wait, partial.count);
        let Err(at) = self.known.binary_search(&waits) else { return false };
        self.known.insert(at, waits);
        self.partials.push_back(partial);
        true
    }
}

impl Partials {
    pub(super) fn open(&self) -> impl ExactSizeIterator<Item = &Partial> {
        self.open.iter()
    }

    /// How many partial matches were given up because there were too many.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// When the first of them has no more time.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.minded.deadline
    }

    pub(super) fn has_match(&self) -> bool {
        !self.complete.is_empty()
    }

    pub(super) fn take_match(&mut self) -> Option<Match> {
        self.complete.pop_front()
    }

    /// Looks at a message, and says whether it is needed.
    pub(super) fn offer(&mut self, automaton: &Automaton, message: &Message<'_>) -> bool {
        let holding = automaton.hold(message);
        let is_minded = self.minded.all || holding.meet(self.minded.conditions);
        let found = is_minded && self.advance(automaton, holding, message.offset());
        if !(found && automaton.rules.after == AfterMatch::PastLast) {
            self.begin(automaton, holding, message);
        }
        self.give_up(automaton);
        // one partial match may have let go of it and another have it
        self.chains.forget(message.offset());
        self.chains.holds(message.offset())
    }

    /// Moves each on with a message, and says whether one of them is complete.
    fn advance(&mut self, automaton: &Automaton, holding: Conditions, offset: Offset) -> bool {
        let mut found = false;
        let mut kept = Kept::default();
        // where those with the same first message begin, and whether that has its match
        let (mut start, mut begin, mut is_matched) = (None, 0, false);
        for partial in mem::take(&mut self.open) {
            if start.replace(partial.start) != Some(partial.start) {
                (begin, is_matched) = (kept.partials.len(), false);
                if !automaton.first_stands_for_all() {
                    kept.known.clear();
                }
            }
            if is_matched || (found && automaton.rules.after == AfterMatch::PastLast) {
                self.chains.release(partial.last);
                continue;
            }
            match automaton.wait(partial.wait).map_or(Move::Dies, |wait| wait.on(holding)) {
                Move::Dies => self.chains.release(partial.last),
                Move::Stays(later) => self.keep(&mut kept, Partial { wait: later.unwrap_or(partial.wait), ..partial }),
                Move::Takes(place) => {
                    let last = self.chains.extend(Some(partial.last), offset);
                    is_matched = self.enter(automaton, &mut kept, place, Partial { last, ..partial });
                    if is_matched {
                        found = true;
                        let from = if automaton.rules.after == AfterMatch::PastLast { 0 } else { begin };
                        kept.partials.drain(from..).for_each(|other| self.chains.release(other.last));
                    }
                }
            }
        }
        self.open = kept.partials;
        self.mind(automaton);
        found
    }

    /// Begins what a message may begin.
    fn begin(&mut self, automaton: &Automaton, holding: Conditions, message: &Message<'_>) {
        let begins = |wait: &&WaitId| automaton.wait(**wait).is_some_and(|wait| wait.takes_one_of(holding));
        let mut kept: Option<Kept> = None;
        for &wait in automaton.beginnings.iter().filter(begins) {
            let Some((place, within)) = automaton.wait(wait).and_then(|wait| Some((wait.place?, wait.within))) else {
                continue;
            };
            let (start, deadline) = (message.offset(), within.map(|within| within.after(message.time())));
            let last = self.chains.extend(None, start);
            let kept = kept.get_or_insert_with(|| self.standing(automaton));
            if self.enter(automaton, kept, place, Partial { start, wait, count: 0, last, deadline }) {
                kept.partials.drain(..).for_each(|other| self.chains.release(other.last));
                if automaton.rules.after == AfterMatch::PastLast {
                    self.open.drain(..).for_each(|other| self.chains.release(other.last));
                }
                break;
            }
        }
        for partial in kept.into_iter().flat_map(|kept| kept.partials) {
            self.minded.mind(automaton, &partial);
            self.open.push_back(partial);
        }
    }

    /// Nothing kept yet, but those that stand for what begins now.
    fn standing(&self, automaton: &Automaton) -> Kept {
        let mut kept = Kept::default();
        if automaton.first_stands_for_all() {
            kept.known = self.open.iter().map(|partial| (partial.wait, partial.count)).collect();
            kept.known.sort_unstable();
        }
        kept
    }

    /// The newest message was taken for a step: what is waited for now. True if the match is complete.
    fn enter(&mut self, automaton: &Automaton, kept: &mut Kept, at: usize, partial: Partial) -> bool {
        let Some(place) = automaton.place(at) else { return false };
        let count = place.counted(partial.count);
        if place.completes && place.is_enough(count) {
            self.complete.push_back(Match { last: partial.last, reason: Reason::Pattern, until: None });
            return true;
        }
        for (wait, count) in place.waits(count) {
            let last = self.chains.share(partial.last);
            self.keep(kept, Partial { wait, count, last, ..partial });
        }
        self.chains.release(partial.last);
        false
    }

    fn keep(&mut self, kept: &mut Kept, partial: Partial) {
        if !kept.add(partial) {
            self.chains.release(partial.last);
        }
    }

    /// Log time is `now`: ends those whose time is over. The ones that waited for nothing to come are complete.
    pub(super) fn expire(&mut self, automaton: &Automaton, now: Timestamp) {
        if self.minded.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let mut open = mem::take(&mut self.open);
        // a match before this one takes all that began up to here
        let mut past = None;
        for group in open.make_contiguous().chunk_by(|one, other| one.start == other.start) {
            let is_over = |partial: &&Partial| partial.deadline.is_some_and(|deadline| deadline <= now);
            let waits_on = group.iter().any(|partial| !is_over(&partial));
            let is_past = group.first().map(|first| first.start) <= past;
            let absence = group
                .iter()
                .filter(is_over)
                .filter(|partial| automaton.wait(partial.wait).is_some_and(Wait::is_for_absence));
            let ended = match absence.min_by_key(|partial| partial.deadline) {
                _ if is_past => None,
                Some(complete) => {
                    if automaton.rules.after == AfterMatch::PastLast {
                        past = past.max(self.chains.last(complete.last));
                    }
                    Some((complete, Reason::Pattern))
                }
                None if automaton.rules.timeouts && !waits_on => group.first().map(|first| (first, Reason::Timeout)),
                None => None,
            };
            if let Some((partial, reason)) = ended {
                let last = self.chains.share(partial.last);
                self.complete.push_back(Match { last, reason, until: partial.deadline });
            }
            for partial in group {
                if is_past || is_over(&partial) || ended.is_some() {
                    self.chains.release(partial.last);
                } else {
                    self.open.push_back(*partial);
                }
            }
        }
        let chains = &mut self.chains;
        self.open.retain(|partial| {
            let stays = Some(partial.start) > past;
            if !stays {
                chains.release(partial.last);
            }
            stays
        });
        self.mind(automaton);
    }

    /// Gives up those that began first, where there are too many.
    fn give_up(&mut self, automaton: &Automaton) {
        if self.open.len() <= automaton.rules.max_partials {
            return;
        }
        while self.open.len() > automaton.rules.max_partials {
            let start = self.open.front().map(|first| first.start);
            while let Some(partial) = self.open.pop_front_if(|first| Some(first.start) == start) {
                self.chains.release(partial.last);
                self.given_up += 1;
            }
        }
        self.mind(automaton);
    }

    /// Gives all of them up.
    pub(super) fn clear(&mut self) {
        self.given_up += self.open.len() as u64;
        for partial in mem::take(&mut self.open) {
            self.chains.release(partial.last);
        }
        self.minded = Minded::default();
    }

    /// Goes on with these.
    pub(super) fn restore(&mut self, automaton: &Automaton, open: VecDeque<Partial>) {
        self.open = open;
        self.mind(automaton);
    }

    fn mind(&mut self, automaton: &Automaton) {
        self.minded = Minded::default();
        self.open.iter().for_each(|partial| self.minded.mind(automaton, partial));
    }
}

impl Minded {
    fn mind(&mut self, automaton: &Automaton, partial: &Partial) {
        match automaton.wait(partial.wait).and_then(Wait::minds) {
            Some(conditions) => self.conditions = self.conditions.with(conditions),
            None => self.all = true,
        }
        let deadlines = self.deadline.into_iter().chain(partial.deadline);
        self.deadline = deadlines.min();
    }
}
