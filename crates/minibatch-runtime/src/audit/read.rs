//! Reading what an audit compares, while others append and commit.
//!
//! First the group's state, then the log. A commit stores checkpoint and counters at once, so one state agrees with
//! itself. What is appended after it was read is waiting as far as that state goes. Trimming raises the floor and its count
//! at once, and takes nothing that a group needs: so a log read later than the state lacks nothing of it, but where a later
//! commit gave up what the state still needs, or a cap took it. Which of them is told by reading the state again: where it
//! moved, the audit begins anew.

use minibatch_core::{
    Cause, Error, GroupName,
    storage::{GroupState, Partition, StreamInfo},
};

use super::{Audit, PartitionAudit, judge::Judge};
use crate::{Client, retry::until_verdict, stored};

/// How many records are surveyed at once.
const PAGE: usize = 4_096;

/// How often an audit begins anew under a group that moves.
const ATTEMPTS: usize = 16;

/// Audits a group in every partition.
pub(crate) async fn audit(client: &Client, info: &StreamInfo, group: &GroupName) -> Result<Audit, Error> {
    let mut partitions = Vec::new();
    for index in 0..info.partitions {
        partitions.push(partition(client, &info.partition(index), group).await?);
    }
    Ok(Audit { partitions })
}

async fn partition(client: &Client, partition: &Partition, group: &GroupName) -> Result<PartitionAudit, Error> {
    for _ in 0..ATTEMPTS {
        let before = stored::state(client, partition, group).await?;
        let found = attempt(client, partition, group, &before).await;
        let settled = matches!(&found, Ok((audit, cut)) if audit.differences.is_empty() && !cut);
        if settled || !moved(&before, &stored::state(client, partition, group).await?, &found) {
            return found.map(|(audit, _)| audit);
        }
    }
    Err(Cause::unavailable("the group and its log moved under every attempt at an audit").into())
}

/// Whether what an attempt found may be that of two states at once.
fn moved(before: &GroupState, after: &GroupState, found: &Result<(PartitionAudit, bool), Error>) -> bool {
    let trimmed = matches!(found, Err(error) if matches!(error.cause(), Cause::OffsetTrimmed { .. }));
    trimmed || before.generation != after.generation || before.fence.version != after.fence.version
}

/// What this state and the log say; and whether the log was cut below what the state needs.
async fn attempt(
    client: &Client,
    partition: &Partition,
    group: &GroupName,
    state: &GroupState,
) -> Result<(PartitionAudit, bool), Error> {
    let (storage, clock) = (client.storage(), &**client.clock());
    let checkpoint = stored::checkpoint(client, partition, group, state).await?;
    let bounds = until_verdict(clock, "bounds", || storage.bounds(partition)).await?;
    let mut judge = Judge::new(partition.index, state.clone(), checkpoint, bounds);
    while let Some(from) = judge.wants() {
        judge.survey(&until_verdict(clock, "survey", || storage.survey(partition, from, PAGE)).await?);
    }
    let cut = judge.cut;
    Ok((judge.verdict(), cut))
}
