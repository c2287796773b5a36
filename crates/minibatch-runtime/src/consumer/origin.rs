//! The headers that say where a message comes from which a consumer has put elsewhere.

use std::borrow::Cow;

use minibatch_core::{Message, window::WindowId};

/// Why it was given up on,
pub(super) const ERROR: &str = "minibatch-error";
/// and after how many attempts.
pub(super) const ATTEMPTS: &str = "minibatch-attempts";
/// The group for which it was late.
pub(super) const GROUP: &str = "minibatch-group";
const WINDOW: &str = "minibatch-window";
const PARTITION: &str = "minibatch-partition";
const OFFSET: &str = "minibatch-offset";

/// The headers of a message without those that a consumer gave it.
pub(super) fn own_headers<'a>(message: &Message<'a>) -> Vec<(&'a str, Cow<'a, str>)> {
    let given = [ERROR, ATTEMPTS, GROUP, WINDOW, PARTITION, OFFSET];
    let own = message.headers().filter(|(name, _)| !given.contains(name));
    own.map(|(name, value)| (name, Cow::Borrowed(value))).collect()
}

/// Where it lies, and in which window it was.
pub(super) fn headers<'a>(message: &Message<'_>, window: WindowId, partition: u32) -> [(&'a str, Cow<'a, str>); 3] {
    let offset = message.offset().to_string();
    [(WINDOW, window.to_string().into()), (PARTITION, partition.to_string().into()), (OFFSET, offset.into())]
}
