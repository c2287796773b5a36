//! Creating and listing groups.
//!
//! Partition 0's document comes first and has the starts of all partitions; whoever finds another missing makes it from
//! there. It goes first, too, when the group is removed: what another partition has of a generation that is not partition
//! 0's is left over. Whoever opens the group next takes that over, and whoever removes it removes that.

use bson::{RawDocument, RawDocumentBuf};
use minibatch_core::{
    Cause, Error, GroupName, Offset,
    storage::{Generation, GroupState, Partition, Position, Start, StreamInfo},
};

use super::document::{self, NewGroup};
use crate::{
    client::Client,
    database::{Change, Collection, Filter, Find, Order, Test, Update},
    log::signed,
    partition::PartitionDocument,
    random,
};

const PAGE: u32 = 500;

fn first_of(places: &[Position]) -> Result<Position, Error> {
    places.first().copied().ok_or_else(|| Cause::bug("a stream without partitions").into())
}

pub(super) fn filter(partition: &Partition, group: &GroupName) -> Filter {
    Filter::of(partition).eq("g", group.as_str())
}

impl Client {
    pub(super) async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        self.check_stream(stream).await?;
        start.check(stream.partitions)?;
        let first = stream.partition(0);
        loop {
            let Some(found) = self.find_group_document(&first, group).await? else {
                self.create_group(stream, group, fingerprint, &start).await?;
                continue;
            };
            let (_, state) = document::decode(&found)?;
            if state.fingerprint != fingerprint {
                return Err(Cause::strategy_changed(state.fingerprint, fingerprint).into());
            }
            let starts = document::starts(&found)?;
            self.finish_group(&first, group, &found, &state, first_of(&starts)?).await?;
            if self.complete_group(stream, group, &state, &starts).await? {
                return Ok(());
            }
        }
    }

    /// Makes the other partitions' documents what partition 0's says; `false` where that is of another generation by now.
    async fn complete_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        first: &GroupState,
        starts: &[Position],
    ) -> Result<bool, Error> {
        for (index, start) in (1..stream.partitions).zip(starts.iter().skip(1)) {
            if !self.complete_partition(&stream.partition(index), group, first, *start).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes partition 0's document, unless somebody else does.
    async fn create_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: &Start,
    ) -> Result<(), Error> {
        let (first, starts) = (stream.partition(0), self.places(stream, start).await?);
        let last_epoch = self.read_partition(&first).await?.removed_epoch;
        let generation = random::generation();
        let new = NewGroup { group, generation, fingerprint, start: first_of(&starts)?, starts: &starts, last_epoch };
        self.insert_once(Collection::Groups, new.document(&first)?).await?;
        self.keep_from_floor(&first, group, generation, new.start).await
    }

    /// Makes another partition's document what partition 0's says, if it is missing or of an earlier generation; `false`
    /// where partition 0's is gone or of a later one.
    async fn complete_partition(
        &self,
        partition: &Partition,
        group: &GroupName,
        first: &GroupState,
        start: Position,
    ) -> Result<bool, Error> {
        let (generation, fingerprint) = (first.generation, first.fingerprint.as_str());
        let new = |last_epoch| NewGroup { group, generation, fingerprint, start, starts: &[], last_epoch };
        loop {
            let Some(found) = self.find_group_document(partition, group).await? else {
                let last_epoch = self.read_partition(partition).await?.removed_epoch;
                self.insert_once(Collection::Groups, new(last_epoch).document(partition)?).await?;
                // whoever removed the group meanwhile may have looked here before
                if !self.is_current(partition, group, generation).await? {
                    return Ok(false);
                }
                self.keep_from_floor(partition, group, generation, start).await?;
                continue;
            };
            let (_, state) = document::decode(&found)?;
            if state.generation == generation {
                self.finish_group(partition, group, &found, &state, start).await?;
                return Ok(true);
            }
            // that it is an earlier one shows by partition 0's, read after it: a later one would be there already
            if !self.is_current(partition, group, generation).await? {
                return Ok(false);
            }
            let last_epoch = signed(state.fence.epoch + 1)?;
            self.replace_group_document(partition, &state, &new(last_epoch)).await?;
        }
    }

    /// Whether partition 0 has the group in this generation.
    async fn is_current(
        &self,
        partition: &Partition,
        group: &GroupName,
        generation: Generation,
    ) -> Result<bool, Error> {
        let now = self.find_group(&Partition { index: 0, ..partition.clone() }, group).await?;
        Ok(now.is_some_and(|now| now.generation == generation))
    }

    /// Whoever made the document may have died before it was counted and compared with the floor, or not have been told
    /// that it did: whoever finds it without an owner, who has done that, does it again.
    async fn finish_group(
        &self,
        partition: &Partition,
        group: &GroupName,
        found: &RawDocument,
        state: &GroupState,
        start: Position,
    ) -> Result<(), Error> {
        // what a cap takes from one that was counted since has expired, and is not passed over in silence
        if state.owner.is_some() || state.fence.version > 0 || document::is_counted(found) {
            return Ok(());
        }
        self.keep_from_floor(partition, group, state.generation, start).await
    }

    /// Begins the group anew. Its document is changed and never missing, so that nothing is trimmed meanwhile that the
    /// group holds; then the other partitions' follow partition 0's.
    pub(super) async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        self.check_stream(stream).await?;
        start.check(stream.partitions)?;
        let first = stream.partition(0);
        let generation = random::generation();
        while let Some(former) = self.find_group(&first, group).await? {
            if former.generation == generation {
                break;
            }
            let starts = self.places(stream, &start).await?;
            let last_epoch = signed(former.fence.epoch + 1)?;
            let new =
                NewGroup { group, generation, fingerprint, start: first_of(&starts)?, starts: &starts, last_epoch };
            self.replace_group_document(&first, &former, &new).await?;
        }
        self.open_group(stream, group, fingerprint, start).await
    }

    /// Makes a document that is still as it was read that of a new generation; its owner is fenced by the epoch.
    async fn replace_group_document(
        &self,
        partition: &Partition,
        former: &GroupState,
        new: &NewGroup<'_>,
    ) -> Result<(), Error> {
        let this = filter(partition, new.group)
            .eq("generation", former.generation.get())
            .eq("epoch", signed(former.fence.epoch)?);
        let update = new.update()?;
        let replace = || self.database().update(Collection::Groups, this.clone(), update.clone());
        self.settle(replace).await.map_err(Error::from)?;
        // pieces of the former epochs: no later owner writes such
        let obsolete = filter(partition, new.group).and("epoch", Test::Lt(new.last_epoch.into()));
        self.delete(Collection::Snapshots, obsolete).await?;
        self.keep_from_floor(partition, new.group, new.generation, new.start).await
    }

    /// Trimming may have raised the floor over the start before it saw the new group: then the group starts at the
    /// floor. It is counted, which keeps back those who listed the groups before it was there.
    async fn keep_from_floor(
        &self,
        partition: &Partition,
        group: &GroupName,
        generation: Generation,
        start: Position,
    ) -> Result<(), Error> {
        let counted = Update::default().and("groups", Change::Add(1));
        let (_, floor) = self.change_partition(partition, counted).await?;
        if start.offset.slot() < floor.floor {
            self.raise_start(partition, group, generation, &floor).await?;
        }
        let this = filter(partition, group).eq("generation", generation.get());
        let done = Update::set(document::COUNTED, generation.get());
        let note = || self.database().update(Collection::Groups, this.clone(), done.clone());
        self.settle(note).await.map_err(Error::from)?;
        Ok(())
    }

    /// Lets the group start at the floor, unless it has begun.
    async fn raise_start(
        &self,
        partition: &Partition,
        group: &GroupName,
        generation: Generation,
        floor: &PartitionDocument,
    ) -> Result<(), Error> {
        let raised = floor.bounds(floor.floor).first();
        let untouched = filter(partition, group)
            .eq("generation", generation.get())
            .eq("ver", 0_i64)
            .and("keep_from", Test::Lt(document::encode_offset(raised.offset)?.into()));
        let update = Update::set("start", document::encode_position(raised)?)
            .and_set("keep_from", document::encode_offset(raised.offset)?);
        let raise = || self.database().update(Collection::Groups, untouched.clone(), update.clone());
        self.settle(raise).await.map_err(Error::from)?;
        Ok(())
    }

    async fn places(&self, stream: &StreamInfo, start: &Start) -> Result<Vec<Position>, Error> {
        let mut places = Vec::new();
        for index in 0..stream.partitions {
            places.push(self.place(&stream.partition(index), start).await?);
        }
        Ok(places)
    }

    async fn place(&self, partition: &Partition, start: &Start) -> Result<Position, Error> {
        let document = self.read_partition(partition).await?;
        if let Some(place) = start.place(partition.index, document.bounds(document.floor).first()) {
            return Ok(place);
        }
        let (tail, time) = self.end(partition, document).await?;
        let count = self.count_up_to(partition, (document.floor, document.floor_count), tail).await?;
        Ok(Position { offset: Offset::first_of(tail.next()), time, count })
    }

    pub(super) async fn find_group_document(
        &self,
        partition: &Partition,
        group: &GroupName,
    ) -> Result<Option<RawDocumentBuf>, Error> {
        self.find_one(Find::one(Collection::Groups, filter(partition, group))).await
    }

    pub(super) async fn find_group(
        &self,
        partition: &Partition,
        group: &GroupName,
    ) -> Result<Option<GroupState>, Error> {
        let found = self.find_group_document(partition, group).await?;
        found.map(|found| document::decode(&found).map(|(_, state)| state)).transpose()
    }

    /// Whether there is such a group.
    pub(crate) async fn has_group(&self, partition: &Partition, group: &GroupName) -> Result<bool, Error> {
        let find = Find::one(Collection::Groups, filter(partition, group)).only(&["_id"]);
        Ok(self.find_one(find).await?.is_some())
    }

    /// The groups of a partition by name.
    pub(crate) async fn list_groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        let mut groups: Vec<(GroupName, GroupState)> = Vec::new();
        loop {
            let mut filter = Filter::of(partition);
            if let Some((last, _)) = groups.last() {
                filter = filter.and("g", Test::Gt(last.as_str().into()));
            }
            let find = Find::one(Collection::Groups, filter).sorted("g", Order::Up).at_most(PAGE);
            let found = self.find(find).await?;
            for document in &found.documents {
                groups.push(document::decode(document)?);
            }
            if !found.cut && found.documents.len() < PAGE as usize {
                return Ok(groups);
            }
        }
    }

    /// The smallest offset that any group still needs; `None` without groups.
    pub(crate) async fn needed_from(&self, partition: &Partition) -> Result<Option<Offset>, Error> {
        let find = Find::one(Collection::Groups, Filter::of(partition)).sorted("keep_from", Order::Up);
        let slowest = self.find_one(find.only(&["keep_from"])).await?;
        slowest.map(|slowest| document::keep_from(&slowest)).transpose()
    }
}
