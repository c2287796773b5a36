//! What can be set of a consumer.

use std::time::Duration;

use crate::{Backoff, OnStrategyChange, StartAt, delivery::DeliveryMode};

/// What can be set of a consumer, beside its windows and its function.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConsumerOptions {
    /// Where a new group begins. At the earliest message.
    pub start: StartAt,
    /// What to do when the group's windows were formed by another strategy. End with an error.
    pub on_strategy_change: OnStrategyChange,
    /// How often a window is tried before it is split, or given up on where it has one message; and how often the function
    /// may [give back](crate::Window::retry) a message. 5.
    pub max_attempts: u32,
    /// How many windows a function is run on at once, over all partitions. 1: in order in each.
    pub workers: usize,
    /// How far windows of a partition may be handed out ahead of the first that is not done, those that failed aside.
    /// 10,000.
    pub max_ahead: u64,
    /// How long a function may take for a window; `None`, the default, for as long as it likes.
    pub timeout: Option<Duration>,
    /// What to do when the attempts are over.
    pub on_exhausted: OnExhausted,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How many bytes are read ahead of the strategy, and how many are out with the function. 8 MiB each.
    pub prefetch_bytes: usize,
    /// How many bytes of messages the strategy may keep waiting, in each partition. 256 MiB.
    pub max_buffer_bytes: usize,
    /// What to do when it keeps more.
    pub on_buffer_full: OnBufferFull,
    /// What to do when retention took messages that the group had not finished.
    pub on_expired: OnExpired,
    /// What to do with messages that come when their windows are over. Append them to the stream of late messages.
    pub on_late: OnLate,
    /// Whether to keep what becomes of every window. Not kept.
    pub keep: bool,
    /// Whether the open window is emitted when the consumer is stopped, or left for its next start. Left.
    pub flush_on_stop: bool,
    /// How often a window takes effect. At least once.
    pub delivery: DeliveryMode,
}

/// What to do with a window whose attempts are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnExhausted {
    /// Find the messages at fault, keep them as dead letters, and go on.
    #[default]
    DeadLetter,
    /// Keep all its messages as dead letters, and go on: for a function to which a piece of a window means nothing.
    DeadLetterWhole,
    /// Find the messages at fault, leave them out, and go on. They are counted and kept nowhere.
    Skip,
    /// Stop with [`Function`](minibatch_core::Cause::Function); the window comes again at the next start.
    Stop,
}

/// What to do when a strategy keeps more messages waiting than the buffer may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnBufferFull {
    /// Stop with [`BufferFull`](minibatch_core::Cause::BufferFull).
    #[default]
    Stop,
    /// Emit what there is as a window.
    Emit,
}

/// What to do when retention took messages that the group had not finished with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnExpired {
    /// Go on at the first message that is left, with a warning. What was lost is counted in
    /// [`Counters::expired`](minibatch_core::storage::Counters::expired). Messages that are left and were in windows
    /// already may come again.
    #[default]
    GoOn,
    /// Stop with [`OffsetTrimmed`](minibatch_core::Cause::OffsetTrimmed), at every start until another policy is chosen.
    Stop,
}

/// What to do with messages that come when their windows are over, as by event time. They are counted in any case: in
/// [`Counters::late`](minibatch_core::storage::Counters::late).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLate {
    /// Append them to the [stream of late messages](crate::Client::late_messages), where another consumer may read them;
    /// a consumer of such a stream, or of dead letters, gives them to its function.
    #[default]
    Stream,
    /// Give them to the function, in windows of the reason [`Late`](minibatch_core::window::Reason::Late).
    Function,
    /// Leave them out. They are kept nowhere else.
    Drop,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            start: StartAt::Earliest,
            on_strategy_change: OnStrategyChange::Refuse,
            max_attempts: 5,
            workers: 1,
            max_ahead: 10_000,
            timeout: None,
            on_exhausted: OnExhausted::DeadLetter,
            backoff: Backoff::default(),
            prefetch_bytes: 8 << 20,
            max_buffer_bytes: 256 << 20,
            on_buffer_full: OnBufferFull::Stop,
            on_expired: OnExpired::GoOn,
            on_late: OnLate::Stream,
            keep: false,
            flush_on_stop: false,
            delivery: DeliveryMode::AtLeastOnce,
        }
    }
}
