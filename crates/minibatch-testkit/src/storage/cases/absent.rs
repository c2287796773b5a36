//! Streams and partitions that are not there, or not any more.

use minibatch_core::{
    Cause, Error, Offset, ProducerId, Slot, StreamName,
    chunk::{NewChunk, ProducerStamp},
    storage::{Fence, Note, NotePlace, Partition, PieceId, Punctuated, Start, StreamInfo, Trim},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_cause, ensure_eq},
    tools::{ALL, Producer, STRATEGY, commit_at, derived, group, member, own, payload, read_all},
};

pub(super) const CASES: &[Case] = cases![
    general_d_partition_of_a_dropped_stream,
    general_d_partition_of_a_former_life,
    general_d_partition_that_never_was,
];

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
    let id = ProducerId::new("p")?;
    let producer = ProducerStamp { id: id.clone(), epoch: 1, sequence: 1 };
    let chunk = NewChunk { producer, time: client.now().await?, payload: payload(&["x"])? };
    refused("register_producer", client.register_producer(partition, &id).await.map(drop))?;
    refused("append", client.append(partition, chunk).await.map(drop))?;
    let chunk = derived(client, "d", 1, 0, "x").await?;
    refused("append_derived", client.append_derived(partition, vec![chunk]).await.map(drop))?;
    // one that writes none need not look
    let punctuated = client.punctuate(partition, Slot::FIRST, client.now().await?).await;
    if !matches!(punctuated, Ok(Punctuated::Unsupported)) {
        refused("punctuate", punctuated.map(drop))?;
    }
    refused("read", client.read(partition, Slot::ZERO, ALL).await.map(drop))?;
    refused("wait", client.wait(partition, Slot::ZERO).await)?;
    refused("bounds", client.bounds(partition).await.map(drop))?;
    refused("survey", client.survey(partition, Slot::ZERO, 9).await.map(drop))?;
    refused("trim", client.trim(partition, Trim::Finished).await.map(drop))?;
    refused("groups", client.groups(partition).await.map(drop))?;
    refused("acquire", client.acquire(partition, &readers, &me).await.map(drop))?;
    refused("release", client.release(partition, &readers, 1).await)?;
    let commit = commit_at(Offset::FIRST, b"x");
    refused("commit", client.commit(partition, &readers, fence, commit).await.map(drop))?;
    refused("write_piece", client.write_piece(partition, &readers, piece, "x".into()).await)?;
    refused("read_piece", client.read_piece(partition, &readers, piece).await.map(drop))?;
    refused("retain_pieces", client.retain_pieces(partition, &readers, &[], piece).await)?;
    for group in [None, Some(readers)] {
        let place = NotePlace { partition: partition.clone(), group, kind: "status" };
        let note = Note { key: "key".to_owned(), bytes: "x".into() };
        refused("put_notes", client.put_notes(&place, vec![note]).await)?;
        refused("notes", client.notes(&place, "", 9).await.map(drop))?;
        refused("delete_notes", client.delete_notes(&place, "", None).await)?;
    }
    Ok(())
}

/// Asks what is asked of a whole stream.
async fn check_stream_dropped(client: &Client, stream: &StreamInfo) -> Verdict {
    let readers = group("readers")?;
    let opened = client.open_group(stream, &readers, STRATEGY, Start::Earliest).await;
    ensure_cause!(opened, Cause::StreamDropped, "open_group of a dropped stream");
    let restarted = client.restart_group(stream, &readers, STRATEGY, Start::Earliest).await;
    ensure_cause!(restarted, Cause::StreamDropped, "restart_group of a dropped stream");
    let removed = client.remove_group(stream, &readers, None).await;
    ensure_cause!(removed, Cause::StreamDropped, "remove_group of a dropped stream");
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
