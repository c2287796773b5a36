//! The messages of a window, held as runs of chunks: a window of a million messages may be one run.

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

use smallvec::SmallVec;

use crate::{Message, Offset, Slot, Timestamp, checkpoint::MemberRuns, chunk::Chunk, window::Places};

/// Consecutive messages of one chunk.
#[derive(Clone)]
pub struct Run {
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) from: u32,
    pub(crate) to: u32,
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

    /// The chunk's slot, and its messages' indices there.
    pub(crate) fn place(&self) -> (Slot, Range<u32>) {
        (self.chunk.slot(), self.from..self.to)
    }

    /// The place of its first message.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.chunk.offset(self.from)
    }

    /// Whether message `from` of `chunk` is the one after its last.
    fn is_continued_by(&self, chunk: &Chunk, from: u32) -> bool {
        let stands_alone = self.chunk.is_folded() || chunk.is_folded();
        self.to == from && self.chunk.slot() == chunk.slot() && !stands_alone
    }

    fn messages(&self) -> impl DoubleEndedIterator<Item = Message<'_>> {
        (self.from..self.to).filter_map(|index| self.chunk.message(index))
    }
}

/// Of the same messages.
impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        (self.place(), self.chunk.is_folded()) == (other.place(), other.chunk.is_folded())
    }
}

impl Eq for Run {}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.first(), self.len())
    }
}

/// The members of a window, in the order that its strategy gave them.
#[derive(Clone, Default, PartialEq, Eq)]
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

    /// Where each run is.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Slot, Range<u32>)> {
        self.runs.iter().map(Run::place)
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
    pub fn pick(&self, places: &Places) -> Self {
        let mut picked = Self::new();
        let mut begin = 0;
        for run in &self.runs {
            let end = begin + run.len();
            let inside = |place: usize| run.from + u32::try_from(place - begin).unwrap_or(u32::MAX);
            for part in places.within(begin..end) {
                picked.push_run(Run::new(Arc::clone(&run.chunk), inside(part.start), inside(part.end)));
            }
            begin = end;
        }
        picked
    }

    /// The same members; what they keep of a chunk of which they are less than a quarter is copied, so that the others'
    /// bytes are given back.
    #[must_use]
    pub fn compacted(&self) -> Self {
        let mut kept: BTreeMap<*const Chunk, Vec<&Run>> = BTreeMap::new();
        for run in &self.runs {
            kept.entry(Arc::as_ptr(&run.chunk)).or_default().push(run);
        }
        let mut copies = BTreeMap::new();
        for (known, kept) in kept {
            let Some(chunk) = kept.first().map(|run| &run.chunk) else { continue };
            let mut runs: Vec<(u32, u32)> = kept.iter().map(|run| (run.from, run.to)).collect();
            runs.sort_unstable();
            let apart = runs.is_sorted_by(|a, b| a.1 <= b.0);
            let bytes: usize = runs.iter().map(|&(from, to)| chunk.stored_between(from, to)).sum();
            if apart && chunk.is_mostly_gone(bytes) {
                copies.insert(known, chunk.reduced_to(&runs));
            }
        }
        let mut compacted = Self::new();
        for run in &self.runs {
            let chunk = copies.get(&Arc::as_ptr(&run.chunk)).unwrap_or(&run.chunk);
            compacted.push_run(Run::new(Arc::clone(chunk), run.from, run.to));
        }
        compacted
    }

    /// The members of a window as they are kept in a checkpoint. `chunks` are in slot order; `None` where one is missing.
    pub(crate) fn restored(runs: &MemberRuns, chunks: &[Arc<Chunk>]) -> Option<Self> {
        let mut members = Self::new();
        for run in runs.as_slice() {
            let at = chunks.binary_search_by_key(&run.first.slot(), |chunk| chunk.slot()).ok()?;
            let (from, to) = (run.first.index(), run.first.index().checked_add(run.len)?);
            let chunk = chunks.get(at).filter(|chunk| chunk.time() == run.time && to <= chunk.len())?;
            members.push_run(Run::new(Arc::clone(chunk), from, to));
        }
        Some(members)
    }

    pub(crate) fn push_run(&mut self, run: Run) {
        self.len += run.len();
        match self.runs.last_mut() {
            Some(last) if last.is_continued_by(&run.chunk, run.from) => last.to = run.to,
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
        /// What is picked of the members is what is picked of their list, also where it is copied.
        #[test]
        fn picks_are_those_of_a_list(
            runs in prop::collection::vec((0u32..8, 1u32..4), 0..6),
            places in prop::collection::btree_set(0usize..20, 0..12),
        ) {
            let texts: Vec<String> = (0..12).map(|number| "text".repeat(number)).collect();
            let mut members = Members::new();
            for (slot, (first, len)) in (1..).zip(runs) {
                members.push_run(Run::new(chunk(slot, 0, &texts), first, first + len));
            }
            let all = offsets(&members);
            let picked = members.pick(&places.iter().copied().collect());
            let expected: Vec<_> = places.iter().filter_map(|place| all.get(*place)).copied().collect();
            prop_assert_eq!(picked.len(), expected.len());
            prop_assert_eq!(offsets(&picked), expected);
            let compacted = picked.compacted();
            prop_assert_eq!(offsets(&compacted), offsets(&picked));
            for (message, same) in compacted.iter().zip(picked.iter()) {
                prop_assert_eq!(message.decode::<String>().unwrap(), same.decode::<String>().unwrap());
            }
        }
    }

    #[test]
    fn a_copy_keeps_the_bytes_of_its_members_only() {
        let texts = vec!["text".repeat(1_000); 12];
        let chunk = chunk(1, 0, &texts);
        let mut members = Members::new();
        members.push_run(Run::new(Arc::clone(&chunk), 3, 4));
        assert_eq!(Arc::strong_count(&chunk), 2);
        let compacted = members.compacted();
        drop(members);
        assert_eq!(Arc::strong_count(&chunk), 1);
        assert_eq!(compacted.first().unwrap().decode::<String>().unwrap(), texts[3]);
    }
}
