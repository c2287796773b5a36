//! Where this crate's random numbers and ids come from.

use minibatch_core::{
    MemberId,
    storage::{Generation, Incarnation},
};
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "the one module of this crate that draws random ids")]
fn draw() -> Uuid {
    Uuid::new_v4()
}

fn number() -> i64 {
    let (high, low) = draw().as_u64_pair();
    // the fixed bits (version, variant) of each half meet random ones of the other
    (high ^ low.rotate_left(32)).cast_signed()
}

pub(crate) fn incarnation() -> Incarnation {
    Incarnation::new(number())
}

pub(crate) fn generation() -> Generation {
    Generation::new(number())
}

pub(crate) fn member() -> MemberId {
    MemberId::stored(&draw().simple().to_string())
}
