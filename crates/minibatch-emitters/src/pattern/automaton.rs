//! What a partial match may wait for, and where it gets from there.

use std::fmt;

use minibatch_core::{Error, Message};
use serde::de::DeserializeOwned;

use super::{
    AfterMatch,
    compile::{Compiled, compile},
    condition::{Conditions, Judge},
    sequence::Pattern,
};
use crate::millis::Millis;

/// What a partial match waits for, by number.
pub(super) type WaitId = u32;

/// The patterns of a strategy, compiled. Shared by all its emitters.
#[derive(Debug)]
pub(super) struct Automaton {
    judge: Judge,
    places: Vec<Place>,
    waits: Vec<Wait>,
    /// What a match may begin with.
    pub(super) beginnings: Vec<WaitId>,
    pub(super) rules: Rules,
    /// None of the patterns has to be complete within some time.
    is_untimed: bool,
    pub(super) parameters: String,
}

/// What holds of all patterns of a strategy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) after: AfterMatch,
    pub(super) timeouts: bool,
    pub(super) max_partials: usize,
}

/// What a partial match waits for: a message of a step, or that nothing comes any more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wait {
    /// The step whose place it then takes; `None` when it waits for its time to be over.
    pub(super) place: Option<usize>,
    pub(super) takes: Conditions,
    pub(super) bars: Conditions,
    pub(super) is_strict: bool,
    /// What it waits for after a message that it passed over, where that is something else.
    pub(super) later: Option<WaitId>,
    pub(super) within: Option<Millis>,
    /// The step, or what must not come.
    pub(super) name: String,
}

/// Where a partial match is: the step that has taken its newest message.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) least: u32,
    pub(super) most: Option<u32>,
    /// For the next message of the same step.
    pub(super) again: Option<WaitId>,
    /// For what comes after it, the dearest first.
    pub(super) onward: Vec<WaitId>,
    /// It may be the last.
    pub(super) completes: bool,
}

/// What a message makes of a partial match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It takes the message and is at that place.
    Takes(usize),
    /// It passes the message over, and waits for this if not for the same as before.
    Stays(Option<WaitId>),
    /// It cannot be completed any more.
    Dies,
}

impl Wait {
    /// What a message does of which these conditions hold.
    pub(super) fn on(&self, holding: Conditions) -> Move {
        match self.place {
            _ if holding.meet(self.bars) => Move::Dies,
            Some(place) if holding.meet(self.takes) => Move::Takes(place),
            _ if self.is_strict => Move::Dies,
            _ => Move::Stays(self.later),
        }
    }

    /// Whether it takes a message of which these conditions hold.
    pub(super) fn takes_one_of(&self, holding: Conditions) -> bool {
        holding.meet(self.takes)
    }

    /// Whether it waits for nothing to come.
    pub(super) fn is_for_absence(&self) -> bool {
        self.place.is_none()
    }

    /// The messages that do something to it; `None` for all.
    pub(super) fn minds(&self) -> Option<Conditions> {
        (!self.is_strict && self.later.is_none()).then(|| self.takes.with(self.bars))
    }
}

impl Place {
    /// How often the step has taken a message by now: no more than makes a difference.
    pub(super) fn counted(&self, before: u32) -> u32 {
        before.saturating_add(1).min(self.most.unwrap_or(self.least))
    }

    pub(super) fn is_enough(&self, count: u32) -> bool {
        self.least <= count
    }

    /// What is waited for after `count` messages, each with the count to go on from, the dearest first.
    pub(super) fn waits(&self, count: u32) -> impl Iterator<Item = (WaitId, u32)> {
        let again = self.again.filter(|_| self.most.is_none_or(|most| count < most));
        let onward = if self.is_enough(count) { self.onward.as_slice() } else { &[] };
        again.map(|again| (again, count)).into_iter().chain(onward.iter().map(|&wait| (wait, 0)))
    }
}

impl Automaton {
    /// # Errors
    /// [`Cause::InvalidWindow`](minibatch_core::Cause::InvalidWindow) for patterns that make no sense.
    pub(super) fn compile<T: DeserializeOwned + 'static>(patterns: &[Pattern<T>], rules: Rules) -> Result<Self, Error> {
        let Compiled { judge, places, waits, beginnings } = compile(patterns)?;
        let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let is_untimed = patterns.iter().all(|pattern| pattern.within.is_none());
        Ok(Self {
            judge,
            places,
            waits,
            beginnings,
            rules,
            is_untimed,
            parameters: format!("{}{rules}", texts.join(" or ")),
        })
    }

    pub(super) fn hold(&self, message: &Message<'_>) -> Conditions {
        self.judge.hold(message)
    }

    pub(super) fn wait(&self, id: WaitId) -> Option<&Wait> {
        self.waits.get(id as usize)
    }

    pub(super) fn place(&self, at: usize) -> Option<&Place> {
        self.places.get(at)
    }

    /// Of two partial matches that wait for the same, the one that began first is as good as both: it will be complete when
    /// the other is, and ends it.
    pub(super) fn first_stands_for_all(&self) -> bool {
        self.is_untimed && self.rules.after == AfterMatch::PastLast
    }
}

impl fmt::Display for Rules {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeouts = if self.timeouts { ",timeouts" } else { "" };
        write!(f, ",after={},max_partials={}{timeouts}", self.after.name(), self.max_partials)
    }
}
