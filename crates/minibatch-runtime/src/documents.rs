//! Notes as documents: BSON, tolerant of fields that this version does not know.

use minibatch_core::{Cause, Error, chunk::decode_document, storage::Note};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn encode<T: Serialize>(key: impl Into<String>, value: &T) -> Result<Note, Error> {
    let bytes = bson::serialize_to_vec(value).map_err(|_| Cause::out_of_range("a number in a note has 63 bits"))?;
    Ok(Note { key: key.into(), bytes: bytes.into() })
}

pub(crate) fn decode<T: DeserializeOwned>(what: &'static str, note: &Note) -> Result<T, Error> {
    decode_document(&note.bytes).ok_or_else(|| Cause::corrupt_state(what, "its note does not decode").into())
}

/// Offsets as 64 bits signed: what databases store.
pub(crate) mod offset {
    use minibatch_core::Offset;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(offset: &Offset, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(offset.to_u64().cast_signed())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Offset, D::Error> {
        i64::deserialize(deserializer).map(|bits| Offset::from_u64(bits.cast_unsigned()))
    }
}

/// Instants in milliseconds.
pub(crate) mod timestamp {
    use minibatch_core::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

/// Instants in milliseconds, where there may be none.
pub(crate) mod maybe_timestamp {
    use minibatch_core::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::as_millis).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use minibatch_testkit::hostile::nested;
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn what_is_too_deep_to_decode_is_damaged() {
        let note = Note { key: "deep".to_owned(), bytes: nested(2_000_000).into() };
        let error = decode::<IgnoredAny>("status", &note).unwrap_err();
        assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error:?}");
    }
}
