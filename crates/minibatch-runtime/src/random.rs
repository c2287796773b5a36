//! Random ids: the only place of this crate that draws them.

use minibatch_core::ProducerId;
use uuid::Uuid;

/// An id for the life of one producer.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub(crate) fn producer_id() -> ProducerId {
    ProducerId::random(Uuid::new_v4().as_u128())
}

/// Any number.
#[expect(clippy::disallowed_methods, reason = "this is the adapter")]
pub(crate) fn number() -> u32 {
    Uuid::new_v4().as_fields().0
}
