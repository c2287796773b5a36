//! What is stored of producers: their rows, and what they wrote.

use bson::{RawDocument, RawDocumentBuf, rawdoc};
use minibatch_core::{Cause, Error, ProducerId, Slot, chunk::Payload, storage::Partition};

use super::chunk::{self, signed};
use crate::{
    client::Client,
    database::{Collection, Filter, Find, Order},
    error::corrupt,
    random,
};

/// What is stored of a producer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProducerRow {
    /// Of its newest registration.
    pub(super) epoch: u64,
    /// Of the last chunk that was trimmed.
    pub(super) last_epoch: u64,
    pub(super) last_sequence: u64,
}

impl ProducerRow {
    pub(super) fn decode(document: &RawDocument) -> Result<Self, Error> {
        let number = |field| {
            let number = document.get_i64(field).ok().and_then(|number| u64::try_from(number).ok());
            number.ok_or_else(|| corrupt("producer"))
        };
        Ok(Self { epoch: number("epoch")?, last_epoch: number("last_pe")?, last_sequence: number("last_ps")? })
    }

    /// The document of a producer that has none.
    pub(super) fn document(self, partition: &Partition, producer: &str) -> Result<RawDocumentBuf, Error> {
        Ok(rawdoc! {
            "_id": random::object_id(),
            "s": partition.stream.as_str(),
            "p": i64::from(partition.index),
            "inc": partition.incarnation.get(),
            "pid": producer,
            "epoch": signed(self.epoch)?,
            "last_pe": signed(self.last_epoch)?,
            "last_ps": signed(self.last_sequence)?,
        })
    }
}

/// A chunk in the log, without its messages.
pub(super) struct Written {
    pub(super) slot: Slot,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    count: i64,
    crc: i64,
    codec: String,
}

impl Written {
    fn decode(document: &RawDocument) -> Result<Self, Error> {
        let slot = chunk::slot(document).ok_or_else(|| corrupt("record"))?;
        let damaged = || Cause::corrupt_record(slot, "a field is missing or has another type, was it changed by hand?");
        let number = |field| document.get_i64(field).map_err(|_| damaged());
        let unsigned = |field| u64::try_from(number(field)?).map_err(|_| damaged());
        let codec = document.get_str("codec").map_err(|_| damaged())?.to_owned();
        Ok(Self {
            slot,
            epoch: unsigned("pe")?,
            sequence: unsigned("ps")?,
            count: number("n")?,
            crc: number("crc")?,
            codec,
        })
    }

    /// True when it holds this payload, by count and checksum.
    pub(super) fn holds(&self, payload: &Payload) -> bool {
        self.count == i64::from(payload.count())
            && self.crc == i64::from(payload.crc())
            && self.codec == payload.codec().name()
    }
}

const WRITTEN: &[&str] = &["slot", "pe", "ps", "n", "crc", "codec"];

impl Client {
    /// What a producer wrote under that number.
    pub(super) async fn written(
        &self,
        partition: &Partition,
        producer: &ProducerId,
        stored: u64,
    ) -> Result<Option<Written>, Error> {
        let filter = Filter::of(partition).eq("pid", producer.as_str()).eq("ps", signed(stored)?);
        let found = self.find_one(Find::one(Collection::Chunks, filter).only(WRITTEN)).await?;
        found.map(|document| Written::decode(&document)).transpose()
    }

    /// The producer's chunk of the highest number in the log.
    pub(super) async fn last_written(
        &self,
        partition: &Partition,
        producer: &ProducerId,
    ) -> Result<Option<Written>, Error> {
        let filter = Filter::of(partition).eq("pid", producer.as_str());
        let find = Find::one(Collection::Chunks, filter).sorted("ps", Order::Down).only(WRITTEN);
        self.find_one(find).await?.map(|document| Written::decode(&document)).transpose()
    }

    pub(super) async fn producer_row(
        &self,
        partition: &Partition,
        producer: &ProducerId,
    ) -> Result<Option<ProducerRow>, Error> {
        let filter = Filter::of(partition).eq("pid", producer.as_str());
        let found = self.find_one(Find::one(Collection::Producers, filter)).await?;
        found.map(|document| ProducerRow::decode(&document)).transpose()
    }
}
