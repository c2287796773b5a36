//! Groups that begin anew.

use std::sync::Arc;

use minibatch_core::{
    Cause, StreamName,
    storage::{Counters, Generation, PieceId, Position, Start, Trim},
};

use crate::storage::{
    case::{Case, Cx, cases},
    failure::{Verdict, ensure, ensure_cause, ensure_eq},
    tools::{
        Producer, STRATEGY, at_once, commit_at, group, member, offset, open_group, own, slot, state, stream_of, turns,
    },
};

pub(super) const CASES: &[Case] = cases![
    group_16_restarted_group_begins_anew,
    group_16_former_owner_is_fenced,
    group_16_restart_may_go_back_and_changes_the_strategy,
    group_16_restart_holds_what_it_needs,
    group_16_restart_of_a_group_never_opened_creates_it,
    group_16_restart_covers_every_partition,
    group_16_many_restarts_at_once_leave_one_generation,
];

async fn group_16_restarted_group_begins_anew(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(5).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owned = own(&a, &partition, &readers, &member(&a).await?).await?;
    let piece = PieceId { epoch: owned.fence.epoch, number: 1 };
    a.write_piece(&partition, &readers, piece, b"piece"[..].into()).await?;
    a.commit(&partition, &readers, owned.fence, commit_at(offset(4)?, b"far")).await?;
    b.restart_group(&stream_of(&partition), &readers, STRATEGY, Start::Earliest).await?;
    let anew = state(&a, &partition, &readers).await?;
    ensure!(anew.generation != owned.generation, "the generation is the former one");
    ensure_eq!(anew.owner, None, "owner");
    ensure_eq!(anew.checkpoint, None, "checkpoint");
    ensure_eq!(anew.counters, Counters::default(), "counters");
    ensure_eq!(anew.unclean, 0, "unclean");
    ensure_eq!(anew.start, owned.start, "start");
    ensure_eq!(anew.keep_from, owned.start.offset, "keep_from");
    ensure!(anew.fence.epoch >= owned.fence.epoch, "the epoch went back to {}", anew.fence.epoch);
    Ok(())
}

async fn group_16_former_owner_is_fenced(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(3).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let working = member(&a).await?;
    let owned = own(&a, &partition, &readers, &working).await?;
    b.restart_group(&stream_of(&partition), &readers, STRATEGY, Start::Latest).await?;
    let before = state(&b, &partition, &readers).await?;
    let committed = a.commit(&partition, &readers, owned.fence, commit_at(offset(2)?, b"late")).await;
    ensure_cause!(committed, Cause::Fenced { .. }, "commit of the former owner");
    a.release(&partition, &readers, owned.fence.epoch).await?;
    ensure_eq!(state(&b, &partition, &readers).await?, before, "the group after that");
    let again = own(&a, &partition, &readers, &working).await?;
    ensure!(again.fence.epoch > owned.fence.epoch, "epoch {} after {}", again.fence.epoch, owned.fence.epoch);
    let committed = a.commit(&partition, &readers, owned.fence, commit_at(offset(2)?, b"late")).await;
    ensure_cause!(committed, Cause::Fenced { .. }, "commit of the former owner, who owns it again");
    a.commit(&partition, &readers, again.fence, commit_at(offset(4)?, b"anew")).await?;
    Ok(())
}

async fn group_16_restart_may_go_back_and_changes_the_strategy(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(6).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owned = own(&a, &partition, &readers, &member(&a).await?).await?;
    a.commit(&partition, &readers, owned.fence, commit_at(offset(7)?, b"all")).await?;
    let stream = stream_of(&partition);
    let place = Position { offset: offset(3)?, count: 2, ..Position::START };
    b.restart_group(&stream, &readers, "another strategy", Start::At(vec![place])).await?;
    let anew = state(&a, &partition, &readers).await?;
    ensure_eq!((anew.start, anew.keep_from), (place, place.offset), "start and keep_from");
    ensure_eq!(anew.fingerprint, "another strategy", "fingerprint");
    let opened = a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await;
    ensure_cause!(opened, Cause::StrategyChanged { .. }, "opened with the former fingerprint");
    a.open_group(&stream, &readers, "another strategy", Start::Earliest).await?;
    ensure_eq!(state(&b, &partition, &readers).await?, anew, "the group opened again");
    Ok(())
}

async fn group_16_restart_holds_what_it_needs(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(6).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let owned = own(&a, &partition, &readers, &member(&a).await?).await?;
    a.commit(&partition, &readers, owned.fence, commit_at(offset(6)?, b"most")).await?;
    let place = Position { offset: offset(3)?, count: 2, ..Position::START };
    b.restart_group(&stream_of(&partition), &readers, STRATEGY, Start::At(vec![place])).await?;
    a.trim(&partition, Trim::Finished).await?;
    let bounds = a.bounds(&partition).await?;
    ensure!(bounds.floor <= slot(3)?, "the floor is {}, the group needs slot 3", bounds.floor);
    let places = Start::At(vec![Position::START]);
    a.trim(&partition, Trim::FinishedOrBelow(slot(5)?)).await?;
    b.restart_group(&stream_of(&partition), &readers, STRATEGY, places).await?;
    let (anew, bounds) = (state(&a, &partition, &readers).await?, a.bounds(&partition).await?);
    ensure_eq!(anew.start, bounds.first(), "start of a group from below the floor");
    Ok(())
}

async fn group_16_restart_of_a_group_never_opened_creates_it(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = group("readers")?;
    a.restart_group(&stream_of(&partition), &readers, STRATEGY, Start::Earliest).await?;
    ensure_eq!(state(&b, &partition, &readers).await?.fingerprint, STRATEGY, "fingerprint");
    own(&b, &partition, &readers, &member(&b).await?).await?;
    Ok(())
}

async fn group_16_restart_covers_every_partition(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 3).await?;
    let readers = group("readers")?;
    a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
    let working = member(&a).await?;
    let owned = own(&a, &stream.partition(2), &readers, &working).await?;
    Producer::register(&a, &stream.partition(1), "p").await?.append_many(4).await?;
    b.restart_group(&stream, &readers, "another strategy", Start::Latest).await?;
    let mut generations: Vec<Generation> = Vec::new();
    for (index, start) in [(0, 1), (1, 5), (2, 1)] {
        let anew = state(&a, &stream.partition(index), &readers).await?;
        ensure_eq!(anew.start.offset, offset(start)?, "start in partition {index}");
        ensure_eq!(anew.fingerprint, "another strategy", "fingerprint in partition {index}");
        generations.push(anew.generation);
    }
    generations.dedup();
    ensure_eq!(generations.len(), 1, "generations in three partitions");
    let committed = a.commit(&stream.partition(2), &readers, owned.fence, commit_at(offset(1)?, b"late")).await;
    ensure_cause!(committed, Cause::Fenced { .. }, "commit of the former owner of partition 2");
    let wrong = Start::At(vec![Position::START; 2]);
    let restarted = a.restart_group(&stream, &readers, STRATEGY, wrong).await;
    ensure_cause!(restarted, Cause::OutOfRange { .. }, "restarted with two places for three partitions");
    Ok(())
}

async fn group_16_many_restarts_at_once_leave_one_generation(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let readers = group("readers")?;
    let restarts = turns(&a, &b).take(8).map(|client| {
        let (client, stream, readers) = (Arc::clone(client), stream.clone(), readers.clone());
        async move { Ok(client.restart_group(&stream, &readers, STRATEGY, Start::Earliest).await?) }
    });
    at_once(restarts).await?;
    let (first, second) =
        (state(&a, &stream.partition(0), &readers).await?, state(&b, &stream.partition(1), &readers).await?);
    ensure_eq!(first.generation, second.generation, "generation in both partitions");
    Ok(())
}
