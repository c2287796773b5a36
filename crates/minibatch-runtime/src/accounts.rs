//! The arithmetic of a group's messages: each is in one of the counters, or waits.
//!
//! Of the messages from where the group began up to its base, those that do not wait there (in its
//! buffer, or folded into what the strategy remembers) have ended: they left with a window that is done, were left out by the strategy, or were taken away by retention. After the base,
//! those that left with a done window have. Where something of a window is open, none of those that left with it has ended
//! until nothing is. Hence, for every checkpoint and the counters committed with it,
//!
//! ```text
//! finished + late + dead + skipped = base.left + done.left - open.leaving
//! dropped                          = base.dropped
//! expired                          = base.count - start.count - base.waiting - base.left - base.dropped
//! waiting                          = appended - (base.count - start.count) + base.waiting - done.left + open.leaving
//! ```
//!
//! and the sum of all these is what was appended since the group began. The functions here change a checkpoint and its
//! counters so that this stays true; the audit looks whether it is.

use minibatch_core::{
    Offset,
    checkpoint::{Base, Checkpoint, OpenWindow},
    storage::{Counters, Position},
    window::Reason,
};

/// A window is done with which `leaving` messages left the buffer: so many of its members were given up on, and the
/// others finished, or were late.
///
/// A member of several windows leaves with one of them, so a window may give up on more than leave with it.
pub(crate) fn settle(counters: &mut Counters, reason: Reason, leaving: u64, dead: u64, skipped: u64) {
    let dead = dead.min(leaving);
    let skipped = skipped.min(leaving - dead);
    counters.dead += dead;
    counters.skipped += skipped;
    match reason {
        Reason::Late => counters.late += leaving - dead - skipped,
        _ => counters.finished += leaving - dead - skipped,
    }
}

/// The done windows after the base are formed anew, and their messages end again.
pub(crate) fn without_done(checkpoint: Checkpoint, counters: &mut Counters) -> Checkpoint {
    let formed_again = checkpoint.open.range(checkpoint.base.ordinal..);
    let open: u64 = formed_again.map(|(_, window)| window.leaving).sum();
    come_again(counters, checkpoint.done.left().saturating_sub(open));
    checkpoint.without_done()
}

/// What a cut of the log below its floor leaves to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) counters: Counters,
    /// How many messages were lost to the group,
    pub(crate) lost: u64,
    /// from here on.
    pub(crate) from: Offset,
}

/// What a cut of the log leaves of open windows: those that need what is gone end, what is left of them is skipped.
/// Returns how many messages that were.
fn cut_open(checkpoint: &mut Checkpoint, counters: &mut Counters, first: Offset) -> u64 {
    let gone = |window: &OpenWindow| window.keep_from().is_some_and(|needed| needed < first);
    let mut lost = 0;
    for (_, window) in checkpoint.open.extract_if(.., |_, window| gone(window)) {
        let [dead, skipped, left] =
            [&window.dead, &window.skipped, &window.places_left()].map(|places| window.messages_at(places));
        settle(counters, window.reason, window.leaving, dead, skipped + left);
        lost += left;
    }
    lost
}

/// What is left to a group of a log that is promised from `first` on; `None` where nothing is missing.
///
/// Where only open windows miss something, what is left of them is lost, and the group goes on where it was. Else
/// its strategy begins anew at `first`, so messages from there on that had ended end again. Of the windows done after the
/// base it is known how many messages left with them, not which: those that came first are taken to have left first.
pub(crate) fn cut(checkpoint: &Checkpoint, counters: Counters, first: Position) -> Option<Cut> {
    let from = checkpoint.keep_from();
    if from >= first.offset {
        return None;
    }
    let (mut checkpoint, mut counters) = (checkpoint.clone(), counters);
    let skipped = cut_open(&mut checkpoint, &mut counters, first.offset);
    if checkpoint.base.keep_from() >= first.offset {
        return Some(Cut { checkpoint, counters, lost: skipped, from });
    }
    // the open windows that are left are formed again: as if they had ended, as the others that are
    checkpoint.open.values().for_each(|window| settle(&mut counters, window.reason, window.leaving, 0, 0));
    let base = &checkpoint.base;
    let buffered = base.waiting();
    let ended_again = ended_from(base, first) + checkpoint.done.left().saturating_sub(done_before(&checkpoint, first));
    let before = first.count + buffered + ended_again;
    let lost = before.saturating_sub(base.position.count + checkpoint.done.left());

    let left = base.left + checkpoint.done.left();
    come_again(&mut counters, ended_again);
    counters.expired += lost;
    let mut checkpoint = checkpoint.resumed_at(first);
    checkpoint.base.left = left.saturating_sub(ended_again);
    checkpoint.base.dropped -= ended_again.saturating_sub(left).min(checkpoint.base.dropped);
    Some(Cut { checkpoint, counters, lost: lost + skipped, from })
}

/// How many messages from `first` up to the base do not wait. Of those that are folded it is known how many they are, not
/// which: they are taken to lie there.
fn ended_from(base: &Base, first: Position) -> u64 {
    let Some(read) = base.position.count.checked_sub(first.count) else { return 0 };
    let buffered = base.buffered.iter().filter(|slot| slot.slot >= first.offset.slot());
    let buffered = buffered.flat_map(|slot| &slot.runs).map(|(from, to)| u64::from(to.saturating_sub(*from))).sum();
    // of those that are buffered and have ended it is not known which they are: those that came first
    let waiting = (base.waiting() - base.folded).min(buffered);
    read.saturating_sub(waiting).saturating_sub(base.folded)
}

/// How many messages before `first` left with windows done after the base.
fn done_before(checkpoint: &Checkpoint, first: Position) -> u64 {
    let base = &checkpoint.base;
    // where the first message in the base's buffer would be counted, were the buffer its end
    let next = base.position.count.saturating_sub(base.waiting());
    let reach = base.left + first.count.saturating_sub(next);
    let done = checkpoint.done.as_slice().iter();
    done.map(|range| range.left.min(reach).saturating_sub(range.left_before)).sum()
}

/// So many messages that had ended do so again: those finished first.
fn come_again(counters: &mut Counters, count: u64) {
    let Counters { finished, late, dead, skipped, dropped, expired: _ } = counters;
    let mut left = count;
    for counter in [finished, late, dead, skipped, dropped] {
        let taken = left.min(*counter);
        *counter -= taken;
        left -= taken;
    }
}

#[cfg(test)]
mod tests {
    use minibatch_core::{
        BufferedSlot, Slot, Timestamp,
        checkpoint::{DoneRange, DoneRanges, MemberRun, MemberRuns, OpenPiece},
        window::{Bounds, Places, WindowChain},
    };

    use super::*;

    fn counters(finished: u64, dead: u64, expired: u64) -> Counters {
        Counters { finished, dead, expired, ..Counters::default() }
    }

    #[test]
    fn whatever_is_given_up_on_a_window_ends_as_many_messages_as_leave_with_it() {
        for (leaving, dead, skipped, expect) in
            [(4, 0, 0, [4, 0, 0]), (4, 1, 2, [1, 1, 2]), (2, 3, 1, [0, 2, 0]), (3, 1, 9, [0, 1, 2]), (0, 1, 1, [0; 3])]
        {
            let mut counters = Counters::default();
            settle(&mut counters, Reason::Count, leaving, dead, skipped);
            assert_eq!([counters.finished, counters.dead, counters.skipped], expect, "{leaving} {dead} {skipped}");
        }
    }

    /// A log of records with four messages each, as the position of record `slot`.
    fn at(slot: u64) -> Position {
        let offset = Offset::first_of(Slot::new(slot).unwrap());
        Position { offset, time: Timestamp::EPOCH, count: (slot - 1) * 4 }
    }

    /// Reads up to record `slot`, with the last `buffered` messages before it in the buffer, and all others left.
    fn checkpoint(slot: u64, buffered: u32) -> Checkpoint {
        let mut checkpoint = Checkpoint::start(at(1));
        checkpoint.base.position = at(slot);
        checkpoint.base.left = at(slot).count - u64::from(buffered);
        let mut left = buffered;
        for slot in (1..slot).rev() {
            let taken = left.min(4);
            if taken > 0 {
                let slot = Slot::new(slot).unwrap();
                let buffered = BufferedSlot { slot, time: Timestamp::EPOCH, runs: vec![(4 - taken, 4)] };
                checkpoint.base.buffered.insert(0, buffered);
            }
            left -= taken;
        }
        checkpoint
    }

    fn done(checkpoint: &mut Checkpoint, ranges: &[(u64, u64)]) {
        let base = checkpoint.base.left;
        let ranges = ranges.iter().zip((2..).step_by(2)).map(|(&(from, to), ordinal)| DoneRange {
            first: ordinal,
            last: ordinal,
            chain: WindowChain::default(),
            next: Offset::FIRST,
            left_before: base + from,
            left: base + to,
        });
        checkpoint.done = DoneRanges::stored(ranges.collect()).unwrap();
    }

    /// The cut at record `floor`: what is lost, and the counters after it, which agree with the checkpoint.
    fn check(checkpoint: &Checkpoint, dead: u64, floor: u64, expect: Option<(u64, Counters)>) {
        let ended = checkpoint.base.left + checkpoint.done.left();
        let found = cut(checkpoint, counters(ended - dead, dead, 0), at(floor));
        if let Some(Cut { checkpoint, counters, .. }) = &found {
            let base = &checkpoint.base;
            assert_eq!(counters.finished + counters.dead + counters.skipped, base.left);
            assert_eq!((counters.dropped, counters.total()), (base.dropped, base.position.count));
        }
        assert_eq!(found.map(|cut| (cut.lost, cut.counters)), expect);
    }

    #[test]
    fn nothing_is_lost_above_what_is_needed() {
        check(&checkpoint(5, 0), 0, 5, None);
        check(&checkpoint(5, 6), 0, 3, None);
    }

    #[test]
    fn what_is_kept_for_its_windows_to_come_again_is_not_lost() {
        // of the last six messages four have left
        let mut checkpoint = checkpoint(5, 6);
        checkpoint.base.left += 4;
        checkpoint.base.kept = 4;
        check(&checkpoint, 0, 4, Some((0, counters(12, 0, 0))));
        check(&checkpoint, 0, 5, Some((2, counters(14, 0, 2))));
    }

    #[test]
    fn what_was_not_read_is_lost() {
        check(&checkpoint(3, 0), 0, 5, Some((8, counters(8, 0, 8))));
    }

    #[test]
    fn what_was_buffered_is_lost_below_the_floor_and_read_again_above() {
        check(&checkpoint(5, 6), 1, 4, Some((2, counters(9, 1, 2))));
        check(&checkpoint(5, 6), 1, 6, Some((10, counters(9, 1, 10))));
    }

    #[test]
    fn what_left_from_the_middle_of_the_buffer_ends_again_above_the_floor() {
        // of records 3 and 4, messages 3:3 and 4:0 are in the buffer
        let mut checkpoint = checkpoint(5, 0);
        let buffered =
            |slot, run| BufferedSlot { slot: Slot::new(slot).unwrap(), time: Timestamp::EPOCH, runs: vec![run] };
        checkpoint.base.buffered = vec![buffered(3, (3, 4)), buffered(4, (0, 1))];
        checkpoint.base.left = 14;
        check(&checkpoint, 0, 4, Some((1, counters(11, 0, 1))));
    }

    #[test]
    fn done_windows_below_the_floor_stay_done_and_those_above_come_again() {
        let mut checkpoint = checkpoint(3, 2);
        // after the base's six messages that left: of the next ones, two and four left with done windows
        done(&mut checkpoint, &[(2, 4), (6, 10)]);
        check(&checkpoint, 0, 5, Some((10 - 6, counters(12, 0, 4))));
        check(&checkpoint, 0, 4, Some((6 - 2, counters(8, 0, 4))));
        check(&checkpoint, 9, 4, Some((6 - 2, counters(0, 8, 4))));
    }

    #[test]
    fn windows_that_differ_take_back_what_was_done_with_them() {
        let mut checkpoint = checkpoint(3, 2);
        done(&mut checkpoint, &[(2, 4), (6, 10)]);
        let mut counters = counters(11, 1, 0);
        let again = without_done(checkpoint, &mut counters);
        assert_eq!((counters.finished, counters.dead), (5, 1));
        assert_eq!(again.base.left, 6);
    }

    /// Opens a window with which the messages of record `slot` left, the first of them finished.
    fn open(checkpoint: &mut Checkpoint, ordinal: u64, slot: u64) {
        let first = Offset::first_of(Slot::new(slot).unwrap());
        let window = OpenWindow {
            ordinal,
            bounds: Bounds::new(Timestamp::EPOCH, Timestamp::MAX),
            key: None,
            reason: Reason::Count,
            leaving: 4,
            members: MemberRuns::stored(vec![MemberRun { first, len: 4, time: Timestamp::EPOCH }]).unwrap(),
            folded: None,
            dead: Places::default(),
            skipped: Places::default(),
            left: vec![OpenPiece { places: Places::from(1..4), attempt: 2, ..OpenPiece::default() }],
        };
        checkpoint.open.insert(ordinal, window);
    }

    #[test]
    fn an_open_window_without_its_messages_ends_alone_where_nothing_else_is_missing() {
        let mut checkpoint = checkpoint(5, 0);
        open(&mut checkpoint, 1, 2);
        open(&mut checkpoint, 2, 4);
        let found = cut(&checkpoint, counters(8, 0, 0), at(3)).unwrap();
        assert_eq!((found.lost, found.counters), (3, Counters { skipped: 3, ..counters(9, 0, 0) }));
        assert_eq!(found.checkpoint.open.keys().collect::<Vec<_>>(), [&2]);
        assert_eq!(found.checkpoint.base, checkpoint.base);
        assert_eq!(cut(&found.checkpoint, found.counters, at(4)), None);
    }

    #[test]
    fn open_windows_above_the_floor_come_again_where_the_buffer_is_cut() {
        // record 3 is lost from the buffer, which has half of it; record 4 left with an open window
        let mut checkpoint = checkpoint(5, 0);
        let slot = BufferedSlot { slot: Slot::new(3).unwrap(), time: Timestamp::EPOCH, runs: vec![(2, 4)] };
        checkpoint.base.buffered = vec![slot];
        checkpoint.base.left = 14;
        open(&mut checkpoint, 2, 4);
        let found = cut(&checkpoint, counters(10, 0, 0), at(4)).unwrap();
        assert_eq!((found.lost, found.counters), (2, counters(10, 0, 2)));
        assert_eq!((found.checkpoint.base.left, found.checkpoint.open.len()), (10, 0));
    }

    #[test]
    fn windows_that_differ_take_back_nothing_for_those_that_were_open() {
        let mut checkpoint = checkpoint(3, 2);
        done(&mut checkpoint, &[(0, 4), (4, 8)]);
        open(&mut checkpoint, 2, 3);
        let mut counters = counters(10, 0, 0);
        let again = without_done(checkpoint, &mut counters);
        assert_eq!((counters.finished, again.base.left, again.open.len()), (6, 6, 0));
    }
}
