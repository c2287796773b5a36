//! Records without their messages: what is in the log, for whoever counts.

use bson::RawDocument;
use minibatch_core::{
    Cause, Error, Slot,
    chunk::RecordKind,
    storage::{Partition, RecordSummary},
};

use super::chunk;
use crate::{
    client::Client,
    database::{Collection, Filter, Find, Order, Test},
};

const PAGE: u32 = 5_000;

impl Client {
    pub(crate) async fn survey(
        &self,
        partition: &Partition,
        from: Slot,
        limit: usize,
    ) -> Result<Vec<RecordSummary>, Error> {
        let mut next = from.max(Slot::FIRST);
        let limit = u32::try_from(limit.max(1)).map_or(PAGE, |limit| limit.min(PAGE));
        let filter = Filter::of(partition).and("slot", Test::Gte(next.to_i64().into()));
        let find = Find::one(Collection::Chunks, filter).sorted("slot", Order::Up).at_most(limit);
        let found = self.find(find.only(&["slot", "kind", "n", "ts", "sts", "bytes"])).await?;
        // the floor after the records: what was there then may have been trimmed
        let floor = self.read_partition(partition).await?.floor;
        if next < floor {
            return Err(Cause::offset_trimmed(floor).into());
        }
        let mut summaries = Vec::new();
        for document in &found.documents {
            if chunk::slot(document) != Some(next) {
                break;
            }
            let damaged = || Cause::corrupt_record(next, "a field is missing or has another type");
            summaries.push(summary(next, document).ok_or_else(damaged)?);
            next = next.next();
        }
        Ok(summaries)
    }

    /// How many messages there ever were before the slot after `tail`.
    pub(crate) async fn count_up_to(
        &self,
        partition: &Partition,
        floor: (Slot, u64),
        tail: Slot,
    ) -> Result<u64, Error> {
        let (mut next, mut count) = (floor.0.max(Slot::FIRST), floor.1);
        while next <= tail {
            let summaries = self.survey(partition, next, PAGE as usize).await?;
            let Some(last) = summaries.last() else { return Ok(count) };
            count +=
                summaries.iter().filter(|summary| summary.slot <= tail).map(|s| u64::from(s.messages)).sum::<u64>();
            next = last.slot.next();
        }
        Ok(count)
    }
}

fn summary(slot: Slot, document: &RawDocument) -> Option<RecordSummary> {
    Some(RecordSummary {
        slot,
        kind: RecordKind::from_name(document.get_str("kind").ok()?),
        time: chunk::time(document)?,
        messages: u32::try_from(document.get_i64("n").unwrap_or(0)).ok()?,
        bytes: u64::try_from(document.get_i64("bytes").unwrap_or(0)).ok()?,
    })
}
