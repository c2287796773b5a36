//! Groups: opened once, listed by name, removed.

use std::{collections::HashSet, sync::Arc};

use minibatch_core::{
    Cause, GroupName, Offset, StreamName,
    storage::{Acquired, Counters, Fence, GroupState, Partition, PieceId, Position, Start, StreamInfo, Trim},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_cause, ensure_eq},
    tools::{
        Producer, STRATEGY, at_once, commit_at, group, member, offset, open_group, own, slot, state, stream_of, turns,
    },
};

pub(super) const CASES: &[Case] = cases![
    group_03_new_group_is_as_asked,
    group_03_opened_by_many_at_once_is_one,
    group_03_start_does_not_change,
    group_03_start_is_resolved_for_every_partition,
    group_03_start_may_be_places,
    group_04_another_fingerprint_is_refused,
    group_04_fingerprint_may_be_any_text,
    group_13_removed_group_is_gone,
    group_13_owner_of_a_removed_group_is_fenced,
    group_13_remove_leaves_other_groups,
    group_14_groups_are_listed_by_name,
    group_14_list_may_be_long,
    group_21_group_is_removed_as_it_was_seen,
    group_21_removal_or_acquire_wins,
];

async fn group_03_new_group_is_as_asked(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let GroupState { owner, fence, fingerprint, start, keep_from, counters, unclean, checkpoint, generation: _ } =
        state(&b, &partition, &readers).await?;
    ensure_eq!(owner, None, "owner");
    ensure_eq!(fence.version, 0, "version");
    ensure_eq!(fingerprint, STRATEGY, "fingerprint");
    ensure!(start.offset <= Offset::FIRST, "a group from the earliest of an empty log starts at {}", start.offset);
    ensure_eq!(keep_from, start.offset, "keep_from");
    ensure_eq!(counters, Counters::default(), "counters");
    ensure_eq!(unclean, 0, "unclean");
    ensure_eq!(checkpoint, None, "checkpoint");
    Ok(())
}

async fn group_03_opened_by_many_at_once_is_one(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 3).await?;
    for round in 0..4 {
        let readers = group(&format!("readers-{round}"))?;
        let start = Arc::new(Barrier::new(16));
        let openers = turns(&a, &b).take(16).map(|client| {
            let (client, stream, readers, start) =
                (Arc::clone(client), stream.clone(), readers.clone(), Arc::clone(&start));
            async move {
                start.wait().await;
                client.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
                state(&client, &stream.partition(2), &readers).await.map(|state| state.generation)
            }
        });
        let mut generations: HashSet<_> = at_once(openers).await?.into_iter().collect();
        for index in 0..3 {
            generations.insert(state(&a, &stream.partition(index), &readers).await?.generation);
        }
        ensure_eq!(generations.len(), 1, "generations that 16 openers found in 3 partitions");
    }
    Ok(())
}

async fn group_03_start_does_not_change(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(3).await?;
    let (early, late) = (group("early")?, group("late")?);
    let stream = stream_of(&partition);
    a.open_group(&stream, &early, STRATEGY, Start::Earliest).await?;
    a.open_group(&stream, &late, STRATEGY, Start::Latest).await?;
    let before = (state(&a, &partition, &early).await?, state(&a, &partition, &late).await?);
    ensure_eq!(before.1.start.offset, offset(4)?, "start of a group from the latest");
    producer.append_many(2).await?;
    b.open_group(&stream, &early, STRATEGY, Start::Latest).await?;
    b.open_group(&stream, &late, STRATEGY, Start::Earliest).await?;
    b.open_group(&stream, &late, STRATEGY, Start::Latest).await?;
    let after = (state(&a, &partition, &early).await?, state(&a, &partition, &late).await?);
    ensure_eq!(after, before, "groups opened again with another start");
    Ok(())
}

async fn group_03_start_is_resolved_for_every_partition(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 3).await?;
    Producer::register(&a, &stream.partition(1), "p").await?.append_many(4).await?;
    Producer::register(&a, &stream.partition(2), "p").await?.append_many(2).await?;
    let latest = group("latest")?;
    a.open_group(&stream, &latest, STRATEGY, Start::Latest).await?;
    Producer::register(&a, &stream.partition(0), "later").await?.append_many(5).await?;
    Producer::register(&a, &stream.partition(2), "later").await?.append_many(5).await?;
    for (index, expected) in [(0, 1), (1, 5), (2, 3)] {
        let found = state(&b, &stream.partition(index), &latest).await?.start.offset;
        ensure_eq!(found, offset(expected)?, "start in partition {index}");
    }
    Ok(())
}

async fn group_03_start_may_be_places(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    for index in 0..2 {
        Producer::register(&a, &stream.partition(index), "p").await?.append_many(4).await?;
    }
    a.trim(&stream.partition(1), Trim::FinishedOrBelow(slot(3)?)).await?;
    let place = |number, count| Ok::<_, Failure>(Position { offset: offset(number)?, count, ..Position::START });
    let readers = group("readers")?;
    a.open_group(&stream, &readers, STRATEGY, Start::At(vec![place(2, 1)?, place(2, 1)?])).await?;
    let first = state(&b, &stream.partition(0), &readers).await?;
    ensure_eq!((first.start, first.keep_from), (place(2, 1)?, offset(2)?), "start at a place");
    let floor = b.bounds(&stream.partition(1)).await?.first();
    let second = state(&b, &stream.partition(1), &readers).await?;
    ensure_eq!((second.start, second.keep_from), (floor, floor.offset), "start at a place below the floor");
    let opened = a.open_group(&stream, &group("others")?, STRATEGY, Start::At(vec![place(2, 1)?])).await;
    ensure_cause!(opened, Cause::OutOfRange { .. }, "opened with one place for two partitions");
    Ok(())
}

async fn group_04_another_fingerprint_is_refused(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let before = state(&a, &partition, &readers).await?;
    for other in ["count v1 n=4", "", "COUNT V1 N=3", "count v1 n=3 "] {
        let result = b.open_group(&stream_of(&partition), &readers, other, Start::Earliest).await;
        ensure_cause!(result, Cause::StrategyChanged { .. }, "opened with fingerprint {other:?}");
    }
    ensure_eq!(state(&b, &partition, &readers).await?, before, "the group after that");
    Ok(())
}

async fn group_04_fingerprint_may_be_any_text(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let long = "x".repeat(2_000);
    let texts =
        ["", "$epoch", "$$NOW", "$$ROOT", "a.b", "{\"$gt\": 1}", "' OR 1=1 --", "🌋 e\u{301}", "a\0b", "\n", &long];
    for (number, text) in texts.into_iter().enumerate() {
        let readers = group(&format!("readers-{number}"))?;
        a.open_group(&stream_of(&partition), &readers, text, Start::Earliest).await?;
        ensure_eq!(state(&b, &partition, &readers).await?.fingerprint, text, "fingerprint read back");
        b.open_group(&stream_of(&partition), &readers, text, Start::Earliest).await?;
    }
    Ok(())
}

async fn group_13_removed_group_is_gone(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let readers = group("readers")?;
    ensure!(!a.remove_group(&stream, &readers, None).await?, "removing a group that is none said that there was one");
    a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
    let former = state(&a, &stream.partition(1), &readers).await?;
    let owned = own(&a, &stream.partition(1), &readers, &member(&a).await?).await?;
    let piece = PieceId { epoch: owned.fence.epoch, number: 1 };
    a.write_piece(&stream.partition(1), &readers, piece, "piece".into()).await?;
    ensure!(b.remove_group(&stream, &readers, None).await?, "removing a group said that there was none");
    ensure!(!b.remove_group(&stream, &readers, None).await?, "removing it again said that there was one");
    for index in 0..2 {
        ensure!(a.groups(&stream.partition(index)).await?.is_empty(), "partition {index} still lists the group");
    }
    let me = member(&a).await?;
    for (name, what) in [(&readers, "that was removed"), (&group("never")?, "that was never opened")] {
        let acquired = a.acquire(&stream.partition(1), name, &me).await;
        ensure_cause!(acquired, Cause::GroupRemoved, "acquire a group {what}");
    }

    b.open_group(&stream, &readers, "another strategy", Start::Earliest).await?;
    let next = state(&b, &stream.partition(1), &readers).await?;
    ensure!(next.generation != former.generation, "a group created again has the former's generation");
    ensure_eq!((next.owner, next.checkpoint, next.fence.version), (None, None, 0), "a group created again");
    ensure_eq!(b.read_piece(&stream.partition(1), &readers, piece).await?, None, "a piece of the former's");
    Ok(())
}

async fn group_13_owner_of_a_removed_group_is_fenced(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(3).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let (former, heir) = (member(&a).await?, member(&b).await?);
    let owned = own(&a, &partition, &readers, &former).await?;
    let later = a.commit(&partition, &readers, owned.fence, commit_at(offset(2)?, b"1")).await?;
    b.remove_group(&stream_of(&partition), &readers, None).await?;
    let all_fenced = async |what: &str| {
        for (fence, checkpoint) in [(owned.fence, b"1"), (later, b"2"), (Fence { version: 0, ..later }, b"3")] {
            let result = a.commit(&partition, &readers, fence, commit_at(offset(3)?, checkpoint)).await;
            ensure_cause!(result, Cause::Fenced { .. }, "commit on {fence:?} of a group that was removed{what}");
        }
        Verdict::Ok(())
    };
    all_fenced("").await?;
    // the next life of the group is none of the former owner's business
    open_group(&b, &partition, "readers").await?;
    all_fenced(" and created again").await?;
    let next = own(&b, &partition, &readers, &heir).await?;
    ensure!(next.fence.epoch > later.epoch, "epoch {} of the next life was used before", next.fence.epoch);
    all_fenced(", created again and acquired by another").await?;
    ensure_eq!(state(&a, &partition, &readers).await?, next, "the group created again");
    b.commit(&partition, &readers, next.fence, commit_at(offset(2)?, b"next")).await?;
    Ok(())
}

async fn group_13_remove_leaves_other_groups(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let other = a.open_stream(&StreamName::new("other")?, 1).await?;
    a.open_group(&other, &group("readers")?, STRATEGY, Start::Earliest).await?;
    let mut stay = Vec::new();
    for name in ["readers.b", "readers-b", "Readers", "reader"] {
        let opened = open_group(&a, &partition, name).await?;
        stay.push((own(&a, &partition, &opened, &member(&a).await?).await?, opened));
    }
    let readers = open_group(&a, &partition, "readers").await?;
    b.remove_group(&stream_of(&partition), &readers, None).await?;
    for (before, name) in stay {
        ensure_eq!(state(&b, &partition, &name).await?, before, "group {name}, which stays");
        b.commit(&partition, &name, before.fence, commit_at(before.keep_from, b"on")).await?;
    }
    ensure_eq!(b.groups(&other.partition(0)).await?.len(), 1, "groups of another stream");
    Ok(())
}

async fn group_14_groups_are_listed_by_name(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    ensure!(b.groups(&stream.partition(0)).await?.is_empty(), "groups of a new stream");
    let mut names = vec![group(&"z".repeat(120))?];
    for name in ["b", "a", "A", "a.b", "a-b", "a_b", "a0", "0", "aa", "B", "x.dead"] {
        names.push(group(name)?);
    }
    for name in &names {
        a.open_group(&stream, name, name.as_str(), Start::Earliest).await?;
    }
    names.sort();
    for index in 0..2 {
        let listed = b.groups(&stream.partition(index)).await?;
        ensure_eq!(listed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names, "groups listed");
        ensure!(listed.iter().all(|(name, state)| state.fingerprint == name.as_str()), "a state is another group's");
    }
    // a group's state is that of the partition asked for
    let first = group("a")?;
    let owned = own(&a, &stream.partition(1), &first, &member(&a).await?).await?;
    Producer::register(&a, &stream.partition(1), "p").await?.append_many(1).await?;
    a.commit(&stream.partition(1), &first, owned.fence, commit_at(Offset::first_of(slot(2)?), b"1")).await?;
    ensure_eq!(state(&b, &stream.partition(0), &first).await?.owner, None, "owner of the other partition");
    ensure_eq!(state(&b, &stream.partition(0), &first).await?.fence.version, 0, "version in the other partition");
    ensure_eq!(state(&b, &stream.partition(1), &first).await?.fence.version, 1, "version in the partition committed");
    Ok(())
}

async fn group_14_list_may_be_long(cx: Cx) -> Verdict {
    // more than what some databases answer at once
    const COUNT: u32 = 110;
    let (a, b, partition) = cx.partition().await?;
    for number in 0..COUNT {
        open_group(&a, &partition, &format!("readers-{number:03}")).await?;
    }
    let listed = b.groups(&partition).await?;
    for (number, (name, _)) in (0..COUNT).zip(&listed) {
        ensure_eq!(name.as_str(), format!("readers-{number:03}"), "group {number} listed");
    }
    ensure_eq!(listed.len(), COUNT as usize, "groups listed");
    Ok(())
}

/// The fences of a group's partitions, in their order.
async fn fences(client: &Client, stream: &StreamInfo, group: &GroupName) -> Verdict<Vec<Fence>> {
    let mut fences = Vec::new();
    for index in 0..stream.partitions {
        fences.push(state(client, &stream.partition(index), group).await?.fence);
    }
    Ok(fences)
}

async fn group_21_group_is_removed_as_it_was_seen(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let (readers, others, me) = (group("readers")?, group("others")?, member(&a).await?);
    for group in [&readers, &others] {
        a.open_group(&stream, group, STRATEGY, Start::Earliest).await?;
    }
    let refused = async |seen: &[Fence], what: &str| {
        let before =
            [state(&a, &stream.partition(0), &readers).await?, state(&a, &stream.partition(1), &readers).await?];
        ensure!(!b.remove_group(&stream, &readers, Some(seen)).await?, "removed a group {what}");
        let after =
            [state(&b, &stream.partition(0), &readers).await?, state(&b, &stream.partition(1), &readers).await?];
        ensure_eq!(after, before, "a group {what}, not removed");
        Verdict::Ok(())
    };
    let seen = fences(&b, &stream, &readers).await?;
    refused(&[], "of which nothing was seen").await?;
    let last = stream.partition(1);
    let owned = own(&a, &last, &readers, &me).await?;
    refused(&seen, "that was acquired since it was seen").await?;
    refused(&fences(&b, &stream, &readers).await?, "of a living owner").await?;
    a.commit(&last, &readers, owned.fence, commit_at(Offset::FIRST, b"1")).await?;
    a.release(&last, &readers, owned.fence.epoch).await?;
    refused(&seen, "that was committed and released since it was seen").await?;
    let uncommitted = [seen.first().copied(), Some(owned.fence)].into_iter().flatten().collect::<Vec<_>>();
    refused(&uncommitted, "that was committed since it was seen").await?;

    let piece = PieceId { epoch: owned.fence.epoch, number: 1 };
    a.write_piece(&last, &readers, piece, "piece".into()).await?;
    let seen = fences(&b, &stream, &readers).await?;
    ensure!(b.remove_group(&stream, &readers, Some(&seen)).await?, "a group as it was seen was not removed");
    ensure!(!b.remove_group(&stream, &readers, Some(&seen)).await?, "a group was removed twice");
    for index in 0..2 {
        let listed = a.groups(&stream.partition(index)).await?;
        ensure_eq!(listed.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&others], "groups of partition {index}");
    }
    ensure_eq!(a.read_piece(&last, &readers, piece).await?, None, "a piece of the group removed");
    ensure_cause!(a.acquire(&last, &readers, &me).await, Cause::GroupRemoved, "acquire the group removed");
    a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
    let next = own(&a, &last, &readers, &me).await?;
    ensure!(next.fence.epoch > owned.fence.epoch, "epoch {} of the next life was used before", next.fence.epoch);
    Ok(())
}

/// What an acquire comes to beside a removal: the owner's state, or none where the group is gone.
async fn acquire_beside(client: Client, partition: Partition, group: GroupName) -> Verdict<Option<GroupState>> {
    let member = member(&client).await?;
    match client.acquire(&partition, &group, &member).await {
        Ok(Acquired::Owner(state)) => Ok(Some(state)),
        Ok(Acquired::Held(by)) => Err(Failure::new(format!("a free partition is held by {by}"))),
        Err(error) if matches!(error.cause(), Cause::GroupRemoved) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn group_21_removal_or_acquire_wins(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 3).await?;
    for round in 0..12 {
        let readers = group(&format!("readers-{round}"))?;
        a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
        let partition = stream.partition(round % 3);
        let seen = fences(&a, &stream, &readers).await?;
        let remove = {
            let (a, stream, readers) = (Arc::clone(&a), stream.clone(), readers.clone());
            tokio::spawn(async move { a.remove_group(&stream, &readers, Some(&seen)).await })
        };
        let acquired = acquire_beside(Arc::clone(&b), partition.clone(), readers.clone()).await?;
        let removed = remove.await.map_err(|error| Failure::new(format!("a task of the case failed: {error}")))??;
        ensure_eq!(removed, acquired.is_none(), "removed, where the acquire found the group gone");
        if let Some(owned) = acquired {
            b.commit(&partition, &readers, owned.fence, commit_at(owned.keep_from, b"on")).await?;
            fences(&a, &stream, &readers).await?;
        }
    }
    Ok(())
}
