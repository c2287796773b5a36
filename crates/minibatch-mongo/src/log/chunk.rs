//! A chunk as a document, written and read as bytes: its messages are copied and never looked at.

use bson::{DateTime, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc, spec::ElementType};
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, ProducerId, Slot, Timestamp,
    chunk::{DerivedChunk, Payload, ProducerStamp, Record, RecordKind, clamp_time},
    storage::Partition,
};

use crate::{database::SERVER_STAMP, random};

/// The document of a chunk of messages. Its time is the producer's clock; the server adds its own.
pub(super) fn encode(
    partition: &Partition,
    slot: Slot,
    producer: &ProducerStamp,
    time: Timestamp,
    payload: &Payload,
) -> Result<RawDocumentBuf, Error> {
    append_array(head(partition, slot, producer, time, payload)?, "data", payload.bytes())
}

/// The document of a derived chunk.
pub(super) fn encode_derived(partition: &Partition, slot: Slot, chunk: &DerivedChunk) -> Result<RawDocumentBuf, Error> {
    let mut head = head(partition, slot, &chunk.stamp(), chunk.time, &chunk.payload)?;
    head.append(cstr!("below"), signed(chunk.below)?);
    append_array(head, "data", chunk.payload.bytes())
}

/// The document of a record without messages.
pub(super) fn encode_control(
    partition: &Partition,
    slot: Slot,
    kind: RecordKind,
    producer: &ProducerStamp,
    time: Timestamp,
) -> Result<RawDocumentBuf, Error> {
    record(partition, slot, kind, producer, time, 0)
}

fn head(
    partition: &Partition,
    slot: Slot,
    producer: &ProducerStamp,
    time: Timestamp,
    payload: &Payload,
) -> Result<RawDocumentBuf, Error> {
    let mut head = record(partition, slot, RecordKind::Data, producer, time, payload.count())?;
    head.append(cstr!("codec"), payload.codec().name());
    head.append(cstr!("crc"), i64::from(payload.crc()));
    head.append(cstr!("bytes"), i64::try_from(payload.bytes().len()).unwrap_or(i64::MAX));
    Ok(head)
}

/// What all records have, one of so many messages.
fn record(
    partition: &Partition,
    slot: Slot,
    kind: RecordKind,
    producer: &ProducerStamp,
    time: Timestamp,
    messages: u32,
) -> Result<RawDocumentBuf, Error> {
    Ok(rawdoc! {
        "_id": random::object_id(),
        "s": partition.stream.as_str(),
        "p": i64::from(partition.index),
        "inc": partition.incarnation.get(),
        "slot": slot.to_i64(),
        "kind": kind.name(),
        "n": i64::from(messages),
        "pid": producer.id.as_str(),
        "pe": signed(producer.epoch)?,
        "ps": signed(producer.sequence)?,
        "ts": DateTime::from_millis(time.as_millis()),
        "sts": SERVER_STAMP,
    })
}

/// Appends an array that is given as bytes, which need not be text that bson's own types would take.
fn append_array(document: RawDocumentBuf, field: &str, array: &[u8]) -> Result<RawDocumentBuf, Error> {
    let mut bytes = document.into_bytes();
    bytes.reserve_exact(array.len() + field.len() + 2);
    bytes.pop();
    bytes.push(ElementType::Array as u8);
    bytes.extend_from_slice(field.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(array);
    bytes.push(0);
    let length = i32::try_from(bytes.len()).map_err(|_| Cause::out_of_range("a chunk has at most 16 MiB"))?;
    if let Some(head) = bytes.first_chunk_mut() {
        *head = length.to_le_bytes();
    }
    RawDocumentBuf::from_bytes(bytes).map_err(|_| Cause::bug("a chunk that is not bson").into())
}

/// A number to compare stored ones with: one that is too big is stored nowhere.
pub(crate) fn comparable(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

/// A number to store.
pub(crate) fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Cause::out_of_range("an epoch or sequence is below 2^63").into())
}

/// The slot of a document, whatever else is wrong with it.
pub(super) fn slot(document: &RawDocument) -> Option<Slot> {
    Slot::from_i64(document.get_i64("slot").ok()?).ok()
}

/// The server's stamp of a document that has `sts`.
pub(super) fn stamp(document: &RawDocument) -> Option<Timestamp> {
    document.get_timestamp("sts").ok().map(seconds)
}

/// The time of a document that has `ts` and `sts`.
pub(super) fn time(document: &RawDocument) -> Option<Timestamp> {
    Some(clamped(document.get_datetime("ts").ok()?, stamp(document)?))
}

fn seconds(stamp: bson::Timestamp) -> Timestamp {
    Timestamp::from_millis(i64::from(stamp.time) * 1_000)
}

fn clamped(producer: DateTime, stamp: Timestamp) -> Timestamp {
    clamp_time(Timestamp::from_millis(producer.timestamp_millis()), stamp)
}

/// The fields of a document, found in one go.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    count: Option<i64>,
    producer: Option<&'a str>,
    epoch: Option<i64>,
    sequence: Option<i64>,
    time: Option<DateTime>,
    stamp: Option<bson::Timestamp>,
    codec: Option<&'a str>,
    crc: Option<i64>,
    data: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// `None` when the document is no bson.
    fn find(document: &'a RawDocument) -> Option<Self> {
        let mut fields = Self::default();
        for element in document {
            let (name, value) = element.ok()?;
            match name.as_str() {
                "kind" => fields.kind = value.as_str(),
                "n" => fields.count = value.as_i64(),
                "pid" => fields.producer = value.as_str(),
                "pe" => fields.epoch = value.as_i64(),
                "ps" => fields.sequence = value.as_i64(),
                "ts" => fields.time = value.as_datetime(),
                "sts" => fields.stamp = value.as_timestamp(),
                "codec" => fields.codec = value.as_str(),
                "crc" => fields.crc = value.as_i64(),
                "data" => {
                    fields.data = match value {
                        RawBsonRef::Array(array) => Some(array.as_bytes()),
                        RawBsonRef::Binary(binary) => Some(binary.bytes),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        Some(fields)
    }
}

/// The record of a document that was found in that slot.
pub(super) fn decode(slot: Slot, document: RawDocumentBuf) -> Result<Record, Error> {
    let bytes = Bytes::from(document.into_bytes());
    let damaged = |reason: &'static str| Error::new(Cause::corrupt_record(slot, reason));
    let missing = || damaged("a field is missing or has another type, was it changed by hand?");
    let document = RawDocument::from_bytes(&bytes).map_err(|_| damaged("it is not bson"))?;
    let fields = Fields::find(document).ok_or_else(|| damaged("it is not bson"))?;
    let kind = RecordKind::stored(slot, fields.kind.ok_or_else(missing)?, fields.count.unwrap_or(0))?;
    let unsigned = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).ok_or_else(missing);
    let producer = ProducerStamp {
        id: ProducerId::stored(fields.producer.ok_or_else(missing)?),
        epoch: unsigned(fields.epoch)?,
        sequence: unsigned(fields.sequence)?,
    };
    let time = clamped(fields.time.ok_or_else(missing)?, seconds(fields.stamp.ok_or_else(missing)?));
    let payload = if kind == RecordKind::Data {
        let data = bytes.slice_ref(fields.data.ok_or_else(missing)?);
        let (count, crc) = (fields.count.ok_or_else(missing)?, fields.crc.ok_or_else(missing)?);
        Payload::stored(slot, fields.codec.ok_or_else(missing)?, count, crc, data)?
    } else {
        Payload::empty()
    };
    Ok(Record { slot, kind, producer, time, payload })
}

#[cfg(test)]
mod tests {
    use minibatch_core::{
        ErrorKind, StreamName,
        chunk::{ChunkBuilder, Encoded},
        storage::Incarnation,
    };

    use super::*;

    fn partition() -> Partition {
        Partition { stream: StreamName::new("q").unwrap(), incarnation: Incarnation::new(7), index: 0 }
    }

    fn producer() -> ProducerStamp {
        ProducerStamp { id: ProducerId::new("p").unwrap(), epoch: 2, sequence: 3 }
    }

    fn payload() -> Payload {
        let mut builder = ChunkBuilder::new();
        builder.fill(&Encoded::values(&["a", "b"]).unwrap(), 0);
        builder.finish()
    }

    fn encoded() -> RawDocumentBuf {
        let time = Timestamp::from_millis(1_000_500);
        encode(&partition(), Slot::FIRST, &producer(), time, &payload()).unwrap()
    }

    /// As the server stores it, and with one field changed.
    fn stored(field: &str, value: impl Into<bson::Bson>) -> RawDocumentBuf {
        let mut document = bson::Document::try_from(&*encoded()).unwrap();
        document.insert("sts", bson::Timestamp { time: 1_000, increment: 1 });
        document.insert(field, value);
        RawDocumentBuf::try_from(&document).unwrap()
    }

    #[test]
    fn comes_back_as_it_went() {
        let record = decode(Slot::FIRST, stored("extra", "field")).unwrap();
        assert_eq!((record.producer, record.payload), (producer(), payload()));
        assert_eq!(record.time, Timestamp::from_millis(1_000_500));
        assert_eq!(bson::Document::try_from(&*encoded()).unwrap().get_array("data").unwrap().len(), 2);
    }

    #[test]
    fn control_records_have_no_payload() {
        for (name, kind) in
            [("tomb", RecordKind::Tombstone), ("punct", RecordKind::Punctuation), ("new", RecordKind::Unknown)]
        {
            let mut document = bson::Document::try_from(&*stored("kind", name)).unwrap();
            document.insert("n", 0_i64);
            let record = decode(Slot::FIRST, RawDocumentBuf::try_from(&document).unwrap()).unwrap();
            assert_eq!((record.kind, record.payload), (kind, Payload::empty()));
            // its kind is damaged
            let error = decode(Slot::FIRST, stored("kind", name)).unwrap_err();
            assert!(matches!(error.cause(), Cause::CorruptRecord { .. }), "{name}");
        }
    }

    #[test]
    fn damage_names_the_slot() {
        for field in ["kind", "n", "pid", "pe", "ps", "ts", "sts", "codec", "crc", "data"] {
            let error = decode(Slot::FIRST, stored(field, bson::Bson::Null)).unwrap_err();
            assert!(matches!(error.cause(), Cause::CorruptRecord { slot: Slot::FIRST, .. }), "{field}");
        }
        for (field, value) in [("crc", 1_i64.into()), ("data", bson::bson!(["a", "c"])), ("codec", "new".into())] {
            assert_eq!(decode(Slot::FIRST, stored(field, value)).unwrap_err().kind(), ErrorKind::Corrupt, "{field}");
        }
    }
}
