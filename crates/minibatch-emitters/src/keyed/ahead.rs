//! The keys of the messages that come next, told once and looked up together.

use std::{collections::VecDeque, fmt};

use minibatch_core::{Message, Offset};

use super::{
    groups::{Groups, Hashed},
    key::Key,
};

/// So many messages are looked at together: more than a processor can wait for at once, and few enough that what was fetched
/// for the last of them is still in its nearest cache.
const AHEAD: u32 = 64;

/// The keys of the messages that come next.
///
/// Of many keys, what belongs to one is in no cache when its next message comes. One after the other, each message would wait
/// for it; looked up together, many wait at the same time.
#[derive(Default)]
pub(super) struct Ahead(VecDeque<(Offset, Option<Hashed>)>);

impl Ahead {
    /// The key of a message.
    pub(super) fn key(&mut self, message: &Message<'_>, key: &Key, groups: &Groups) -> Option<Hashed> {
        let offset = message.offset();
        if self.0.front().is_none_or(|(next, _)| *next != offset) {
            self.0.clear();
            let hashed = |message: Message<'_>| (message.offset(), key.of(&message).map(|key| groups.hashed(&key)));
            self.0.extend(message.with_following(AHEAD).map(hashed));
            groups.warm(self.0.iter().filter_map(|(_, key)| key.as_ref()));
        }
        self.0.pop_front().and_then(|(_, key)| key)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Debug for Ahead {
    /// Never a key: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ahead").field(&self.0.len()).finish()
    }
}
