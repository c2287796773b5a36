//! What is buffered of one chunk.

use std::{iter, ops::Range, sync::Arc};

use super::gone::Gone;
use crate::{Members, Run, Slot, chunk::Chunk};

/// A gap of so many messages and more costs, at a bit each, more than another segment.
const WIDE_GAP: usize = 8 * size_of::<Segment>();

/// The buffered messages of one chunk, or of a part of it: `first..end` but those that are gone from the middle.
///
/// Small, as a key has one for every few of its messages.
pub(super) struct Segment {
    pub(super) chunk: Arc<Chunk>,
    pub(super) first: u32,
    pub(super) end: u32,
    /// Nothing while no message between is gone.
    holes: Option<Box<Holes>>,
}

/// Which messages between are gone, and what there is beside them.
struct Holes {
    gone: Gone,
    live: u32,
    live_bytes: usize,
}

/// What was taken out.
pub(super) struct Taken {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Segment {
    /// Messages `from..to`.
    pub(super) fn new(chunk: &Arc<Chunk>, from: u32, to: u32) -> Self {
        Self { chunk: Arc::clone(chunk), first: from, end: to, holes: None }
    }

    pub(super) fn slot(&self) -> Slot {
        self.chunk.slot()
    }

    /// How many there are.
    pub(super) fn live(&self) -> u32 {
        self.holes.as_ref().map_or(self.end - self.first, |holes| holes.live)
    }

    /// Their bytes.
    pub(super) fn live_bytes(&self) -> usize {
        self.holes.as_ref().map_or_else(|| self.chunk.size_between(self.first, self.end), |holes| holes.live_bytes)
    }

    /// Whether so little of its chunk is left that a copy of that gives back the most.
    pub(super) fn is_mostly_gone(&self) -> bool {
        self.chunk.is_mostly_gone(self.live_bytes())
    }

    /// Whether there is a wide gap between its last message and message `from`.
    pub(super) fn is_far_from(&self, from: u32) -> bool {
        (self.end..from).len() >= WIDE_GAP
    }

    /// Messages `from..to` too, which come after all that are there and have so many bytes.
    pub(super) fn extend(&mut self, from: u32, to: u32, bytes: usize) {
        if from > self.end {
            let gap = self.end..from;
            self.holes_mut().gone.mark(gap);
        }
        if let Some(holes) = &mut self.holes {
            holes.live += to - from;
            holes.live_bytes += bytes;
        }
        self.end = to;
    }

    pub(super) fn holds(&self, index: u32) -> bool {
        self.spans(index) && !self.holes.as_ref().is_some_and(|holes| holes.gone.has(index))
    }

    /// Whether a message of that index would be in it.
    pub(super) fn spans(&self, index: u32) -> bool {
        (self.first..self.end).contains(&index)
    }

    pub(super) fn last(&self) -> Option<u32> {
        match &self.holes {
            Some(holes) => holes.gone.last_left(self.first..self.end),
            None => self.end.checked_sub(1).filter(|last| *last >= self.first),
        }
    }

    /// The one that has so many others before it.
    pub(super) fn nth(&self, before: usize) -> Option<u32> {
        if self.live() == self.end - self.first {
            return self.first.checked_add(u32::try_from(before).ok()?).filter(|index| *index < self.end);
        }
        self.indices_from(self.first).nth(before)
    }

    pub(super) fn indices_from(&self, index: u32) -> impl Iterator<Item = u32> {
        self.runs_in(self.first.max(index)..self.end).flat_map(|(from, to)| from..to)
    }

    /// All of them, as `(from, to)`, ascending and apart.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.runs_in(self.first..self.end)
    }

    fn runs_in(&self, range: Range<u32>) -> impl Iterator<Item = (u32, u32)> {
        let gone = self.holes.as_ref().map(|holes| &holes.gone);
        let mut at = range.start;
        iter::from_fn(move || {
            let from = match gone {
                Some(gone) => gone.first_left(at..range.end)?,
                None => Some(at).filter(|from| *from < range.end)?,
            };
            at = gone.and_then(|gone| gone.first_gone(from..range.end)).unwrap_or(range.end);
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
        if indices.start == self.first {
            self.first = indices.end;
        } else if count > 0 {
            self.holes_mut().gone.mark(indices);
        }
        if let Some(holes) = &mut self.holes {
            holes.live -= count;
            holes.live_bytes -= bytes;
            self.first = holes.gone.first_left(self.first..self.end).unwrap_or(self.end);
        }
        Taken { count: count as usize, bytes }
    }

    fn within(&self, indices: Range<u32>) -> Range<u32> {
        let start = indices.start.max(self.first);
        start..indices.end.min(self.end).max(start)
    }

    fn holes_mut(&mut self) -> &mut Holes {
        let (live, live_bytes) = (self.live(), self.live_bytes());
        self.holes.get_or_insert_with(|| Box::new(Holes { gone: Gone::default(), live, live_bytes }))
    }
}
