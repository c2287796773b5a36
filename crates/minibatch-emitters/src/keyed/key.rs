//! How the key of a message is told.

use std::{borrow::Cow, fmt, sync::Arc};

use minibatch_core::Message;

type Told = Arc<dyn Fn(&Message<'_>) -> Option<String> + Send + Sync>;

/// How the key of a message is told.
#[derive(Clone)]
pub(super) enum Key {
    /// It was appended with it.
    OfMessage,
    Told(Told),
}

impl Key {
    pub(super) fn told(key: impl Fn(&Message<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::Told(Arc::new(key))
    }

    pub(super) fn of<'a>(&self, message: &Message<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::OfMessage => message.key().map(Cow::Borrowed),
            Self::Told(told) => told(message).map(Cow::Owned),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfMessage => "OfMessage",
            Self::Told(_) => "Told",
        })
    }
}
