//! A window as the driver formed it: members taken from the buffer, number, and its link in the chain of all windows.

use twox_hash::XxHash3_64;

use super::{Bounds, Folded, Reason};
use crate::{Members, Offset};

/// A window that is ready for its function.
#[derive(Clone, Debug)]
pub struct FormedWindow {
    /// Its number in its partition and group: 1, 2, 3, …
    pub ordinal: u64,
    /// Its messages.
    pub members: Members,
    /// Where its first member stands for messages: that value. Any other member is a message that could not be folded.
    pub folded: Option<Folded>,
    /// The time it covers.
    pub bounds: Bounds,
    /// The key that its messages share, where the strategy goes by key.
    pub key: Option<String>,
    /// Why it was emitted.
    pub reason: Reason,
    /// Where the next message was to be read when it was formed.
    pub next: Offset,
    /// All windows up to and with this one.
    pub chain: WindowChain,
    /// How many messages left the buffer with it: each leaves once, in however many windows it is. One that is
    /// [kept](super::Leaves::Kept) has left.
    pub leaving: u64,
    /// How many left with the windows before.
    pub left_before: u64,
}

impl FormedWindow {
    /// How many messages it is of: its members, and those that were folded.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let members = self.members.len() as u64;
        self.folded.as_ref().map_or(members, |folded| members.saturating_sub(1) + folded.messages())
    }
}

/// A digest of every window formed so far: ordinals, members and their order, each hashed onto the one before.
///
/// Two runs that agree on it formed the same windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WindowChain(u64);

impl WindowChain {
    /// A chain as it was stored.
    #[must_use]
    pub fn stored(bits: i64) -> Self {
        Self(bits.cast_unsigned())
    }

    /// The digest, as 64 bits signed: what databases store.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    pub(crate) fn link(self, ordinal: u64, members: &Members, folded: Option<&Folded>) -> Self {
        let mut chain = XxHash3_64::oneshot_with_seed(self.0, &ordinal.to_le_bytes());
        for run in members.runs() {
            let place = u128::from(run.first().to_u64()) << 64 | run.len() as u128;
            chain = XxHash3_64::oneshot_with_seed(chain, &place.to_le_bytes());
        }
        if let Some(folded) = folded {
            chain = XxHash3_64::oneshot_with_seed(chain, &folded.messages().to_le_bytes());
        }
        Self(chain)
    }
}
