//! What holds for every operation: repeated, and seen by all.

use minibatch_core::{
    GroupName, MemberId,
    storage::{Acquired, GroupState, LogBounds, Partition, PieceId, Start, Trim},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Verdict, ensure, ensure_eq},
    tools::{
        Identity, LONG_LIFE, Producer, STRATEGY, commit_at, group, identity, member, offset, open_group, own, payload,
        read_all, slot, stream_of,
    },
};

pub(super) const CASES: &[Case] = cases![
    general_a_repeated_calls_get_their_verdict,
    general_b_a_later_client_sees_everything,
    #[Durable]
    general_b_everything_outlives_the_clients,
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
        client.heartbeat(&me, LONG_LIFE).await?;
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
        let next = PieceId { epoch: fence.epoch, number: 2 };
        client.retain_pieces(&partition, &readers, &[piece], next).await?;
    }
    let (first, second) = (a.trim(&partition, Trim::Finished).await?, b.trim(&partition, Trim::Finished).await?);
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
