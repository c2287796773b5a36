//! From where, and with what, a group's windows can be formed again; and which of them are done.
//!
//! A checkpoint counts windows, not messages. [`Base`] is a point of the log with the strategy's state and buffer exactly
//! there; the [`Decision`]s after it are what ended windows and is not in the log; [`DoneRange`]s name the windows from
//! the base on that are [done](DoneRanges) and need not be formed again, each with a digest, so that a replay that
//! forms other windows is noticed; those of them that have not ended are [`OpenWindow`]s, kept by themselves with what
//! is left of them. To storages all this is opaque bytes: see [`Checkpoint::encode`].

mod codec;
mod done;
mod open;
mod progress;
mod runs;

use std::collections::BTreeMap;

use crate::{BufferedSlot, EmitterState, Offset, Timestamp, storage::Position, window::WindowChain};

pub use codec::{EncodedCheckpoint, PieceWriter};
pub use done::{DoneRange, DoneRanges};
pub use open::{MemberRun, MemberRuns, OpenPiece, OpenWindow};
pub use progress::Progress;

/// A point of the log with everything needed to form the windows after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Where the next message is read, and the append time reached.
    pub position: Position,
    /// Log time: the append time, or the last deadline granted if that is later.
    pub log_time: Timestamp,
    /// The number of the next window.
    pub ordinal: u64,
    /// The number of the next decision.
    pub decision: u64,
    /// The chain of all windows before.
    pub chain: WindowChain,
    /// How many messages the strategy left out before.
    pub dropped: u64,
    /// How many messages left the buffer with the windows before.
    pub left: u64,
    /// How many messages are in what the strategy remembers, and not in the buffer.
    pub folded: u64,
    /// How many of those that left are in the buffer yet, [kept](crate::window::Leaves::Kept) for their windows to come
    /// again.
    pub kept: u64,
    /// The messages in the buffer.
    pub buffered: Vec<BufferedSlot>,
    /// What the strategy remembers.
    pub state: EmitterState,
}

impl Base {
    /// The beginning of a group that starts at `position`.
    #[must_use]
    pub fn start(position: Position) -> Self {
        Self {
            position,
            log_time: position.time,
            ordinal: 1,
            decision: 1,
            chain: WindowChain::default(),
            dropped: 0,
            left: 0,
            folded: 0,
            kept: 0,
            buffered: Vec::new(),
            state: EmitterState::default(),
        }
    }

    /// The smallest offset that is needed to go on from here.
    #[must_use]
    pub fn keep_from(&self) -> Offset {
        let buffered = self.buffered.first().and_then(|slot| {
            let &(from, _) = slot.runs.first()?;
            Offset::new(slot.slot, from).ok()
        });
        buffered.unwrap_or(self.position.offset).min(self.position.offset)
    }

    /// How many messages wait for their windows: in the buffer, or in what the strategy remembers.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let runs = self.buffered.iter().flat_map(|slot| &slot.runs);
        let all: u64 = runs.map(|(from, to)| u64::from(to.saturating_sub(*from))).sum();
        all.saturating_sub(self.kept) + self.folded
    }
}

/// What ended a window and is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// 1, 2, 3, … in its partition and group.
    pub number: u64,
    /// Where the next message was to be read when it was taken.
    pub next: Offset,
    /// What was decided.
    pub kind: DecisionKind,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecisionKind {
    /// A deadline had come at the tail of the log.
    Grant(Timestamp),
    /// The consumer was asked to finish what there is.
    Drain,
    /// The consumer was stopped and asked to flush.
    Shutdown,
    /// The buffer was full while the strategy waited.
    BufferFull,
    /// Windows are to have another size, as a function was measured.
    Resize(u64),
}

/// A group's progress in one partition, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// From where windows are formed again.
    pub base: Base,
    /// The decisions after the base.
    pub decisions: Vec<Decision>,
    /// The windows after the base that are done; some of them may be open.
    pub done: DoneRanges,
    /// The windows of which some messages are left to be settled, by ordinal; also those before the base.
    pub open: BTreeMap<u64, OpenWindow>,
    /// How often its owners died in the same place.
    pub crashes: Crashes,
}

/// How often a partition was taken over from an owner that died, while its first unsettled window stayed the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crashes {
    /// That window's ordinal.
    pub at: u64,
    /// How often.
    pub count: u32,
}

impl Checkpoint {
    /// Of a group that starts at `position`.
    #[must_use]
    pub fn start(position: Position) -> Self {
        Self {
            base: Base::start(position),
            decisions: Vec::new(),
            done: DoneRanges::default(),
            open: BTreeMap::new(),
            crashes: Crashes::default(),
        }
    }

    /// The smallest offset that is needed to go on from here.
    #[must_use]
    pub fn keep_from(&self) -> Offset {
        keep_from(&self.base, &self.open)
    }

    /// How many messages left the buffer with the windows that are open: these have not ended.
    #[must_use]
    pub fn open_leaving(&self) -> u64 {
        self.open.values().map(|window| window.leaving).sum()
    }

    /// The first window with messages that are not settled: it is open, or has yet to be formed again.
    #[must_use]
    pub fn first_unsettled(&self) -> u64 {
        let formed = self.done.end_from(self.base.ordinal);
        self.open.first_key_value().map_or(formed, |(&open, _)| open.min(formed))
    }

    /// The same with no window done, for a strategy that forms other windows now than it did. Open windows before the base
    /// stay, as nothing is formed of their messages again.
    ///
    /// The windows get numbers above all that were used, so that no id stands for two windows.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.open.retain(|&ordinal, _| ordinal < self.base.ordinal);
        self.base.ordinal = self.done.last().map_or(self.base.ordinal, |last| last + 1);
        self.done = DoneRanges::default();
        self
    }

    /// The same from `position` on, with nothing before it that would be needed: for a log that was cut there. The
    /// strategy begins anew, its windows with numbers above all that were used. No window is open any more.
    #[must_use]
    pub fn resumed_at(self, position: Position) -> Self {
        let Base { ordinal, decision, dropped, left, .. } = self.without_done().base;
        let base = Base { ordinal, decision, dropped, left, ..Base::start(position) };
        Self { base, ..Self::start(position) }
    }
}

/// The smallest offset that a base and open windows need.
fn keep_from(base: &Base, open: &BTreeMap<u64, OpenWindow>) -> Offset {
    open.values().filter_map(OpenWindow::keep_from).fold(base.keep_from(), Offset::min)
}
