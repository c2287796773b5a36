//! Which windows are done, as ranges of ordinals.

use crate::{
    Offset,
    window::{FormedWindow, WindowChain},
};

/// Windows `first..=last` are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoneRange {
    /// The first window's ordinal.
    pub first: u64,
    /// The last window's ordinal.
    pub last: u64,
    /// The chain with the last one: a replay that forms the same windows arrives at it.
    pub chain: WindowChain,
    /// Where the next message was to be read when the last one was formed: a replay that gets past it without having
    /// formed the window forms other windows.
    pub next: Offset,
    /// How many messages had left the buffer before the first one.
    pub left_before: u64,
    /// How many had with the last one.
    pub left: u64,
}

/// The done windows: ranges that are ascending and apart.
///
/// A window is done, for those who form windows, when it need not be formed again: all its messages are settled, or
/// what is left of it is kept by itself, as an [`OpenWindow`](super::OpenWindow).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoneRanges(Vec<DoneRange>);

impl DoneRanges {
    /// From ranges as stored; `None` when they are not ascending and apart.
    #[must_use]
    pub fn stored(ranges: Vec<DoneRange>) -> Option<Self> {
        let sound = ranges.iter().all(|range| range.first <= range.last)
            && ranges.is_sorted_by(|a, b| a.last.checked_add(1).is_some_and(|next| next < b.first));
        sound.then_some(Self(ranges))
    }

    /// The ranges.
    #[must_use]
    pub fn as_slice(&self) -> &[DoneRange] {
        &self.0
    }

    /// Marks a window as done; marking it again changes nothing.
    pub fn insert(&mut self, window: &FormedWindow) {
        let ordinal = window.ordinal;
        let range = DoneRange {
            first: ordinal,
            last: ordinal,
            chain: window.chain,
            next: window.next,
            left_before: window.left_before,
            left: window.left_before + window.leaving,
        };
        let at = self.0.partition_point(|range| range.last < ordinal);
        if self.0.get(at).is_some_and(|range| range.first <= ordinal) {
            return;
        }
        self.0.insert(at, range);
        self.join(at + 1);
        self.join(at);
    }

    /// Joins the range at `at` onto the one before, if they touch.
    fn join(&mut self, at: usize) {
        let Some(&right) = self.0.get(at) else { return };
        let Some(left) = at.checked_sub(1).and_then(|before| self.0.get_mut(before)) else { return };
        if left.last + 1 == right.first {
            *left = DoneRange { first: left.first, left_before: left.left_before, ..right };
            self.0.remove(at);
        }
    }

    /// True when every window of `from..to` is done.
    #[must_use]
    pub fn covers(&self, from: u64, to: u64) -> bool {
        from >= to || self.0.iter().any(|range| range.first <= from && to - 1 <= range.last)
    }

    /// The first ordinal from `from` on that is not among them.
    #[must_use]
    pub fn end_from(&self, from: u64) -> u64 {
        let range = self.0.iter().find(|range| range.first <= from && from <= range.last);
        range.map_or(from, |range| range.last + 1)
    }

    /// Forgets the windows below `ordinal`, with which `left` messages left the buffer.
    pub fn forget_below(&mut self, ordinal: u64, left: u64) {
        self.0.retain_mut(|range| {
            if range.first < ordinal {
                (range.first, range.left_before) = (ordinal, left);
            }
            range.first <= range.last
        });
    }

    /// How many messages left the buffer with these windows.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.iter().map(|range| range.left.saturating_sub(range.left_before)).sum()
    }

    /// The greatest done ordinal.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|range| range.last)
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when none is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Members, Timestamp,
        window::{Bounds, Reason},
    };

    fn window(ordinal: u64) -> FormedWindow {
        FormedWindow {
            ordinal,
            members: Members::new(),
            folded: None,
            bounds: Bounds::new(Timestamp::EPOCH, Timestamp::EPOCH),
            key: None,
            reason: Reason::Count,
            next: Offset::from_u64(ordinal),
            chain: WindowChain::stored(ordinal.cast_signed()),
            leaving: ordinal % 3,
            left_before: left_before(ordinal),
        }
    }

    fn left_before(ordinal: u64) -> u64 {
        (1..ordinal).map(|before| before % 3).sum()
    }

    proptest! {
        #[test]
        fn is_a_set(ordinals in proptest::collection::vec(1u64..40, 0..60), below in 1u64..40) {
            let mut done = DoneRanges::default();
            for &ordinal in &ordinals {
                done.insert(&window(ordinal));
            }
            let listed: Vec<u64> = done.as_slice().iter().flat_map(|range| range.first..=range.last).collect();
            let mut expected = ordinals;
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(&listed, &expected);
            prop_assert!(DoneRanges::stored(done.as_slice().to_vec()).is_some());
            for range in done.as_slice() {
                prop_assert_eq!(range.chain, WindowChain::stored(range.last.cast_signed()));
                prop_assert!(done.covers(range.first, range.last + 1));
                prop_assert!(!done.covers(range.first, range.last + 2));
                prop_assert_eq!(done.end_from(range.first), range.last + 1);
                prop_assert_eq!(done.end_from(range.last + 1), range.last + 1);
            }
            done.forget_below(below, left_before(below));
            let kept: Vec<u64> = done.as_slice().iter().flat_map(|range| range.first..=range.last).collect();
            expected.retain(|&ordinal| ordinal >= below);
            prop_assert_eq!(done.left(), kept.iter().map(|ordinal| ordinal % 3).sum::<u64>());
            prop_assert_eq!(kept, expected);
        }
    }
}
