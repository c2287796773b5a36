//! Where this crate's random numbers and ids come from.

use bson::oid::ObjectId;
use minibatch_core::{
    MemberId,
    storage::{Generation, Incarnation},
};
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "the one module of this crate that draws random numbers")]
fn draw() -> Uuid {
    Uuid::new_v4()
}

/// 64 random bits.
pub(crate) fn number() -> u64 {
    let (high, low) = draw().as_u64_pair();
    // the fixed bits (version, variant) of each half meet random ones of the other
    high ^ low.rotate_left(32)
}

pub(crate) fn incarnation() -> Incarnation {
    Incarnation::new(number().cast_signed())
}

pub(crate) fn generation() -> Generation {
    Generation::new(number().cast_signed())
}

pub(crate) fn member() -> MemberId {
    MemberId::stored(&draw().simple().to_string())
}

pub(crate) fn object_id() -> ObjectId {
    ObjectId::new()
}
