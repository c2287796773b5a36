//! What holds for every operation: repeated, seen by all, dropped half way, asked of what is not there.

use minibatch_core::{
    Cause, Error, GroupName, MemberId, Slot, StreamName,
    storage::{Acquired, Fence, GroupState, LogBounds, Partition, PieceId, Start, StreamInfo},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_eq},
    tools::{
        ALL, Identity, Producer, STRATEGY, commit_at, dropped_after, group, identity, member, offset, open_group, own,
        payload, read_all, slot, state, stream_of,
    },
};

pub(super) const CASES: &[Case] = cases![
    general_a_repeated_calls_get_their_verdict,
    general_b_a_later_client_sees_everything,
    #[Durable]
    general_b_everything_outlives_the_clients,
    general_c_dropped_append_breaks_nothing,
    general_c_dropped_commit_breaks_nothing,
    general_c_dropped_opens_break_nothing,
    general_d_partition_of_a_dropped_stream,
    general_d_partition_of_a_former_life,
    general_d_partition_that_never_was,
];

async fn general_a_repeated_calls_get_their_verdict(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    producer.append_many(3).await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let stream = stream_of(&partition);
    let me = member(&a).await?;
    let mut owned = own(&a, &partition, &readers, &me).await?;
    for client in [&a, &b] {
        ensure_eq!(client.open_stream(&stream.name, 1).await?, stream, "open_stream, repeated");
        client.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
        client.heartbeat(&me, crate::storage::tools::LONG_LIFE).await?;
        ensure_eq!(producer.through(client).try_append(3, payload(&[3_u64])?).await?, slot(3)?, "append, repeated");
        owned = own(client, &partition, &readers, &me).await?;
    }
    let commit = commit_at(offset(4)?, b"done");
    let fence = a.commit(&partition, &readers, owned.fence, commit.clone()).await?;
    for client in [&b, &a] {
        let again = client.commit(&partition, &readers, owned.fence, commit.clone()).await?;
        ensure_eq!(again, fence, "commit, repeated");
        let piece = PieceId { epoch: fence.epoch, number: 1 };
        client.write_piece(&partition, &readers, piece, "piece".into()).await?;
        client.retain_pieces(&partition, &readers, &[piece]).await?;
    }
    let (first, second) = (a.trim(&partition).await?, b.trim(&partition).await?);
    ensure_eq!(second.floor, first.floor, "floor of a trim, repeated");
    for client in [&a, &b] {
        client.release(&partition, &readers, fence.epoch).await?;
    }
    Ok(())
}

/// What a client did that was told that all of it is done.
struct Done {
    partition: Partition,
    records: Vec<Identity>,
    bounds: LogBounds,
    groups: Vec<(GroupName, GroupState)>,
    owner: MemberId,
    piece: PieceId,
}

async fn done(a: &Client, b: &Client, partition: Partition) -> Verdict<Done> {
    Producer::register(a, &partition, "p").await?.append_many(4).await?;
    let readers = open_group(b, &partition, "readers").await?;
    let owner = member(b).await?;
    let owned = own(b, &partition, &readers, &owner).await?;
    let fence = b.commit(&partition, &readers, owned.fence, commit_at(offset(2)?, b"done")).await?;
    let piece = PieceId { epoch: fence.epoch, number: 1 };
    a.write_piece(&partition, &readers, piece, "piece".into()).await?;
    let records: Vec<_> = read_all(a, &partition).await?.iter().map(identity).collect();
    ensure_eq!(records.len(), 4, "records");
    let (bounds, groups) = (b.bounds(&partition).await?, a.groups(&partition).await?);
    Ok(Done { partition, records, bounds, groups, owner, piece })
}

/// Everything is there for a client that had no part in it.
async fn check_done(later: &Client, done: Done) -> Verdict {
    let Done { partition, records, bounds, groups, owner, piece } = done;
    ensure_eq!(later.list_streams().await?, [stream_of(&partition)], "streams");
    ensure_eq!(later.bounds(&partition).await?, bounds, "bounds");
    let found: Vec<_> = read_all(later, &partition).await?.iter().map(identity).collect();
    ensure!(found == records, "the records are not those that were appended");
    ensure_eq!(later.groups(&partition).await?, groups, "groups");
    let readers = group("readers")?;
    ensure_eq!(later.read_piece(&partition, &readers, piece).await?, Some("piece".into()), "piece");
    let other = member(later).await?;
    ensure_eq!(later.acquire(&partition, &readers, &other).await?, Acquired::Held(owner), "who holds the partition");
    let mut producer = Producer::register(later, &partition, "p").await?;
    ensure_eq!(producer.next(), 5, "next sequence");
    ensure_eq!(producer.append(payload(&["next"])?).await?, slot(5)?, "next slot");
    Ok(())
}

async fn general_b_a_later_client_sees_everything(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let done = done(&a, &b, partition).await?;
    check_done(&cx.client().await?, done).await
}

async fn general_b_everything_outlives_the_clients(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let done = done(&a, &b, partition).await?;
    drop((a, b));
    check_done(&cx.client().await?, done).await
}

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
        let partition = stream.partition(1);
        dropped_after(polls, a.open_group(&stream, &readers, STRATEGY, Start::Earliest)).await;
        b.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
        ensure_eq!(
            state(&a, &stream.partition(0), &readers).await?.generation,
            state(&a, &partition, &readers).await?.generation,
            "generations of two partitions"
        );
        let me = member(&a).await?;
        dropped_after(polls, a.acquire(&partition, &readers, &me)).await;
        dropped_after(polls, a.read(&partition, Slot::ZERO, ALL)).await;
        dropped_after(polls, a.trim(&partition)).await;
        let owned = own(&b, &partition, &readers, &me).await?;
        b.commit(&partition, &readers, owned.fence, commit_at(owned.keep_from, b"on")).await?;
        ensure_eq!(Producer::register(&a, &partition, "p").await?.append_many(1).await?, Slot::FIRST, "first slot");
        dropped_after(polls, a.remove_group(&stream, &readers)).await;
        b.remove_group(&stream, &readers).await?;
        ensure!(a.groups(&partition).await?.is_empty(), "a removed group is still listed");
        dropped_after(polls, a.drop_stream(&name)).await;
        b.drop_stream(&name).await?;
        ensure_eq!(a.find_stream(&name).await?, None, "a dropped stream");
    }
    ensure!(a.list_streams().await?.is_empty(), "streams are left");
    Ok(())
}

/// Asks every operation for a partition that is not there; each must refuse with a cause that `is_right`.
async fn check_refused(client: &Client, partition: &Partition, is_right: fn(&Cause) -> bool) -> Verdict {
    let refused = |operation: &str, result: Result<(), Error>| match result {
        Err(error) if is_right(error.cause()) => Ok(()),
        other => Err(Failure::new(format!("{operation} of {partition}, which is not there: found {other:?}"))),
    };
    let readers = group("readers")?;
    let me = member(client).await?;
    let fence = Fence { epoch: 1, version: 0 };
    let piece = PieceId { epoch: 1, number: 1 };
    let id = minibatch_core::ProducerId::new("p")?;
    let producer = minibatch_core::chunk::ProducerStamp { id: id.clone(), epoch: 1, sequence: 1 };
    let chunk = minibatch_core::chunk::NewChunk { producer, time: client.now().await?, payload: payload(&["x"])? };
    refused("register_producer", client.register_producer(partition, &id).await.map(drop))?;
    refused("append", client.append(partition, chunk).await.map(drop))?;
    refused("read", client.read(partition, Slot::ZERO, ALL).await.map(drop))?;
    refused("wait", client.wait(partition, Slot::ZERO).await)?;
    refused("bounds", client.bounds(partition).await.map(drop))?;
    refused("trim", client.trim(partition).await.map(drop))?;
    refused("groups", client.groups(partition).await.map(drop))?;
    refused("acquire", client.acquire(partition, &readers, &me).await.map(drop))?;
    refused("release", client.release(partition, &readers, 1).await)?;
    let commit = commit_at(minibatch_core::Offset::FIRST, b"x");
    refused("commit", client.commit(partition, &readers, fence, commit).await.map(drop))?;
    refused("write_piece", client.write_piece(partition, &readers, piece, "x".into()).await)?;
    refused("read_piece", client.read_piece(partition, &readers, piece).await.map(drop))?;
    refused("retain_pieces", client.retain_pieces(partition, &readers, &[]).await)
}

/// Asks what is asked of a whole stream.
async fn check_stream_dropped(client: &Client, stream: &StreamInfo) -> Verdict {
    let readers = group("readers")?;
    let opened = client.open_group(stream, &readers, STRATEGY, Start::Earliest).await;
    crate::storage::failure::ensure_cause!(opened, Cause::StreamDropped, "open_group of a dropped stream");
    let removed = client.remove_group(stream, &readers).await;
    crate::storage::failure::ensure_cause!(removed, Cause::StreamDropped, "remove_group of a dropped stream");
    Ok(())
}

/// A stream of two partitions that was used and dropped.
async fn dropped(cx: &Cx) -> Verdict<(Client, Client, StreamInfo)> {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    Producer::register(&a, &stream.partition(0), "p").await?.append_many(3).await?;
    let readers = group("readers")?;
    a.open_group(&stream, &readers, STRATEGY, Start::Earliest).await?;
    own(&a, &stream.partition(0), &readers, &member(&a).await?).await?;
    // the other client knows it too, and must not answer from what it remembers
    read_all(&b, &stream.partition(0)).await?;
    b.groups(&stream.partition(0)).await?;
    a.drop_stream(&stream.name).await?;
    Ok((a, b, stream))
}

async fn general_d_partition_of_a_dropped_stream(cx: Cx) -> Verdict {
    let (a, b, stream) = dropped(&cx).await?;
    for client in [&a, &b] {
        check_refused(client, &stream.partition(0), |cause| matches!(cause, Cause::StreamDropped)).await?;
        check_stream_dropped(client, &stream).await?;
    }
    ensure!(a.list_streams().await?.is_empty(), "asking for a dropped stream created one");
    Ok(())
}

async fn general_d_partition_of_a_former_life(cx: Cx) -> Verdict {
    let (a, b, former) = dropped(&cx).await?;
    let next = a.open_stream(&former.name, 2).await?;
    a.open_group(&next, &group("readers")?, STRATEGY, Start::Earliest).await?;
    for client in [&a, &b] {
        check_refused(client, &former.partition(0), |cause| matches!(cause, Cause::StreamDropped)).await?;
        check_stream_dropped(client, &former).await?;
    }
    ensure!(read_all(&b, &next.partition(0)).await?.is_empty(), "asking for the former life wrote to the next");
    ensure_eq!(b.groups(&next.partition(0)).await?.len(), 1, "groups of the next life");
    Ok(())
}

async fn general_d_partition_that_never_was(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    a.open_group(&stream, &group("readers")?, STRATEGY, Start::Earliest).await?;
    for index in [2, 3, u32::MAX] {
        for client in [&a, &b] {
            check_refused(client, &stream.partition(index), |cause| matches!(cause, Cause::InvalidPartition { .. }))
                .await?;
        }
    }
    let unknown = StreamInfo { name: StreamName::new("unknown")?, ..stream };
    check_refused(&a, &unknown.partition(0), |cause| matches!(cause, Cause::StreamDropped)).await?;
    Ok(())
}
