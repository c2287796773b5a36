//! What is buffered of one chunk.

use std::{iter, ops::Range, sync::Arc};

use super::gone::Gone;
use crate::{Members, Run, Slot, chunk::Chunk};

/// A gap of so many messages and more costs, at a bit each, more than another segment.
const WIDE_GAP: usize = 8 * size_of::<Segment>();

/// The buffered messages of one chunk, or of a part of it.
///
/// Small, as a key has one for every few of its messages.
pub(super) enum Segment {
    Whole(Run),
    Holed(Box<Holed>),
}

/// A run but for messages that are gone from its middle.
pub(super) struct Holed {
    run: Run,
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
        Self::Whole(Run::new(Arc::clone(chunk), from, to))
    }

    fn run(&self) -> &Run {
        match self {
            Self::Whole(run) => run,
            Self::Holed(holed) => &holed.run,
        }
    }

    fn run_mut(&mut self) -> &mut Run {
        match self {
            Self::Whole(run) => run,
            Self::Holed(holed) => &mut holed.run,
        }
    }

    pub(super) fn chunk(&self) -> &Arc<Chunk> {
        &self.run().chunk
    }

    /// The same messages of the same chunk with fewer bytes, or with more.
    pub(super) fn set_chunk(&mut self, chunk: Arc<Chunk>) {
        self.run_mut().chunk = chunk;
    }

    pub(super) fn slot(&self) -> Slot {
        self.chunk().slot()
    }

    /// Where its first message is.
    pub(super) fn first(&self) -> u32 {
        self.run().from
    }

    /// Behind its last message, whether that is gone or not.
    pub(super) fn end(&self) -> u32 {
        self.run().to
    }

    /// How many there are.
    pub(super) fn live(&self) -> usize {
        match self {
            Self::Whole(run) => run.len(),
            Self::Holed(holed) => holed.live as usize,
        }
    }

    /// Their bytes.
    pub(super) fn live_bytes(&self) -> usize {
        match self {
            Self::Whole(run) => run.chunk.size_between(run.from, run.to),
            Self::Holed(holed) => holed.live_bytes,
        }
    }

    /// Whether so little of its chunk is left that a copy of that gives back the most.
    pub(super) fn is_mostly_gone(&self) -> bool {
        self.chunk().is_mostly_gone(self.live_bytes())
    }

    /// Whether there is a wide gap between its last message and message `from`.
    pub(super) fn is_far_from(&self, from: u32) -> bool {
        (self.end()..from).len() >= WIDE_GAP
    }

    /// Messages `from..to` too, which come after all that are there and have so many bytes.
    pub(super) fn extend(&mut self, from: u32, to: u32, bytes: usize) {
        let gap = self.end()..from;
        if !gap.is_empty() {
            self.mark(gap);
        }
        if let Self::Holed(holed) = self {
            holed.live += to - from;
            holed.live_bytes += bytes;
        }
        self.run_mut().to = to;
    }

    pub(super) fn holds(&self, index: u32) -> bool {
        self.spans(index) && self.gone().is_none_or(|gone| !gone.has(index))
    }

    /// Whether a message of that index would be in it.
    pub(super) fn spans(&self, index: u32) -> bool {
        self.span().contains(&index)
    }

    pub(super) fn last(&self) -> Option<u32> {
        match self.gone() {
            Some(gone) => gone.last_left(self.span()),
            None => self.span().next_back(),
        }
    }

    /// The one that has so many others before it.
    pub(super) fn nth(&self, before: usize) -> Option<u32> {
        match self {
            Self::Whole(run) => (run.from..run.to).nth(before),
            Self::Holed(_) => self.indices_from(self.first()).nth(before),
        }
    }

    pub(super) fn indices_from(&self, index: u32) -> impl Iterator<Item = u32> {
        self.runs_in(self.first().max(index)..self.end()).flat_map(|(from, to)| from..to)
    }

    /// All of them, as `(from, to)`, ascending and apart.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.runs_in(self.span())
    }

    fn runs_in(&self, range: Range<u32>) -> impl Iterator<Item = (u32, u32)> {
        let gone = self.gone();
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
            members.push_run(Run::new(Arc::clone(self.chunk()), from, to));
        }
    }

    /// Adds all of them to members.
    pub(super) fn give_all(self, members: &mut Members) {
        match self {
            Self::Whole(run) => members.push_run(run),
            Self::Holed(_) => self.give(self.span(), members),
        }
    }

    /// Takes out those of `indices` that are buffered.
    pub(super) fn remove(&mut self, indices: Range<u32>) -> Taken {
        let indices = self.within(indices);
        let (mut count, mut bytes) = (0, 0);
        for (from, to) in self.runs_in(indices.clone()) {
            count += to - from;
            bytes += self.chunk().size_between(from, to);
        }
        if indices.start == self.first() {
            self.run_mut().from = indices.end;
        } else if count > 0 {
            self.mark(indices);
        }
        if let Self::Holed(holed) = self {
            holed.live -= count;
            holed.live_bytes -= bytes;
            let Run { from, to, .. } = holed.run;
            holed.run.from = holed.gone.first_left(from..to).unwrap_or(to);
        }
        Taken { count: count as usize, bytes }
    }

    fn span(&self) -> Range<u32> {
        self.first()..self.end()
    }

    fn within(&self, indices: Range<u32>) -> Range<u32> {
        let start = indices.start.max(self.first());
        start..indices.end.min(self.end()).max(start)
    }

    fn gone(&self) -> Option<&Gone> {
        match self {
            Self::Whole(_) => None,
            Self::Holed(holed) => Some(&holed.gone),
        }
    }

    /// These are gone from the middle.
    fn mark(&mut self, indices: Range<u32>) {
        match self {
            Self::Holed(holed) => holed.gone.mark(indices),
            Self::Whole(run) => {
                let mut gone = Gone::default();
                gone.mark(indices);
                let (live, live_bytes) = (run.to - run.from, run.chunk.size_between(run.from, run.to));
                *self = Self::Holed(Box::new(Holed { run: run.clone(), gone, live, live_bytes }));
            }
        }
    }
}
