//! Which of a window's messages: by their places among its members.

use std::ops::Range;

use smallvec::SmallVec;

/// Places among a window's members, as ranges that are ascending and apart.
///
/// ```
/// use minibatch_core::window::Places;
///
/// let places = Places::first(5).without(&Places::from(1..2));
/// assert_eq!(places.iter().collect::<Vec<_>>(), [0, 2, 3, 4]);
/// assert_eq!(places.halves().map(|half| half.len()), [2, 2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(SmallVec<[Range<usize>; 1]>);

impl Places {
    /// The first `len` places: all of a window that has so many members.
    #[must_use]
    pub fn first(len: usize) -> Self {
        Self::from(0..len)
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// How many places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().cloned().flatten()
    }

    /// The one that has `rank` others before it.
    #[must_use]
    pub fn nth(&self, mut rank: usize) -> Option<usize> {
        for range in &self.0 {
            if rank < range.len() {
                return Some(range.start + rank);
            }
            rank -= range.len();
        }
        None
    }

    /// The first half and the second, which is the longer one.
    #[must_use]
    pub fn halves(&self) -> [Self; 2] {
        let mut left = self.len() / 2;
        let mut halves = [Self::default(), Self::default()];
        let [first, second] = &mut halves;
        for range in &self.0 {
            let middle = range.start + left.min(range.len());
            left -= middle - range.start;
            first.push(range.start..middle);
            second.push(middle..range.end);
        }
        halves
    }

    /// Those of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// Those of this that are not of the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for range in &self.0 {
            let mut at = range.start;
            for part in other.within(range.clone()) {
                rest.push(at..part.start);
                at = part.end;
            }
            rest.push(at..range.end);
        }
        rest
    }

    /// Where those of `some` stand among these; what is not among these is left out.
    #[must_use]
    pub fn ranks(&self, some: &Self) -> Self {
        let mut ranks = Self::default();
        let mut before = 0;
        for range in &self.0 {
            for part in some.within(range.clone()) {
                ranks.push(before + part.start - range.start..before + part.end - range.start);
            }
            before += range.len();
        }
        ranks
    }

    /// Those within `span`, as ranges that are ascending and apart.
    pub(crate) fn within(&self, span: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let before = self.0.partition_point(|range| range.end <= span.start);
        let ranges = self.0.iter().skip(before).take_while(move |range| range.start < span.end);
        ranges.map(move |range| range.start.max(span.start)..range.end.min(span.end))
    }

    /// Adds a range that lies after all others.
    fn push(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }
}

impl From<Range<usize>> for Places {
    fn from(range: Range<usize>) -> Self {
        Self::from_iter([range])
    }
}

impl FromIterator<Range<usize>> for Places {
    /// Of ranges in any order.
    fn from_iter<I: IntoIterator<Item = Range<usize>>>(ranges: I) -> Self {
        let mut ranges: SmallVec<[Range<usize>; 4]> = ranges.into_iter().collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut places = Self::default();
        ranges.into_iter().for_each(|range| places.push(range));
        places
    }
}

impl FromIterator<usize> for Places {
    /// Of places in any order.
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        places.into_iter().map(|place| place..place + 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn places(set: &BTreeSet<usize>) -> Places {
        set.iter().copied().collect()
    }

    fn listed(places: &Places) -> Vec<usize> {
        places.iter().collect()
    }

    proptest! {
        #[test]
        fn they_are_a_set(a in btree_set(0usize..30, 0..20), b in btree_set(0usize..30, 0..20)) {
            let (left, right) = (places(&a), places(&b));
            prop_assert_eq!(listed(&left), a.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(left.len(), a.len());
            prop_assert!(left.ranges().is_sorted_by(|one, next| one.end < next.start));
            prop_assert_eq!(listed(&left.and(&right)), a.union(&b).copied().collect::<Vec<_>>());
            prop_assert_eq!(listed(&left.without(&right)), a.difference(&b).copied().collect::<Vec<_>>());
            let ranks: Vec<usize> = a.iter().enumerate().filter(|(_, place)| b.contains(place)).map(|(rank, _)| rank).collect();
            prop_assert_eq!(listed(&left.ranks(&right)), ranks);
            for (rank, place) in a.iter().enumerate() {
                prop_assert_eq!(left.nth(rank), Some(*place));
            }
            prop_assert_eq!(left.nth(a.len()), None);
            let [first, second] = left.halves();
            prop_assert_eq!(first.len(), a.len() / 2);
            prop_assert!(listed(&first).last() < listed(&second).first() || a.is_empty());
            prop_assert_eq!(first.and(&second), left);
        }
    }
}
