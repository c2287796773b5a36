//! Groups, their members and owners.

use std::time::Duration;

use minibatch_core::{
    Cause, GroupName, MemberId, Offset,
    storage::{Acquired, Commit, Counters, GroupState, Partition, Start, StreamInfo},
};

use super::offset;
use crate::{
    pause::Pauses,
    storage::{
        case::Client,
        failure::{Failure, Verdict},
    },
};

/// Long enough to live as long as any case.
pub(crate) const LONG_LIFE: Duration = Duration::from_secs(3_600);
/// As short as a life can be.
const SHORT_LIFE: Duration = Duration::from_millis(1);
/// The strategy that the cases pretend to run.
pub(crate) const STRATEGY: &str = "count v1 n=3";

pub(crate) fn group(name: &str) -> Verdict<GroupName> {
    Ok(GroupName::new(name)?)
}

/// The stream of a partition, which has no other.
pub(crate) fn stream_of(partition: &Partition) -> StreamInfo {
    StreamInfo { name: partition.stream.clone(), incarnation: partition.incarnation, partitions: 1 }
}

/// Opens a group on the stream of `partition`, which has no other, at its beginning.
pub(crate) async fn open_group(storage: &Client, partition: &Partition, name: &str) -> Verdict<GroupName> {
    let name = group(name)?;
    storage.open_group(&stream_of(partition), &name, STRATEGY, Start::Earliest).await?;
    Ok(name)
}

/// The group's state of the partition, as listed.
pub(crate) async fn state(storage: &Client, partition: &Partition, group: &GroupName) -> Verdict<GroupState> {
    let listed = storage.groups(partition).await?;
    let found = listed.into_iter().find(|(name, _)| name == group);
    found.map(|(_, state)| state).ok_or_else(|| Failure::new(format!("groups does not list group {group}")))
}

/// Makes a living member that lives as long as the case.
pub(crate) async fn member(storage: &Client) -> Verdict<MemberId> {
    Ok(storage.join(LONG_LIFE).await?)
}

/// Acquires what must be free.
pub(crate) async fn own(
    storage: &Client,
    partition: &Partition,
    group: &GroupName,
    member: &MemberId,
) -> Verdict<GroupState> {
    match storage.acquire(partition, group, member).await? {
        Acquired::Owner(state) => Ok(state),
        Acquired::Held(by) => Err(Failure::new(format!("a free partition is held by {by}"))),
    }
}

/// Acquires what a member holds that is about to die.
pub(crate) async fn take_over(
    storage: &Client,
    partition: &Partition,
    group: &GroupName,
    member: &MemberId,
    patience: Duration,
) -> Verdict<GroupState> {
    let mut pauses = Pauses::within(patience);
    loop {
        match storage.acquire(partition, group, member).await? {
            Acquired::Owner(state) => return Ok(state),
            Acquired::Held(_) if pauses.again().await => {}
            Acquired::Held(by) => {
                return Err(Failure::new(format!("dead member {by} still holds the partition after {patience:?}")));
            }
        }
    }
}

/// A commit that asks for nothing but to keep from `keep_from` on.
pub(crate) fn commit_at(keep_from: Offset, checkpoint: &'static [u8]) -> Commit {
    let counters = Counters { finished: keep_from.slot().get(), ..Counters::default() };
    Commit { checkpoint: checkpoint.into(), keep_from, counters, effects: Vec::new() }
}

/// Lets a group of its own owner finish with everything below slot `keep_from`.
pub(crate) async fn finish_below(
    storage: &Client,
    partition: &Partition,
    group: &GroupName,
    keep_from: u64,
) -> Verdict {
    let member = member(storage).await?;
    let owned = own(storage, partition, group, &member).await?;
    storage.commit(partition, group, owned.fence, commit_at(offset(keep_from)?, b"done")).await?;
    storage.release(partition, group, owned.fence.epoch).await?;
    Ok(())
}

/// Makes a member the owner that is dead soon: of a life so short that it ends by itself, and long enough to acquire
/// all the groups first. Returns its state of the last.
pub(crate) async fn die_owning(
    storage: &Client,
    partition: &Partition,
    groups: &[&GroupName],
    patience: Duration,
) -> Verdict<(MemberId, GroupState)> {
    let mut pauses = Pauses::within(patience);
    let mut life = SHORT_LIFE;
    loop {
        let dying = storage.join(life).await?;
        if let Some(state) = own_all(storage, partition, groups, &dying).await? {
            return Ok((dying, state));
        }
        storage.leave(&dying).await?;
        life *= 2;
        if !pauses.again().await {
            return Err(Failure::new("no member lived long enough to acquire"));
        }
    }
}

/// Acquires all groups; `None` when the member died before.
async fn own_all(
    storage: &Client,
    partition: &Partition,
    groups: &[&GroupName],
    member: &MemberId,
) -> Verdict<Option<GroupState>> {
    let mut last = None;
    for group in groups {
        match storage.acquire(partition, group, member).await {
            Ok(Acquired::Owner(state)) => last = Some(state),
            Ok(Acquired::Held(by)) => return Err(Failure::new(format!("a free partition is held by {by}"))),
            Err(error) if matches!(error.cause(), Cause::MemberDead) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(last)
}
