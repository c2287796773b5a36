//! Windows that are found: sequences of messages, and what is missing in them.

mod automaton;
mod chains;
mod compile;
mod condition;
mod emitter;
mod partials;
mod sequence;
mod snapshot;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use automaton::{Automaton, Rules};
pub use condition::Condition;
pub use emitter::PatternEmitter;
use minibatch_core::{
    Cause, Error, Strategy, WindowEmitter,
    driver::{Driver, WindowDriver},
    storage::Position,
};
pub use sequence::Pattern;
use serde::de::DeserializeOwned;

/// The messages that match a [`Pattern`], each match a window.
///
/// ```text
/// time                                   0 · · · · 5 · · · · 10· · · · 15· · · · 20
/// messages                                 a b     a   x b       a         a b
///
/// begin a, then b                          a b]    a     b]      a           b]
/// begin a, next b                          a b]                            a b]
/// begin a, without x, then b               a b]                  a           b]
/// begin a, without b, within 4 s                                 a       |
/// ```
///
/// | how do I say | |
/// |---|---|
/// | an order, then its payment | `Pattern::begin("order", …).then("payment", …)` |
/// | an order and no payment for ten minutes | `Pattern::begin("order", …).without("payment", …).within(…)` |
/// | three failures or more, then a success | `Pattern::begin("failure", …).at_least(3).then("success", …)` |
/// | five failed logins within a minute | `Pattern::begin("login", …).times(5).within(…)` |
/// | a fall, directly followed by a rise | `Pattern::begin("fall", …).next("rise", …)` |
/// | a start that was perhaps confirmed, and its end | `Pattern::begin("start", …).then("confirmed", …).optional().then("end", …)` |
/// | one thing or the other after a start | `PatternWindow::new(start_then_one).or(start_then_other)` |
///
/// # Behaviour
/// - a window is a match: its messages are those that the steps took, in the order of the log. Reason:
///   [`Pattern`](minibatch_core::window::Reason::Pattern)
/// - **a message begins one match at most: the first that is complete.** So an open-ended last step ends as soon as it may,
///   while one in the middle takes all that comes before the next step. Of matches that are complete with the same message the
///   one is taken whose earlier steps take more
/// - each message of which the first step's condition holds begins a partial match. What becomes of the others when one is
///   complete is said with [`after`](Self::after): by default no message is in two matches
/// - a pattern that ends `without` something is complete when log time reaches the append time of its first message and
///   [`within`](Pattern::within) more; a message of that very time is after it. Bounds: from the first message to then
/// - the same windows for every group and every replay, at the end of the log too
/// - otherwise decides by the messages alone, with bounds from its first message's append time to just after its last one's
/// - what is not complete within its time is dropped, or comes with the reason
///   [`Timeout`](minibatch_core::window::Reason::Timeout): see [`timeouts`](Self::timeouts)
/// - **messages of no match are counted as dropped**: at once where no partial match takes them, otherwise when no partial
///   match needs them any more
/// - at most [`max_partials`](Self::max_partials) partial matches. A partial match takes a few bytes and its messages in the
///   buffer; without `within` and by default there are never more of them than steps
/// - a drain or a shutdown ends nothing: a partial match goes on when the consumer does. Where the buffer is full and is to be
///   emitted, all partial matches are given up
/// - **without `within` a partial match waits for ever if nothing more comes**
/// - remembers its partial matches, by the offsets of their messages
///
/// Patterns are found in one sequence of messages. Where each customer or device has its own, the strategy has to be run for
/// each key.
///
/// Conditions must say the same of the same message each time, in every process. They are no part of the fingerprint, which
/// has the steps with their names: a group notices another condition when after a restart it forms other windows than those
/// already done. They see one message, not those taken before it: only so can a partial match stand for another.
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_core::WindowEmitter;
/// use minibatch_emitters::{Pattern, PatternWindow};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Event {
///     kind: String,
/// }
///
/// let unpaid = Pattern::begin("order", |event: &Event| event.kind == "order")
///     .without("payment", |event: &Event| event.kind == "payment")
///     .within(Duration::from_mins(10));
/// let emitter = PatternWindow::new(unpaid).build()?;
/// let expected = r#"pattern/1(begin "order" without "payment" within 600000ms,after=past_last,max_partials=1000)"#;
/// assert_eq!(emitter.fingerprint().as_str(), expected);
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct PatternWindow<T> {
    patterns: Vec<Pattern<T>>,
    rules: Rules,
    /// Compiled once for all emitters.
    automaton: OnceLock<Arc<Automaton>>,
}

/// What becomes of the other partial matches when a match is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AfterMatch {
    /// Those that began with the match's last message or before are given up, so no message is in two matches. Where several
    /// are complete at once, the one that began first is the match.
    #[default]
    PastLast,
    /// They go on. Each message that may begin a match has its own, and a message may be in several.
    ToNext,
}

impl AfterMatch {
    fn name(self) -> &'static str {
        match self {
            Self::PastLast => "past_last",
            Self::ToNext => "to_next",
        }
    }
}

impl<T> PatternWindow<T> {
    /// How many partial matches there are at most, unless said otherwise.
    pub const MAX_PARTIALS: usize = 1_000;

    /// The matches of a pattern.
    pub fn new(pattern: Pattern<T>) -> Self {
        let rules = Rules { after: AfterMatch::default(), timeouts: false, max_partials: Self::MAX_PARTIALS };
        Self { patterns: vec![pattern], rules, automaton: OnceLock::new() }
    }

    /// Or those of another pattern. A message begins a match of one of them: of that which is complete first.
    ///
    /// Steps with which several patterns begin are looked for once, if they are the same: name, how often, `within`, and
    /// clones of one [`Condition`].
    pub fn or(self, pattern: Pattern<T>) -> Self {
        self.changed(|changed| changed.patterns.push(pattern))
    }

    /// What becomes of the other partial matches when a match is complete; [`AfterMatch::PastLast`] unless said.
    pub fn after(self, after: AfterMatch) -> Self {
        self.changed(|changed| changed.rules.after = after)
    }

    /// What is begun and not complete [`within`](Pattern::within) its time comes as a window, too: of each first message the
    /// partial match whose steps took the most. Reason: [`Timeout`](minibatch_core::window::Reason::Timeout); bounds: from
    /// its first message to when its time is over. **A message may be in several of these, and in a match.**
    pub fn timeouts(self) -> Self {
        self.changed(|changed| changed.rules.timeouts = true)
    }

    /// At most so many partial matches, [`MAX_PARTIALS`](Self::MAX_PARTIALS) unless said. Where there would be more, those
    /// that began first are given up, as if their time were over, and [counted](PatternEmitter::given_up).
    pub fn max_partials(self, most: usize) -> Self {
        self.changed(|changed| changed.rules.max_partials = most)
    }

    fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.automaton = OnceLock::new();
        self
    }
}

impl<T: DeserializeOwned + 'static> PatternWindow<T> {
    /// The emitter. What the patterns are compiled to is shared by all of them.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] for a pattern with a step of no messages or of fewer at most than at least, of optional steps
    /// alone, with two steps of the same name, with an optional last step, or that ends with what must not come and has no
    /// `within`; for a `within` of nothing, not in whole milliseconds or of more than 63 bits of them; for a quantifier that
    /// is not right after its step; for more than 64 conditions; for no partial matches at all.
    pub fn build(&self) -> Result<PatternEmitter, Error> {
        if let Some(automaton) = self.automaton.get() {
            return Ok(PatternEmitter::new(Arc::clone(automaton)));
        }
        if self.rules.max_partials == 0 {
            return Err(Cause::invalid_window("without partial matches there are no matches").into());
        }
        let compiled = Arc::new(Automaton::compile(&self.patterns, self.rules)?);
        Ok(PatternEmitter::new(Arc::clone(self.automaton.get_or_init(|| compiled))))
    }
}

impl<T: DeserializeOwned + 'static> Strategy for PatternWindow<T> {
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        Ok(Box::new(self.build()?))
    }

    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self.build()?, position)))
    }
}

impl<T> Clone for PatternWindow<T> {
    fn clone(&self) -> Self {
        Self { patterns: self.patterns.clone(), rules: self.rules, automaton: self.automaton.clone() }
    }
}

impl<T> fmt::Debug for PatternWindow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternWindow").field("patterns", &self.patterns).field("rules", &self.rules).finish()
    }
}
