//! The messages of a consumer that are not yet in a window.

mod gone;
mod segment;

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use smallvec::SmallVec;

use crate::{
    Members, Message, Offset, Slot, Timestamp,
    chunk::Chunk,
    window::{Leaves, Picks, Selection},
};
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

    /// Adds the message at `offset` of another buffer, after all that are in this one; `false` where that has none there.
    ///
    /// For a strategy that keeps buffers of its own, one a key: they hold the same chunks as the driver's, and keep them in
    /// memory when that has let them go. So [`Buffer::renew`] them now and then, after so many
    /// [bytes let go](Buffer::let_go_bytes).
    pub fn share(&mut self, of: &Self, offset: Offset) -> bool {
        let Some(segment) = of.find(offset.slot()).and_then(|at| of.segments.get(at)) else { return false };
        let holds = segment.holds(offset.index());
        if holds {
            self.is_part = true;
            self.push(&segment.chunk, offset.index(), offset.index() + 1);
        }
        holds
    }

    /// Takes the chunks that the other buffer has by now, where that has copied messages out.
    pub fn renew(&mut self, of: &Self) {
        for segment in &mut self.segments {
            let Some(other) = of.find(segment.slot).and_then(|at| of.segments.get(at)) else { continue };
            self.pinned = self.pinned - segment.chunk.pinned_bytes() + other.chunk.pinned_bytes();
            segment.chunk = Arc::clone(&other.chunk);
        }
    }

    /// Takes out what leaves with a window.
    pub fn remove_with(&mut self, selection: &Selection) {
        match (selection.picks(), selection.leaves()) {
            (Picks::First(count), Leaves::Members) => self.remove_first(*count),
            (Picks::Offsets(offsets), Leaves::Members) | (_, Leaves::Offsets(offsets)) => {
                self.remove(offsets.iter().copied());
            }
            (_, Leaves::Before(offset)) => self.remove_before(*offset),
            (_, Leaves::Nothing | Leaves::Kept(_)) => {}
        }
    }

    /// The oldest message.
    #[must_use]
    pub fn first(&self) -> Option<Message<'_>> {
        let segment = self.segments.front()?;
        segment.chunk.message(segment.first)
    }

    /// The newest message.
    #[must_use]
    pub fn last(&self) -> Option<Message<'_>> {
        let segment = self.segments.back()?;
        segment.chunk.message(segment.last()?)
    }

    /// The message at `offset`, if it is buffered.
    #[must_use]
    pub fn get(&self, offset: Offset) -> Option<Message<'_>> {
        let segment = self.segments.get(self.find(offset.slot())?)?;
        segment.holds(offset.index()).then(|| segment.chunk.message(offset.index()))?
    }

    /// The message that has so many others before it; whole chunks of them cost nothing to pass.
    #[must_use]
    pub fn nth(&self, mut before: usize) -> Option<Message<'_>> {
        let segment = self.segments.iter().find(|segment| {
            let is_there = before < segment.live as usize;
            before -= if is_there { 0 } else { segment.live as usize };
            is_there
        })?;
        segment.chunk.message(segment.nth(before)?)
    }

    /// The messages in offset order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.iter_from(Offset::ZERO)
    }

    /// The messages from `offset` on, in offset order; those before it cost nothing.
    pub fn iter_from(&self, offset: Offset) -> impl Iterator<Item = Message<'_>> {
        let at = self.segments.partition_point(|segment| segment.slot < offset.slot());
        self.segments.range(at..).flat_map(move |segment| {
            let from = if segment.slot == offset.slot() { offset.index() } else { 0 };
            segment.indices_from(from).filter_map(|index| segment.chunk.message(index))
        })
    }

    /// Their offsets, in order.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = Offset> {
        self.segments
            .iter()
            .flat_map(|segment| segment.indices_from(segment.first).map(|index| Offset::packed(segment.slot, index)))
    }

    fn find(&self, slot: Slot) -> Option<usize> {
        // where no slot between is missing it is there, else before
        let at = usize::try_from(slot.get().checked_sub(self.segments.front()?.slot.get())?).ok()?;
        if self.segments.get(at).is_some_and(|segment| segment.slot == slot) {
            return Some(at);
        }
        self.segments.binary_search_by_key(&slot, |segment| segment.slot).ok()
    }

    /// The same where the message before was found at `near`: most often it is the same chunk.
    fn find_near(&self, slot: Slot, near: usize) -> Option<usize> {
        let is_there = self.segments.get(near).is_some_and(|segment| segment.slot == slot);
        if is_there { Some(near) } else { self.find(slot) }
    }

    /// Adds messages `from..to` of `chunk`, which come after all that are there.
    pub(crate) fn push(&mut self, chunk: &Arc<Chunk>, from: u32, to: u32) {
        if from >= to {
            return;
        }
        let bytes = chunk.size_between(from, to);
        self.len += (to - from) as usize;
        self.bytes += bytes;
        match self.segments.back_mut() {
            Some(last) if last.slot == chunk.slot() => last.extend(from, to, bytes),
            _ => {
                // the oldest is left alone: it is one chunk, and of windows in order the next to go
                if let Some(newest) = self.segments.len().checked_sub(1).filter(|&newest| newest > 0) {
                    self.copy_out(newest);
                }
                self.pinned += chunk.pinned_bytes();
                self.segments.push_back(Segment::new(chunk, from, to, bytes));
            }
        }
    }

    /// Takes the oldest `count` messages out, or all when there are fewer.
    pub(crate) fn take_first(&mut self, count: usize) -> Members {
        let mut members = Members::new();
        self.take_each(count, |segment, end| segment.give(0..end, &mut members));
        members
    }

    /// The same for nobody.
    fn remove_first(&mut self, count: usize) {
        self.take_each(count, |_, _| ());
    }

    /// Takes the oldest messages out, those of each segment before some index at once.
    fn take_each(&mut self, count: usize, mut taking: impl FnMut(&Segment, u32)) {
        let mut left = count;
        while left > 0 {
            let Some(segment) = self.segments.pop_front_if(|segment| segment.live as usize <= left) else { break };
            left -= segment.live as usize;
            self.len -= segment.live as usize;
            self.bytes -= segment.live_bytes;
            self.pinned -= segment.chunk.pinned_bytes();
            taking(&segment, segment.end);
        }
        if left > 0
            && let Some(segment) = self.segments.front_mut()
        {
            let end = segment.nth(left).unwrap_or(segment.end);
            taking(segment, end);
            let taken = segment.remove(0..end);
            self.len -= taken.count;
            self.bytes -= taken.bytes;
        }
    }

    /// The oldest `count` messages, left in place.
    pub(crate) fn peek_first(&self, count: usize) -> Members {
        let mut members = Members::new();
        for segment in &self.segments {
            let left = count - members.len();
            if left == 0 {
                break;
            }
            segment.give(0..segment.nth(left).unwrap_or(segment.end), &mut members);
        }
        members
    }

    /// The messages at `offsets`, in that order, left in place; those that are not buffered are left out.
    pub(crate) fn pick(&self, offsets: &[Offset]) -> Members {
        let mut members = Members::new();
        let mut near = 0;
        for (slot, indices) in consecutive(offsets.iter().copied()) {
            let Some(at) = self.find_near(slot, near) else { continue };
            near = at;
            if let Some(segment) = self.segments.get(at) {
                segment.give(indices, &mut members);
            }
        }
        members
    }

    /// Takes the messages at `offsets` out; those that are not buffered are left out.
    pub(crate) fn remove(&mut self, offsets: impl IntoIterator<Item = Offset>) {
        let mut touched = SmallVec::<[Slot; 4]>::new();
        let mut near = 0;
        for (slot, indices) in consecutive(offsets) {
            let Some(at) = self.find_near(slot, near) else { continue };
            near = at;
            let Some(segment) = self.segments.get_mut(at) else { continue };
            let taken = segment.remove(indices);
            self.len -= taken.count;
            self.bytes -= taken.bytes;
            if taken.count > 0 && touched.last() != Some(&slot) {
                touched.push(slot);
            }
        }
        for slot in touched {
            let Some(at) = self.find(slot) else { continue };
            // of the newest chunk more may come
            if !self.drop_if_empty(at) && at + 1 < self.segments.len() {
                self.copy_out(at);
            }
        }
    }

    /// Takes out every message before `offset`.
    pub(crate) fn remove_before(&mut self, offset: Offset) {
        while let Some(segment) = self.segments.front_mut() {
            if segment.slot > offset.slot() {
                break;
            }
            let end = if segment.slot < offset.slot() { segment.end } else { offset.index() };
            let taken = segment.remove(0..end);
            self.len -= taken.count;
            self.bytes -= taken.bytes;
            if !self.drop_if_empty(0) {
                break;
            }
        }
    }

    fn drop_if_empty(&mut self, at: usize) -> bool {
        let Some(segment) = self.segments.get(at).filter(|segment| segment.live == 0) else { return false };
        self.pinned -= segment.chunk.pinned_bytes();
        self.segments.remove(at);
        true
    }

    /// Copies out what is left of a chunk that is mostly gone, so that it does not keep the rest in memory.
    fn copy_out(&mut self, at: usize) {
        if self.is_part {
            return;
        }
        let is_mostly_gone = |segment: &&mut Segment| segment.chunk.is_mostly_gone(segment.live_bytes);
        let Some(segment) = self.segments.get_mut(at).filter(is_mostly_gone) else { return };
        let reduced = segment.chunk.reduced_to(&segment.runs());
        let (before, after) = (segment.chunk.pinned_bytes(), reduced.pinned_bytes());
        self.pinned = self.pinned - before + after;
        self.let_go += before.saturating_sub(after) as u64;
        segment.chunk = Arc::new(reduced);
    }

    /// What is buffered, as a checkpoint keeps it.
    pub(crate) fn slots(&self) -> Vec<BufferedSlot> {
        self.segments
            .iter()
            .map(|segment| BufferedSlot { slot: segment.slot, time: segment.chunk.time(), runs: segment.runs() })
            .collect()
    }
}

/// Offsets in any order as stretches of consecutive ones: the slot, and the indices in it.
fn consecutive(offsets: impl IntoIterator<Item = Offset>) -> impl Iterator<Item = (Slot, Range<u32>)> {
    let mut offsets = offsets.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = offsets.next()?;
        let mut end = first.index() + 1;
        while offsets.next_if(|next| (next.slot(), next.index()) == (first.slot(), end)).is_some() {
            end += 1;
        }
        Some((first.slot(), first.index()..end))
    })
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
