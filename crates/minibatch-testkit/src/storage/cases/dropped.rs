//! Calls that are dropped half way.

use minibatch_core::{
    Cause, ProducerId, Slot, StreamName,
    chunk::RecordKind,
    storage::{Fence, NotePlace, PieceId, Punctuated, Start, Trim},
};

use crate::{
    cancel::{at_every_await, dropped_after},
    pause::Pauses,
    storage::{
        case::{Case, Cx, cases},
        failure::{Failure, Verdict, ensure, ensure_eq},
        tools::{
            ALL, LONG_LIFE, Producer, STRATEGY, commit_at, derived, group, member, offset, open_group, own, payload,
            read_all, read_from, slot, state, stream_of,
        },
    },
};

pub(super) const CASES: &[Case] = cases![
    general_c_dropped_append_breaks_nothing,
    general_c_dropped_derived_append_breaks_nothing,
    general_c_dropped_punctuation_breaks_nothing,
    general_c_dropped_commit_breaks_nothing,
    general_c_dropped_opens_break_nothing,
    general_c_dropped_acquire_breaks_nothing,
    general_c_dropped_removals_break_nothing,
    general_c_dropped_registrations_break_nothing,
    general_c_dropped_members_and_pieces_break_nothing,
    general_c_dropped_looks_break_nothing,
];

async fn general_c_dropped_append_breaks_nothing(cx: Cx) -> Verdict {
    const ROUNDS: usize = 12;
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    for (polls, number) in (0..ROUNDS).zip(1_u64..) {
        let chunk = producer.chunk(number, payload(&[number])?).await?;
        dropped_after(polls, a.append(&partition, chunk)).await;
        ensure_eq!(
            producer.append(payload(&[number])?).await?,
            slot(number)?,
            "slot of a chunk whose append was dropped"
        );
    }
    let records = read_all(&b, &partition).await?;
    ensure_eq!(records.len(), ROUNDS, "records");
    for (record, number) in records.iter().zip(1_u64..) {
        ensure_eq!(record.payload, payload(&[number])?, "payload in slot {number}");
    }
    Ok(())
}

async fn general_c_dropped_derived_append_breaks_nothing(cx: Cx) -> Verdict {
    const NUMBERS: [u64; 3] = [5, 2, 9];
    let (a, b, partition) = cx.partition().await?;
    let mut chunks = Vec::new();
    for number in NUMBERS {
        chunks.push(derived(&a, "d", number, 0, &number.to_string()).await?);
    }
    let appended = at_every_await(|| a.append_derived(&partition, chunks.clone())).await.0?;
    ensure!(
        appended.iter().all(|appended| !appended.differs),
        "chunks whose appends were dropped differ from themselves"
    );
    ensure_eq!(b.append_derived(&partition, chunks).await?, appended, "what stands after appends that were dropped");
    let mut records = read_all(&b, &partition).await?;
    records.retain(|record| record.kind == RecordKind::Data);
    ensure_eq!(records.len(), NUMBERS.len(), "records");
    for (number, appended) in NUMBERS.into_iter().zip(appended) {
        let found = records.iter().find(|record| record.slot == appended.slot).map(|record| &record.payload);
        ensure_eq!(found, Some(&payload(&[number.to_string()])?), "payload under the number {number}");
    }
    Ok(())
}

async fn general_c_dropped_punctuation_breaks_nothing(cx: Cx) -> Verdict {
    const ROUNDS: usize = 8;
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(1).await?;
    for polls in 0..ROUNDS {
        let tail = a.bounds(&partition).await?.tail;
        let time = a.now().await?;
        dropped_after(polls, a.punctuate(&partition, tail, time)).await;
        if b.punctuate(&partition, tail, time).await? == Punctuated::Unsupported {
            return Ok(());
        }
        let records = read_from(&b, &partition, tail.next(), ALL).await?;
        let kinds: Vec<_> = records.iter().map(|record| record.kind).collect();
        ensure_eq!(kinds, [RecordKind::Punctuation], "records after a punctuation that was dropped and called again");
        producer.append_many(1).await?;
    }
    let records = read_all(&a, &partition).await?;
    let messages = records.iter().filter(|record| record.kind == RecordKind::Data).count();
    ensure_eq!((messages, records.len()), (ROUNDS + 1, 2 * ROUNDS + 1), "chunks and records");
    Ok(())
}

async fn general_c_dropped_commit_breaks_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&a, &partition, "p").await?.append_many(12).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let mut fence = own(&a, &partition, &readers, &member(&a).await?).await?.fence;
    for (polls, keep_from) in (0..12).zip(1..) {
        let commit = commit_at(offset(keep_from)?, b"dropped");
        dropped_after(polls, a.commit(&partition, &readers, fence, commit.clone())).await;
        let next = a.commit(&partition, &readers, fence, commit).await?;
        ensure_eq!(next, Fence { version: keep_from, ..fence }, "fence of a commit whose first call was dropped");
        ensure_eq!(state(&b, &partition, &readers).await?.keep_from, offset(keep_from)?, "keep_from after that");
        fence = next;
    }
    Ok(())
}

async fn general_c_dropped_opens_break_nothing(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let readers = group("readers")?;
    for polls in 0..8 {
        let name = StreamName::new(&format!("events-{polls}"))?;
        dropped_after(polls, a.open_stream(&name, 2)).await;
        let stream = b.open_stream(&name, 2).await?;
        dropped_after(polls, a.open_group(&stream, &readers, STRATEGY, Start::Earliest)).await;
        b.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
        let first = state(&a, &stream.partition(0), &readers).await?;
        let second = state(&b, &stream.partition(1), &readers).await?;
        ensure_eq!(second.generation, first.generation, "generations of two partitions");
        dropped_after(polls, a.read(&stream.partition(0), Slot::ZERO, ALL)).await;
        dropped_after(polls, a.trim(&stream.partition(0), Trim::Finished)).await;
        let mut producer = Producer::register(&a, &stream.partition(0), "p").await?;
        ensure_eq!(producer.append_many(1).await?, Slot::FIRST, "first slot");
        ensure_eq!(a.open_stream(&name, 2).await?, stream, "the stream after all that");
    }
    ensure_eq!(a.list_streams().await?.len(), 8, "streams");
    Ok(())
}

async fn general_c_dropped_acquire_breaks_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let me = member(&a).await?;
    let mut last = state(&a, &partition, &readers).await?;
    for polls in 0..8 {
        dropped_after(polls, a.acquire(&partition, &readers, &me)).await;
        // what was dropped may take effect later than what follows, and fence it: then follow that
        let mut pauses = Pauses::within(cx.patience());
        let done = loop {
            let owned = own(&b, &partition, &readers, &me).await?;
            ensure!(owned.fence.epoch > last.fence.epoch, "epoch {} was used before", owned.fence.epoch);
            match b.commit(&partition, &readers, owned.fence, commit_at(owned.keep_from, b"on")).await {
                Ok(fence) => break fence,
                Err(error) if matches!(error.cause(), Cause::Fenced { .. }) && pauses.again().await => {}
                Err(error) => return Err(error.into()),
            }
        };
        ensure_eq!(done.version, last.fence.version + 1, "version after one commit");
        last = state(&a, &partition, &readers).await?;
        ensure_eq!((last.owner.as_ref(), last.unclean), (Some(&me), 0), "owner and unclean");
    }
    Ok(())
}

async fn general_c_dropped_removals_break_nothing(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let (readers, workers) = (group("readers")?, group("workers")?);
    for polls in 0..8 {
        let stream = a.open_stream(&StreamName::new(&format!("events-{polls}"))?, 2).await?;
        for group in [&readers, &workers] {
            a.open_group(&stream, group, STRATEGY, Start::Earliest).await?;
        }
        dropped_after(polls, a.remove_group(&stream, &readers, None)).await;
        b.remove_group(&stream, &readers, None).await?;
        for index in 0..2 {
            let listed = a.groups(&stream.partition(index)).await?;
            let names: Vec<_> = listed.iter().map(|(name, _)| name).collect();
            ensure_eq!(names, [&workers], "groups of partition {index} after one was removed");
        }
        dropped_after(polls, a.drop_stream(&stream.name)).await;
        b.drop_stream(&stream.name).await?;
        ensure_eq!(a.find_stream(&stream.name).await?, None, "a dropped stream");
    }
    ensure!(a.list_streams().await?.is_empty(), "streams are left");
    Ok(())
}

async fn general_c_dropped_registrations_break_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let id = ProducerId::stored("p");
    let (granted, _) = at_every_await(|| a.register_producer(&partition, &id)).await;
    ensure_eq!(granted?.next_sequence, 1, "first sequence after registrations that were dropped");
    // what was dropped may take effect later than what follows, and fence it
    let mut pauses = Pauses::within(cx.patience());
    loop {
        let producer = Producer::register(&b, &partition, "p").await?;
        match producer.try_append(1, payload(&["kept"])?).await {
            Ok(first) => break ensure_eq!(first, Slot::FIRST, "first slot"),
            Err(error) if matches!(error.cause(), Cause::Fenced { .. }) && pauses.again().await => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure_eq!(read_all(&a, &partition).await?.len(), 1, "records");
    Ok(())
}

async fn general_c_dropped_members_and_pieces_break_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let (joined, _) = at_every_await(|| a.join(LONG_LIFE)).await;
    let me = joined?;
    at_every_await(|| a.heartbeat(&me, LONG_LIFE)).await.0?;
    let epoch = own(&b, &partition, &readers, &me).await?.fence.epoch;
    let (piece, next) = (PieceId { epoch, number: 1 }, PieceId { epoch, number: 2 });
    at_every_await(|| a.write_piece(&partition, &readers, piece, "piece".into())).await.0?;
    let keep = [piece];
    at_every_await(|| a.retain_pieces(&partition, &readers, &keep, next)).await.0?;
    ensure_eq!(b.read_piece(&partition, &readers, piece).await?, Some("piece".into()), "piece");
    at_every_await(|| a.release(&partition, &readers, epoch)).await.0?;
    let other = member(&b).await?;
    let theirs = own(&b, &partition, &readers, &other).await?;
    ensure!(theirs.fence.epoch > epoch && theirs.unclean == 0, "epoch or unclean after a release: {theirs:?}");
    at_every_await(|| a.leave(&me)).await.0?;
    match b.heartbeat(&me, LONG_LIFE).await {
        Err(error) if matches!(error.cause(), Cause::MemberDead) => Ok(()),
        other => Err(Failure::new(format!("heartbeat of a member that left gave {other:?}"))),
    }
}

async fn general_c_dropped_looks_break_nothing(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    Producer::register(&b, &partition, "p").await?.append_many(3).await?;
    let readers = open_group(&b, &partition, "readers").await?;
    let piece = PieceId { epoch: 1, number: 1 };
    let streams = [stream_of(&partition)];
    let place = NotePlace { partition: partition.clone(), group: None, kind: "status" };
    for _ in 0..3 {
        at_every_await(|| a.now()).await.0?;
        at_every_await(|| a.wait(&partition, Slot::ZERO)).await.0?;
        ensure_eq!(at_every_await(|| a.find_stream(&partition.stream)).await.0?.as_slice(), streams, "stream");
        ensure_eq!(at_every_await(|| a.list_streams()).await.0?, streams, "streams");
        ensure_eq!(at_every_await(|| a.bounds(&partition)).await.0?.tail, slot(3)?, "tail");
        ensure_eq!(at_every_await(|| a.read(&partition, Slot::ZERO, ALL)).await.0?.len(), 3, "records");
        ensure_eq!(at_every_await(|| a.groups(&partition)).await.0?.len(), 1, "groups");
        ensure_eq!(at_every_await(|| a.read_piece(&partition, &readers, piece)).await.0?, None, "piece");
        ensure_eq!(at_every_await(|| a.survey(&partition, Slot::ZERO, 9)).await.0?.len(), 3, "records surveyed");
        ensure_eq!(at_every_await(|| a.living(&[])).await.0?, [], "members");
        ensure_eq!(at_every_await(|| a.notes(&place, "", 9)).await.0?, [], "notes");
        ensure_eq!(at_every_await(|| a.trim(&partition, Trim::Finished)).await.0?.deleted, 0, "deleted");
    }
    Ok(())
}
