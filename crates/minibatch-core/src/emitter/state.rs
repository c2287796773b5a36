//! What a strategy remembers.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Cause, Error, chunk::decode_document};

/// What a strategy remembers beside the buffer, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmitterState(Bytes);

#[derive(Serialize, serde::Deserialize)]
struct StateDocument<T> {
    s: T,
}

impl EmitterState {
    /// Encodes a state.
    ///
    /// # Errors
    /// [`Cause::Encode`] for what BSON cannot say.
    pub fn encode<T: Serialize + ?Sized>(state: &T) -> Result<Self, Error> {
        let bytes = bson::serialize_to_vec(&StateDocument { s: state }).map_err(|_| Cause::Encode)?;
        Ok(Self(bytes.into()))
    }

    /// Decodes a state; `None` when nothing was remembered.
    ///
    /// # Errors
    /// [`Cause::CorruptState`] when it is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let document: Option<StateDocument<T>> = decode_document(&self.0);
        document
            .map(|document| Some(document.s))
            .ok_or_else(|| Cause::corrupt_state("window state", "it is of another strategy or version").into())
    }

    /// The encoded bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// A state as it was stored.
    #[must_use]
    pub fn stored(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::nested;

    #[test]
    fn a_state_too_deep_to_decode_is_damaged() {
        let state = EmitterState::stored(nested(2_000_000).into());
        assert!(matches!(state.decode::<bson::Bson>().unwrap_err().cause(), Cause::CorruptState { .. }));
    }
}
