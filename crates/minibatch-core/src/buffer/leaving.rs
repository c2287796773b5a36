//! How messages leave a buffer: as the members of a window, and beside them.

use std::{iter, ops::Range};

use smallvec::SmallVec;

use super::Buffer;
use crate::{
    Members, Offset, Slot,
    window::{Leaves, Picks},
};

impl Buffer {
    /// Takes the oldest `count` messages out, or all when there are fewer.
    pub(super) fn take_first(&mut self, count: usize) -> Members {
        let mut members = Members::new();
        let mut left = count;
        while left > 0 {
            let Some(segment) = self.segments.pop_front_if(|segment| segment.live() <= left) else { break };
            left -= segment.live();
            self.len -= segment.live();
            self.bytes -= segment.live_bytes();
            if !self.is_of(0, segment.slot()) {
                self.pinned -= segment.chunk().pinned_bytes();
            }
            segment.give_all(&mut members);
        }
        if left > 0
            && let Some(segment) = self.segments.front_mut()
        {
            let end = segment.nth(left).unwrap_or(segment.end());
            segment.give(0..end, &mut members);
            let taken = segment.remove(0..end);
            self.len -= taken.count;
            self.bytes -= taken.bytes;
        }
        members
    }

    /// The members of a window, left in place.
    pub(crate) fn peek(&self, picks: &Picks) -> Members {
        match picks {
            Picks::First(count) => self.peek_first(*count),
            Picks::Offsets(offsets) => self.pick(offsets),
            Picks::Members(members) => members.clone(),
        }
    }

    /// The members of a window; what leaves with it is taken out.
    pub(crate) fn take(&mut self, picks: Picks, leaves: &Leaves) -> Members {
        let members = match (picks, leaves) {
            (Picks::First(count), Leaves::Members) => return self.take_first(count),
            (Picks::Members(members), _) => members,
            (picks, _) => self.peek(&picks),
        };
        match leaves {
            Leaves::Members => self.remove(members.places()),
            Leaves::Offsets(offsets) => self.remove(consecutive(offsets)),
            Leaves::Before(offset) => self.remove_before(*offset),
            Leaves::Nothing | Leaves::Kept(_) => {}
        }
        members
    }

    /// The oldest `count` messages, left in place.
    pub(super) fn peek_first(&self, count: usize) -> Members {
        let mut members = Members::new();
        for segment in &self.segments {
            let left = count - members.len();
            if left == 0 {
                break;
            }
            segment.give(0..segment.nth(left).unwrap_or(segment.end()), &mut members);
        }
        members
    }

    /// The messages at `offsets`, in that order, left in place; those that are not buffered are left out.
    pub(super) fn pick(&self, offsets: &[Offset]) -> Members {
        let mut members = Members::new();
        let mut near = 0;
        for (slot, indices) in consecutive(offsets) {
            let around = self.around(slot, &indices, near);
            near = around.start;
            for segment in self.segments.range(around) {
                segment.give(indices.clone(), &mut members);
            }
        }
        members
    }

    /// Takes the messages at these places out; those that are not buffered are left out.
    fn remove(&mut self, places: impl Iterator<Item = (Slot, Range<u32>)>) {
        let mut emptied = SmallVec::<[usize; 4]>::new();
        let mut near = 0;
        // of the newest chunk more may come
        let newest = self.segments.len().saturating_sub(1);
        for (slot, indices) in places {
            let around = self.around(slot, &indices, near);
            near = around.start;
            for (at, segment) in around.clone().zip(self.segments.range_mut(around)) {
                let taken = segment.remove(indices.clone());
                self.len -= taken.count;
                self.bytes -= taken.bytes;
                let is_nearly_empty = segment.live() == 0 || at < newest && segment.is_mostly_gone();
                if taken.count > 0 && is_nearly_empty && emptied.last() != Some(&at) {
                    emptied.push(at);
                }
            }
        }
        emptied.sort_unstable();
        emptied.dedup();
        // the last first, as those behind one that goes move up
        for at in emptied.into_iter().rev() {
            if !self.drop_if_empty(at) {
                self.copy_out(at);
            }
        }
    }

    /// Takes out every message before `offset`.
    pub(super) fn remove_before(&mut self, offset: Offset) {
        while let Some(segment) = self.segments.front_mut() {
            if segment.slot() > offset.slot() {
                break;
            }
            let end = if segment.slot() < offset.slot() { segment.end() } else { offset.index() };
            let taken = segment.remove(0..end);
            self.len -= taken.count;
            self.bytes -= taken.bytes;
            if !self.drop_if_empty(0) {
                break;
            }
        }
    }

    fn drop_if_empty(&mut self, at: usize) -> bool {
        let Some(segment) = self.segments.get(at).filter(|segment| segment.live() == 0) else { return false };
        let slot = segment.slot();
        let is_shared = self.is_of(at + 1, slot) || at.checked_sub(1).is_some_and(|before| self.is_of(before, slot));
        self.pinned -= if is_shared { 0 } else { segment.chunk().pinned_bytes() };
        self.segments.remove(at);
        true
    }

    /// Copies out what is left of a chunk that is mostly gone, so that it does not keep the rest in memory.
    pub(super) fn copy_out(&mut self, at: usize) {
        if self.is_part {
            return;
        }
        let Some(segment) = self.segments.get_mut(at).filter(|segment| segment.is_mostly_gone()) else { return };
        let reduced = segment.chunk().reduced_to(&segment.runs().collect::<Vec<_>>());
        let (before, after) = (segment.chunk().pinned_bytes(), reduced.pinned_bytes());
        self.pinned = self.pinned - before + after;
        self.let_go += before.saturating_sub(after) as u64;
        segment.set_chunk(reduced);
    }
}

/// Offsets in any order as stretches of consecutive ones: the slot, and the indices in it.
fn consecutive(offsets: &[Offset]) -> impl Iterator<Item = (Slot, Range<u32>)> {
    let mut offsets = offsets.iter().copied().peekable();
    iter::from_fn(move || {
        let first = offsets.next()?;
        let mut end = first.index() + 1;
        while offsets.next_if(|next| (next.slot(), next.index()) == (first.slot(), end)).is_some() {
            end += 1;
        }
        Some((first.slot(), first.index()..end))
    })
}
