//! What a message must be to be taken for a step.

use std::{fmt, sync::Arc};

use minibatch_core::{Cause, Error, Message};
use serde::de::DeserializeOwned;

/// How many different conditions there may be: a bit each.
const MOST: usize = 64;

/// What a message must be to be taken for a step of a [`Pattern`](super::Pattern).
///
/// Two conditions are the same if one is a clone of the other: it is asked once for a message, however many steps have it.
/// It must say the same of the same message each time, in every process.
///
/// ```
/// use minibatch_emitters::{Condition, Pattern};
///
/// let failure = Condition::of(|status: &u16| *status >= 500);
/// let success = Condition::of(|status: &u16| *status < 400);
/// // three failures, and no success between them
/// let outage = Pattern::begin("first", &failure)
///     .without("success", &success)
///     .then("second", &failure)
///     .without("success", &success)
///     .then("third", &failure);
/// # let _ = outage;
/// ```
pub struct Condition<T>(Arc<Test<T>>);

enum Test<T> {
    Value(Box<dyn Fn(&T) -> bool + Send + Sync>),
    Message(Box<dyn Fn(&Message<'_>) -> bool + Send + Sync>),
}

impl<T> Condition<T> {
    /// Of the value. It does not hold of a message that is not a `T`.
    pub fn of(holds: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Test::Value(Box::new(holds))))
    }

    /// Of the message as it lies in the log, with its key and headers. Where all conditions are so, nothing is decoded.
    pub fn by(holds: impl Fn(&Message<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Test::Message(Box::new(holds))))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Condition<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<&Self> for Condition<T> {
    fn from(condition: &Self) -> Self {
        condition.clone()
    }
}

impl<T, F: Fn(&T) -> bool + Send + Sync + 'static> From<F> for Condition<T> {
    fn from(holds: F) -> Self {
        Self::of(holds)
    }
}

impl<T> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition")
    }
}

/// A set of conditions: those that hold of a message, or those that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions(u64);

impl Conditions {
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The different conditions of a strategy.
pub(super) struct Register<T>(Vec<Condition<T>>);

impl<T: DeserializeOwned + 'static> Register<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// # Errors
    /// [`Cause::InvalidWindow`] when there are too many.
    pub(super) fn enter(&mut self, condition: &Condition<T>) -> Result<Conditions, Error> {
        let at = self.0.iter().position(|known| known.is(condition)).unwrap_or_else(|| {
            self.0.push(condition.clone());
            self.0.len() - 1
        });
        if at >= MOST {
            return Err(Cause::invalid_window("patterns have at most 64 different conditions").into());
        }
        Ok(Conditions(1 << at))
    }

    /// Which of them hold of a message: it is decoded once, and not at all if they do not ask for its value.
    pub(super) fn judge(self) -> Judge {
        let decodes = self.0.iter().any(|condition| matches!(*condition.0, Test::Value(_)));
        Judge(Arc::new(move |message| {
            let value: Option<T> = decodes.then(|| message.decode().ok()).flatten();
            let holds = |condition: &Condition<T>| match &*condition.0 {
                Test::Value(holds) => value.as_ref().is_some_and(holds),
                Test::Message(holds) => holds(message),
            };
            Conditions(self.0.iter().rev().fold(0, |holding, condition| holding << 1 | u64::from(holds(condition))))
        }))
    }
}

/// Says which conditions hold of a message.
#[derive(Clone)]
pub(super) struct Judge(Arc<dyn Fn(&Message<'_>) -> Conditions + Send + Sync>);

impl Judge {
    pub(super) fn hold(&self, message: &Message<'_>) -> Conditions {
        (self.0)(message)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}
