//! A pattern as its user says it: steps one after another, and what must not come between.

use std::{fmt, time::Duration};

use minibatch_core::{Cause, Error};

use super::condition::Condition;
use crate::millis::Millis;

/// A sequence of messages: steps one after another, each with a condition.
///
/// | say | and the step's message is |
/// |---|---|
/// | [`begin`](Self::begin) | any of which the condition holds |
/// | [`next`](Self::next) | the very next one after the message taken before: strict contiguity |
/// | [`then`](Self::then) | the first one after it of which the condition holds: relaxed contiguity; what comes between is passed over |
/// | [`without`](Self::without) | none: no such message comes between the steps around it, or after the last one, `within` the time |
/// | [`not_next`](Self::not_next) | none: the very next message is not such a one |
///
/// | after a step say | and it takes |
/// |---|---|
/// | [`times`](Self::times) | so many messages |
/// | [`times_between`](Self::times_between), [`at_least`](Self::at_least), [`one_or_more`](Self::one_or_more) | as many as it can get before the next step, from and up to so many |
/// | [`optional`](Self::optional) | none, if the next step comes without it |
/// | [`consecutive`](Self::consecutive) | them one directly after another; else others may come between them |
///
/// [`within`](Self::within) bounds the time of the whole from the first message on.
#[must_use = "a pattern does nothing before a strategy has it"]
pub struct Pattern<T> {
    pub(super) steps: Vec<Step<T>>,
    /// What must not come after the last step.
    pub(super) barred: Vec<Bar<T>>,
    pub(super) within: Option<Duration>,
    fault: Option<&'static str>,
}

/// A step, with what must not come before it.
pub(super) struct Step<T> {
    pub(super) name: String,
    pub(super) condition: Condition<T>,
    pub(super) barred: Vec<Bar<T>>,
    pub(super) comes: Comes,
    pub(super) least: u32,
    /// Without bound where there is none.
    pub(super) most: Option<u32>,
    pub(super) is_optional: bool,
    pub(super) is_consecutive: bool,
}

/// Where a step's message is, after the one taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    First,
    /// Directly after it.
    Next,
    /// Anywhere after it.
    Then,
}

/// What must not come in a gap.
pub(super) struct Bar<T> {
    pub(super) name: String,
    pub(super) condition: Condition<T>,
    /// It must not come as the first message in the gap.
    pub(super) at_once: bool,
}

impl<T> Pattern<T> {
    /// Begins with a message of which the condition holds: a closure of `&T`, or a [`Condition`].
    pub fn begin(name: impl Into<String>, condition: impl Into<Condition<T>>) -> Self {
        let nothing = Self { steps: Vec::new(), barred: Vec::new(), within: None, fault: None };
        nothing.step(name.into(), condition.into(), Comes::First)
    }

    /// Directly after the message taken before comes one of which the condition holds.
    pub fn next(self, name: impl Into<String>, condition: impl Into<Condition<T>>) -> Self {
        self.step(name.into(), condition.into(), Comes::Next)
    }

    /// After the message taken before comes one of which the condition holds: the first such. Others may come between.
    pub fn then(self, name: impl Into<String>, condition: impl Into<Condition<T>>) -> Self {
        self.step(name.into(), condition.into(), Comes::Then)
    }

    /// No message of which the condition holds comes between the last message of the step before and the first of the step
    /// after it. Where both that and the step's condition hold of a message, it is not taken.
    ///
    /// After the last step: none comes until the time of [`within`](Self::within) is over, and then the match is complete.
    pub fn without(self, name: impl Into<String>, condition: impl Into<Condition<T>>) -> Self {
        self.bar(name.into(), condition.into(), false)
    }

    /// The message directly after the last one of the step before is not one of which the condition holds. A step follows.
    pub fn not_next(self, name: impl Into<String>, condition: impl Into<Condition<T>>) -> Self {
        self.bar(name.into(), condition.into(), true)
    }

    /// The step takes so many messages.
    pub fn times(self, count: u32) -> Self {
        self.quantified(|step| (step.least, step.most) = (count, Some(count)))
    }

    /// The step takes from `least` to `most` messages: as many as come before the next step does.
    pub fn times_between(self, least: u32, most: u32) -> Self {
        self.quantified(|step| (step.least, step.most) = (least, Some(most)))
    }

    /// The step takes `least` messages or more: all that come before the next step does. **Without a
    /// [`within`](Self::within) a partial match holds as many messages as come.**
    pub fn at_least(self, least: u32) -> Self {
        self.quantified(|step| (step.least, step.most) = (least, None))
    }

    /// The step takes one message or more, as [`at_least`](Self::at_least).
    pub fn one_or_more(self) -> Self {
        self.at_least(1)
    }

    /// The step may be left out.
    pub fn optional(self) -> Self {
        self.quantified(|step| step.is_optional = true)
    }

    /// The messages that the step takes follow each other directly.
    pub fn consecutive(self) -> Self {
        self.quantified(|step| step.is_consecutive = true)
    }

    /// All within so much time from the append time of its first message, in whole milliseconds. A message of the very
    /// instant at which that is over is after it.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    fn step(mut self, name: String, condition: Condition<T>, comes: Comes) -> Self {
        let barred = std::mem::take(&mut self.barred);
        let (least, most) = (1, Some(1));
        let (is_optional, is_consecutive) = (false, false);
        self.steps.push(Step { name, condition, barred, comes, least, most, is_optional, is_consecutive });
        self
    }

    fn bar(mut self, name: String, condition: Condition<T>, at_once: bool) -> Self {
        self.barred.push(Bar { name, condition, at_once });
        self
    }

    fn quantified(mut self, change: impl FnOnce(&mut Step<T>)) -> Self {
        if !self.barred.is_empty() {
            self.fault = Some("how often a step comes is said right after the step");
        }
        if let Some(step) = self.steps.last_mut() {
            change(step);
        }
        self
    }

    /// How long a match may take.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for a pattern that makes no sense.
    pub(super) fn checked(&self) -> Result<Option<Millis>, Error> {
        let invalid = |reason| Err(Cause::invalid_window(reason).into());
        if let Some(fault) = self.fault {
            return invalid(fault);
        }
        let mut names: Vec<&str> = self.steps.iter().map(|step| step.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return invalid("two steps of a pattern have different names");
        }
        if self.steps.iter().any(|step| step.least == 0) {
            return invalid("a step takes at least one message, or is optional");
        }
        if self.steps.iter().any(|step| step.most.is_some_and(|most| most < step.least)) {
            return invalid("a step takes at most as many messages as at least, or more");
        }
        if self.steps.iter().all(|step| step.is_optional) {
            return invalid("a pattern of optional steps alone has nothing to find");
        }
        if self.barred.iter().any(|bar| bar.at_once) {
            return invalid("a step follows on not_next: say without and within, or next with the opposite");
        }
        if !self.barred.is_empty() && self.within.is_none() {
            return invalid("what must not come at the end must not come within some time, give it a within");
        }
        if self.barred.is_empty() && self.steps.last().is_some_and(|step| step.is_optional) {
            return invalid("a match is complete before an optional last step, leave it out");
        }
        self.within.map(Millis::new).transpose()
    }
}

impl<T> Step<T> {
    /// Whether a partial match that waits for one waits for the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = |(one, other): (&Bar<T>, &Bar<T>)| one.is(other);
        self.to_string() == other.to_string()
            && self.condition.is(&other.condition)
            && self.barred.iter().zip(&other.barred).all(same)
    }
}

impl<T> Bar<T> {
    pub(super) fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.at_once == other.at_once && self.condition.is(&other.condition)
    }
}

impl<T> Clone for Pattern<T> {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone(), barred: self.barred.clone(), ..*self }
    }
}

impl<T> Clone for Step<T> {
    fn clone(&self) -> Self {
        let (name, condition, barred) = (self.name.clone(), self.condition.clone(), self.barred.clone());
        Self { name, condition, barred, ..*self }
    }
}

impl<T> Clone for Bar<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), condition: self.condition.clone(), ..*self }
    }
}

impl<T> fmt::Display for Pattern<T> {
    /// As `begin "a" then "b"{2,} without "c" within 5000ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            f.write_str(if index > 0 { " " } else { "" })?;
            step.fmt(f)?;
        }
        self.barred.iter().try_for_each(|bar| write!(f, " {bar}"))?;
        self.within.map_or(Ok(()), |within| write!(f, " within {}ms", within.as_millis()))
    }
}

impl<T> fmt::Display for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.barred.iter().try_for_each(|bar| write!(f, "{bar} "))?;
        let comes = match self.comes {
            Comes::First => "begin",
            Comes::Next => "next",
            Comes::Then => "then",
        };
        write!(f, "{comes} {:?}", self.name)?;
        match (self.least, self.most) {
            (1, Some(1)) => {}
            (least, None) => write!(f, "{{{least},}}")?,
            (least, Some(most)) => write!(f, "{{{least},{most}}}")?,
        }
        f.write_str(if self.is_consecutive { "!" } else { "" })?;
        f.write_str(if self.is_optional { "?" } else { "" })
    }
}

impl<T> fmt::Display for Bar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", if self.at_once { "not_next" } else { "without" }, self.name)
    }
}

impl<T> fmt::Debug for Pattern<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({self})")
    }
}
