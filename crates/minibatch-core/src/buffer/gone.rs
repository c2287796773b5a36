//! Which messages of a chunk were taken out.

use std::ops::Range;

/// The bits of a word.
const WORD: u32 = u64::BITS;

/// One bit for each message of a chunk, set for those that are gone: looked through a word at a time. Those beyond the last that
/// is gone need no bit.
#[derive(Default)]
pub(super) struct Gone(Vec<u64>);

impl Gone {
    pub(super) fn has(&self, index: u32) -> bool {
        self.word(index) >> (index % WORD) & 1 == 1
    }

    /// These are gone.
    pub(super) fn mark(&mut self, indices: Range<u32>) {
        let words = indices.end.div_ceil(WORD) as usize;
        if self.0.len() < words {
            self.0.resize(words, 0);
        }
        let mut at = indices.start;
        while at < indices.end {
            let next = (at / WORD + 1) * WORD;
            let count = next.min(indices.end) - at;
            if let Some(word) = self.0.get_mut((at / WORD) as usize) {
                *word |= (u64::MAX >> (WORD - count)) << (at % WORD);
            }
            at = next;
        }
    }

    /// The first of these that is not gone.
    pub(super) fn first_left(&self, indices: Range<u32>) -> Option<u32> {
        first_bit(indices, |index| !self.word(index))
    }

    /// The first of these that is gone.
    pub(super) fn first_gone(&self, indices: Range<u32>) -> Option<u32> {
        first_bit(indices, |index| self.word(index))
    }

    /// The last of these that is not gone.
    pub(super) fn last_left(&self, indices: Range<u32>) -> Option<u32> {
        let mut end = indices.end;
        while end > indices.start {
            let last = end - 1;
            // the bits up to `last` are the upper ones
            let left = !self.word(last) << (WORD - 1 - last % WORD);
            if left != 0 {
                return Some(last - left.leading_zeros()).filter(|index| *index >= indices.start);
            }
            end = last / WORD * WORD;
        }
        None
    }

    /// The word in which a message has its bit.
    fn word(&self, index: u32) -> u64 {
        self.0.get((index / WORD) as usize).copied().unwrap_or(0)
    }
}

/// The first of these whose bit is set in its word.
fn first_bit(indices: Range<u32>, word: impl Fn(u32) -> u64) -> Option<u32> {
    let mut at = indices.start;
    while at < indices.end {
        let rest = word(at) >> (at % WORD);
        if rest != 0 {
            return Some(at + rest.trailing_zeros()).filter(|index| *index < indices.end);
        }
        at = (at / WORD + 1) * WORD;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const LEN: u32 = 200;

    fn ranges() -> impl Strategy<Value = Range<u32>> {
        (0..LEN, 0..=LEN).prop_map(|(from, to)| from..to)
    }

    proptest! {
        #[test]
        fn it_says_what_a_list_of_all_would(marked in vec(ranges(), 0..8), asked in ranges()) {
            let mut gone = Gone::default();
            let mut list = [false; LEN as usize];
            for range in marked {
                list[..].iter_mut().zip(0..).filter(|(_, index)| range.contains(index)).for_each(|(bit, _)| *bit = true);
                gone.mark(range);
            }
            let is_gone = |index: &u32| list[*index as usize];
            prop_assert!((0..LEN).all(|index| gone.has(index) == is_gone(&index)));
            prop_assert_eq!(gone.first_gone(asked.clone()), asked.clone().find(is_gone));
            prop_assert_eq!(gone.first_left(asked.clone()), asked.clone().find(|index| !is_gone(index)));
            prop_assert_eq!(gone.last_left(asked.clone()), asked.rev().find(|index| !is_gone(index)));
        }
    }
}
