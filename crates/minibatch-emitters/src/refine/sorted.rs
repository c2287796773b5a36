//! In the order of a key.

use std::{fmt, sync::Arc};

use minibatch_core::{Buffer, Error, Fingerprint, Offset};
use serde::de::DeserializeOwned;

use super::{Refinement, value};

type Sort = dyn Fn(Vec<Offset>, &Buffer) -> Vec<Offset> + Send + Sync;

/// Each window's messages in the order of a key, the smallest first.
///
/// ```
/// use std::cmp::Reverse;
///
/// use minibatch_emitters::{CountWindow, StrategyExt};
/// use minibatch_testkit::emitter::check;
///
/// check(CountWindow::new(3).sorted_by(|number: &i64| *number), "3 1 2", &["1,2,3"]);
/// check(CountWindow::new(3).sorted_by(|number: &i64| Reverse(*number)), "3 1 2", &["3,2,1"]);
/// ```
///
/// Messages of equal keys stay in the order in which they were. Those that are not a `T` come after all others, in that
/// order, too.
///
/// A floating-point number is no [`Ord`]: round it (`(magnitude * 100.0) as i64`), or wrap it in a type of your own that
/// compares by [`f64::total_cmp`].
#[derive(Clone)]
pub struct SortedBy(Arc<Sort>);

impl SortedBy {
    /// By what `key` says of the value.
    ///
    /// It must say the same of the same message each time, in every process. It is no part of the fingerprint: a group
    /// notices another one when after a restart it forms other windows than those already done.
    pub fn value<T: DeserializeOwned, K: Ord>(key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |members, buffer| {
            let (mut keyed, mut others) = (Vec::with_capacity(members.len()), Vec::new());
            for offset in members {
                match value(offset, buffer) {
                    Some(value) => keyed.push((key(&value), offset)),
                    None => others.push(offset),
                }
            }
            keyed.sort_by(|(key, _), (other, _)| key.cmp(other));
            keyed.into_iter().map(|(_, offset)| offset).chain(others).collect()
        }))
    }
}

impl Refinement for SortedBy {
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn refine(&self, members: Vec<Offset>, buffer: &Buffer) -> Vec<Offset> {
        (self.0)(members, buffer)
    }

    fn fingerprint(&self, of: &Fingerprint) -> Fingerprint {
        Fingerprint::new("sorted", 1, of.as_str())
    }
}

impl fmt::Debug for SortedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SortedBy")
    }
}
