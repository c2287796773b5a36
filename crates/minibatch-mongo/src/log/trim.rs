//! Trimming, in two phases that lie in different calls: raise the floor, and much later delete below it.
//!
//! In between a slow client finds out that its slot is below the floor. A record is deleted only `trim_grace` of this
//! client's own steady time after it saw the floor above the record, and after the groups were listed again.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bson::{DateTime, RawDocument};
use minibatch_core::{
    Cause, Error, Offset, ProducerId, Slot, Timestamp,
    chunk::RecordKind,
    storage::{Partition, Trim, Trimmed, UsedNumbers},
};

use super::chunk;
use crate::{
    client::Client,
    database::{Change, Collection, Filter, Find, Order, Test, Update},
    partition::PartitionDocument,
};

/// How many records are folded or deleted at a time.
const STEP: u32 = 1_000;

/// The floors that this client saw, and when.
#[derive(Default)]
pub(crate) struct Trimming {
    seen: VecDeque<(Slot, Duration)>,
    deleted_below: Slot,
}

impl Trimming {
    /// Notes a floor. Of those seen shortly after one another the first is enough: the next comes in time.
    fn saw(&mut self, floor: Slot, now: Duration, grace: Duration) {
        let soon = |(known, at): &(Slot, Duration)| *known >= floor || now.saturating_sub(*at) < grace / 8;
        if floor > Slot::ZERO && !self.seen.back().is_some_and(soon) {
            self.seen.push_back((floor, now));
        }
    }

    /// The highest floor that was seen so long ago.
    fn ripe(&mut self, now: Duration, grace: Duration) -> Option<Slot> {
        let mut ripe = None;
        while let Some((floor, _)) = self.seen.front().filter(|(_, at)| now.saturating_sub(*at) >= grace) {
            ripe = Some(*floor);
            if self.seen.len() == 1 {
                break;
            }
            self.seen.pop_front();
        }
        ripe.filter(|floor| *floor > self.deleted_below)
    }
}

/// What the records between two floors come to.
struct Fold {
    /// The append time at the upper one.
    time: Timestamp,
    records: i64,
    messages: i64,
    /// Of each producer its last epoch and number.
    producers: BTreeMap<String, (u64, u64)>,
    /// Of each id of derived chunks the numbers.
    derived: BTreeMap<String, UsedNumbers>,
}

impl Fold {
    /// Takes the record of a slot: all of it below the new floor, and its time also at the floor.
    fn take(&mut self, slot: Slot, floor: Slot, document: &RawDocument) -> Result<(), Error> {
        let damaged = || Error::new(Cause::corrupt_record(slot, "a field is missing or has another type"));
        let kind = RecordKind::from_name(document.get_str("kind").map_err(|_| damaged())?);
        if kind.tells_time() {
            self.time = self.time.max(chunk::time(document).ok_or_else(damaged)?);
        }
        if slot == floor {
            return Ok(());
        }
        let unsigned = |field| document.get_i64(field).ok().and_then(|number| u64::try_from(number).ok());
        let written = (unsigned("pe").ok_or_else(damaged)?, unsigned("ps").ok_or_else(damaged)?);
        let producer = document.get_str("pid").map_err(|_| damaged())?;
        self.records += 1;
        self.messages += document.get_i64("n").unwrap_or(0);
        if kind != RecordKind::Data {
            return Ok(());
        }
        if let (0, number) = written {
            let below = unsigned("below").ok_or_else(damaged)?;
            self.derived.entry(producer.to_owned()).or_default().insert(number, below);
        } else {
            let last = self.producers.entry(producer.to_owned()).or_default();
            if written.1 > last.1 {
                *last = written;
            }
        }
        Ok(())
    }
}

const FOLDED: &[&str] = &["slot", "kind", "n", "pid", "pe", "ps", "below", "ts", "sts"];

impl Client {
    pub(super) async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        let (state, _) = self.check(partition).await?;
        let mut trimming = state.trimming.lock().await;
        let document = self.read_partition(partition).await?;
        let mut floor = document.floor;
        let end = self.first_kept(partition, trim).await?;
        if end > floor {
            let target = end.min(self.read_tail(partition, floor).await?);
            if target > floor {
                floor = self.raise_floor(partition, document, target).await?;
            }
        }
        let grace = self.options().trim_grace;
        trimming.saw(floor, self.clock().elapsed(), grace);
        let mut deleted = 0;
        if let Some(ripe) = trimming.ripe(self.clock().elapsed(), grace) {
            // a group may have come since the floor was raised
            let below = ripe.min(self.first_kept(partition, trim).await?);
            if below > Slot::ZERO {
                deleted = self.delete_chunks_below(partition, below).await?;
                trimming.deleted_below = below;
            }
        }
        Ok(Trimmed { floor, deleted })
    }

    /// The first slot that is not to be trimmed.
    async fn first_kept(&self, partition: &Partition, trim: Trim) -> Result<Slot, Error> {
        Ok(trim.end(self.needed_from(partition).await?.map(Offset::slot)))
    }

    /// Raises the floor to `target`, and returns it as it is then: another client may have raised it, too.
    async fn raise_floor(&self, partition: &Partition, old: PartitionDocument, target: Slot) -> Result<Slot, Error> {
        let Some(fold) = self.fold_records(partition, old, target).await? else {
            return Ok(self.read_partition(partition).await?.floor);
        };
        for (producer, (epoch, sequence)) in &fold.producers {
            self.fold(partition, producer, *epoch, *sequence).await?;
        }
        for (id, numbers) in &fold.derived {
            self.fold_derived(partition, &ProducerId::stored(id), numbers).await?;
        }
        // exactly from that floor on was folded, and no group has come since the groups were listed
        let unchanged = Filter::of(partition).eq("floor_slot", old.floor.to_i64()).eq("groups", old.groups);
        let update = Update::set("floor_slot", target.to_i64())
            .and_set("floor_time", DateTime::from_millis(fold.time.as_millis()))
            .and("floor_counts.records", Change::Add(fold.records))
            .and("floor_counts.messages", Change::Add(fold.messages));
        let raise = || self.database().update(Collection::Partitions, unchanged.clone(), update.clone());
        self.settle(raise).await.map_err(Error::from)?;
        Ok(self.read_partition(partition).await?.floor)
    }

    /// Reads all records from the old floor up to `target` without their messages; `None` when one is missing, because
    /// another client trimmed meanwhile or a slot is not filled yet.
    async fn fold_records(
        &self,
        partition: &Partition,
        old: PartitionDocument,
        target: Slot,
    ) -> Result<Option<Fold>, Error> {
        let (producers, derived) = (BTreeMap::new(), BTreeMap::new());
        let mut fold = Fold { time: old.floor_time, records: 0, messages: 0, producers, derived };
        let mut next = old.floor.max(Slot::FIRST);
        while next <= target {
            let filter = Filter::of(partition)
                .and("slot", Test::Gte(next.to_i64().into()))
                .and("slot", Test::Lte(target.to_i64().into()));
            let find = Find::one(Collection::Chunks, filter).sorted("slot", Order::Up).only(FOLDED).at_most(STEP);
            let found = self.find(find).await?;
            if found.documents.is_empty() {
                return Ok(None);
            }
            for document in &found.documents {
                if chunk::slot(document) != Some(next) {
                    return Ok(None);
                }
                fold.take(next, target, document)?;
                next = next.next();
            }
        }
        Ok(Some(fold))
    }

    /// The lowest record that is still there.
    async fn lowest_kept(&self, partition: &Partition) -> Result<Option<Slot>, Error> {
        let find = Find::one(Collection::Chunks, Filter::of(partition)).sorted("slot", Order::Up).only(&["slot"]);
        Ok(self.find_one(find).await?.and_then(|document| chunk::slot(&document)))
    }

    /// Deletes the records below a slot, some at a time so that no request takes long; returns how many.
    pub(crate) async fn delete_chunks_below(&self, partition: &Partition, below: Slot) -> Result<u64, Error> {
        let mut deleted = 0;
        while let Some(lowest) = self.lowest_kept(partition).await?.filter(|lowest| *lowest < below) {
            let end = below.min(Slot::new(lowest.get().saturating_add(u64::from(STEP))).unwrap_or(Slot::MAX));
            let filter = Filter::of(partition).and("slot", Test::Lt(end.to_i64().into()));
            deleted += self.delete(Collection::Chunks, filter).await?;
        }
        Ok(deleted)
    }
}
