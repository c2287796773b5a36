//! The messages of a window, held as runs of chunks: a window of a million messages may be one run.

use std::{fmt, ops::Range, sync::Arc};

use smallvec::SmallVec;

use crate::{Message, Offset, Timestamp, chunk::Chunk};

/// Consecutive messages of one chunk.
#[derive(Clone)]
pub struct Run {
    chunk: Arc<Chunk>,
    from: u32,
    to: u32,
}

impl Run {
    pub(crate) fn new(chunk: Arc<Chunk>, from: u32, to: u32) -> Self {
        Self { chunk, from, to }
    }

    /// Messages `from..to` of `chunk`; `None` where it has not so many.
    #[must_use]
    pub fn of(chunk: &Arc<Chunk>, from: u32, to: u32) -> Option<Self> {
        (from <= to && to <= chunk.len()).then(|| Self::new(Arc::clone(chunk), from, to))
    }

    /// The append time of its messages.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.chunk.time()
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The place of its first message.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.chunk.offset(self.from)
    }

    fn messages(&self) -> impl DoubleEndedIterator<Item = Message<'_>> {
        (self.from..self.to).filter_map(|index| self.chunk.message(index))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.first(), self.len())
    }
}

/// The members of a window, in the order that its strategy gave them.
#[derive(Clone, Default)]
pub struct Members {
    runs: SmallVec<[Run; 1]>,
    len: usize,
}

impl Members {
    /// No members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of the messages in the log.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.chunk.size_between(run.from, run.to)).sum()
    }

    /// The messages in the window's order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.runs.iter().flat_map(Run::messages)
    }

    /// The messages as runs of consecutive ones.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The first message.
    #[must_use]
    pub fn first(&self) -> Option<Message<'_>> {
        self.runs.first().and_then(|run| run.messages().next())
    }

    /// The last message.
    #[must_use]
    pub fn last(&self) -> Option<Message<'_>> {
        self.runs.last().and_then(|run| run.messages().next_back())
    }

    /// The smallest offset among the members.
    #[must_use]
    pub fn lowest(&self) -> Option<Offset> {
        self.runs.iter().map(Run::first).min()
    }

    /// The members at these places alone, in the same order; places past the end are left out.
    #[must_use]
    pub fn slice(&self, places: Range<usize>) -> Self {
        let mut slice = Self::new();
        let mut begin = 0;
        for run in &self.runs {
            let end = begin + run.len();
            let inside = |place: usize| u32::try_from(place.clamp(begin, end) - begin).unwrap_or(u32::MAX);
            let (from, to) = (inside(places.start), inside(places.end));
            if from < to {
                slice.push_run(Run::new(Arc::clone(&run.chunk), run.from + from, run.from + to));
            }
            begin = end;
        }
        slice
    }

    pub(crate) fn push(&mut self, chunk: &Arc<Chunk>, index: u32) {
        match self.runs.last_mut() {
            Some(last) if last.to == index && last.chunk.slot() == chunk.slot() => {
                last.to += 1;
                self.len += 1;
            }
            _ => self.push_run(Run::new(Arc::clone(chunk), index, index + 1)),
        }
    }

    pub(crate) fn push_run(&mut self, run: Run) {
        self.len += run.len();
        match self.runs.last_mut() {
            Some(last) if last.to == run.from && last.chunk.slot() == run.chunk.slot() => last.to = run.to,
            _ => self.runs.push(run),
        }
    }
}

impl FromIterator<Run> for Members {
    fn from_iter<I: IntoIterator<Item = Run>>(runs: I) -> Self {
        let mut members = Self::new();
        runs.into_iter().for_each(|run| members.push_run(run));
        members
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.runs).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::buffer::tests::chunk;

    fn offsets(members: &Members) -> Vec<Offset> {
        members.iter().map(|message| message.offset()).collect()
    }

    proptest! {
        /// A slice of the members is the same slice of their list.
        #[test]
        fn slices_are_those_of_a_list(runs in prop::collection::vec((0u32..8, 1u32..4), 0..6), from in 0usize..20, len in 0usize..20) {
            let texts = vec!["text".to_owned(); 12];
            let mut members = Members::new();
            for (slot, (first, len)) in (1..).zip(runs) {
                members.push_run(Run::new(chunk(slot, 0, &texts), first, first + len));
            }
            let all = offsets(&members);
            let slice = members.slice(from..from + len);
            let expected: Vec<_> = all.iter().copied().skip(from).take(len).collect();
            prop_assert_eq!(slice.len(), expected.len());
            prop_assert_eq!(offsets(&slice), expected);
        }
    }
}
