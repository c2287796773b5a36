//! Where the next slot comes from: it follows the last one, or it is reserved.
//!
//! What follows this client's own last append costs nothing, what follows the log's tail one read; and whoever is alone
//! always has it. Where others write too, all would try the same slot and one would have it, so while others are seen a
//! slot is reserved first.
//!
//! A slot that a write of our own taught, which a majority acknowledged, was above the floor when that write was sent. A
//! record in it can only be deleted much later than [`SLOT_AGE`] after: so long the unique key is a sure guard. A tail that
//! was merely read teaches less: the floor may be far above it.
//!
//! The same holds of every slot after the one that was written last: it was above the floor then, too. So who has written
//! lately needs no majority's word for a reservation: it only spreads the writers, and one that is rolled back, or given by
//! a primary that was deposed, costs a race for the slot and no more. That spares half of the waiting for a majority.
//!
//! What the majority's word is needed for is the order of two attempts of one number: the later one has the higher slot, so
//! that it is not trimmed, and forgotten by the unique key, while the slot of the first is still empty. A client keeps that
//! order for itself. An heir knows nothing of what a former registration has attempted, but begins above all that was
//! reserved, and that has to last: so a producer that can have an heir waits for the majority.
//!
//! An empty slot below a filled one was reserved by somebody, always: what follows a filled slot leaves none.

use std::time::Duration;

use minibatch_core::{Error, Slot, storage::Partition};

use super::chunk;
use crate::{
    client::Client,
    database::{Change, Collection, Filter, Find, Order, Update},
    partition::{PartitionDocument, PartitionState},
};

/// How long what taught a slot is good for. A record in that slot cannot have been deleted within that time: trimming
/// waits much longer between raising the floor and deleting.
pub(super) const SLOT_AGE: Duration = Duration::from_secs(2);

/// How long slots are reserved after others were last seen to write.
///
/// Whoever goes back too early robs somebody of a reserved slot, which costs both; whoever goes back too late pays one
/// more round trip an append. After [`SLOT_AGE`] of silence the own last append is too old to follow anyway, so this
/// decides for those alone who write faster, and they lose little by it.
const CALM: Duration = SLOT_AGE;

/// How old the last append may be for a slot after it to be worth reserving by it: two requests follow until it is filled.
const RECENT: Duration = Duration::from_secs(1);

/// A slot to write to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: Slot,
    /// When the request was sent that taught it: from there its age counts.
    pub(super) taught: Duration,
    pub(super) by: Teacher,
}

/// What taught a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teacher {
    /// It follows our own last append.
    Append,
    /// It follows what was read.
    Tail,
    /// It was reserved, after so many registrations of producers.
    Reservation { registrations: i64 },
}

impl Place {
    pub(super) fn is_good(&self, now: Duration) -> bool {
        now.saturating_sub(self.taught) < SLOT_AGE
    }
}

/// What a client knows of the slots to come.
#[derive(Default)]
pub(super) struct Slots {
    /// This client's last append, and when it was sent.
    last: Option<(Slot, Duration)>,
    /// How far slots are reserved, as far as that is known.
    head: Option<Slot>,
    /// When others were last seen to write.
    rivals: Option<Duration>,
    /// The slot that was reserved and not used yet: left empty it would be a gap.
    spare: Option<Place>,
    /// The highest slot that anything was sent to: an attempt may still arrive there that nobody waits for any more.
    tried: Slot,
}

impl Slots {
    fn is_contended(&self, now: Duration) -> bool {
        self.rivals.is_some_and(|seen| now.saturating_sub(seen) < CALM)
    }

    /// The slot after this client's last append, unless that is too old.
    fn following(&self, now: Duration) -> Option<Place> {
        let (last, taught) = self.last?;
        let place = Place { slot: Slot::new(last.get() + 1).ok()?, taught, by: Teacher::Append };
        place.is_good(now).then_some(place)
    }

    pub(super) fn appended(&mut self, slot: Slot, sent: Duration) {
        self.last = Some((slot, sent));
        self.spare = None;
    }

    /// An append was found, in that slot or below the floor.
    pub(super) fn found(&mut self, slot: Slot) {
        self.last = None;
        self.spare = self.spare.filter(|spare| spare.slot != slot);
    }

    /// Something is about to be sent there.
    pub(super) fn tries(&mut self, slot: Slot) {
        self.tried = self.tried.max(slot);
    }

    /// Whether a slot is not before one that was tried.
    pub(super) fn allows(&self, slot: Slot) -> bool {
        slot >= self.tried
    }

    /// Others write.
    pub(super) fn saw_rivals(&mut self, now: Duration) {
        self.rivals = Some(now);
    }

    /// Nothing is known any more of what this client appended and reserved.
    pub(super) fn forget(&mut self) {
        self.last = None;
        self.spare = None;
    }

    /// The partition's document tells how far slots are reserved. Who follows its own appends fast enough would never meet
    /// one who reserves and comes too late every time: here it sees that one.
    pub(super) fn saw_head(&mut self, head: Slot, now: Duration) {
        if self.head.is_some_and(|known| known < head) {
            self.rivals = Some(now);
        }
        self.head = self.head.max(Some(head));
    }

    /// What is not above that slot is of no use.
    pub(super) fn skip_to(&mut self, slot: Slot) {
        self.spare = self.spare.filter(|spare| spare.slot > slot);
    }

    fn reserved(&mut self, place: Place, now: Duration) {
        if self.last.is_some_and(|(last, _)| place.slot != last.next()) {
            self.rivals = Some(now);
        }
        self.head = Some(place.slot);
        self.spare = Some(place);
    }
}

impl Client {
    /// The last filled slot that a majority has. It tells of the log's end without fetching anything of a chunk.
    pub(crate) async fn read_tail(&self, partition: &Partition, floor: Slot) -> Result<Slot, Error> {
        let find = Find::one(Collection::Chunks, Filter::of(partition)).sorted("slot", Order::Down).only(&["slot"]);
        let last = self.find_one(find).await?;
        Ok(last.and_then(|document| chunk::slot(&document)).unwrap_or(Slot::ZERO).max(floor))
    }

    /// The slot to append to, when nothing has to be reserved for that: the one that was, or the one that follows the last.
    /// `None` where others write.
    pub(super) async fn free_place(
        &self,
        partition: &Partition,
        state: &PartitionState,
        slots: &Slots,
        head: Slot,
    ) -> Result<Option<Place>, Error> {
        let taught = self.clock().elapsed();
        if slots.spare.is_some() || slots.is_contended(taught) {
            return Ok(slots.spare);
        }
        if let Some(place) = slots.following(taught) {
            return Ok(Some(place));
        }
        let tail = self.read_tail(partition, Slot::ZERO).await?;
        state.saw_tail(tail);
        // what is reserved and empty is another's
        let free = head <= tail;
        Ok(free.then_some(Place { slot: Slot::new(tail.get() + 1)?, taught, by: Teacher::Tail }))
    }

    /// Reserves the slot after all that are reserved, known to be filled, or trimmed. Asked again after a lost answer it is
    /// the same one, unless others have reserved since: then the former stays empty, a gap. `has_heirs` says that the
    /// producer's id may be registered anew.
    pub(super) async fn reserve(
        &self,
        partition: &Partition,
        state: &PartitionState,
        slots: &mut Slots,
        has_heirs: bool,
    ) -> Result<Place, Error> {
        let by = self.seed().cast_signed();
        let quick = match has_heirs {
            true => None,
            false => self.reserve_after_last(partition, state, slots, by).await?,
        };
        let place = match quick {
            Some(place) => place,
            None => self.reserve_by_majority(partition, state, slots, by).await?,
        };
        slots.reserved(place, self.clock().elapsed());
        Ok(place)
    }

    /// Reserves a slot that is as good as the one after this client's last append; `None` where that is not recent, or the
    /// answer is lost.
    async fn reserve_after_last(
        &self,
        partition: &Partition,
        state: &PartitionState,
        slots: &Slots,
        by: i64,
    ) -> Result<Option<Place>, Error> {
        let now = self.clock().elapsed();
        let Some(next) = slots.following(now).filter(|next| now.saturating_sub(next.taught) < RECENT) else {
            return Ok(None);
        };
        let filled = state.tail().max(next.slot.previous()).max(slots.tried);
        let reserve =
            self.database().hint_update(Collection::Partitions, Filter::of(partition), head_beyond(filled, by));
        match reserve.await {
            Ok(Some(document)) => Ok(Some(Place { slot: PartitionDocument::decode(&document)?.head, ..next })),
            Ok(None) | Err(_) => Ok(None),
        }
    }

    async fn reserve_by_majority(
        &self,
        partition: &Partition,
        state: &PartitionState,
        slots: &Slots,
        mut by: i64,
    ) -> Result<Place, Error> {
        if slots.last.is_none() {
            state.saw_tail(self.read_tail(partition, Slot::ZERO).await?);
        }
        loop {
            let (taught, document) =
                self.change_partition(partition, head_beyond(state.tail().max(slots.tried), by)).await?;
            // one that was reserved long before the answer came may be trimmed
            if document.head > document.floor {
                let by = Teacher::Reservation { registrations: document.registrations };
                return Ok(Place { slot: document.head, taught, by });
            }
            by = self.seed().cast_signed();
        }
    }
}

/// Raises the head above all that is reserved, trimmed or known to be filled, once for each `by`.
fn head_beyond(filled: Slot, by: i64) -> Update {
    let beyond = Change::Beyond { other: "floor_slot", value: filled.to_i64(), unless: ("reserver", by) };
    Update::default().and("head", beyond).and_set("reserver", by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn slot(number: u64) -> Slot {
        Slot::new(number).unwrap()
    }

    fn reserved(number: u64) -> Place {
        Place { slot: slot(number), taught: seconds(0), by: Teacher::Reservation { registrations: 0 } }
    }

    #[test]
    fn a_reserved_slot_is_spare_until_it_is_filled() {
        type Use = (fn(&mut Slots), bool);
        let uses: [Use; 6] = [
            (|slots| slots.appended(slot(5), seconds(1)), false),
            (|slots| slots.found(slot(5)), false),
            (|slots| slots.found(slot(4)), true),
            (Slots::forget, false),
            (|slots| slots.skip_to(slot(5)), false),
            (|slots| slots.skip_to(slot(4)), true),
        ];
        for (number, (used, left)) in uses.into_iter().enumerate() {
            let mut slots = Slots::default();
            slots.reserved(reserved(5), seconds(0));
            used(&mut slots);
            assert_eq!(slots.spare.is_some(), left, "{number}");
        }
    }

    #[test]
    fn the_next_slot_follows_the_last_for_a_while() {
        let mut slots = Slots::default();
        assert!(slots.following(seconds(0)).is_none(), "nothing was appended");
        slots.appended(slot(1), seconds(10));
        let place = slots.following(seconds(11)).unwrap();
        assert_eq!((place.slot, place.taught), (slot(2), seconds(10)));
        assert!(slots.following(seconds(12)).is_none(), "too old");
        slots.appended(Slot::MAX, seconds(12));
        assert!(slots.following(seconds(12)).is_none(), "there is no slot after the last");
    }

    #[test]
    fn signs_of_others_last_for_a_while() {
        let signs: [fn(&mut Slots); 3] = [
            |slots| slots.saw_rivals(seconds(10)),
            |slots| slots.saw_head(slot(9), seconds(10)),
            |slots| slots.reserved(reserved(7), seconds(10)),
        ];
        for sign in signs {
            let mut slots = Slots::default();
            slots.saw_head(slot(3), seconds(8));
            slots.appended(slot(4), seconds(8));
            slots.reserved(reserved(5), seconds(9));
            slots.appended(slot(5), seconds(9));
            slots.saw_head(slot(5), seconds(9));
            assert!(!slots.is_contended(seconds(10)), "its own reservation is no sign");
            sign(&mut slots);
            assert!(slots.is_contended(seconds(11)) && !slots.is_contended(seconds(12)));
        }
    }
}
