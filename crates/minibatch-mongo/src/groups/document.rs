//! A group's state of one partition as a document.

use bson::{Binary, Bson, DateTime, Document, RawDocument, RawDocumentBuf, doc, spec::BinarySubtype};
use bytes::Bytes;
use minibatch_core::{
    Error, GroupName, MemberId, Offset, Timestamp,
    storage::{Counters, Fence, Generation, GroupState, Partition, Position},
};

use crate::{database::Update, error::corrupt, log::signed, random};

/// In which generation the group was counted in its partition.
pub(super) const COUNTED: &str = "counted";

/// What a group is created with; in partition 0's document with the starts of all partitions.
pub(super) struct NewGroup<'a> {
    pub(super) group: &'a GroupName,
    pub(super) generation: Generation,
    pub(super) fingerprint: &'a str,
    pub(super) start: Position,
    pub(super) starts: &'a [Position],
    /// The epochs of its owners follow this one.
    pub(super) last_epoch: i64,
}

impl NewGroup<'_> {
    /// The document of a group that was not there.
    pub(super) fn document(&self, partition: &Partition) -> Result<RawDocumentBuf, Error> {
        let mut document = doc! {
            "_id": random::object_id(),
            "s": partition.stream.as_str(),
            "p": i64::from(partition.index),
            "inc": partition.incarnation.get(),
            "g": self.group.as_str(),
        };
        document.extend(self.fields()?.map(|(field, value)| (field.to_owned(), value)));
        RawDocumentBuf::try_from(&document).map_err(|_| corrupt("group"))
    }

    /// What makes a group's document that of this one.
    pub(super) fn update(&self) -> Result<Update, Error> {
        Ok(self.fields()?.into_iter().fold(Update::default(), |update, (field, value)| update.and_set(field, value)))
    }

    fn fields(&self) -> Result<[(&'static str, Bson); 11], Error> {
        let starts = self.starts.iter().map(|start| Ok(encode_position(*start)?.into()));
        Ok([
            ("owner", Bson::Null),
            ("epoch", self.last_epoch.into()),
            ("ver", 0_i64.into()),
            ("generation", self.generation.get().into()),
            ("fingerprint", self.fingerprint.into()),
            ("start", encode_position(self.start)?.into()),
            ("starts", starts.collect::<Result<Vec<Bson>, Error>>()?.into()),
            ("keep_from", encode_offset(self.start.offset)?.into()),
            ("counters", encode_counters(Counters::default())?.into()),
            ("unclean", 0_i64.into()),
            ("checkpoint", Bson::Null),
        ])
    }
}

pub(super) fn encode_offset(offset: Offset) -> Result<i64, Error> {
    signed(offset.to_u64())
}

pub(super) fn encode_position(position: Position) -> Result<Document, Error> {
    Ok(doc! {
        "offset": encode_offset(position.offset)?,
        "time": DateTime::from_millis(position.time.as_millis()),
        "count": signed(position.count)?,
    })
}

pub(super) fn encode_counters(counters: Counters) -> Result<Document, Error> {
    Ok(doc! {
        "finished": signed(counters.finished)?,
        "late": signed(counters.late)?,
        "dead": signed(counters.dead)?,
        "skipped": signed(counters.skipped)?,
        "dropped": signed(counters.dropped)?,
        "expired": signed(counters.expired)?,
    })
}

pub(super) fn encode_bytes(bytes: &Bytes) -> Bson {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }.into()
}

/// The name and state of a document; without a checkpoint where none was asked for.
pub(super) fn decode(document: &RawDocument) -> Result<(GroupName, GroupState), Error> {
    read(document).ok_or_else(|| corrupt("group"))
}

fn read(document: &RawDocument) -> Option<(GroupName, GroupState)> {
    let name = GroupName::new(document.get_str("g").ok()?).ok()?;
    let start = document.get_document("start").ok()?;
    let counters = document.get_document("counters").ok()?;
    let state = GroupState {
        owner: document.get_str("owner").ok().map(MemberId::stored),
        fence: Fence { epoch: number(document, "epoch")?, version: number(document, "ver")? },
        generation: Generation::new(document.get_i64("generation").ok()?),
        fingerprint: document.get_str("fingerprint").ok()?.to_owned(),
        start: position(start)?,
        keep_from: Offset::from_u64(number(document, "keep_from")?),
        counters: Counters {
            finished: number(counters, "finished")?,
            // earlier versions counted them among those that are finished
            late: number(counters, "late").unwrap_or(0),
            dead: number(counters, "dead")?,
            skipped: number(counters, "skipped")?,
            dropped: number(counters, "dropped")?,
            expired: number(counters, "expired")?,
        },
        unclean: u32::try_from(document.get_i64("unclean").ok()?).ok()?,
        checkpoint: document.get_binary("checkpoint").ok().map(|binary| Bytes::copy_from_slice(binary.bytes)),
    };
    Some((name, state))
}

fn number(document: &RawDocument, field: &str) -> Option<u64> {
    u64::try_from(document.get_i64(field).ok()?).ok()
}

fn position(document: &RawDocument) -> Option<Position> {
    Some(Position {
        offset: Offset::from_u64(number(document, "offset")?),
        time: Timestamp::from_millis(document.get_datetime("time").ok()?.timestamp_millis()),
        count: number(document, "count")?,
    })
}

/// Whether the group was counted in its partition and compared with the floor, in this generation.
pub(super) fn is_counted(document: &RawDocument) -> bool {
    matches!((document.get_i64(COUNTED), document.get_i64("generation")), (Ok(counted), Ok(now)) if counted == now)
}

/// The smallest offset that the group still needs.
pub(super) fn keep_from(document: &RawDocument) -> Result<Offset, Error> {
    number(document, "keep_from").map(Offset::from_u64).ok_or_else(|| corrupt("group"))
}

/// Where the group starts in each partition, in partition 0's document.
pub(super) fn starts(document: &RawDocument) -> Result<Vec<Position>, Error> {
    let starts = document.get_array("starts").map_err(|_| corrupt("group"))?;
    let starts = starts.into_iter().map(|start| position(start.ok()?.as_document()?));
    starts.collect::<Option<_>>().ok_or_else(|| corrupt("group"))
}
