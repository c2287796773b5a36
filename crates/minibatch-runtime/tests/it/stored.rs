//! What is stored is not what it should be: said by its name, and left as it is.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use minibatch_core::{
    Cause, EmitterState, Error, GroupName, Offset, ProducerId, Slot, Timestamp,
    checkpoint::{Checkpoint, PieceWriter},
    chunk::{NewChunk, ProducerStamp},
    storage::{Acquired, ChunkLog, Commit, Counters, GroupStore, Partition, Position, StreamStore},
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, Consumer, Stream, Window};
use minibatch_testkit::hostile;

use crate::tools::numbers;

/// A stream of four numbers whose group's checkpoint is whatever a test commits.
struct Stored {
    storage: MemoryStorage,
    stream: Stream<u32>,
    partition: Partition,
    group: GroupName,
}

impl Stored {
    async fn new() -> Self {
        let storage = MemoryStorage::new();
        let stream = numbers(&Client::new(Arc::new(storage.clone())), 4).await;
        let info = storage.find_stream(stream.name()).await.unwrap().unwrap();
        let group = GroupName::new("default").unwrap();
        let consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
        consumer.shutdown().await.unwrap();
        Self { storage, stream, partition: info.partition(0), group }
    }

    async fn commit(&self, checkpoint: Bytes) {
        let member = self.storage.join(Duration::from_secs(10)).await.unwrap();
        let acquired = self.storage.acquire(&self.partition, &self.group, &member).await.unwrap();
        let fence = match acquired {
            Acquired::Owner(state) => Some(state.fence),
            Acquired::Held(_) => None,
        };
        let commit = Commit { checkpoint, keep_from: Offset::FIRST, counters: Counters::default() };
        self.storage.commit(&self.partition, &self.group, fence.unwrap(), commit).await.unwrap();
        self.storage.leave(&member).await.unwrap();
    }

    /// Why a consumer of the group cannot work.
    async fn refused(&self) -> Error {
        let before = self.checkpoint().await;
        let error = self.drain().await.unwrap_err();
        assert_eq!(self.checkpoint().await, before);
        error
    }

    async fn checkpoint(&self) -> Option<Bytes> {
        self.storage.groups(&self.partition).await.unwrap().remove(0).1.checkpoint
    }

    async fn drain(&self) -> Result<u64, Error> {
        let windows = self.stream.streaming().window(CountWindow::new(2));
        windows.drain(|_: Window<u32>| async {}).await.map(|summary| summary.messages)
    }
}

fn encode(checkpoint: &Checkpoint) -> (Bytes, usize) {
    let encoded = checkpoint.encode(&mut PieceWriter::new(1)).unwrap();
    (encoded.inline, encoded.new_pieces.len())
}

#[tokio::test]
async fn a_group_ahead_of_the_log_stops() {
    let stored = Stored::new().await;
    let beyond = Position { offset: Offset::first_of(Slot::new(100).unwrap()), ..Position::START };
    stored.commit(encode(&Checkpoint::start(beyond)).0).await;
    let error = stored.refused().await;
    assert!(matches!(error.cause(), Cause::PositionAheadOfLog { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_checkpoint_stops() {
    let stored = Stored::new().await;
    stored.commit(Bytes::from_static(b"no checkpoint")).await;
    let error = stored.refused().await;
    assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error:?}");
}

#[tokio::test]
async fn a_newer_checkpoint_asks_for_an_upgrade() {
    let stored = Stored::new().await;
    let newer = bson::serialize_to_vec(&bson::doc! { "format": 1_000 }).unwrap();
    stored.commit(newer.into()).await;
    let error = stored.refused().await;
    assert!(matches!(error.cause(), Cause::NewerFormat { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_piece_stops() {
    let stored = Stored::new().await;
    let mut checkpoint = Checkpoint::start(Position::START);
    checkpoint.base.state = EmitterState::stored(vec![7; 100_000].into());
    let (inline, pieces) = encode(&checkpoint);
    assert_eq!(pieces, 1);
    stored.commit(inline).await;
    let error = stored.refused().await;
    assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error:?}");
}

#[tokio::test]
async fn a_checkpoint_too_deep_to_decode_stops() {
    let stored = Stored::new().await;
    stored.commit(hostile::nested(2_000_000).into()).await;
    let error = stored.refused().await;
    assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error:?}");
}

impl Stored {
    /// Appends a message that no type can be decoded from, as if by another program.
    async fn append_nested(&self, levels: usize) {
        let id = ProducerId::new("other").unwrap();
        let grant = self.storage.register_producer(&self.partition, &id).await.unwrap();
        let producer = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
        let payload = hostile::nested_payload(levels).unwrap();
        let chunk = NewChunk { producer, time: Timestamp::EPOCH, payload };
        self.storage.append(&self.partition, chunk).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_too_deep_to_decode_is_a_dead_letter_for_ever() {
    let stored = Stored::new().await;
    stored.append_nested(500_000).await;
    stored.stream.append(&6).await.unwrap();
    let drain = || async {
        let windows = stored.stream.streaming().window(CountWindow::new(2));
        windows.drain(|_: Window<u32>| async {}).await.unwrap()
    };
    let summary = drain().await;
    assert_eq!((summary.messages, summary.dead), (6, 1));

    let client = stored.stream.client();
    let letters = client.dead_letters::<bson::Bson>("numbers").await.unwrap();
    let mut consumer = letters.streaming().window(CountWindow::new(1)).group("look").open().await.unwrap();
    assert!(consumer.next().await.is_err(), "in a dead stream it stops whoever wants it decoded");
    assert_eq!(client.redrive("numbers").await.unwrap(), 1);
    assert_eq!(drain().await.dead, 1);
}

#[tokio::test]
async fn a_message_too_deep_and_too_big_to_be_a_letter_stops() {
    let stored = Stored::new().await;
    stored.append_nested(2_000_000).await;
    let error = stored.drain().await.unwrap_err();
    assert!(matches!(error.cause(), Cause::MessageTooLarge { .. }), "{error:?}");
}

/// What ends a consumer.
async fn end_of(mut consumer: Consumer<u32>) -> Error {
    loop {
        if let Err(error) = consumer.next().await {
            return error;
        }
    }
}

#[tokio::test]
async fn a_stream_dropped_under_its_users_says_so() {
    let stored = Stored::new().await;
    let client = Client::new(Arc::new(stored.storage.clone()));
    let mut consumer = stored.stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert!(client.drop_stream("numbers").await.unwrap());
    let again = client.stream::<u32>("numbers").await.unwrap();
    again.append(&5).await.unwrap();

    let error = stored.stream.append(&6).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::StreamDropped), "{error:?}");
    window.ack().await.unwrap_err();
    let end = end_of(consumer).await;
    assert!(matches!(end.cause(), Cause::StreamDropped), "{end:?}");
    // the new life knows nothing of the old one
    let summary = again.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {}).await.unwrap();
    assert_eq!(summary.messages, 1);
}

#[tokio::test]
async fn a_group_removed_under_its_consumer_ends_it() {
    let stored = Stored::new().await;
    let mut consumer = stored.stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert!(stored.stream.remove_group("default").await.unwrap());
    window.ack().await.unwrap_err();
    let end = end_of(consumer).await;
    assert!(matches!(end.cause(), Cause::GroupRemoved), "{end:?}");
}
