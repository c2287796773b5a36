//! The append time at the end of the log.

use std::time::Duration;

use minibatch_core::{Cause, Error, Slot, Timestamp, chunk::RecordKind, storage::Partition};

use super::chunk;
use crate::{
    client::Client,
    database::{Collection, Filter, Find, Order, Test},
    error::corrupt,
    partition::PartitionDocument,
};

/// A record's time is at most 1 s after its stamp and at least 5 s before it, so none that was stamped earlier than this
/// before the last one's stamp can be later than the last one's.
const REACH: Duration = Duration::from_secs(6);
const PAGE: u32 = 500;

impl Client {
    /// The last slot, and the greatest append time of all records: by the stamps, those of the last seconds do.
    pub(crate) async fn end(
        &self,
        partition: &Partition,
        document: PartitionDocument,
    ) -> Result<(Slot, Timestamp), Error> {
        let mut time = document.floor_time;
        let mut end: Option<(Slot, Timestamp)> = None;
        let mut filter = Filter::of(partition);
        loop {
            let find = Find::one(Collection::Chunks, filter).sorted("slot", Order::Down);
            let found = self.find(find.only(&["slot", "kind", "ts", "sts"]).at_most(PAGE)).await?;
            let mut lowest = None;
            for chunk in &found.documents {
                let slot = chunk::slot(chunk).ok_or_else(|| corrupt("record"))?;
                let damaged = || Cause::corrupt_record(slot, "its kind or time is missing or has another type");
                let stamp = chunk::stamp(chunk).ok_or_else(damaged)?;
                let (_, first_stamp) = *end.get_or_insert((slot, stamp));
                if slot < document.floor || stamp < first_stamp.minus(REACH) {
                    lowest = None;
                    break;
                }
                if RecordKind::from_name(chunk.get_str("kind").map_err(|_| damaged())?).tells_time() {
                    time = time.max(chunk::time(chunk).ok_or_else(damaged)?);
                }
                lowest = Some(slot);
            }
            match lowest {
                Some(lowest) => filter = Filter::of(partition).and("slot", Test::Lt(lowest.to_i64().into())),
                None => return Ok((end.map_or(document.floor, |(slot, _)| slot), time)),
            }
        }
    }
}
