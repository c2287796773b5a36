//! The messages of a consumer that are not yet in a window.

mod gone;
mod leaving;
mod segment;

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use crate::{Message, Offset, Slot, Timestamp, chunk::Chunk, gallop::first_not};
use segment::Segment;

/// The messages offered to a window strategy and not yet taken out, in offset order.
///
/// It holds handles: a message costs nothing to push, to count or to take from the front, whatever its size. Strategies
/// read it; the driver fills and empties it.
#[derive(Default)]
pub struct Buffer {
    segments: VecDeque<Segment>,
    len: usize,
    bytes: usize,
    pinned: usize,
    let_go: u64,
    /// Another buffer has these messages too, and copies them out of chunks that are mostly gone.
    is_part: bool,
}

/// The buffered messages of one chunk, as a checkpoint keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferedSlot {
    /// The chunk's slot.
    pub slot: Slot,
    /// The append time of its messages.
    pub time: Timestamp,
    /// Which of its messages: `(from, to)`, ascending and apart.
    pub runs: Vec<(u32, u32)>,
}

impl Buffer {
    /// Nothing buffered.
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

    /// The bytes of the messages, each as [`Message::size`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes of memory that the messages keep in use: whole chunks, of which other messages may have gone.
    #[must_use]
    pub fn pinned_bytes(&self) -> usize {
        self.pinned
    }

    /// The bytes of chunks that were let go so far although some of their messages stay: those were copied out.
    #[must_use]
    pub fn let_go_bytes(&self) -> u64 {
        self.let_go
    }

    /// Adds a message, which comes after all that are there.
    ///
    /// For a strategy that keeps buffers of its own, one a key: they hold the same chunks as the driver's, and keep them in
    /// memory when that has let them go. So [`Buffer::renew`] them now and then, after so many
    /// [bytes let go](Buffer::let_go_bytes).
    pub fn add(&mut self, message: &Message<'_>) {
        let (chunk, index) = message.place();
        self.is_part = true;
        self.push(chunk, index, index + 1);
    }

    /// Takes the chunks that the other buffer has by now, where that has copied messages out.
    pub fn renew(&mut self, of: &Self) {
        let mut slot = None;
        for segment in &mut self.segments {
            let Some(other) = of.find(segment.slot(), segment.first()).and_then(|at| of.segments.get(at)) else {
                continue;
            };
            if slot != Some(segment.slot()) {
                self.pinned = self.pinned - segment.chunk().pinned_bytes() + other.chunk().pinned_bytes();
                slot = Some(segment.slot());
            }
            segment.set_chunk(Arc::clone(other.chunk()));
        }
    }

    /// The oldest message.
    #[must_use]
    pub fn first(&self) -> Option<Message<'_>> {
        let segment = self.segments.front()?;
        segment.chunk().message(segment.first())
    }

    /// The newest message.
    #[must_use]
    pub fn last(&self) -> Option<Message<'_>> {
        let segment = self.segments.back()?;
        segment.chunk().message(segment.last()?)
    }

    /// The message at `offset`, if it is buffered.
    #[must_use]
    pub fn get(&self, offset: Offset) -> Option<Message<'_>> {
        let segment = self.segments.get(self.find(offset.slot(), offset.index())?)?;
        segment.holds(offset.index()).then(|| segment.chunk().message(offset.index()))?
    }

    /// The message that has so many others before it; whole chunks of them cost nothing to pass.
    #[must_use]
    pub fn nth(&self, mut before: usize) -> Option<Message<'_>> {
        let segment = self.segments.iter().find(|segment| {
            let live = segment.live();
            let is_there = before < live;
            before -= if is_there { 0 } else { live };
            is_there
        })?;
        segment.chunk().message(segment.nth(before)?)
    }

    /// The messages in offset order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.iter_from(Offset::ZERO)
    }

    /// The messages from `offset` on, in offset order; those before it cost nothing.
    pub fn iter_from(&self, offset: Offset) -> impl Iterator<Item = Message<'_>> {
        let at = self.after(offset.slot(), offset.index());
        self.segments.range(at..).flat_map(move |segment| {
            let from = if segment.slot() == offset.slot() { offset.index() } else { 0 };
            segment.indices_from(from).filter_map(|index| segment.chunk().message(index))
        })
    }

    /// Their offsets, in order.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = Offset> {
        self.segments
            .iter()
            .flat_map(|segment| segment.indices_from(segment.first()).map(|index| segment.chunk().offset(index)))
    }

    /// The first segment that ends after that place.
    fn after(&self, slot: Slot, index: u32) -> usize {
        // of whole chunks it is as far from the newest as its slot, or nearer where slots between are missing
        let from = match self.segments.back().filter(|_| !self.is_part) {
            Some(newest) => {
                let behind = newest.slot().get().saturating_sub(slot.get());
                (self.segments.len() - 1).saturating_sub(usize::try_from(behind).unwrap_or(usize::MAX))
            }
            None => 0,
        };
        let is_before = |segment: &Segment| (segment.slot(), segment.end()) <= (slot, index);
        first_not(from..self.segments.len(), |at| self.segments.get(at).is_some_and(is_before))
    }

    /// The same, if it is of that chunk.
    fn find(&self, slot: Slot, index: u32) -> Option<usize> {
        Some(self.after(slot, index)).filter(|&at| self.is_of(at, slot))
    }

    /// The segments that may have some of these messages of that chunk: most often one, and that at `near`.
    fn around(&self, slot: Slot, indices: &Range<u32>, near: usize) -> Range<usize> {
        let is_near = |segment: &Segment| segment.slot() == slot && segment.spans(indices.start);
        let from = Some(near).filter(|&near| self.segments.get(near).is_some_and(is_near));
        let Some(from) = from.or_else(|| self.find(slot, indices.start)) else { return 0..0 };
        let mut to = from + 1;
        while self.segments.get(to - 1).is_some_and(|last| last.end() < indices.end) && self.is_of(to, slot) {
            to += 1;
        }
        from..to
    }

    fn is_of(&self, at: usize, slot: Slot) -> bool {
        self.segments.get(at).is_some_and(|segment| segment.slot() == slot)
    }

    /// Adds messages `from..to` of `chunk`, which come after all that are there.
    pub(crate) fn push(&mut self, chunk: &Arc<Chunk>, from: u32, to: u32) {
        if from >= to {
            return;
        }
        let bytes = chunk.size_between(from, to);
        self.len += (to - from) as usize;
        self.bytes += bytes;
        match self.segments.back_mut().filter(|last| last.slot() == chunk.slot()) {
            // in a part, messages may be few and far between
            Some(last) if self.is_part && last.is_far_from(from) => {
                self.segments.push_back(Segment::new(chunk, from, to));
            }
            Some(last) => last.extend(from, to, bytes),
            None => {
                // the oldest is left alone: it is one chunk, and of windows in order the next to go
                if let Some(newest) = self.segments.len().checked_sub(1).filter(|&newest| newest > 0) {
                    self.copy_out(newest);
                }
                self.pinned += chunk.pinned_bytes();
                self.segments.push_back(Segment::new(chunk, from, to));
            }
        }
    }

    /// What is buffered, as a checkpoint keeps it.
    pub(crate) fn slots(&self) -> Vec<BufferedSlot> {
        self.segments
            .iter()
            .map(|segment| BufferedSlot {
                slot: segment.slot(),
                time: segment.chunk().time(),
                runs: segment.runs().collect(),
            })
            .collect()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len)
            .field("bytes", &self.bytes)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
