//! What is set of a stream, and stored with it: every client reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a stream keeps its messages. Stored with the stream; every client that trims goes by it, at the latest 5 s
/// after it was set.
///
/// The default keeps a message until every group has finished with it; without a group, for ever. With
/// [`keep`](Retention::keep) it is kept although all have. A cap takes messages away whoever needs them, kept or not, whole chunks at a time and never the last one; what it takes from a group that had not finished is
/// logged with the group's name, counted by the group's consumer, and shown by an [`Audit`](crate::Audit).
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_runtime::Retention;
///
/// let week = Duration::from_secs(7 * 24 * 3600);
/// // until every group has finished with it, and a week or 10 GiB at most
/// let shortest = Retention::default().with_max_age(week).with_max_bytes(10 << 30);
/// // a week, finished or not
/// let longest = Retention::keep().with_max_age(week);
/// # assert!(!shortest.keep && longest.keep);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Retention {
    /// Keep what every group has finished with, too, as far as the caps allow: to be read by groups that come later or go
    /// back, and for [kept windows](crate::Stream::kept_windows) to be run again. Without a cap that is for ever.
    pub keep: bool,
    /// Take away messages whose append time lies so far back, in whole milliseconds.
    #[serde(with = "millis")]
    pub max_age: Option<Duration>,
    /// Take away messages of a partition where it has so many without them.
    pub max_messages: Option<u64>,
    /// Take away messages of a partition where its others have so many bytes, as they are stored.
    pub max_bytes: Option<u64>,
    /// Remove a group that nobody owns when its last [status](crate::GroupStatus) is so old, in whole milliseconds. One
    /// whose consumers never told a status is never removed.
    #[serde(with = "millis")]
    pub groups_expire_after: Option<Duration>,
}

impl Retention {
    /// Keeps everything, for ever where no cap is added.
    #[must_use]
    pub fn keep() -> Self {
        Self { keep: true, ..Self::default() }
    }

    /// With another [`Retention::max_age`].
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// With another [`Retention::max_messages`].
    #[must_use]
    pub fn with_max_messages(mut self, messages: u64) -> Self {
        self.max_messages = Some(messages);
        self
    }

    /// With another [`Retention::max_bytes`].
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// With another [`Retention::groups_expire_after`].
    #[must_use]
    pub fn with_groups_expire_after(mut self, time: Duration) -> Self {
        self.groups_expire_after = Some(time);
        self
    }

    pub(super) fn is_capped(&self) -> bool {
        self.max_age.is_some() || self.max_messages.is_some() || self.max_bytes.is_some()
    }

    /// Whether there is something to do where no consumer runs.
    pub(super) fn wants_upkeep(&self) -> bool {
        self.is_capped() || self.groups_expire_after.is_some()
    }
}

/// How far producers may run ahead of the slowest group. Stored with the stream; every client that appends goes by it.
///
/// What the slowest group has not finished is looked at beside the appends: when a client has appended an eighth of the
/// limit, and at most a second after. So clients may pass the limit by about so much each.
/// Without a group there is no backlog.
///
/// ```
/// use minibatch_runtime::{Backlog, WhenFull};
///
/// let backlog = Backlog::default().with_max_messages(1_000_000).with_when_full(WhenFull::Error);
/// assert_eq!(backlog.max_bytes, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Backlog {
    /// So many messages of the stream that the slowest group has not finished.
    pub max_messages: Option<u64>,
    /// So many bytes of them, as they are stored, from the first that the slowest group needs.
    pub max_bytes: Option<u64>,
    /// What becomes of an append meanwhile.
    pub when_full: WhenFull,
}

/// What becomes of an append where the backlog is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits, at most for the append timeout; then it gives [`BacklogFull`](minibatch_core::Cause::BacklogFull).
    #[default]
    Block,
    /// It gives [`BacklogFull`](minibatch_core::Cause::BacklogFull).
    Error,
}

impl Backlog {
    /// With another [`Backlog::max_messages`].
    #[must_use]
    pub fn with_max_messages(mut self, messages: u64) -> Self {
        self.max_messages = Some(messages);
        self
    }

    /// With another [`Backlog::max_bytes`].
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// With another [`Backlog::when_full`].
    #[must_use]
    pub fn with_when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    pub(super) fn is_limited(&self) -> bool {
        self.max_messages.is_some() || self.max_bytes.is_some()
    }
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        millis.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}
