//! Commits: all or nothing, on the stored epoch and version alone, and safe to repeat.

use std::sync::Arc;

use minibatch_core::{
    Cause, GroupName, Offset,
    storage::{Commit, Counters, Fence, GroupState, Partition},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Verdict, ensure, ensure_cause, ensure_eq},
    tools::{Producer, at_once, commit_at, member, offset, open_group, own, slot, state, turns},
};

pub(super) const CASES: &[Case] = cases![
    group_08_commit_stores_everything,
    group_08_commit_of_another_version_is_stale,
    group_08_commit_of_another_epoch_is_fenced,
    group_08_of_many_commits_one_succeeds,
    group_08_checkpoint_may_be_any_bytes,
    group_09_repeated_commit_has_the_same_verdict,
    group_09_other_bytes_on_the_same_fence_are_stale,
    group_10_keep_from_never_goes_back,
    group_10_keep_from_past_the_end_is_refused,
];

/// A partition with `count` records, and a group that somebody owns.
async fn owned(cx: &Cx, count: u64) -> Verdict<(Client, Client, Partition, GroupName, GroupState)> {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(count).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owned = own(&a, &partition, &readers, &member(&a).await?).await?;
    Ok((a, b, partition, readers, owned))
}

async fn group_08_commit_stores_everything(cx: Cx) -> Verdict {
    let (a, b, partition, readers, mut expected) = owned(&cx, 5).await?;
    for (number, keep_from) in (1..).zip([offset(1)?, Offset::new(slot(2)?, 0)?, offset(4)?, offset(6)?, offset(6)?]) {
        let commit = Commit {
            checkpoint: format!("checkpoint {number}").into(),
            keep_from,
            counters: Counters {
                finished: number * 1_000,
                late: number + 2,
                dead: number,
                skipped: 7,
                dropped: 1 << 40,
                expired: number + 1,
            },
            effects: Vec::new(),
        };
        let fence = a.commit(&partition, &readers, expected.fence, commit.clone()).await?;
        ensure_eq!(
            fence,
            Fence { version: expected.fence.version + 1, ..expected.fence },
            "fence that commit {number} returned"
        );
        expected.fence = fence;
        expected.checkpoint = Some(commit.checkpoint);
        expected.keep_from = commit.keep_from;
        expected.counters = commit.counters;
        for client in [&a, &b] {
            ensure_eq!(state(client, &partition, &readers).await?, expected, "the group after commit {number}");
        }
    }
    Ok(())
}

async fn group_08_commit_of_another_version_is_stale(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned) = owned(&cx, 5).await?;
    let first = a.commit(&partition, &readers, owned.fence, commit_at(offset(2)?, b"1")).await?;
    let second = a.commit(&partition, &readers, first, commit_at(offset(3)?, b"2")).await?;
    let stored = state(&a, &partition, &readers).await?;
    for version in [0, 1, 3, 7, u64::MAX] {
        let fence = Fence { version, ..second };
        for client in [&a, &b] {
            let result = client.commit(&partition, &readers, fence, commit_at(offset(4)?, b"other")).await;
            ensure_cause!(
                result,
                Cause::StaleCommit { .. },
                "commit on version {version}, stored is {}",
                second.version
            );
        }
    }
    ensure_eq!(state(&b, &partition, &readers).await?, stored, "the group after stale commits");
    a.commit(&partition, &readers, second, commit_at(offset(4)?, b"3")).await?;
    Ok(())
}

async fn group_08_commit_of_another_epoch_is_fenced(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned_first) = owned(&cx, 5).await?;
    a.release(&partition, &readers, owned_first.fence.epoch).await?;
    let stored = own(&b, &partition, &readers, &member(&b).await?).await?;
    for epoch in [0, owned_first.fence.epoch, stored.fence.epoch + 1, u64::MAX] {
        for version in [stored.fence.version, stored.fence.version + 1] {
            let result =
                a.commit(&partition, &readers, Fence { epoch, version }, commit_at(offset(2)?, b"other")).await;
            ensure_cause!(result, Cause::Fenced { .. }, "commit on epoch {epoch}, stored is {}", stored.fence.epoch);
        }
    }
    ensure_eq!(state(&a, &partition, &readers).await?, stored, "the group after fenced commits");
    b.commit(&partition, &readers, stored.fence, commit_at(offset(2)?, b"owner")).await?;
    Ok(())
}

async fn group_08_of_many_commits_one_succeeds(cx: Cx) -> Verdict {
    let (a, b, partition, readers, mut stored) = owned(&cx, 5).await?;
    for round in 0..4 {
        let start = Arc::new(Barrier::new(8));
        let commits = turns(&a, &b).take(8).enumerate().map(|(number, client)| {
            let (client, partition, readers, start, before) =
                (Arc::clone(client), partition.clone(), readers.clone(), Arc::clone(&start), stored.clone());
            async move {
                let counters = Counters { finished: number as u64, ..Counters::default() };
                let checkpoint = format!("commit {number} of round {round}").into();
                let commit = Commit { checkpoint, keep_from: before.keep_from, counters, effects: Vec::new() };
                start.wait().await;
                match client.commit(&partition, &readers, before.fence, commit.clone()).await {
                    Ok(fence) => Ok(Some((fence, commit))),
                    Err(error) if matches!(error.cause(), Cause::StaleCommit { .. }) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        });
        let done: Vec<_> = at_once(commits).await?.into_iter().flatten().collect();
        ensure_eq!(done.len(), 1, "commits that succeeded, of 8 different ones on the same fence");
        let after = state(&b, &partition, &readers).await?;
        for (fence, commit) in done {
            ensure_eq!(after.fence, fence, "fence after that");
            let found = (after.checkpoint.clone(), after.counters);
            ensure_eq!(found, (Some(commit.checkpoint), commit.counters), "what is stored of it");
        }
        stored = after;
    }
    Ok(())
}

async fn group_08_checkpoint_may_be_any_bytes(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned) = owned(&cx, 1).await?;
    let every: Vec<u8> = (0..=255).collect();
    let checkpoints = [
        Vec::new(),
        vec![0],
        every.clone(),
        b"$epoch".to_vec(),
        b"$$NOW".to_vec(),
        b"{\"$set\": {\"a.b\": \"$$ROOT\"}}".to_vec(),
        every.repeat(256),
    ];
    let mut fence = owned.fence;
    for checkpoint in checkpoints {
        let commit = Commit { checkpoint: checkpoint.clone().into(), ..commit_at(owned.keep_from, b"") };
        fence = a.commit(&partition, &readers, fence, commit).await?;
        let stored = state(&b, &partition, &readers).await?.checkpoint;
        ensure!(
            stored.as_deref() == Some(&checkpoint),
            "a checkpoint of {} bytes is read back as another",
            checkpoint.len()
        );
    }
    Ok(())
}

async fn group_09_repeated_commit_has_the_same_verdict(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned) = owned(&cx, 5).await?;
    let mut fence = owned.fence;
    for keep_from in 2..=4 {
        let commit = commit_at(offset(keep_from)?, b"again");
        let next = a.commit(&partition, &readers, fence, commit.clone()).await?;
        let stored = state(&a, &partition, &readers).await?;
        for client in [&b, &a] {
            let again = client.commit(&partition, &readers, fence, commit.clone()).await?;
            ensure_eq!(again, next, "fence that a repeated commit returned");
        }
        ensure_eq!(state(&b, &partition, &readers).await?, stored, "the group after repeated commits");
        fence = next;
    }
    ensure_eq!(fence.version, 3, "version after three commits, each made three times");
    Ok(())
}

async fn group_09_other_bytes_on_the_same_fence_are_stale(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned) = owned(&cx, 5).await?;
    let commit = commit_at(offset(2)?, b"first");
    a.commit(&partition, &readers, owned.fence, commit.clone()).await?;
    let stored = state(&a, &partition, &readers).await?;
    let others = [
        Commit { checkpoint: "other".into(), ..commit.clone() },
        Commit { checkpoint: "firsT".into(), ..commit.clone() },
        Commit { keep_from: offset(3)?, ..commit.clone() },
    ];
    for other in others {
        let result = b.commit(&partition, &readers, owned.fence, other).await;
        ensure_cause!(result, Cause::StaleCommit { .. }, "another commit on a fence that was used");
    }
    ensure_eq!(state(&b, &partition, &readers).await?, stored, "the group after that");
    Ok(())
}

async fn group_10_keep_from_never_goes_back(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned) = owned(&cx, 5).await?;
    let fence = a.commit(&partition, &readers, owned.fence, commit_at(Offset::new(slot(3)?, 1)?, b"1")).await?;
    let stored = state(&a, &partition, &readers).await?;
    for back in [Offset::ZERO, Offset::FIRST, offset(2)?, offset(3)?] {
        let result = b.commit(&partition, &readers, fence, commit_at(back, b"back")).await;
        ensure_cause!(result, Cause::StaleCommit { .. }, "keep_from {back} after 3:1");
    }
    ensure_eq!(state(&b, &partition, &readers).await?, stored, "the group after that");
    a.commit(&partition, &readers, fence, commit_at(stored.keep_from, b"same")).await?;
    Ok(())
}

async fn group_10_keep_from_past_the_end_is_refused(cx: Cx) -> Verdict {
    let (a, b, partition, readers, owned) = owned(&cx, 5).await?;
    let end = offset(6)?;
    for past in [end.next(), offset(7)?, offset(1_000_000)?, Offset::from_u64(u64::MAX)] {
        let result = b.commit(&partition, &readers, owned.fence, commit_at(past, b"past")).await;
        ensure_cause!(result, Cause::OutOfRange { .. }, "keep_from {past} where the last record is in slot 5");
    }
    ensure_eq!(state(&b, &partition, &readers).await?, owned, "the group after that");
    a.commit(&partition, &readers, owned.fence, commit_at(end, b"end")).await?;
    // the end of an empty log is before its first record
    let empty = a.open_stream(&minibatch_core::StreamName::new("empty")?, 1).await?.partition(0);
    let readers = open_group(&a, &empty, "readers").await?;
    let owned = own(&a, &empty, &readers, &member(&a).await?).await?;
    let result = a.commit(&empty, &readers, owned.fence, commit_at(offset(2)?, b"past")).await;
    ensure_cause!(result, Cause::OutOfRange { .. }, "keep_from 2:0 of an empty log");
    a.commit(&empty, &readers, owned.fence, commit_at(Offset::FIRST, b"end")).await?;
    Ok(())
}
