//! Groups: who works on a partition, and how far the group has got.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Commit, Counters, Fence, Generation, Partition, StreamInfo};
use crate::{Error, GroupName, MemberId, Offset, Timestamp};

/// Where a group begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the lowest record still promised.
    #[default]
    Earliest,
    /// After the last record at the time of the call.
    Latest,
    /// At these places, one for each partition; at the lowest record still promised where that is above.
    At(Vec<Position>),
}

impl Start {
    /// Checks that there is a place for each of so many partitions.
    ///
    /// # Errors
    /// [`OutOfRange`](crate::Cause::OutOfRange).
    pub fn check(&self, partitions: u32) -> Result<(), Error> {
        match self {
            Self::At(places) if usize::try_from(partitions) != Ok(places.len()) => {
                Err(crate::Cause::out_of_range("a start has one place for each partition").into())
            }
            _ => Ok(()),
        }
    }

    /// Where partition `index` is read from, whose log is promised from `first` on; `None` for its end.
    #[must_use]
    pub fn place(&self, index: u32, first: Position) -> Option<Position> {
        match self {
            Self::Earliest => Some(first),
            Self::Latest => None,
            Self::At(places) => {
                let place = usize::try_from(index).ok().and_then(|index| places.get(index)).copied();
                Some(place.filter(|place| place.offset > first.offset).unwrap_or(first))
            }
        }
    }
}

/// A place in the log, with the append time reached there and the messages counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The next message to read is at this offset or above.
    pub offset: Offset,
    /// The greatest append time of all records before it.
    pub time: Timestamp,
    /// How many messages were appended before it, since the stream was created.
    pub count: u64,
}

impl Position {
    /// The beginning of an untouched log.
    pub const START: Self = Self { offset: Offset::FIRST, time: Timestamp::MIN, count: 0 };
}

/// A group's state of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Who works on it, if anybody does.
    pub owner: Option<MemberId>,
    /// What the next commit is to be based on.
    pub fence: Fence,
    /// Which run of the group this is.
    pub generation: Generation,
    /// The strategy that forms its windows.
    pub fingerprint: String,
    /// Where the group began.
    pub start: Position,
    /// The smallest offset that the group still needs.
    pub keep_from: Offset,
    /// How many messages ended how.
    pub counters: Counters,
    /// How often the partition was taken over from an owner that did not release it, since the last commit.
    pub unclean: u32,
    /// What the last commit left; `None` before the first.
    pub checkpoint: Option<Bytes>,
}

/// The answer to [`GroupStore::acquire`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The member owns the partition from now on, and starts from this state.
    Owner(GroupState),
    /// A living member owns it.
    Held(MemberId),
}

/// Names a piece of a checkpoint that is too big to be committed inline. Later pieces are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PieceId {
    /// The epoch of the owner that wrote it.
    pub epoch: u64,
    /// Its number in that epoch.
    pub number: u64,
}

/// Members with their heartbeats, and groups with their owners and commits.
///
/// # Contract
/// 1. `join` draws a new id; the member is alive until `ttl` after its last heartbeat, by the storage's clock.
/// 2. A heartbeat of a member that others found dead (or that left) gives [`MemberDead`](crate::Cause::MemberDead).
/// 3. `open_group` creates the group or finds it; of any number of calls at once all find the same generation. The start
///    is resolved for every partition when the group is created, and not changed by a later call. [`Start::At`] with
///    another number of places than there are partitions gives [`OutOfRange`](crate::Cause::OutOfRange).
/// 4. A group opened with another fingerprint than it was created with gives
///    [`StrategyChanged`](crate::Cause::StrategyChanged).
/// 5. `acquire` makes the member the owner when there is none, or when the owner is dead, or itself: with an epoch
///    greater than every earlier one. A dead owner that had not released is counted in `unclean`.
/// 6. Of many that acquire at once, one becomes owner; the others learn who.
/// 7. `acquire` by a member that is dead gives [`MemberDead`](crate::Cause::MemberDead).
/// 8. `commit` stores all or nothing, and raises the version by one, only if epoch and version are the stored ones.
///    Another epoch gives [`Fenced`](crate::Cause::Fenced), another version [`StaleCommit`](crate::Cause::StaleCommit).
/// 9. Repeating a commit whose verdict was lost, with the same bytes and fence, succeeds with the same version.
/// 10. `commit` with a `keep_from` below the stored one gives [`StaleCommit`](crate::Cause::StaleCommit), with one past
///     the end of the log [`OutOfRange`](crate::Cause::OutOfRange): the end is the first offset of the slot after the tail.
/// 11. A successful commit sets `unclean` to 0.
/// 12. `release` frees the partition if the epoch is still the owner's, and otherwise does nothing.
/// 13. `remove_group` frees what the group held; commits of its owner give [`Fenced`](crate::Cause::Fenced), and to acquire
///     it (or a group that was never opened) gives [`GroupRemoved`](crate::Cause::GroupRemoved).
/// 14. `groups` lists the groups of a partition by name.
/// 15. A piece written is read back whole; writing it again with the same bytes is fine. `retain_pieces` deletes the
///     pieces before `before` that are not among `keep`, and no others: pieces are ordered by epoch, then number, and an
///     owner names as `before` the next one that it will write. So neither a former owner nor an attempt that arrives
///     late takes away what a later commit needs.
/// 16. `restart_group` draws a new generation that begins at the start given, with this fingerprint, no checkpoint, no
///     owner, and all counters 0, in every partition; a group that was never opened is created. Whoever owned it is
///     fenced: its commits give [`Fenced`](crate::Cause::Fenced).
/// 17. `living` returns those of the members that are alive, and finds nobody dead: a member that it leaves out may still
///     come back with a heartbeat.
/// 18. A commit's effects take place with it, in order, or not at all. Those of a commit that is refused (clauses 8 and 10)
///     do not, and those of a repeated one (clause 9) do not once more.
/// 19. An effect that the database refuses gives [`EffectRefused`](crate::Cause::EffectRefused) with its index, after
///     clauses 8 to 10 were judged: then neither the commit nor any of its effects took place.
/// 20. `transactional` says whether commits may have effects. Where it gives an error, a commit with effects gives it too,
///     and nothing is stored.
/// 21. `remove_group` as it was `seen` (the fence of each partition in their order) removes the group only where nobody
///     who lives owns a partition of it, and the fence of each is still that one: nobody has acquired it or committed
///     since. Otherwise it gives `false`, and the group goes on. Of such a removal and an acquire at once either the
///     removal gives `false` or the acquire [`GroupRemoved`](crate::Cause::GroupRemoved).
///
/// # Errors
/// Besides those named, [`Retry`](crate::ErrorKind::Retry) without a verdict, and
/// [`StreamDropped`](crate::Cause::StreamDropped).
///
/// # Cancel safety
/// A dropped call may still take effect; the same call again finds it (clauses 3, 5, 9, 12).
#[async_trait]
pub trait GroupStore: fmt::Debug + Send + Sync + 'static {
    /// Makes this process a member.
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error>;

    /// Keeps the member alive for `ttl` from now.
    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error>;

    /// Ends the membership: what it owns is free.
    async fn leave(&self, member: &MemberId) -> Result<(), Error>;

    /// Those of the members that are alive.
    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error>;

    /// Finds the group, or creates it for all partitions.
    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error>;

    /// Begins the group anew from `start`.
    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error>;

    /// Removes the group, or (`seen`) only as it was seen; `false` when there was none, or not as seen.
    async fn remove_group(&self, stream: &StreamInfo, group: &GroupName, seen: Option<&[Fence]>)
    -> Result<bool, Error>;

    /// The groups of a partition, with their state there.
    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error>;

    /// Takes the partition for `member` if it is free.
    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error>;

    /// Gives the partition back.
    async fn release(&self, partition: &Partition, group: &GroupName, epoch: u64) -> Result<(), Error>;

    /// Stores how far the group has got; returns the fence of the next commit.
    async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        fence: Fence,
        commit: Commit,
    ) -> Result<Fence, Error>;

    /// Says whether commits may have effects; otherwise why not, and what to do.
    async fn transactional(&self) -> Result<(), Error>;

    /// Stores a piece of a checkpoint, at most 1 MiB.
    async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error>;

    /// Reads a piece; `None` when it is not there.
    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error>;

    /// Deletes the pieces of the group's partition before `before`, but for those to keep.
    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error>;
}
