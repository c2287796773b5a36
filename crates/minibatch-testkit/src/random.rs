//! Where this crate's random names come from.

use uuid::Uuid;

/// 16 digits that no other run has.
#[expect(clippy::disallowed_methods, reason = "the one module of this crate that draws random names")]
pub(crate) fn digits() -> String {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    format!("{:016x}", high ^ low.rotate_left(32))
}
