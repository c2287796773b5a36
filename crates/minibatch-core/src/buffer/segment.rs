//! What is buffered of one chunk.

use std::{iter, ops::Range, sync::Arc};

use super::gone::Gone;
use crate::{Members, Run, Slot, chunk::Chunk};

/// The buffered messages of one chunk: `first..end` but those that are gone from the middle.
pub(super) struct Segment {
    pub(super) chunk: Arc<Chunk>,
    /// The chunk's own: looked for without touching the chunk.
    pub(super) slot: Slot,
    pub(super) first: u32,
    pub(super) end: u32,
    pub(super) live: u32,
    pub(super) live_bytes: usize,
    gone: Gone,
}

/// What was taken out.
pub(super) struct Taken {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Segment {
    /// Messages `from..to`, which have so many bytes.
    pub(super) fn new(chunk: &Arc<Chunk>, from: u32, to: u32, bytes: usize) -> Self {
        let (chunk, slot, gone) = (Arc::clone(chunk), chunk.slot(), Gone::default());
        Self { chunk, slot, first: from, end: to, live: to - from, live_bytes: bytes, gone }
    }

    /// Messages `from..to` too, which come after all that are there.
    pub(super) fn extend(&mut self, from: u32, to: u32, bytes: usize) {
        if from > self.end {
            self.gone.mark(self.end..from, self.chunk.len());
        }
        self.end = to;
        self.live += to - from;
        self.live_bytes += bytes;
    }

    pub(super) fn holds(&self, index: u32) -> bool {
        (self.first..self.end).contains(&index) && !self.gone.has(index)
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.gone.last_left(self.first..self.end)
    }

    /// The one that has so many others before it.
    pub(super) fn nth(&self, before: usize) -> Option<u32> {
        if self.gone.is_none() {
            return self.first.checked_add(u32::try_from(before).ok()?).filter(|index| *index < self.end);
        }
        self.indices_from(self.first).nth(before)
    }

    pub(super) fn indices_from(&self, index: u32) -> impl Iterator<Item = u32> {
        self.runs_in(self.first.max(index)..self.end).flat_map(|(from, to)| from..to)
    }

    /// All of them, as `(from, to)`, ascending and apart.
    pub(super) fn runs(&self) -> Vec<(u32, u32)> {
        self.runs_in(self.first..self.end).collect()
    }

    fn runs_in(&self, range: Range<u32>) -> impl Iterator<Item = (u32, u32)> {
        let mut at = range.start;
        iter::from_fn(move || {
            let from = self.gone.first_left(at..range.end)?;
            at = self.gone.first_gone(from..range.end).unwrap_or(range.end);
            Some((from, at))
        })
    }

    /// Adds those of `indices` that are buffered to members.
    pub(super) fn give(&self, indices: Range<u32>, members: &mut Members) {
        for (from, to) in self.runs_in(self.within(indices)) {
            members.push_run(Run::new(Arc::clone(&self.chunk), from, to));
        }
    }

    /// Takes out those of `indices` that are buffered.
    pub(super) fn remove(&mut self, indices: Range<u32>) -> Taken {
        let indices = self.within(indices);
        let (mut count, mut bytes) = (0, 0);
        for (from, to) in self.runs_in(indices.clone()) {
            count += to - from;
            bytes += self.chunk.size_between(from, to);
        }
        self.live -= count;
        self.live_bytes -= bytes;
        if indices.start == self.first {
            self.first = indices.end;
            self.skip_gone();
        } else if !indices.is_empty() {
            self.gone.mark(indices, self.chunk.len());
        }
        Taken { count: count as usize, bytes }
    }

    fn within(&self, indices: Range<u32>) -> Range<u32> {
        let start = indices.start.max(self.first);
        start..indices.end.min(self.end).max(start)
    }

    fn skip_gone(&mut self) {
        self.first = self.gone.first_left(self.first..self.end).unwrap_or(self.end);
    }
}
