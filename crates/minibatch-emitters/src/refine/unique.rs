//! One message of each key.

use std::{collections::HashSet, fmt, hash::Hash, sync::Arc};

use minibatch_core::{Buffer, Error, Fingerprint, Offset};
use serde::de::DeserializeOwned;

use super::{Refinement, value};

type Choose = dyn Fn(Vec<Offset>, Keep, &Buffer) -> Vec<Offset> + Send + Sync;

/// Which of several messages of a window is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keep {
    /// The first, as where later ones repeat it.
    First,
    /// The last, as where later ones replace it.
    Last,
}

/// One message of each key in a window, in the order in which they were.
///
/// ```
/// use minibatch_emitters::{CountWindow, Keep, StrategyExt};
/// use minibatch_testkit::emitter::check;
///
/// let tens = |number: &i64| number / 10;
/// check(CountWindow::new(4).unique_by(tens, Keep::Last), "21 11 12 31", &["21,12,31"]);
/// check(CountWindow::new(4).unique_by(tens, Keep::First), "21 11 12 31", &["21,11,31"]);
/// ```
///
/// First and last are meant in the order of the window: around `sorted_by` the last is that of the greatest key.
/// A message without a key is kept: one that is not a `T`, or that was appended without one.
///
/// It is one in a *window*: the next window may show the same key again.
#[derive(Clone)]
pub struct UniqueBy {
    choose: Arc<Choose>,
    keep: Keep,
}

impl UniqueBy {
    /// By what `key` says of the value.
    ///
    /// It must say the same of the same message each time, in every process. It is no part of the fingerprint: a group
    /// notices another one when after a restart it forms other windows than those already done.
    pub fn value<T: DeserializeOwned, K: Hash + Eq>(key: impl Fn(&T) -> K + Send + Sync + 'static, keep: Keep) -> Self {
        let choose = move |members, keep, buffer: &Buffer| {
            unique(members, keep, |offset| value(offset, buffer).map(|value| key(&value)))
        };
        Self { choose: Arc::new(choose), keep }
    }

    /// By the key that messages were appended with; nothing is decoded.
    ///
    /// ```
    /// use minibatch_emitters::{CountWindow, Keep, Refined, UniqueBy};
    ///
    /// let newest_of_each_key = Refined::new(CountWindow::new(1_000), UniqueBy::key(Keep::Last));
    /// newest_of_each_key.build()?;
    /// # Ok::<(), minibatch_core::Error>(())
    /// ```
    #[must_use]
    pub fn key(keep: Keep) -> Self {
        let choose = |members, keep, buffer: &Buffer| {
            unique(members, keep, |offset| buffer.get(offset).and_then(|message| message.key()))
        };
        Self { choose: Arc::new(choose), keep }
    }
}

fn unique<K: Hash + Eq>(mut members: Vec<Offset>, keep: Keep, key: impl Fn(Offset) -> Option<K>) -> Vec<Offset> {
    let mut seen = HashSet::with_capacity(members.len());
    let is_new = |offset: &Offset| key(*offset).is_none_or(|key| seen.insert(key));
    match keep {
        Keep::First => members.retain(is_new),
        Keep::Last => {
            members.reverse();
            members.retain(is_new);
            members.reverse();
        }
    }
    members
}

impl Refinement for UniqueBy {
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn refine(&self, members: Vec<Offset>, buffer: &Buffer) -> Vec<Offset> {
        (self.choose)(members, self.keep, buffer)
    }

    fn fingerprint(&self, of: &Fingerprint) -> Fingerprint {
        let keep = match self.keep {
            Keep::First => "first",
            Keep::Last => "last",
        };
        Fingerprint::new("unique", 1, &format!("{},{keep}", of.as_str()))
    }
}

impl fmt::Debug for UniqueBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueBy").field("keep", &self.keep).finish_non_exhaustive()
    }
}
