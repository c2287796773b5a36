//! Where every message of a stream is, for a group: counted three ways, which must agree.

mod judge;
mod read;

use std::{error, fmt};

use minibatch_core::Offset;

pub(crate) use read::audit;

/// Where the messages of a stream are, for a group, since the group began.
///
/// Computed from the storage alone, by three tallies that know nothing of each other: the log's records, the group's
/// checkpoint, and its counters. Where they do not agree there are [differences](Audit::differences).
///
/// # What it cannot see
/// From the group's base on (the first message that [`keep_from`](minibatch_core::storage::GroupState::keep_from) keeps, or
/// before it) the log alone says how much was appended: a message that was lost from it there, with its record or the end
/// of the log, counts as never appended. What windows that are done took from there is missed, as far as it is not made up
/// for by messages that were in the buffer then. Of the rest, who appended it knows. A record that is missing between
/// others is always found, and so is a damaged one when it is read: an audit reads no payloads. Nor does it look into the
/// stream of the dead letters.
///
/// ```
/// # use std::sync::Arc;
/// # use minibatch_emitters::CountWindow;
/// # use minibatch_runtime::{Client, Window};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch_core::Result<()> {
/// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
/// let numbers = client.stream::<u32>("numbers").await?;
/// numbers.append_many(&[1, 2, 3]).await?;
/// numbers.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await?;
/// numbers.append(&4).await?;
///
/// let audit = numbers.audit("default").await?;
/// let terms = audit.total();
/// assert_eq!((terms.appended, terms.finished, terms.waiting), (4, 3, 1));
/// assert_eq!(audit.differences().count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Each partition's, in order.
    pub partitions: Vec<PartitionAudit>,
}

/// Where the messages of a partition are, for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionAudit {
    /// Which partition.
    pub partition: u32,
    /// How many messages are in which state.
    pub terms: Terms,
    /// What does not agree.
    pub differences: Vec<Difference>,
}

/// How many messages of a group are in which state. Each is in one:
/// `appended = finished + late + dead + skipped + dropped + expired + waiting`, where there is no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// Appended since the group began, by the log.
    pub appended: u64,
    /// The function succeeded, by the counters, as the next five.
    pub finished: u64,
    /// They came when their windows were over, and went where [`OnLate`](crate::OnLate) says.
    pub late: u64,
    /// Given up on, and among the dead letters.
    pub dead: u64,
    /// Given up on, and kept nowhere.
    pub skipped: u64,
    /// Left out by the strategy.
    pub dropped: u64,
    /// Taken away by retention before the group had finished with them. What was taken from a group whose consumer has not
    /// noticed yet is among them; one that is at work may have read it before, and finish it all the same.
    pub expired: u64,
    /// Not read yet, waiting in the buffer, or in a window that is not done, by the checkpoint.
    pub waiting: u64,
}

/// Two tallies that should be the same and are not: something was lost, doubled or changed in the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// In which partition.
    pub partition: u32,
    /// What was counted.
    pub term: Term,
    /// Where what was counted begins,
    pub from: Offset,
    /// and where it ends.
    pub to: Offset,
    /// The count that should be found.
    pub expected: u64,
    /// The count that was.
    pub found: u64,
}

/// What was counted two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Term {
    /// The records of the log, by their slots: there is one missing, or one too many.
    Records,
    /// The messages before the group's base: by the checkpoint as expected, by the log as found.
    Read,
    /// The messages that the group's buffer holds of a record: as expected, and as the record has.
    Buffered,
    /// Those that left with done windows: by the checkpoint as expected, as finished, late, dead and skipped by the
    /// counters as found.
    Done,
    /// Those that left with windows done after the group's base: by the checkpoint as expected, as far as the log has so
    /// many up to where it stood when the last of the windows was formed as found.
    Left,
    /// Those that the strategy left out: by the checkpoint as expected, by the counters as found.
    Dropped,
    /// Those that retention took: by the checkpoint as expected, by the counters as found.
    Expired,
    /// All: appended, by the log, as expected, and the sum of all states as found.
    Sum,
    /// The smallest offset that the group needs: by the checkpoint as expected, as the storage has it as found. Both are
    /// packed offsets.
    Needed,
}

impl Audit {
    /// All partitions together.
    #[must_use]
    pub fn total(&self) -> Terms {
        self.partitions.iter().fold(Terms::default(), |total, partition| total.plus(&partition.terms))
    }

    /// What does not agree, in all partitions.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.partitions.iter().flat_map(|partition| &partition.differences)
    }
}

impl Terms {
    fn plus(self, other: &Self) -> Self {
        Self {
            appended: self.appended.saturating_add(other.appended),
            finished: self.finished.saturating_add(other.finished),
            late: self.late.saturating_add(other.late),
            dead: self.dead.saturating_add(other.dead),
            skipped: self.skipped.saturating_add(other.skipped),
            dropped: self.dropped.saturating_add(other.dropped),
            expired: self.expired.saturating_add(other.expired),
            waiting: self.waiting.saturating_add(other.waiting),
        }
    }

    /// The messages in all states.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { appended: _, finished, late, dead, skipped, dropped, expired, waiting } = *self;
        [finished, late, dead, skipped, dropped, expired, waiting].into_iter().fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { appended, finished, late, dead, skipped, dropped, expired, waiting } = self;
        write!(
            f,
            "{appended} appended: {finished} finished, {late} late, {dead} dead, {skipped} skipped, {dropped} dropped, \
             {expired} expired, {waiting} waiting"
        )
    }
}

impl Term {
    /// The name, as `done`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Read => "read",
            Self::Buffered => "buffered",
            Self::Done => "done",
            Self::Left => "left",
            Self::Dropped => "dropped",
            Self::Expired => "expired",
            Self::Sum => "sum",
            Self::Needed => "needed",
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, term, from, to, expected, found } = self;
        write!(
            f,
            "{term} differ: partition=`{partition}` from=`{from}` to=`{to}` expected=`{expected}` found=`{found}`"
        )
    }
}

impl error::Error for Difference {}
