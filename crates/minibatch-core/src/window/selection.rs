//! What a strategy answers when it is asked for the window that is ready.

use super::{Bounds, Folded, Reason};
use crate::{Buffer, Members, Offset};

/// Which messages are in the window, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Picks {
    /// The oldest so many of the buffer, in offset order.
    First(usize),
    /// These, in this order; an offset that is not buffered is left out.
    Offsets(Vec<Offset>),
    /// These, in this order: as a buffer that has a part of the messages [gave](Selection::taken_from) them.
    Members(Members),
}

/// Which messages leave the buffer with the window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leaves {
    /// Those of the window.
    Members,
    /// All before this offset, as when a window slides.
    Before(Offset),
    /// These.
    Offsets(Vec<Offset>),
    /// None: the window is shown before it is over.
    Nothing,
    /// None of them yet, but these **have left** for those who count what became of messages: their windows are over, and
    /// they are kept for when these come again. At last they are [released](Selection::releasing).
    Kept(Vec<Offset>),
}

/// What a selection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Window,
    Drop,
    Release,
}

/// A window as its strategy chose it: members, what leaves the buffer, bounds, key, reason.
///
/// ```
/// use minibatch_core::window::{Reason, Selection};
///
/// let selection = Selection::first(50, Reason::Count);
/// assert_eq!(selection.reason(), Reason::Count);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    pub(crate) picks: Picks,
    pub(crate) leaves: Leaves,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) key: Option<String>,
    pub(crate) reason: Reason,
    pub(crate) purpose: Purpose,
    /// The value in place of messages, and how many of these are in no later window.
    pub(crate) folded: Option<(Folded, u64)>,
}

impl Selection {
    /// A window of `picks`, which leave the buffer with it. Its bounds are those of its members' append times.
    #[must_use]
    pub fn new(picks: Picks, reason: Reason) -> Self {
        let purpose = Purpose::Window;
        Self { picks, leaves: Leaves::Members, bounds: None, key: None, reason, purpose, folded: None }
    }

    /// A window of the oldest `count` messages.
    #[must_use]
    pub fn first(count: usize, reason: Reason) -> Self {
        Self::new(Picks::First(count), reason)
    }

    /// A window of the messages at `offsets`, in that order.
    #[must_use]
    pub fn of(offsets: Vec<Offset>, reason: Reason) -> Self {
        Self::new(Picks::Offsets(offsets), reason)
    }

    /// No window: the messages at `offsets`, which were in none and will be in none, leave the buffer. They are counted as
    /// dropped, as if [`Observed::Drop`](crate::Observed::Drop) had been said of them.
    #[must_use]
    pub fn dropping(offsets: Vec<Offset>) -> Self {
        Self::without_window(offsets, Purpose::Drop)
    }

    /// No window: the messages at `offsets`, which were [kept](Leaves::Kept) after their windows were over, leave the
    /// buffer. They count as having left with these windows.
    #[must_use]
    pub fn releasing(offsets: Vec<Offset>) -> Self {
        Self::without_window(offsets, Purpose::Release)
    }

    fn without_window(leaving: Vec<Offset>, purpose: Purpose) -> Self {
        let nothing = Self::of(Vec::new(), Reason::Predicate);
        Self { leaves: Leaves::Offsets(leaving), purpose, ..nothing }
    }

    /// With other messages leaving the buffer than the members.
    #[must_use]
    pub fn leaving(mut self, leaves: Leaves) -> Self {
        self.leaves = leaves;
        self
    }

    /// With a value in place of messages, of which `leaving` are in no later window. Its bounds are to be given. The picked
    /// messages follow on the value: those that could not be folded.
    #[must_use]
    pub fn folded(mut self, folded: Folded, leaving: u64) -> Self {
        self.folded = Some((folded, leaving));
        self
    }

    /// With these bounds.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// With the key that its messages share.
    #[must_use]
    pub fn keyed(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same window with other members: `members`, in that order. What leaves the buffer and the bounds stay what they
    /// were.
    ///
    /// ```
    /// use minibatch_core::{Buffer, window::{Leaves, Reason, Selection}};
    ///
    /// // the newest of each window alone
    /// fn last_of(selection: Selection, buffer: &Buffer) -> Selection {
    ///     let last = selection.members(buffer).pop();
    ///     selection.showing(last.into_iter().collect(), buffer)
    /// }
    /// # let selection = last_of(Selection::first(2, Reason::Count), &Buffer::new());
    /// # assert_eq!(*selection.leaves(), Leaves::Offsets(vec![]));
    /// ```
    #[must_use]
    pub fn showing(mut self, members: Vec<Offset>, buffer: &Buffer) -> Self {
        let before = self.members(buffer);
        let times = before.iter().filter_map(|offset| Some(buffer.get(*offset)?.time()));
        self.bounds = self.bounds.or_else(|| Bounds::around(times));
        if self.leaves == Leaves::Members {
            self.leaves = Leaves::Offsets(before);
        }
        self.picks = Picks::Offsets(members);
        self
    }

    /// The same window of the driver's buffer, where it was selected of one that has a [part](Buffer::add) of its messages;
    /// what leaves with it is taken out of that.
    #[must_use]
    pub fn taken_from(self, part: &mut Buffer) -> Self {
        let leaves = self.leaves_of(part);
        Self { picks: Picks::Members(part.take(self.picks, &self.leaves)), leaves, ..self }
    }

    /// The same, and all of it stays: for a window that is shown [before it is over](crate::WindowEmitter::open).
    #[must_use]
    pub fn shown_of(self, part: &Buffer) -> Self {
        Self { picks: Picks::Members(part.peek(&self.picks)), leaves: self.leaves_of(part), ..self }
    }

    /// What leaves a part with it, by offset.
    fn leaves_of(&self, part: &Buffer) -> Leaves {
        let buffered = |offsets: &[Offset]| {
            let is_there = |offset: &Offset| part.get(*offset).is_some();
            offsets.iter().copied().filter(is_there).collect()
        };
        match &self.leaves {
            Leaves::Before(end) => Leaves::Offsets(part.offsets().take_while(|offset| offset < end).collect()),
            Leaves::Offsets(offsets) => Leaves::Offsets(buffered(offsets)),
            Leaves::Kept(offsets) => Leaves::Kept(buffered(offsets)),
            leaves @ (Leaves::Members | Leaves::Nothing) => leaves.clone(),
        }
    }

    /// The offsets of its members, in their order; those that are not buffered are left out.
    #[must_use]
    pub fn members(&self, buffer: &Buffer) -> Vec<Offset> {
        match &self.picks {
            Picks::First(count) => buffer.offsets().take(*count).collect(),
            Picks::Offsets(offsets) => offsets.iter().copied().filter(|offset| buffer.get(*offset).is_some()).collect(),
            Picks::Members(members) => members.iter().map(|message| message.offset()).collect(),
        }
    }

    /// Which messages are its members.
    #[must_use]
    pub fn picks(&self) -> &Picks {
        &self.picks
    }

    /// Which messages leave the buffer with it.
    #[must_use]
    pub fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// The time it covers, where that is not its members' append times.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        self.bounds
    }

    /// The key that its messages share.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// How many messages leave with the window that were [folded](Self::folded).
    #[must_use]
    pub fn folded_leaving(&self) -> u64 {
        self.folded.as_ref().map_or(0, |(_, leaving)| *leaving)
    }

    /// Whether there is a window at all: not where messages are only [dropped](Self::dropping) or
    /// [released](Self::releasing).
    #[must_use]
    pub fn forms_window(&self) -> bool {
        self.purpose == Purpose::Window
    }

    /// Why the window is emitted.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Slot, buffer::tests::chunk};

    fn offset(index: u32) -> Offset {
        Offset::new(Slot::FIRST, index).unwrap()
    }

    fn buffer(indices: &[u32]) -> Buffer {
        let texts: Vec<String> = "abcdef".chars().map(String::from).collect();
        let mut buffer = Buffer::new();
        for &index in indices {
            buffer.push(&chunk(1, 0, &texts), index, index + 1);
        }
        buffer
    }

    /// A window of the first two of messages 2, 3 and 5: what leaves of a buffer that has 0 and 1 and 4 too.
    #[test]
    fn of_a_part_it_is_the_same_of_a_buffer_with_more() {
        for (leaves, stay) in [
            (Leaves::Members, vec![0, 1, 4, 5]),
            (Leaves::Nothing, vec![0, 1, 2, 3, 4, 5]),
            (Leaves::Before(offset(5)), vec![0, 1, 4, 5]),
            (Leaves::Offsets([1, 3, 4].map(offset).to_vec()), vec![0, 1, 2, 4, 5]),
            (Leaves::Kept([1, 3, 4].map(offset).to_vec()), vec![0, 1, 2, 3, 4, 5]),
        ] {
            let mut all = buffer(&[0, 1, 2, 3, 4, 5]);
            let selection =
                Selection::first(2, Reason::Count).keyed("k").leaving(leaves).taken_from(&mut buffer(&[2, 3, 5]));
            assert_eq!(selection.members(&all), [2, 3].map(offset));
            assert_eq!((selection.key(), selection.reason()), (Some("k"), Reason::Count));
            all.take(selection.picks.clone(), &selection.leaves);
            let rest: Vec<u32> = all.iter().map(|message| message.offset().index()).collect();
            assert_eq!(rest, stay, "{selection:?}");
            if let Leaves::Kept(kept) = selection.leaves() {
                assert_eq!(*kept, [offset(3)]);
            }
        }
    }
}
