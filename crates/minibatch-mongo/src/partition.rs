//! A partition: its document, and what this client knows of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::{DateTime, RawDocument, RawDocumentBuf, rawdoc};
use minibatch_core::{
    Cause, Error, Slot, Timestamp,
    storage::{LogBounds, Partition, StreamInfo},
};
use tokio::sync::{Notify, watch};

use crate::{
    client::Client,
    database::{Collection, FORMAT, Filter, Find, Update},
    error::corrupt,
    log::{Appending, ChunkSize, Holes, Trimming},
    random,
};

/// For so long after it was read, a partition's document counts as still there, with no floor so high that anything
/// above the one read were deleted. Dropping a stream waits longer, trimming much longer.
pub(crate) const FRESH: Duration = Duration::from_millis(500);

/// After so long every client has read a changed document, or will before it does anything else.
pub(crate) const SEEN_BY_ALL: Duration = Duration::from_millis(750);

/// A partition's document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionDocument {
    /// The lowest slot still promised.
    pub(crate) floor: Slot,
    /// The append time there.
    pub(crate) floor_time: Timestamp,
    /// How many messages there were in all slots below the floor.
    pub(crate) floor_count: u64,
    /// The highest slot that was reserved.
    pub(crate) head: Slot,
    /// How many times producers were registered.
    pub(crate) registrations: i64,
    /// How many times groups were created; `None` in documents of earlier versions, as long as none was.
    pub(crate) groups: Option<i64>,
    /// Above the epochs of all removed groups: one created later goes on from it, so that the former's owner stays
    /// fenced.
    pub(crate) removed_epoch: i64,
}

impl PartitionDocument {
    /// A new partition's.
    pub(crate) fn create(partition: &Partition) -> RawDocumentBuf {
        rawdoc! {
            "_id": random::object_id(),
            "s": partition.stream.as_str(),
            "p": i64::from(partition.index),
            "inc": partition.incarnation.get(),
            "head": 0_i64,
            "registrations": 0_i64,
            "groups": 0_i64,
            "floor_slot": 0_i64,
            "floor_time": DateTime::from_millis(Timestamp::MIN.as_millis()),
            "floor_counts": { "records": 0_i64, "messages": 0_i64 },
            "removed_epoch": 0_i64,
            "format": FORMAT,
        }
    }

    pub(crate) fn decode(document: &RawDocument) -> Result<Self, Error> {
        let damaged = |_| corrupt("partition");
        let format = document.get_i64("format").map_err(damaged)?;
        if format > FORMAT {
            return Err(Cause::newer_format("partition", format, FORMAT).into());
        }
        Ok(Self {
            floor: Slot::from_i64(document.get_i64("floor_slot").map_err(damaged)?)?,
            floor_time: Timestamp::from_millis(
                document.get_datetime("floor_time").map_err(damaged)?.timestamp_millis(),
            ),
            floor_count: document
                .get_document("floor_counts")
                .and_then(|counts| counts.get_i64("messages"))
                .map_err(damaged)?
                .try_into()
                .map_err(|_| corrupt("partition"))?,
            head: Slot::from_i64(document.get_i64("head").map_err(damaged)?)?,
            // not in documents of earlier versions
            registrations: document.get_i64("registrations").unwrap_or(0),
            groups: document.get_i64("groups").ok(),
            removed_epoch: document.get_i64("removed_epoch").map_err(damaged)?,
        })
    }

    /// Both ends of the log that ends with `tail`.
    pub(crate) fn bounds(&self, tail: Slot) -> LogBounds {
        LogBounds { floor: self.floor, floor_time: self.floor_time, floor_count: self.floor_count, tail }
    }
}

/// What this client knows of a partition.
pub(crate) struct PartitionState {
    /// Appends of this client take turns, so that it does not race itself.
    pub(crate) appending: tokio::sync::Mutex<Appending>,
    pub(crate) trimming: tokio::sync::Mutex<Trimming>,
    /// The document as read last, and when the request was sent.
    checked: Mutex<Option<(Duration, PartitionDocument)>>,
    /// The highest slot known to be filled.
    tail: watch::Sender<Slot>,
    /// Wakes those who wait, to look for themselves.
    pub(crate) hint: Notify,
    pub(crate) size: Mutex<ChunkSize>,
    pub(crate) holes: Holes,
}

impl Default for PartitionState {
    fn default() -> Self {
        Self {
            appending: tokio::sync::Mutex::default(),
            trimming: tokio::sync::Mutex::default(),
            checked: Mutex::default(),
            tail: watch::Sender::new(Slot::ZERO),
            hint: Notify::new(),
            size: Mutex::default(),
            holes: Holes::default(),
        }
    }
}

impl PartitionState {
    /// The highest slot known to be filled.
    pub(crate) fn tail(&self) -> Slot {
        *self.tail.borrow()
    }

    pub(crate) fn tail_changes(&self) -> watch::Receiver<Slot> {
        self.tail.subscribe()
    }

    pub(crate) fn saw_tail(&self, slot: Slot) {
        self.tail.send_if_modified(|tail| {
            let higher = slot > *tail;
            *tail = slot.max(*tail);
            higher
        });
    }

    /// The floor as far as it is known.
    pub(crate) fn floor(&self) -> Slot {
        let checked = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.map_or(Slot::ZERO, |(_, document)| document.floor)
    }

    fn checked(&self, now: Duration) -> Option<PartitionDocument> {
        let checked = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.filter(|(at, _)| now.saturating_sub(*at) < FRESH).map(|(_, document)| document)
    }
}

impl Client {
    /// What is known of the partition, which exists, and its document, at most [`FRESH`] old.
    pub(crate) async fn check(&self, partition: &Partition) -> Result<(Arc<PartitionState>, PartitionDocument), Error> {
        let state = self.partitions().find_or_insert(partition);
        let document = match state.checked(self.clock().elapsed()) {
            Some(document) => document,
            None => self.read_partition(partition).await?,
        };
        Ok((state, document))
    }

    /// The partition's document as it is now.
    pub(crate) async fn read_partition(&self, partition: &Partition) -> Result<PartitionDocument, Error> {
        let sent = self.clock().elapsed();
        let find = Find::one(Collection::Partitions, Filter::of(partition));
        let found = self.find_one(find).await?;
        self.saw_partition(partition, found, sent).await
    }

    /// Changes the partition's document, once or more often. Returns when that was asked that took effect, and the
    /// document as it was then.
    pub(crate) async fn change_partition(
        &self,
        partition: &Partition,
        update: Update,
    ) -> Result<(Duration, PartitionDocument), Error> {
        let change = async || {
            let sent = self.clock().elapsed();
            let this = Filter::of(partition);
            let changed = self.database().find_and_update(Collection::Partitions, this, update.clone(), false).await?;
            Ok((sent, changed))
        };
        let (sent, changed) = self.settle(change).await.map_err(Error::from)?;
        Ok((sent, self.saw_partition(partition, changed, sent).await?))
    }

    async fn saw_partition(
        &self,
        partition: &Partition,
        found: Option<RawDocumentBuf>,
        sent: Duration,
    ) -> Result<PartitionDocument, Error> {
        let Some(found) = found else { return Err(self.missing(partition).await) };
        let document = PartitionDocument::decode(&found)?;
        let state = self.partitions().find_or_insert(partition);
        state.saw_tail(document.floor);
        let mut checked = state.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.is_none_or(|(at, _)| at <= sent) {
            *checked = Some((sent, document));
        }
        Ok(document)
    }

    /// Why there is no such partition.
    async fn missing(&self, partition: &Partition) -> Error {
        match self.find_living_stream(&partition.stream).await {
            Ok(Some(StreamInfo { incarnation, partitions, .. }))
                if incarnation == partition.incarnation && partition.index >= partitions =>
            {
                self.partitions().forget_one(partition);
                Cause::invalid_partition(partition.index, partitions).into()
            }
            Ok(_) => {
                self.partitions().forget_stream(partition);
                Cause::StreamDropped.into()
            }
            Err(error) => error,
        }
    }
}
