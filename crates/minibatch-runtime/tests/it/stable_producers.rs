//! Producers with an id of their own: restarts, zombies, numbers.

use std::sync::Arc;

use minibatch_core::{Cause, Slot, chunk::CHUNK_MAX_MESSAGES};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, Stream, Window};
use minibatch_testkit::storage::Tapped;

use crate::{faults::Lossy, tools::client};

async fn read(stream: &Stream<u32>) -> Vec<u32> {
    let mut seen = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(1_000));
    windows
        .drain(|window: Window<u32>| {
            seen.extend(window.data);
            async {}
        })
        .await
        .unwrap();
    seen
}

#[tokio::test]
async fn goes_on_after_a_restart() {
    let storage = MemoryStorage::new();
    let batches: Vec<Vec<u32>> = (0..10).map(|batch| (batch * 10..batch * 10 + 7).collect()).collect();
    // each life sends again the last batch of the life before, as a source does that does not know
    for life in 0..5_usize {
        let client = Client::new(Arc::new(storage.clone()));
        let stream = client.stream::<u32>("numbers").await.unwrap();
        let mut producer = stream.producer("loader-1").await.unwrap();
        assert_eq!(producer.last_sequence(), life as u64 * 2);
        for (sequence, batch) in (1..).zip(&batches).skip((life * 2).saturating_sub(1)).take(3) {
            if sequence <= life as u64 * 2 + 2 {
                let slot = producer.append_batch(sequence, batch).await.unwrap();
                assert_eq!(slot.get(), sequence);
            }
        }
        client.shutdown().await;
    }
    let stream = Client::new(Arc::new(storage)).stream::<u32>("numbers").await.unwrap();
    assert_eq!(read(&stream).await, batches.concat());
}

#[tokio::test]
async fn a_zombie_is_fenced() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let mut zombie = stream.producer("loader-1").await.unwrap();
    zombie.append(&1).await.unwrap();
    let mut heir = stream.producer("loader-1").await.unwrap();
    assert_eq!(heir.last_sequence(), 1);
    heir.append(&2).await.unwrap();
    for _ in 0..2 {
        let error = zombie.append(&3).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Fenced { .. }), "{error:?}");
        assert!(matches!(zombie.append_batch(2, &[2]).await.unwrap_err().cause(), Cause::Fenced { .. }));
    }
    stream.producer("loader-2").await.unwrap().append(&4).await.unwrap();
    heir.append(&5).await.unwrap();
    assert_eq!(read(&stream).await, [1, 2, 4, 5]);
}

#[tokio::test]
async fn a_number_is_used_once_and_none_left_out() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let mut producer = stream.producer("loader-1").await.unwrap();
    for wrong in [0, 2, u64::MAX] {
        let error = producer.append_batch(wrong, &[7]).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::OutOfOrderSequence { expected: 1, .. }), "{wrong}: {error:?}");
    }
    assert_eq!(producer.append_batch(1, &[1, 2]).await.unwrap(), Slot::FIRST);
    assert_eq!(producer.append_batch(1, &[1, 2]).await.unwrap(), Slot::FIRST);
    let error = producer.append_batch(1, &[1, 3]).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::SequenceConflict { sequence: 1, .. }), "{error:?}");
    // nothing is a batch too, so that a source of numbered batches may have empty ones
    producer.append_batch(2, &[]).await.unwrap();
    producer.append_batch(3, &[3]).await.unwrap();
    assert_eq!(producer.last_sequence(), 3);
    assert_eq!(read(&stream).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_batch_is_one_chunk_and_many_messages_are_several() {
    let stream = client().stream::<u32>("numbers").await.unwrap();
    let mut producer = stream.producer("loader-1").await.unwrap();
    let many: Vec<u32> = (0..=2 * u32::try_from(CHUNK_MAX_MESSAGES).unwrap()).collect();
    let error = producer.append_batch(1, &many).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::BatchTooLarge { fitting: CHUNK_MAX_MESSAGES, .. }), "{error:?}");
    assert_eq!(stream.bounds().await.unwrap()[0].tail, Slot::ZERO);
    let appended = producer.append_many(&many).await.unwrap();
    assert_eq!((appended.count, producer.last_sequence()), (many.len(), 3));
    assert_eq!(appended.shares[0].last.slot(), stream.bounds().await.unwrap()[0].tail);
    assert_eq!(producer.append_many(&[]).await.unwrap().count, 0);
    assert_eq!(read(&stream).await, many);
}

#[tokio::test(start_paused = true)]
async fn lost_replies_append_nothing_twice() {
    let client = Client::new(Arc::new(Tapped::new(MemoryStorage::new(), Lossy::default())));
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let mut producer = stream.producer("loader-1").await.unwrap();
    for number in 1..=20 {
        producer.append(&number).await.unwrap();
    }
    assert_eq!(producer.last_sequence(), 20);
    assert_eq!(read(&stream).await, (1..=20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_append_dropped_half_way_is_settled_first() {
    let stream = Client::new(Arc::new(Tapped::new(MemoryStorage::new(), Lossy::default())))
        .stream::<u32>("numbers")
        .await
        .unwrap();
    let mut producer = stream.producer("loader-1").await.unwrap();
    let mut dropped = 0;
    for sequence in 1..=12 {
        let batch = [u32::try_from(sequence).unwrap()];
        let mut append = Box::pin(producer.append_batch(sequence, &batch));
        let pending = futures::poll!(&mut append).is_pending();
        drop(append);
        if pending {
            dropped += 1;
            assert_eq!(producer.last_sequence(), sequence - 1);
            match sequence % 3 {
                // what was dropped is found out about by whatever comes next
                0 => assert!(producer.append_batch(sequence + 9, &[]).await.is_err()),
                _ => drop(producer.append_batch(sequence, &batch).await.unwrap()),
            }
        }
        assert_eq!(producer.last_sequence(), sequence);
    }
    assert!(dropped > 3, "{dropped}");
    assert_eq!(read(&stream).await, (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn after_a_shutdown_it_is_closed() {
    let client = client();
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let mut producer = stream.producer("loader-1").await.unwrap();
    client.shutdown().await;
    assert!(matches!(producer.append(&1).await.unwrap_err().cause(), Cause::Closed));
    assert!(matches!(stream.producer("loader-1").await.unwrap_err().cause(), Cause::Closed));
    let error = stream.producer("loader 1").await.unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidName { .. }), "{error:?}");
}
