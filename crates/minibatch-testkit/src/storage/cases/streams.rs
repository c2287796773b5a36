//! Streams: created once, found, listed, dropped for good.

use std::{collections::HashSet, sync::Arc};

use minibatch_core::{
    Cause, Slot, StreamName, Timestamp,
    storage::{PieceId, Start},
};
use tokio::sync::Barrier;

use crate::storage::{
    case::{Case, Cx, cases},
    failure::{Verdict, ensure, ensure_cause, ensure_eq},
    tools::{ALL, Producer, STRATEGY, at_once, group, member, own, payload, read_all, turns},
};

pub(super) const CASES: &[Case] = cases![
    stream_01_opened_again_is_the_same,
    stream_01_opened_by_many_at_once_is_one,
    stream_02_another_number_of_partitions_is_refused,
    stream_02_no_partitions_is_refused,
    stream_03_new_partitions_are_empty,
    stream_03_partitions_are_apart,
    stream_04_find_creates_nothing,
    stream_05_list_has_every_stream_by_name,
    stream_05_list_may_be_long,
    stream_06_dropped_stream_is_gone,
    stream_06_next_life_shares_nothing,
    stream_06_drop_leaves_other_streams,
    stream_07_now_keeps_up_with_stamped_times,
];

fn name(text: &str) -> Verdict<StreamName> {
    Ok(StreamName::new(text)?)
}

async fn stream_01_opened_again_is_the_same(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let events = name("events")?;
    let first = a.open_stream(&events, 3).await?;
    ensure_eq!((&first.name, first.partitions), (&events, 3), "the stream opened");
    ensure_eq!(a.open_stream(&events, 3).await?, first, "opened again");
    ensure_eq!(b.open_stream(&events, 3).await?, first, "opened by another client");
    ensure_eq!(b.find_stream(&events).await?, Some(first), "found by another client");
    Ok(())
}

async fn stream_01_opened_by_many_at_once_is_one(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    for round in 0..4 {
        let events = name(&format!("events-{round}"))?;
        let start = Arc::new(Barrier::new(16));
        let openers = turns(&a, &b).take(16).map(|client| {
            let (client, events, start) = (Arc::clone(client), events.clone(), Arc::clone(&start));
            async move {
                start.wait().await;
                Ok(client.open_stream(&events, 2).await?)
            }
        });
        let opened = at_once(openers).await?;
        let incarnations: HashSet<_> = opened.iter().map(|stream| stream.incarnation).collect();
        ensure_eq!(incarnations.len(), 1, "incarnations that 16 openers got");
        let found = a.find_stream(&events).await?;
        ensure!(found.is_some_and(|found| incarnations.contains(&found.incarnation)), "another stream is found later");
        for stream in opened {
            b.bounds(&stream.partition(1)).await?;
        }
    }
    ensure_eq!(a.list_streams().await?.len(), 4, "streams listed");
    Ok(())
}

async fn stream_02_another_number_of_partitions_is_refused(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&name("events")?, 2).await?;
    let other = b.open_stream(&stream.name, 3).await;
    ensure_cause!(other, Cause::StreamDiffers { stored: 2, asked: 3, .. }, "opened with 3 partitions instead of 2");
    ensure_eq!(a.find_stream(&stream.name).await?, Some(stream), "the stream after that");
    Ok(())
}

async fn stream_02_no_partitions_is_refused(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let events = name("events")?;
    ensure_cause!(a.open_stream(&events, 0).await, Cause::OutOfRange { .. }, "opened with 0 partitions");
    ensure_eq!(b.find_stream(&events).await?, None, "the stream after that");
    Ok(())
}

async fn stream_03_new_partitions_are_empty(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&name("events")?, 3).await?;
    for index in 0..3 {
        let partition = stream.partition(index);
        let bounds = b.bounds(&partition).await?;
        ensure_eq!((bounds.floor, bounds.tail), (Slot::ZERO, Slot::ZERO), "bounds of new partition {index}");
        ensure!(b.read(&partition, Slot::ZERO, ALL).await?.is_empty(), "new partition {index} has records");
        ensure!(b.groups(&partition).await?.is_empty(), "new partition {index} has groups");
    }
    Ok(())
}

async fn stream_03_partitions_are_apart(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&name("events")?, 3).await?;
    let other = a.open_stream(&name("other")?, 3).await?;
    let mut producer = Producer::register(&a, &stream.partition(1), "p").await?;
    producer.append_many(2).await?;
    for empty in [stream.partition(0), stream.partition(2), other.partition(1)] {
        ensure_eq!(b.bounds(&empty).await?.tail, Slot::ZERO, "tail of {empty}, to which nobody appended");
        ensure!(read_all(&b, &empty).await?.is_empty(), "{empty} has records of another partition");
    }
    ensure_eq!(read_all(&b, &stream.partition(1)).await?.len(), 2, "records of the partition appended to");
    Ok(())
}

async fn stream_04_find_creates_nothing(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let events = name("events")?;
    ensure_eq!(a.find_stream(&events).await?, None, "a stream that nobody created");
    ensure_eq!(b.find_stream(&events).await?, None, "the same, asked again");
    ensure!(b.list_streams().await?.is_empty(), "streams are listed that nobody created");
    Ok(())
}

async fn stream_05_list_has_every_stream_by_name(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let longest = name(&"z".repeat(120))?;
    let mut names = vec![longest.dead(), name("b")?.dead(), longest];
    for text in ["b", "a", "A", "a.b", "a-b", "a_b", "a0", "0", "aa", "a.system", "B"] {
        names.push(name(text)?);
    }
    for (partitions, name) in (1..).zip(&names) {
        a.open_stream(name, partitions % 3 + 1).await?;
    }
    let listed = b.list_streams().await?;
    let mut sorted = names.clone();
    sorted.sort();
    ensure_eq!(listed.iter().map(|stream| stream.name.clone()).collect::<Vec<_>>(), sorted, "names listed");
    for stream in listed {
        ensure_eq!(a.find_stream(&stream.name).await?, Some(stream.clone()), "a stream as listed");
    }
    for name in &names {
        a.drop_stream(name).await?;
    }
    ensure!(b.list_streams().await?.is_empty(), "dropped streams are listed");
    Ok(())
}

async fn stream_05_list_may_be_long(cx: Cx) -> Verdict {
    // more than what some databases answer at once
    const COUNT: u32 = 110;
    let (a, b) = cx.clients().await?;
    for number in 0..COUNT {
        a.open_stream(&name(&format!("events-{number:03}"))?, 1).await?;
    }
    let listed = b.list_streams().await?;
    for (number, stream) in (0..COUNT).zip(&listed) {
        ensure_eq!(stream.name.as_str(), format!("events-{number:03}"), "stream {number} listed");
    }
    ensure_eq!(listed.len(), COUNT as usize, "streams listed");
    Ok(())
}

async fn stream_06_dropped_stream_is_gone(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&name("events")?, 1).await?;
    Producer::register(&a, &stream.partition(0), "p").await?.append_many(3).await?;
    ensure!(b.drop_stream(&stream.name).await?, "dropping a stream said that there was none");
    ensure_eq!(a.find_stream(&stream.name).await?, None, "the stream after that");
    ensure!(!a.drop_stream(&stream.name).await?, "dropping it again said that there was one");
    Ok(())
}

async fn stream_06_next_life_shares_nothing(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let former = a.open_stream(&name("events")?, 2).await?;
    let old = former.partition(0);
    Producer::register(&a, &old, "p").await?.append_many(5).await?;
    let readers = group("readers")?;
    a.open_group(&former, &readers, STRATEGY, Start::Earliest).await?;
    let owned = own(&a, &old, &readers, &member(&a).await?).await?;
    let piece = PieceId { epoch: owned.fence.epoch, number: 1 };
    a.write_piece(&old, &readers, piece, "piece".into()).await?;
    a.drop_stream(&former.name).await?;

    let next = b.open_stream(&former.name, 1).await?;
    ensure!(next.incarnation != former.incarnation, "the next life has the former's incarnation");
    let new = next.partition(0);
    let bounds = b.bounds(&new).await?;
    ensure_eq!((bounds.floor, bounds.tail), (Slot::ZERO, Slot::ZERO), "bounds of the next life");
    ensure!(b.groups(&new).await?.is_empty(), "the next life has the former's groups");
    b.open_group(&next, &readers, "another strategy", Start::Earliest).await?;
    ensure_eq!(b.read_piece(&new, &readers, piece).await?, None, "a piece of the former's group");

    let mut producer = Producer::register(&b, &new, "p").await?;
    let only = payload(&["new"])?;
    ensure_eq!(producer.append(only.clone()).await?, Slot::FIRST, "slot of the next life's first chunk");
    let records = read_all(&a, &new).await?;
    ensure_eq!(records.iter().map(|record| record.payload.clone()).collect::<Vec<_>>(), vec![only], "its records");
    Ok(())
}

async fn stream_06_drop_leaves_other_streams(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let mut others = Vec::new();
    for text in ["a.b", "a-b", "aa", "A"] {
        others.push(a.open_stream(&name(text)?, 1).await?);
    }
    others.push(a.open_stream(&name("a")?.dead(), 1).await?);
    let dropped = a.open_stream(&name("a")?, 1).await?;
    for stream in others.iter().chain([&dropped]) {
        Producer::register(&a, &stream.partition(0), "p").await?.append_many(2).await?;
        a.open_group(stream, &group("readers")?, STRATEGY, Start::Earliest).await?;
    }
    b.drop_stream(&dropped.name).await?;
    for stream in others {
        ensure_eq!(read_all(&b, &stream.partition(0)).await?.len(), 2, "records of {}, which stays", stream.name);
        ensure_eq!(b.groups(&stream.partition(0)).await?.len(), 1, "groups of {}, which stays", stream.name);
    }
    Ok(())
}

async fn stream_07_now_keeps_up_with_stamped_times(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let producer = Producer::register(&a, &partition, "p").await?;
    for sequence in 1..=5 {
        let chunk = producer.chunk_at(sequence, Timestamp::MAX, payload(&[sequence])?);
        a.append(&partition, chunk).await?;
        let records = read_all(&b, &partition).await?;
        let stamped = records.iter().map(|record| record.time).max().unwrap_or(Timestamp::MIN);
        let latest = b.now().await?.plus(std::time::Duration::from_secs(1));
        ensure!(stamped <= latest, "record of {stamped}, now and a second is {latest}");
    }
    Ok(())
}
