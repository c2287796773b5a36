//! Any strategy, run on the messages of each key apart.

mod ahead;
mod emitter;
mod group;
mod groups;
mod key;
mod state;

use std::{fmt, sync::Arc, time::Duration};

pub use emitter::ByKeyEmitter;
use key::Key;
use minibatch_core::{Error, Message, Strategy, WindowEmitter};
use serde::de::DeserializeOwned;

use crate::{millis::Millis, strategy::strategy};

/// Any strategy, run on the messages of each key apart: each key has its own windows, counts and timers.
///
/// The key is the one that a message was appended with, unless [told](Self::key) otherwise.
///
/// ```text
/// time                                   0 · · · · 5 · · · · 10· · · · 15
/// messages of key x                        a       c   d         e
/// messages of key y                          b                     f
///
/// CountWindow::new(2).by_key()         x:  a       c]  d         e]
///                                      y:    b                     f]
/// RelaxedTimeWindow::new(5 s).by_key() x:  a       c|  d        |e        |
///                                      y:    b        |            f        |
/// ```
///
/// # Behaviour
/// - exactly the windows that the strategy forms of each key's messages alone. Log time is that of the whole log: a deadline
///   comes at its instant though no message of its key shows it
/// - a window has its [key](minibatch_core::window::Selection::key). Messages without a key, or of which the key cannot be
///   told, form a group of their own, whose windows have none
/// - reasons and bounds: those of the strategy
/// - a message brings about windows of its own key alone. Deadlines come in their order, those of one instant in the order
///   in which their keys came. A drain or a shutdown goes from key to key in the order of their texts, first those without
/// - by event time each key has a watermark of its own: one key's future makes nothing of another late
/// - the same windows for every group and every replay if the strategy's are
/// - only the keys of **one partition** come together: a stream should be partitioned by the same key
/// - remembers of each key what the strategy does. A key is forgotten, without a trace, as soon as nothing of it is buffered
///   and its emitter is as good as new. An emitter that always remembers something, as that a stretch of time is over, is
///   forgotten [an hour](Self::forget_after) after its key's last message: **what comes then begins anew**
/// - a message costs the same however many keys there are, but for the logarithm of those that have a deadline
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_emitters::{SessionWindow, StrategyExt};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Click {
///     visitor: u64,
/// }
///
/// let visits = SessionWindow::new(Duration::from_mins(30)).by_key().key(|click: &Click| click.visitor);
/// visits.build()?;
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct ByKey {
    strategy: Arc<dyn Strategy>,
    key: Key,
    forget_after: Option<Duration>,
}

impl ByKey {
    /// How long after its last message a key is forgotten, unless said otherwise.
    pub const FORGET_AFTER: Duration = Duration::from_hours(1);

    /// The strategy for each key that messages were [appended with](Message::key).
    pub fn new(strategy: impl Strategy) -> Self {
        Self { strategy: Arc::new(strategy), key: Key::OfMessage, forget_after: Some(Self::FORGET_AFTER) }
    }

    /// The key by the value, as text. A message that is not a `T` has none.
    ///
    /// `key` must say the same of the same message each time, in every process. It is no part of the fingerprint: a group
    /// notices another one when after a restart it forms other windows than those already done. It is asked of some messages
    /// together, before the first of them is taken.
    pub fn key<T: DeserializeOwned, K: fmt::Display>(self, key: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        self.key_of(move |message| message.decode().ok().map(|value| key(&value).to_string()))
    }

    /// The key by the message as it lies in the log, as by a header, which need not be decoded.
    ///
    /// Otherwise as [`ByKey::key`].
    pub fn key_of(mut self, key: impl Fn(&Message<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.key = Key::told(key);
        self
    }

    /// How long after its last message a key is forgotten, by append time and in whole milliseconds;
    /// [`ByKey::FORGET_AFTER`] unless said. One of which messages are buffered, or that has a deadline to come, is not.
    pub const fn forget_after(mut self, idle: Duration) -> Self {
        self.forget_after = Some(idle);
        self
    }

    /// What a strategy remembers of a key it remembers for ever: **memory and checkpoints grow with the number of keys that
    /// ever came**.
    pub const fn never_forget(mut self) -> Self {
        self.forget_after = None;
        self
    }

    /// The emitter.
    ///
    /// # Errors
    /// As the strategy's own; [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) where keys are forgotten after no time,
    /// or one that is not in whole milliseconds.
    pub fn build(&self) -> Result<ByKeyEmitter, Error> {
        let forget_after = self.forget_after.map(Millis::new).transpose()?;
        ByKeyEmitter::new(Arc::clone(&self.strategy), self.key.clone(), forget_after)
    }
}

strategy!(ByKey);

impl fmt::Debug for ByKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strategy = self.strategy.emitter().map(|emitter| emitter.fingerprint());
        f.debug_struct("ByKey")
            .field("strategy", &strategy)
            .field("key", &self.key)
            .field("forget_after", &self.forget_after)
            .finish()
    }
}
