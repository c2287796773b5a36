//! Where this crate's random numbers and ids come from.

use std::time::Duration;

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

/// The name of one opened storage among all that ever share its file.
pub(crate) fn instance() -> String {
    let mut name = draw().simple().to_string();
    // short, because the path of a socket is limited to about 100 bytes
    name.truncate(12);
    name
}

/// A duration between half of `most` and `most`.
pub(crate) fn jitter(most: Duration) -> Duration {
    let half = most / 2;
    let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_nanos(number().unsigned_abs() % span)
}
