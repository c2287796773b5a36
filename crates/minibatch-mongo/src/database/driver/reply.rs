//! What the reply to a write says.

use bson::{Bson, Document, RawDocumentBuf};
use minibatch_core::{Cause, Timestamp};

use super::super::Failure;
use super::classify;

/// A command or a part of a reply, as bytes.
pub(super) fn raw(document: &Document) -> Result<RawDocumentBuf, Failure> {
    RawDocumentBuf::try_from(document).map_err(|_| Failure::Refused(Cause::bug("a command that is not bson")))
}

/// The reply itself, unless it tells of an error although it says `ok`.
pub(super) fn outcome(reply: Document) -> Result<Document, Failure> {
    if let Ok(error) = reply.get_document("writeConcernError") {
        // it comes before any error of the write: what that error speaks of may be rolled back as well
        return Err(Failure::Indeterminate(format!("write concern not satisfied, {}", classify::describe(error))));
    }
    match reply.get_array("writeErrors").ok().and_then(|errors| errors.first()).and_then(Bson::as_document) {
        Some(error) => Err(classify::server_error(error)),
        None => Ok(reply),
    }
}

/// How many documents a write found.
pub(super) fn count(reply: &Document) -> Result<u64, Failure> {
    let count = match reply.get("n") {
        Some(Bson::Int32(count)) => u64::try_from(*count).ok(),
        Some(Bson::Int64(count)) => u64::try_from(*count).ok(),
        _ => None,
    };
    count.ok_or_else(|| Failure::Indeterminate("the server's answer has no count".to_owned()))
}

/// The server's clock in the reply to `hello`, and not before its cluster time.
pub(super) fn time(hello: &Document) -> Result<Timestamp, Failure> {
    let local = hello.get_datetime("localTime").map(|time| Timestamp::from_millis(time.timestamp_millis()));
    let cluster = hello.get_document("$clusterTime").and_then(|time| time.get_timestamp("clusterTime"));
    let cluster = cluster.map(|stamp| Timestamp::from_millis(i64::from(stamp.time) * 1_000));
    let local = local.map_err(|_| Failure::NotApplied("the server's answer has no time".to_owned()))?;
    Ok(cluster.map_or(local, |cluster| local.max(cluster)))
}
