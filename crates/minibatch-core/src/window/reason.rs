//! Why a window was emitted.

use std::fmt;

/// Why a window was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It had as many messages as asked for.
    Count,
    /// It had as many bytes as asked for.
    Bytes,
    /// Its first message had waited as long as allowed.
    MaxWait,
    /// A message fulfilled the predicate.
    Predicate,
    /// Its time was over, by append time.
    Boundary,
    /// Its time was over, by event time.
    Watermark,
    /// Nothing came for as long as a session may pause.
    Gap,
    /// A pattern was found.
    Pattern,
    /// A pattern was begun and not complete in time.
    Timeout,
    /// It was shown before its time was over.
    Early,
    /// Messages came for it after it was over, and in time to be shown.
    Update,
    /// Its messages came when their windows were over.
    Late,
    /// The consumer was asked to finish what there is.
    Drain,
    /// The consumer was stopped and asked to flush.
    Shutdown,
    /// The buffer was full.
    BufferFull,
    /// Its function gave these messages back for later.
    Retry,
    /// It was asked for again.
    Rerun,
}

impl Reason {
    const ALL: [Self; 17] = [
        Self::Count,
        Self::Bytes,
        Self::MaxWait,
        Self::Predicate,
        Self::Boundary,
        Self::Watermark,
        Self::Gap,
        Self::Pattern,
        Self::Timeout,
        Self::Early,
        Self::Update,
        Self::Late,
        Self::Drain,
        Self::Shutdown,
        Self::BufferFull,
        Self::Retry,
        Self::Rerun,
    ];

    /// The reason of that [name](Reason::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The name, as `max_wait`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::MaxWait => "max_wait",
            Self::Predicate => "predicate",
            Self::Boundary => "boundary",
            Self::Watermark => "watermark",
            Self::Gap => "gap",
            Self::Pattern => "pattern",
            Self::Timeout => "timeout",
            Self::Early => "early",
            Self::Update => "update",
            Self::Late => "late",
            Self::Drain => "drain",
            Self::Shutdown => "shutdown",
            Self::BufferFull => "buffer_full",
            Self::Retry => "retry",
            Self::Rerun => "rerun",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
