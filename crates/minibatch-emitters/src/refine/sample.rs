//! Some messages for all.

use std::{fmt, sync::Arc};

use minibatch_core::{Buffer, Cause, Error, Fingerprint, Offset};
use serde::de::DeserializeOwned;
use twox_hash::XxHash3_64;

use super::{Refinement, value};

type HashOf = dyn Fn(Offset, &Buffer) -> Option<u64> + Send + Sync;

/// Some of each window's messages, in the order in which they were.
///
/// ```
/// use minibatch_emitters::{CountWindow, Sample, StrategyExt};
/// use minibatch_testkit::emitter::check;
///
/// check(CountWindow::new(5).sampled(Sample::every(2)), "a b c d e", &["ace count"]);
/// ```
///
/// Which they are but for [`every`](Sample::every) is decided by a hash, so that every group and every replay shows the
/// same, and that no pattern in the messages meets one in the choice. A message that is chosen in one window is rather
/// chosen in another that it is in, too; of two shares, one around the other, the smaller one counts.
///
/// The strategy sees all messages, whether they will be shown or not: a tenth of a session is that of the whole session,
/// which does not end because nine messages of ten were left out. So they are buffered until their window closes.
#[derive(Clone)]
pub struct Sample(Rule);

#[derive(Clone)]
enum Rule {
    Every(usize),
    AtMost(usize),
    Share(f64),
    ShareBy(f64, Arc<HashOf>),
}

impl Sample {
    /// The first of the window, and every `n`-th after it.
    #[must_use]
    pub const fn every(n: usize) -> Self {
        Self(Rule::Every(n))
    }

    /// At most `count` of the window, each message as probable as any other.
    ///
    /// They are those whose offsets have the smallest hashes (XXH3): a bottom-k sample, as in Cohen and Kaplan,
    /// *Summarizing data using bottom-k sketches*, PODC 2007.
    #[must_use]
    pub const fn at_most(count: usize) -> Self {
        Self(Rule::AtMost(count))
    }

    /// About this share of the messages, more than 0 and at most 1: those whose offsets have hashes (XXH3) below it.
    ///
    /// How many they are differs by window; there may be none.
    #[must_use]
    pub const fn share(share: f64) -> Self {
        Self(Rule::Share(share))
    }

    /// All messages of about this share of the keys, more than 0 and at most 1, and none of the others: the same keys in
    /// every window. A message that is not a `T` is shown.
    ///
    /// What counts is the hash (XXH3) of the key as text. `key` must say the same of the same message each time, in every
    /// process. It is no part of the fingerprint: a group notices another one when after a restart it forms other windows
    /// than those already done.
    pub fn share_by<T: DeserializeOwned, K: fmt::Display>(
        share: f64,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Self {
        let hash = move |offset, buffer: &Buffer| {
            let value = value(offset, buffer)?;
            Some(XxHash3_64::oneshot(key(&value).to_string().as_bytes()))
        };
        Self(Rule::ShareBy(share, Arc::new(hash)))
    }
}

fn hash(offset: Offset) -> u64 {
    XxHash3_64::oneshot(&offset.to_u64().to_le_bytes())
}

/// Whether a hash is one of the smallest so many of all, told by its upper 53 bits: as many as a float has.
fn is_below(hash: u64, share: f64) -> bool {
    ((hash >> 11) as f64) < share * (1_u64 << 53) as f64
}

/// Those of the smallest hashes.
fn lowest(mut members: Vec<Offset>, count: usize) -> Vec<Offset> {
    if members.len() <= count {
        return members;
    }
    let rank = |offset: &Offset| (hash(*offset), *offset);
    let mut ranks: Vec<_> = members.iter().map(rank).collect();
    let (_, first_out, _) = ranks.select_nth_unstable(count);
    members.retain(|offset| rank(offset) < *first_out);
    members
}

impl Refinement for Sample {
    fn check(&self) -> Result<(), Error> {
        match self.0 {
            Rule::Every(0) => Err(Cause::invalid_window("a sample is of every first message at the most").into()),
            Rule::AtMost(0) => Err(Cause::invalid_window("a sample has at least one message").into()),
            Rule::Share(share) | Rule::ShareBy(share, _) if !(share > 0.0 && share <= 1.0) => {
                Err(Cause::invalid_window("a share is more than 0 and at most 1").into())
            }
            _ => Ok(()),
        }
    }

    fn refine(&self, mut members: Vec<Offset>, buffer: &Buffer) -> Vec<Offset> {
        match &self.0 {
            Rule::Every(n) => members.into_iter().step_by(*n).collect(),
            Rule::AtMost(count) => lowest(members, *count),
            Rule::Share(share) => {
                members.retain(|offset| is_below(hash(*offset), *share));
                members
            }
            Rule::ShareBy(share, hash) => {
                members.retain(|offset| hash(*offset, buffer).is_none_or(|hash| is_below(hash, *share)));
                members
            }
        }
    }

    fn fingerprint(&self, of: &Fingerprint) -> Fingerprint {
        Fingerprint::new("sample", 1, &format!("{},{self}", of.as_str()))
    }
}

impl fmt::Display for Sample {
    /// As part of a fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Every(n) => write!(f, "every={n}"),
            Rule::AtMost(count) => write!(f, "at_most={count}"),
            Rule::Share(share) => write!(f, "share={share}"),
            Rule::ShareBy(share, _) => write!(f, "share_by={share}"),
        }
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sample({self})")
    }
}
