//! What an error of the driver's or the server's means for the protocol.
//!
//! Nothing of an error's text is passed on: it may hold values of the user's. Code and name are.

use bson::{Bson, Document, RawDocument};
use minibatch_core::Cause;
use mongodb::error::{Error, ErrorKind, NO_WRITES_PERFORMED, WriteFailure};

use super::super::Failure;

const DUPLICATE_KEY: i64 = 11_000;
const OUT_OF_DISK_SPACE: i64 = 14_031;

/// What became of a request that ended with this error.
pub(super) fn failure(error: &Error) -> Failure {
    if error.contains_label(NO_WRITES_PERFORMED) {
        return Failure::NotApplied(text(error));
    }
    match &*error.kind {
        ErrorKind::ServerSelection { .. } => Failure::NotApplied(text(error)),
        ErrorKind::Shutdown => Failure::NotApplied("the client was shut down".to_owned()),
        ErrorKind::Authentication { .. } => {
            Failure::Refused(Cause::misconfigured("user, password or authSource of the url is wrong: correct the url"))
        }
        ErrorKind::IncompatibleServer { .. } => {
            Failure::Refused(Cause::misconfigured("the server is too old: mongodb 6.0 or newer is needed"))
        }
        ErrorKind::InvalidTlsConfig { .. } => {
            Failure::Refused(Cause::misconfigured("the tls options of the url are wrong: check the files they name"))
        }
        ErrorKind::InvalidArgument { .. } => {
            Failure::Refused(Cause::misconfigured("the driver refuses the options of the url: check them"))
        }
        ErrorKind::Command(_) => match error.server_response() {
            Some(reply) => reply_error(reply),
            None => Failure::Indeterminate(text(error)),
        },
        _ => Failure::Indeterminate(text(error)),
    }
}

fn reply_error(reply: &RawDocument) -> Failure {
    match Document::try_from(reply) {
        Ok(reply) => server_error(&reply),
        Err(_) => Failure::Indeterminate("the server's answer is not understood".to_owned()),
    }
}

/// What an error document of the server's means: a whole reply, or one of its `writeErrors`.
pub(super) fn server_error(error: &Document) -> Failure {
    let refused = |what: &str| Failure::Refused(Cause::misconfigured(format!("{what}, {}", describe(error))));
    match code(error) {
        DUPLICATE_KEY => {
            let fields = error.get_document("keyPattern").map(|keys| keys.keys().cloned().collect());
            fields.map_or_else(|_| Failure::Indeterminate(describe(error)), Failure::Duplicate)
        }
        13 => refused("the url's user may not do this: grant it the right"),
        18 | 8_000 => refused("user, password or authSource of the url is wrong: correct the url"),
        20 => refused("the server cannot do this: a replica set is needed"),
        79 | 100 => refused("the server cannot write with majority: check the replica set"),
        40_573 => refused("change streams need a replica set"),
        17_419 | 17_420 | 10_334 => Failure::Refused(Cause::out_of_range("a document has at most 16 MiB")),
        OUT_OF_DISK_SPACE => {
            tracing::error!("the mongodb server is out of disk space: free some, nothing is lost");
            Failure::Indeterminate(describe(error))
        }
        _ => Failure::Indeterminate(describe(error)),
    }
}

/// Codes that say nothing of what was to be written, but of the server, its locks, or the transaction.
const PASSING: [i64; 24] = [
    6, 7, 24, 46, 50, 63, 64, 89, 91, 112, 133, 134, 189, 225, 244, 246, 251, 262, 290, 9_001, 10_107, 11_600, 11_601,
    11_602,
];

/// Which part of a user's command the server refuses, and the name of what is wrong with it.
pub(super) fn refused_part(reply: &Document) -> Option<(usize, String)> {
    let error = reply.get_array("writeErrors").ok()?.first()?.as_document()?;
    let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
    Some((index, name(error)))
}

/// The name of what is wrong with a user's command; `None` where that is nothing.
pub(super) fn refused_whole(error: &Error) -> Option<String> {
    match &*error.kind {
        ErrorKind::Command(_) => refused_name(&Document::try_from(error.server_response()?).ok()?),
        // the driver finds it before the server does
        ErrorKind::InvalidArgument { .. } | ErrorKind::BsonSerialization(_) => Some("InvalidArgument".to_owned()),
        _ => None,
    }
}

fn refused_name(reply: &Document) -> Option<String> {
    let code = code(reply);
    let is_refused = !PASSING.contains(&code) && ![0, 13, OUT_OF_DISK_SPACE, 13_435, 13_436].contains(&code);
    is_refused.then(|| name(reply))
}

fn name(error: &Document) -> String {
    match (code(error), error.get_str("codeName")) {
        (DUPLICATE_KEY, _) => "DuplicateKey".to_owned(),
        (121, _) => "DocumentValidationFailure".to_owned(),
        (_, Ok(name)) => name.to_owned(),
        (code, Err(_)) => format!("server error {code}"),
    }
}

fn code(error: &Document) -> i64 {
    match error.get("code") {
        Some(Bson::Int32(code)) => i64::from(*code),
        Some(Bson::Int64(code)) => *code,
        _ => 0,
    }
}

/// Code and name, and no word of the message.
pub(super) fn describe(error: &Document) -> String {
    let name = error.get_str("codeName").unwrap_or("unnamed");
    format!("server error `{}` {name}", code(error))
}

/// What happened, without what the driver tells of it.
pub(super) fn text(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::ServerSelection { .. } => "no server of the url can be written to, is one running?".to_owned(),
        ErrorKind::Io(error) => format!("connection failed, {:?}", error.kind()),
        ErrorKind::ConnectionPoolCleared { .. } => "connection failed beside others".to_owned(),
        ErrorKind::DnsResolve { .. } => "the url's host is not known to the name service".to_owned(),
        ErrorKind::Command(error) => format!("server error `{}` {}", error.code, error.code_name),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            format!("write concern not satisfied, server error `{}` {}", error.code, error.code_name)
        }
        _ => "the driver gave up".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;
    use crate::database::driver::reply;

    #[test]
    fn duplicate_key_names_its_index_and_not_its_value() {
        let reply = doc! { "ok": 1, "n": 0, "writeErrors": [{
            "index": 0, "code": 11_000, "errmsg": "E11000 dup key: { pid: \"canary\" }",
            "keyPattern": { "s": 1, "pid": 1 }, "keyValue": { "s": "canary", "pid": "canary" },
        }] };
        assert_eq!(reply::outcome(reply), Err(Failure::Duplicate(vec!["s".to_owned(), "pid".to_owned()])));
    }

    #[test]
    fn write_concern_error_beats_the_write_error_beside_it() {
        let reply = doc! { "ok": 1, "n": 0,
            "writeErrors": [{ "index": 0, "code": 11_000, "keyPattern": { "s": 1 } }],
            "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "canary" },
        };
        let Err(Failure::Indeterminate(reason)) = reply::outcome(reply) else { panic!() };
        assert_eq!(reason, "write concern not satisfied, server error `64` WriteConcernFailed");
    }

    #[test]
    fn what_can_never_succeed_is_refused_and_the_rest_unclear() {
        for code in [13, 18, 8_000, 20, 79, 100, 10_334] {
            assert!(matches!(server_error(&doc! { "code": code }), Failure::Refused(_)), "{code}");
        }
        for code in [0, 50, 64, 89, 91, 112, 189, 290, 10_107, 11_600, 11_601, 11_602, 13_435, 13_436, 14_031] {
            assert!(matches!(server_error(&doc! { "code": code }), Failure::Indeterminate(_)), "{code}");
        }
    }

    #[test]
    fn an_effect_is_refused_by_what_it_writes_and_not_by_what_happens_to_its_command() {
        for (code, refused) in [(11_000, "DuplicateKey"), (121, "DocumentValidationFailure"), (14, "TypeMismatch")] {
            let reply = doc! { "code": code, "codeName": "TypeMismatch" };
            assert_eq!(refused_name(&reply).as_deref(), Some(refused), "{code}");
        }
        // killOp and killSessions, a transaction that took too long, one that another was before
        for code in [11_601, 290, 112, 251, 11_600, 11_602, 13, 0] {
            assert_eq!(refused_name(&doc! { "code": code, "codeName": "Interrupted" }), None, "{code}");
        }
    }
}
