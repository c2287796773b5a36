//! Pieces of checkpoints: written, read back whole, and deleted when no longer named.

use bytes::Bytes;
use minibatch_core::{
    GroupName, StreamName,
    storage::{Partition, PieceId, Start},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Verdict, ensure, ensure_eq},
    tools::{STRATEGY, group, member, open_group, own},
};

pub(super) const CASES: &[Case] = cases![
    group_15_piece_is_read_back,
    group_15_piece_may_have_a_mebibyte,
    group_15_piece_is_written_again,
    group_15_pieces_not_retained_are_gone,
    group_15_later_pieces_stay,
    group_15_pieces_of_others_stay,
];

/// A group with an owner, whose epoch it returns.
async fn owned(client: &Client, partition: &Partition) -> Verdict<(GroupName, u64)> {
    let readers = open_group(client, partition, "readers").await?;
    let owned = own(client, partition, &readers, &member(client).await?).await?;
    Ok((readers, owned.fence.epoch))
}

async fn group_15_piece_is_read_back(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let (readers, epoch) = owned(&a, &partition).await?;
    let every: Vec<u8> = (0..=255).collect();
    let contents = [Bytes::new(), Bytes::from_static(b"$$ROOT"), Bytes::from(every)];
    for (content, number) in contents.into_iter().zip([0, 1, 1 << 40]) {
        let piece = PieceId { epoch, number };
        ensure_eq!(b.read_piece(&partition, &readers, piece).await?, None, "a piece that nobody wrote");
        a.write_piece(&partition, &readers, piece, content.clone()).await?;
        ensure_eq!(b.read_piece(&partition, &readers, piece).await?, Some(content), "a piece read back");
    }
    let other = PieceId { epoch: epoch + 1, number: 1 };
    ensure_eq!(b.read_piece(&partition, &readers, other).await?, None, "a piece of another epoch");
    Ok(())
}

async fn group_15_piece_may_have_a_mebibyte(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let (readers, epoch) = owned(&a, &partition).await?;
    let every: Vec<u8> = (0..=255).collect();
    let content = Bytes::from(every.repeat(4_096));
    let piece = PieceId { epoch, number: 1 };
    a.write_piece(&partition, &readers, piece, content.clone()).await?;
    let found = b.read_piece(&partition, &readers, piece).await?;
    ensure!(found == Some(content), "a piece of 1 MiB is not read back as it was written");
    Ok(())
}

async fn group_15_piece_is_written_again(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let (readers, epoch) = owned(&a, &partition).await?;
    let piece = PieceId { epoch, number: 1 };
    for client in [&a, &b, &a] {
        client.write_piece(&partition, &readers, piece, "same".into()).await?;
    }
    ensure_eq!(b.read_piece(&partition, &readers, piece).await?, Some("same".into()), "a piece written three times");
    Ok(())
}

async fn group_15_pieces_not_retained_are_gone(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let (readers, epoch) = owned(&a, &partition).await?;
    let numbered = |numbers: std::ops::RangeInclusive<u64>| -> Vec<PieceId> {
        numbers.map(|number| PieceId { epoch, number }).collect()
    };
    for piece in numbered(1..=6) {
        a.write_piece(&partition, &readers, piece, piece.number.to_string().into()).await?;
    }
    let next = PieceId { epoch, number: 7 };
    for keep in [numbered(1..=6), numbered(3..=5), numbered(4..=4), Vec::new()] {
        b.retain_pieces(&partition, &readers, &keep, next).await?;
        for piece in numbered(1..=6) {
            let expected = keep.contains(&piece).then(|| piece.number.to_string().into());
            let found = a.read_piece(&partition, &readers, piece).await?;
            ensure_eq!(found, expected, "piece {} after retaining {} pieces", piece.number, keep.len());
        }
    }
    // one that is not there is no piece to keep
    let absent = PieceId { epoch, number: 99 };
    b.retain_pieces(&partition, &readers, &[absent], PieceId { epoch, number: 100 }).await?;
    ensure_eq!(a.read_piece(&partition, &readers, absent).await?, None, "a piece retained that nobody wrote");
    Ok(())
}

/// What a former owner, or an attempt that was held up on its way, tries to delete when an heir has written its own.
async fn group_15_later_pieces_stay(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let me = member(&a).await?;
    let former = own(&a, &partition, &readers, &me).await?.fence.epoch;
    let heir = own(&b, &partition, &readers, &me).await?.fence.epoch;
    let pieces = [(former, 1), (former, 2), (former, 3), (heir, 1), (heir, 2)];
    let pieces = pieces.map(|(epoch, number)| PieceId { epoch, number });
    for piece in pieces {
        b.write_piece(&partition, &readers, piece, "whole".into()).await?;
    }
    let stages = [vec![0, 1, 2, 3, 4], vec![0, 2, 3, 4], vec![0, 3, 4]];
    for (before, expected) in pieces.into_iter().skip(1).zip(stages) {
        a.retain_pieces(&partition, &readers, &pieces[..1], before).await?;
        let mut kept = Vec::new();
        for (number, piece) in pieces.into_iter().enumerate() {
            kept.extend(b.read_piece(&partition, &readers, piece).await?.map(|_| number));
        }
        ensure_eq!(kept, expected, "the pieces there, of those before {before:?} only the first retained");
    }
    Ok(())
}

async fn group_15_pieces_of_others_stay(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    let (readers, workers) = (group("readers")?, group("workers")?);
    for name in [&readers, &workers] {
        a.open_group(&stream, name, STRATEGY, Start::Earliest).await?;
    }
    let me = member(&a).await?;
    let mut written = Vec::new();
    for (index, name) in [(0, &readers), (1, &readers), (0, &workers), (1, &workers)] {
        let partition = stream.partition(index);
        let epoch = own(&a, &partition, name, &me).await?.fence.epoch;
        let piece = PieceId { epoch, number: 1 };
        let content = Bytes::from(format!("{name} of {partition}"));
        a.write_piece(&partition, name, piece, content.clone()).await?;
        written.push((partition, name, piece, content));
    }
    for (partition, name, piece, content) in &written {
        let found = b.read_piece(partition, name, *piece).await?;
        ensure_eq!(found.as_ref(), Some(content), "the piece of {name} in {partition}");
    }
    b.retain_pieces(&stream.partition(0), &readers, &[], PieceId { epoch: 1 << 40, number: 0 }).await?;
    for (number, (partition, name, piece, content)) in written.iter().enumerate() {
        let found = b.read_piece(partition, name, *piece).await?;
        let expected = (number > 0).then_some(content);
        ensure_eq!(
            found.as_ref(),
            expected,
            "the piece of {name} in {partition}, after readers of partition 0 retained none"
        );
    }
    Ok(())
}
