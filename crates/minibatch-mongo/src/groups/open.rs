//! Creating, listing and removing groups.
//!
//! Partition 0's document comes first and has the starts of all partitions; whoever finds another missing makes it from
//! there. It goes first, too: what another partition has of a generation that is not partition 0's is left over.

use bson::RawDocumentBuf;
use minibatch_core::{
    Cause, Error, GroupName, Offset, Slot,
    storage::{Generation, GroupState, Partition, Position, Start, StreamInfo},
};

use super::document::{self, NewGroup};
use crate::{
    client::Client,
    database::{Change, Collection, Filter, Find, Order, Test, Update},
    log::signed,
    random,
};

const PAGE: u32 = 500;
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
        let first = stream.partition(0);
        loop {
            let Some(found) = self.find_group_document(&first, group).await? else {
                self.create_group(stream, group, fingerprint, start).await?;
                continue;
            };
            let (_, state) = document::decode(&found)?;
            if state.fingerprint != fingerprint {
                return Err(Cause::strategy_changed(state.fingerprint, fingerprint).into());
            }
            let starts = document::starts(&found)?;
            for (index, start) in (1..stream.partitions).zip(starts.iter().skip(1)) {
                self.complete_group(&stream.partition(index), group, &state, *start).await?;
            }
            return Ok(());
        }
    }

    /// Writes partition 0's document, unless somebody else does.
    async fn create_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let mut starts = Vec::new();
        for index in 0..stream.partitions {
            starts.push(self.resolve_start(&stream.partition(index), start).await?);
        }
        let Some(own) = starts.first().copied() else { return Err(Cause::bug("a stream without partitions").into()) };
        let first = stream.partition(0);
        let last_epoch = self.read_partition(&first).await?.removed_epoch;
        let new =
            NewGroup { group, generation: random::generation(), fingerprint, start: own, starts: &starts, last_epoch };
        self.insert_once(Collection::Groups, new.document(&first)?).await?;
        self.keep_from_floor(&first, group, new.generation, own).await
    }

    /// Makes another partition's document from what partition 0 says, if it is missing.
    async fn complete_group(
        &self,
        partition: &Partition,
        group: &GroupName,
        first: &GroupState,
        start: Position,
    ) -> Result<(), Error> {
        loop {
            let Some(found) = self.find_group_document(partition, group).await? else {
                let last_epoch = self.read_partition(partition).await?.removed_epoch;
                let (generation, fingerprint) = (first.generation, first.fingerprint.as_str());
                let new = NewGroup { group, generation, fingerprint, start, starts: &[], last_epoch };
                self.insert_once(Collection::Groups, new.document(partition)?).await?;
                return self.keep_from_floor(partition, group, generation, start).await;
            };
            let (_, state) = document::decode(&found)?;
            if state.generation == first.generation {
                return Ok(());
            }
            self.remove_group_document(partition, group, &state).await?;
        }
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
        if start.offset.slot() >= floor.floor {
            return Ok(());
        }
        let raised = Position { offset: Offset::first_of(floor.floor), time: floor.floor_time };
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

    async fn resolve_start(&self, partition: &Partition, start: Start) -> Result<Position, Error> {
        let document = self.read_partition(partition).await?;
        match start {
            Start::Latest => {
                let (tail, time) = self.end(partition, document).await?;
                Ok(Position { offset: Offset::first_of(tail.next()), time })
            }
            _ => {
                let offset = Offset::first_of(document.floor.max(Slot::FIRST));
                Ok(Position { offset, time: document.floor_time })
            }
        }
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

    pub(super) async fn remove_group(&self, stream: &StreamInfo, group: &GroupName) -> Result<bool, Error> {
        self.check_stream(stream).await?;
        let mut removed = false;
        for index in 0..stream.partitions {
            let partition = stream.partition(index);
            while let Some(state) = self.find_group(&partition, group).await? {
                removed |= self.remove_group_document(&partition, group, &state).await?;
            }
        }
        Ok(removed)
    }

    /// Deletes a document that is still as it was read, and the pieces with it. Its epoch is noted first.
    async fn remove_group_document(
        &self,
        partition: &Partition,
        group: &GroupName,
        state: &GroupState,
    ) -> Result<bool, Error> {
        let epoch = signed(state.fence.epoch)?;
        let update = Update::default().and("removed_epoch", Change::Max((epoch + 1).into()));
        let note = || self.database().update(Collection::Partitions, Filter::of(partition), update.clone());
        self.settle(note).await.map_err(Error::from)?;
        let this = filter(partition, group).eq("generation", state.generation.get()).eq("epoch", epoch);
        let deleted = self.delete(Collection::Groups, this).await? > 0;
        self.delete(Collection::Snapshots, filter(partition, group)).await?;
        Ok(deleted)
    }
}
