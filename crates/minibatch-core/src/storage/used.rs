//! Which numbers of derived chunks were used, as far as their records are trimmed.

use std::collections::BTreeSet;

use crate::{Cause, Error, leb128};

/// What a storage remembers of the derived chunks of an id when it trims them: a number is used for good.
///
/// Numbers below the greatest `below` that came with the id need not be told apart, so this stays small.
///
/// ```
/// use minibatch_core::storage::UsedNumbers;
///
/// let mut used = UsedNumbers::default();
/// used.insert(7, 3);
/// assert!(used.contains(7) && used.contains(2), "all below 3 count as used");
/// assert!(!used.contains(6));
///
/// let stored = used.encode_seen();
/// assert_eq!(UsedNumbers::decode(used.below(), &stored)?, used);
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedNumbers {
    below: u64,
    seen: BTreeSet<u64>,
}

impl UsedNumbers {
    /// Every number below this one counts as used.
    #[must_use]
    pub fn below(&self) -> u64 {
        self.below
    }

    /// Whether a number counts as used.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        number < self.below || self.seen.contains(&number)
    }

    /// A chunk's number is used, and no lower one than its `below` will be new. In whatever order chunks come, the same is
    /// remembered in the end.
    pub fn insert(&mut self, number: u64, below: u64) {
        self.seen.insert(number);
        self.raise(below);
    }

    /// No lower number will be new.
    pub fn raise(&mut self, below: u64) {
        self.below = self.below.max(below);
        while self.seen.first().is_some_and(|first| *first < self.below) {
            self.seen.pop_first();
        }
    }

    /// All that another one has is used here, too.
    pub fn join(&mut self, other: &Self) {
        self.seen.extend(&other.seen);
        self.raise(other.below);
    }

    /// The used numbers that are not below [`below`](Self::below), as bytes to be stored: ascending, each as the difference
    /// to the one before, in LEB128.
    #[must_use]
    pub fn encode_seen(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = self.below;
        for &number in &self.seen {
            leb128::write(&mut bytes, number - before);
            before = number;
        }
        bytes
    }

    /// From what was stored.
    ///
    /// # Errors
    /// [`CorruptState`](Cause::CorruptState) when the bytes are not what [`encode_seen`](Self::encode_seen) makes.
    pub fn decode(below: u64, mut seen: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::new(Cause::corrupt_state("producer", "its used numbers are damaged"));
        let mut used = Self { below, seen: BTreeSet::new() };
        let mut before = below;
        while !seen.is_empty() {
            let gap = leb128::read(&mut seen).ok_or_else(damaged)?;
            before = before.checked_add(gap).ok_or_else(damaged)?;
            used.seen.insert(before);
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunks() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0_u64..60, 0_u64..40), 0..30)
    }

    fn used(chunks: &[(u64, u64)]) -> UsedNumbers {
        let mut used = UsedNumbers::default();
        for &(number, below) in chunks {
            used.insert(number, below);
        }
        used
    }

    proptest! {
        #[test]
        fn used_is_used_in_whatever_order(chunks in chunks(), seed in any::<u64>()) {
            let whole = used(&chunks);
            let below = chunks.iter().map(|(_, below)| *below).max().unwrap_or(0);
            for number in 0..70 {
                let expected = number < below || chunks.iter().any(|(used, _)| *used == number);
                prop_assert_eq!(whole.contains(number), expected, "{}", number);
            }
            let mut shuffled = chunks.clone();
            shuffled.sort_by_key(|(number, below)| (number * 31 + below) ^ seed);
            prop_assert_eq!(&used(&shuffled), &whole);
            let (left, right) = chunks.split_at(chunks.len() / 2);
            let mut joined = used(left);
            joined.join(&used(right));
            prop_assert_eq!(joined, whole);
        }

        #[test]
        fn comes_back_as_it_was_stored(chunks in chunks()) {
            let used = used(&chunks);
            prop_assert_eq!(UsedNumbers::decode(used.below(), &used.encode_seen()).unwrap(), used);
        }

        #[test]
        fn any_bytes_are_judged(below in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = UsedNumbers::decode(below, &bytes);
        }
    }
}
