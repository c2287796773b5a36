//! The headers that say where a message comes from which a consumer has put elsewhere.

use std::borrow::Cow;

use minibatch_core::{Message, window::WindowId};

/// Why it was given up on,
pub(super) const ERROR: &str = "minibatch-error";
/// and after how many attempts.
pub(super) const ATTEMPTS: &str = "minibatch-attempts";
/// How many messages it stands for, where it is a value that a strategy folded them into.
pub(super) const FOLDED: &str = "minibatch-folded";
/// The group for which it was late.
pub(super) const GROUP: &str = "minibatch-group";
const WINDOW: &str = "minibatch-window";
const PARTITION: &str = "minibatch-partition";
const OFFSET: &str = "minibatch-offset";

/// The headers of a message without those that a consumer gave it.
pub(super) fn own_headers<'a>(message: &Message<'a>) -> Vec<(&'a str, Cow<'a, str>)> {
    let given = [ERROR, ATTEMPTS, FOLDED, GROUP, WINDOW, PARTITION, OFFSET];
    let own = message.headers().filter(|(name, _)| !given.contains(name));
    own.map(|(name, value)| (name, Cow::Borrowed(value))).collect()
}

/// All headers of a message.
pub(super) fn all_headers<'a>(message: &Message<'a>) -> Vec<(&'a str, Cow<'a, str>)> {
    message.headers().map(|(name, value)| (name, Cow::Borrowed(value))).collect()
}

/// Whether a dead letter is a value that messages were folded into.
pub(super) fn is_folded(letter: &Message<'_>) -> bool {
    letter.headers().any(|(name, _)| name == FOLDED)
}

/// Where it lies, and in which window it was.
pub(super) fn headers<'a>(message: &Message<'_>, window: WindowId, partition: u32) -> [(&'a str, Cow<'a, str>); 3] {
    let offset = message.offset().to_string();
    [(WINDOW, window.to_string().into()), (PARTITION, partition.to_string().into()), (OFFSET, offset.into())]
}
