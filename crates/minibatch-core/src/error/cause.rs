//! Why something failed, and what the caller does next.

use crate::{Offset, Slot};

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing is wrong with the call: repeat it, later. Its effect may or may not have happened; every operation that
    /// can fail so is safe to repeat unchanged.
    Retry,
    /// Somebody else has taken over: stop, and start again from the stored state.
    Fenced,
    /// The arguments can never succeed: change them.
    InvalidInput,
    /// The set-up is wrong (URL, server, permissions, strategy): change it, then start again.
    Misconfigured,
    /// What is stored is not what was written, or is not there any more: look at it before going on.
    Corrupt,
    /// A rule of this project was broken: please report it.
    Bug,
}

/// The particulars of an [`Error`](crate::Error).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A stream, group, producer or member name breaks the rules.
    #[error("invalid {what} name, {reason}")]
    #[non_exhaustive]
    InvalidName {
        /// Which name: stream, group, producer, member.
        what: &'static str,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A message is over the size limit; nothing was written.
    #[error("message too large, split it or store a reference: size=`{size}` max=`{max}`")]
    #[non_exhaustive]
    MessageTooLarge {
        /// Encoded size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A batch that is to be one chunk is too large for one; nothing was written.
    #[error("batch does not fit into one chunk, make smaller ones: messages=`{messages}` fitting=`{fitting}`")]
    #[non_exhaustive]
    BatchTooLarge {
        /// How many messages it has.
        messages: usize,
        /// How many of them, from the first on, fit.
        fitting: usize,
    },
    /// The database refuses an effect that was to take place with a commit; nothing was stored.
    #[error("effect was refused by the database, {code}: index=`{index}`")]
    #[non_exhaustive]
    EffectRefused {
        /// Which of the commit's effects, from 0; the last one where they break a rule together.
        index: usize,
        /// The database's name for what is wrong.
        code: String,
    },
    /// A value could not be encoded as BSON; nothing was written.
    #[error("value cannot be encoded")]
    Encode,
    /// A stored value is not a `T`.
    #[error("message does not decode as the stream's type: offset=`{offset}`")]
    #[non_exhaustive]
    Decode {
        /// Where it is.
        offset: Offset,
    },
    /// A window strategy's parameters make no sense.
    #[error("invalid window, {reason}")]
    #[non_exhaustive]
    InvalidWindow {
        /// The rule that is broken.
        reason: &'static str,
    },
    /// A number lies outside what is possible.
    #[error("out of range, {what}")]
    #[non_exhaustive]
    OutOfRange {
        /// Which number, and its range.
        what: &'static str,
    },
    /// The stream has no such partition.
    #[error("no such partition: partition=`{partition}` partitions=`{partitions}`")]
    #[non_exhaustive]
    InvalidPartition {
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// A producer's sequence went back or skipped.
    #[error("producer sequence out of order: expected=`{expected}` got=`{got}`")]
    #[non_exhaustive]
    OutOfOrderSequence {
        /// The next sequence.
        expected: u64,
        /// The one given.
        got: u64,
    },
    /// The same producer sequence was used for other content.
    #[error("producer sequence was used for other content: sequence=`{sequence}`")]
    #[non_exhaustive]
    SequenceConflict {
        /// The sequence.
        sequence: u64,
    },
    /// A newer owner or producer of the same id has taken over.
    #[error("fenced by a newer owner, stop and start again: epoch=`{epoch}`")]
    #[non_exhaustive]
    Fenced {
        /// The epoch that is over.
        epoch: u64,
    },
    /// A member's heartbeat came too late, and others took over its work.
    #[error("member is no longer alive for the others, join again")]
    MemberDead,
    /// A commit would move a group backwards.
    #[error("commit is older than what is stored: version=`{version}`")]
    #[non_exhaustive]
    StaleCommit {
        /// The version it was based on.
        version: u64,
    },
    /// The records asked for were trimmed.
    #[error("records were trimmed, read from the lowest that is kept: low=`{low}`")]
    #[non_exhaustive]
    OffsetTrimmed {
        /// The lowest slot still kept.
        low: Slot,
    },
    /// A group's position lies beyond the end of the log, as after restoring an old backup.
    #[error("group is ahead of the log, was an older backup restored? position=`{position}` tail=`{tail}`")]
    #[non_exhaustive]
    PositionAheadOfLog {
        /// Where the group is.
        position: Slot,
        /// The last slot of the log.
        tail: Slot,
    },
    /// The stream was dropped, or dropped and created again, since it was opened.
    #[error("stream was dropped or recreated, open it again")]
    StreamDropped,
    /// The group was removed, or never opened.
    #[error("group was removed or never opened, open it again")]
    GroupRemoved,
    /// The stream exists with other options.
    #[error("stream exists with another number of partitions: stored=`{stored}` asked=`{asked}`")]
    #[non_exhaustive]
    StreamDiffers {
        /// The number stored.
        stored: u32,
        /// The number asked for.
        asked: u32,
    },
    /// The group's stored windows were formed by another strategy.
    #[error(
        "group was formed by another window strategy, use another group name or remove the group: stored=`{stored}` now=`{now}`"
    )]
    #[non_exhaustive]
    StrategyChanged {
        /// The stored fingerprint.
        stored: String,
        /// This strategy's.
        now: String,
    },
    /// The strategy forms other windows than it did before from the same log.
    #[error("strategy forms other windows than before, is it deterministic? ordinal=`{ordinal}`")]
    #[non_exhaustive]
    WindowsDiffer {
        /// The first window of the range that differs.
        ordinal: u64,
    },
    /// The consumer's buffer is full while its strategy waits for more.
    #[error("buffer is full while the strategy waits, raise max_buffer_bytes or set on_buffer_full: bytes=`{bytes}`")]
    #[non_exhaustive]
    BufferFull {
        /// Bytes held.
        bytes: usize,
    },
    /// The slowest group of a stream is too far behind; nothing was appended.
    #[error("backlog is full, append again when the consumers have caught up: unfinished=`{unfinished}`")]
    #[non_exhaustive]
    BacklogFull {
        /// How many messages the slowest group has not finished.
        unfinished: u64,
    },
    /// A record is damaged.
    #[error("stored record is damaged, {reason}: slot=`{slot}`")]
    #[non_exhaustive]
    CorruptRecord {
        /// Which one.
        slot: Slot,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Stored state other than a record is damaged.
    #[error("stored {what} is damaged, {reason}")]
    #[non_exhaustive]
    CorruptState {
        /// Which state.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What is stored was written by a newer version.
    #[error("stored {what} has a newer format, upgrade this program: format=`{found}` newest=`{known}`")]
    #[non_exhaustive]
    NewerFormat {
        /// Which state.
        what: &'static str,
        /// The format found.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// What is stored was written by an older version, and is to be migrated first.
    #[error("stored {what} has an older format, make a backup and migrate it: format=`{found}` needed=`{needed}`")]
    #[non_exhaustive]
    OlderFormat {
        /// Which state.
        what: &'static str,
        /// The format found.
        found: i64,
        /// The format that this version works with.
        needed: i64,
    },
    /// The URL is not one this build can open.
    #[error("cannot open this storage url, {reason}")]
    #[non_exhaustive]
    InvalidUrl {
        /// What is wrong, and what to do.
        reason: &'static str,
    },
    /// The storage refuses: set-up, permissions, version.
    #[error("storage cannot be used, {reason}")]
    #[non_exhaustive]
    Misconfigured {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The storage did not answer, or gave no verdict.
    #[error("storage gave no verdict, repeat: {reason}")]
    #[non_exhaustive]
    Unavailable {
        /// What happened.
        reason: String,
    },
    /// Part of an `append_many` is durable.
    #[error("append was cut short, append the rest again: durable=`{durable}` of=`{of}`")]
    #[non_exhaustive]
    PartlyAppended {
        /// How many messages are durable: those from the first, unless they went to several partitions.
        durable: usize,
        /// How many were given.
        of: usize,
        /// Where they went to several partitions: how many of those for each, from the first, are durable.
        shares: Vec<(u32, usize)>,
    },
    /// The user's function failed.
    #[error("function failed: {reason}")]
    #[non_exhaustive]
    Function {
        /// The function's own words.
        reason: String,
    },
    /// The handle was shut down.
    #[error("already shut down")]
    Closed,
    /// A rule was broken.
    #[error("internal rule broken, please report: {what}")]
    #[non_exhaustive]
    Bug {
        /// Which one.
        what: &'static str,
    },
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident { $($field:ident : $ty:ty),* $(,)? };)*) => {
        impl Cause {
            $($(#[$doc])* #[must_use] pub fn $name($($field: $ty),*) -> Self {
                Self::$variant { $($field: $field.into()),* }
            })*
        }
    };
}

constructors! {
    /// See [`Cause::InvalidName`].
    invalid_name => InvalidName { what: &'static str, reason: &'static str };
    /// See [`Cause::MessageTooLarge`].
    message_too_large => MessageTooLarge { size: usize, max: usize };
    /// See [`Cause::BatchTooLarge`].
    batch_too_large => BatchTooLarge { messages: usize, fitting: usize };
    /// See [`Cause::EffectRefused`].
    effect_refused => EffectRefused { index: usize, code: impl Into<String> };
    /// See [`Cause::Decode`].
    decode => Decode { offset: Offset };
    /// See [`Cause::InvalidWindow`].
    invalid_window => InvalidWindow { reason: &'static str };
    /// See [`Cause::OutOfRange`].
    out_of_range => OutOfRange { what: &'static str };
    /// See [`Cause::InvalidPartition`].
    invalid_partition => InvalidPartition { partition: u32, partitions: u32 };
    /// See [`Cause::OutOfOrderSequence`].
    out_of_order_sequence => OutOfOrderSequence { expected: u64, got: u64 };
    /// See [`Cause::SequenceConflict`].
    sequence_conflict => SequenceConflict { sequence: u64 };
    /// See [`Cause::Fenced`].
    fenced => Fenced { epoch: u64 };
    /// See [`Cause::StaleCommit`].
    stale_commit => StaleCommit { version: u64 };
    /// See [`Cause::OffsetTrimmed`].
    offset_trimmed => OffsetTrimmed { low: Slot };
    /// See [`Cause::PositionAheadOfLog`].
    position_ahead_of_log => PositionAheadOfLog { position: Slot, tail: Slot };
    /// See [`Cause::StreamDiffers`].
    stream_differs => StreamDiffers { stored: u32, asked: u32 };
    /// See [`Cause::StrategyChanged`].
    strategy_changed => StrategyChanged { stored: impl Into<String>, now: impl Into<String> };
    /// See [`Cause::WindowsDiffer`].
    windows_differ => WindowsDiffer { ordinal: u64 };
    /// See [`Cause::BufferFull`].
    buffer_full => BufferFull { bytes: usize };
    /// See [`Cause::BacklogFull`].
    backlog_full => BacklogFull { unfinished: u64 };
    /// See [`Cause::CorruptRecord`].
    corrupt_record => CorruptRecord { slot: Slot, reason: &'static str };
    /// See [`Cause::CorruptState`].
    corrupt_state => CorruptState { what: &'static str, reason: &'static str };
    /// See [`Cause::NewerFormat`].
    newer_format => NewerFormat { what: &'static str, found: i64, known: i64 };
    /// See [`Cause::OlderFormat`].
    older_format => OlderFormat { what: &'static str, found: i64, needed: i64 };
    /// See [`Cause::InvalidUrl`].
    invalid_url => InvalidUrl { reason: &'static str };
    /// See [`Cause::Misconfigured`].
    misconfigured => Misconfigured { reason: impl Into<String> };
    /// See [`Cause::Unavailable`].
    unavailable => Unavailable { reason: impl Into<String> };
    /// See [`Cause::PartlyAppended`].
    partly_appended => PartlyAppended { durable: usize, of: usize, shares: Vec<(u32, usize)> };
    /// See [`Cause::Function`].
    function => Function { reason: impl Into<String> };
    /// See [`Cause::Bug`].
    bug => Bug { what: &'static str };
}

impl Cause {
    /// What the caller does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::PartlyAppended { .. } | Self::BacklogFull { .. } => ErrorKind::Retry,
            Self::Fenced { .. } | Self::MemberDead | Self::StaleCommit { .. } => ErrorKind::Fenced,
            Self::InvalidName { .. }
            | Self::MessageTooLarge { .. }
            | Self::BatchTooLarge { .. }
            | Self::EffectRefused { .. }
            | Self::Encode
            | Self::InvalidWindow { .. }
            | Self::OutOfRange { .. }
            | Self::InvalidPartition { .. }
            | Self::OutOfOrderSequence { .. }
            | Self::SequenceConflict { .. }
            | Self::Function { .. }
            | Self::Closed => ErrorKind::InvalidInput,
            Self::StreamDiffers { .. }
            | Self::StrategyChanged { .. }
            | Self::WindowsDiffer { .. }
            | Self::BufferFull { .. }
            | Self::NewerFormat { .. }
            | Self::OlderFormat { .. }
            | Self::InvalidUrl { .. }
            | Self::Misconfigured { .. } => ErrorKind::Misconfigured,
            Self::Decode { .. }
            | Self::OffsetTrimmed { .. }
            | Self::PositionAheadOfLog { .. }
            | Self::StreamDropped
            | Self::GroupRemoved
            | Self::CorruptRecord { .. }
            | Self::CorruptState { .. } => ErrorKind::Corrupt,
            Self::Bug { .. } => ErrorKind::Bug,
        }
    }
}
