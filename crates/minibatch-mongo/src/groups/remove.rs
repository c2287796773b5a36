//! Removing groups: whatever they do, or only where nobody has worked for them meanwhile.
//!
//! There is no transaction over the partitions' documents. So whoever removes a group as it was seen fences each partition
//! first, and then deletes partition 0's document only where nobody has acquired another since it began: who acquires
//! one counts that in partition 0's document, and finds out where that is gone.

use bson::{Bson, RawDocument};
use minibatch_core::{
    Error, GroupName,
    storage::{Fence, GroupState, Partition, StreamInfo},
};

use super::{document, open::filter};
use crate::{
    client::Client,
    database::{Change, Collection, Filter, Test, Update},
    log::{comparable, signed},
    random,
};

/// How often a partition but the first was acquired, in the first one's document; missing as long as none was.
const ACQUIRED: &str = "acquired";

/// Who fenced the partition to remove the group.
const REMOVAL: &str = "removal";

impl Client {
    pub(super) async fn remove_group(&self, stream: &StreamInfo, group: &GroupName) -> Result<bool, Error> {
        self.check_stream(stream).await?;
        let mut removed = false;
        for index in 0..stream.partitions {
            let partition = stream.partition(index);
            while let Some(state) = self.find_group(&partition, group).await? {
                removed |= self.remove_group_document(&partition, group, &state).await?;
            }
            self.delete(Collection::Notes, filter(&partition, group)).await?;
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
        self.note_removed_epoch(partition, state.fence.epoch).await?;
        let epoch = signed(state.fence.epoch)?;
        let this = filter(partition, group).eq("generation", state.generation.get()).eq("epoch", epoch);
        let deleted = self.delete(Collection::Groups, this).await? > 0;
        self.remove_pieces(partition, group, state.fence.epoch).await?;
        Ok(deleted)
    }

    /// Deletes the pieces of epochs up to this one: a later group of that name has later ones.
    async fn remove_pieces(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error> {
        let pieces = filter(partition, group).and("epoch", Test::Lte(signed(epoch)?.into()));
        self.delete(Collection::Snapshots, pieces).await.map(drop)
    }

    /// The epochs of a later group of that name follow this one.
    async fn note_removed_epoch(&self, partition: &Partition, epoch: u64) -> Result<(), Error> {
        let update = Update::default().and("removed_epoch", Change::Max((signed(epoch)? + 1).into()));
        let note = || self.database().update(Collection::Partitions, Filter::of(partition), update.clone());
        self.settle(note).await.map_err(Error::from)?;
        Ok(())
    }

    /// Says with the group that a partition of it was acquired; `false` where the group is gone.
    pub(super) async fn count_acquired(&self, partition: &Partition, group: &GroupName) -> Result<bool, Error> {
        if partition.index == 0 {
            return Ok(true);
        }
        let first = Partition { index: 0, ..partition.clone() };
        let count = Update::default().and(ACQUIRED, Change::Add(1));
        let count = || self.database().update(Collection::Groups, filter(&first, group), count.clone());
        Ok(self.settle(count).await.map_err(Error::from)? > 0)
    }

    /// Removes the group where nobody who lives owns a partition and the fences are these.
    pub(super) async fn remove_group_as_seen(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: &[Fence],
    ) -> Result<bool, Error> {
        self.check_stream(stream).await?;
        let first = stream.partition(0);
        let Some(document) = self.find_group_document(&first, group).await? else {
            self.remove_leftovers(stream, group).await?;
            return Ok(false);
        };
        // read before the partitions are fenced: whoever acquires one after that counts it after this
        let acquired = acquired(&document);
        let mut states = Vec::new();
        for index in 0..stream.partitions {
            let partition = stream.partition(index);
            states.extend(self.find_group(&partition, group).await?.map(|state| (partition, state)));
        }
        if !states.iter().map(|(_, state)| state.fence).eq(seen.iter().copied()) {
            return Ok(false);
        }
        for owner in states.iter().filter_map(|(_, state)| state.owner.as_ref()) {
            if self.is_alive(owner).await? {
                return Ok(false);
            }
        }
        let Some(epoch) = seen.first().map(|fence| fence.epoch + 1) else { return Ok(false) };
        let removal = random::number().cast_signed();
        for (partition, state) in &states {
            if !self.fence_for_removal(partition, group, state, removal).await? {
                return Ok(false);
            }
            self.note_removed_epoch(partition, state.fence.epoch + 1).await?;
        }
        let this = filter(&first, group).eq(REMOVAL, removal).eq("epoch", signed(epoch)?).eq(ACQUIRED, acquired);
        if self.delete(Collection::Groups, this).await? == 0 && self.has_group(&first, group).await? {
            return Ok(false);
        }
        self.remove_pieces(&first, group, epoch).await?;
        self.delete(Collection::Notes, filter(&first, group)).await?;
        // not those that were seen: whoever opened the group meanwhile has made others
        self.remove_leftovers(stream, group).await?;
        Ok(true)
    }

    /// Removes what other partitions have of a group where partition 0 has none: it belongs to nobody. Each document is
    /// read before partition 0 is looked at, so that of a group made since then none is removed.
    async fn remove_leftovers(&self, stream: &StreamInfo, group: &GroupName) -> Result<(), Error> {
        for index in 1..stream.partitions {
            let partition = stream.partition(index);
            while let Some(state) = self.find_group(&partition, group).await? {
                if self.has_group(&stream.partition(0), group).await? {
                    return Ok(());
                }
                // before the document: as long as that is there, this is done again
                self.delete(Collection::Notes, filter(&partition, group)).await?;
                self.remove_group_document(&partition, group, &state).await?;
            }
        }
        Ok(())
    }

    /// Fences a partition that is as it was read, with an epoch that nobody owns; `false` where it is not.
    async fn fence_for_removal(
        &self,
        partition: &Partition,
        group: &GroupName,
        state: &GroupState,
        removal: i64,
    ) -> Result<bool, Error> {
        let unchanged = filter(partition, group)
            .eq("generation", state.generation.get())
            .eq("epoch", comparable(state.fence.epoch))
            .eq("ver", comparable(state.fence.version));
        let update = Update::set(REMOVAL, removal).and_set("owner", Bson::Null).and("epoch", Change::Add(1));
        let fence = || self.database().update(Collection::Groups, unchanged.clone(), update.clone());
        if self.settle(fence).await.map_err(Error::from)? > 0 {
            return Ok(true);
        }
        // done before, where the answer was lost
        let found = self.find_group_document(partition, group).await?;
        let Some(found) = found.filter(|found| found.get_i64(REMOVAL).is_ok_and(|found| found == removal)) else {
            return Ok(false);
        };
        let (_, now) = document::decode(&found)?;
        Ok(now.fence.epoch == state.fence.epoch + 1)
    }
}

fn acquired(document: &RawDocument) -> Bson {
    document.get_i64(ACQUIRED).map_or(Bson::Null, Bson::from)
}
