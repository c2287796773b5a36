//! Clients that write at the same time: what a reservation waits for, and what comes of one that nobody confirmed.

use std::sync::Arc;

use minibatch_core::{
    ProducerId, Slot,
    storage::{ChunkLog, Partition},
};
use tokio::time::Instant;

use super::{
    invariants::{Appended, check_log},
    world::{Reader, chunk, client, stream, verdict},
};
use crate::{
    MongoStorage,
    database::model::{Connection, Faults, Server},
};

struct Writer {
    storage: MongoStorage,
    connection: Arc<Connection>,
    partition: Partition,
    id: ProducerId,
    epoch: u64,
    told: Vec<Appended>,
}

impl Writer {
    async fn new(server: &Arc<Server>, partition: &Partition, faults: Faults, number: u64) -> Self {
        Self::named(server, partition, faults, number, ProducerId::random(number.into())).await
    }

    async fn named(server: &Arc<Server>, partition: &Partition, faults: Faults, number: u64, id: ProducerId) -> Self {
        let (storage, connection) = client(server, faults, number);
        let epoch = verdict(|| storage.register_producer(partition, &id)).await.unwrap().epoch;
        Self { storage, connection, partition: partition.clone(), id, epoch, told: Vec::new() }
    }

    async fn append(&mut self) -> Slot {
        let (called, sequence) = (Instant::now(), self.told.len() as u64 + 1);
        let text = format!("{}/{sequence}", self.id);
        let chunk = chunk(&self.id, self.epoch, sequence, &text);
        let slot = verdict(|| self.storage.append(&self.partition, chunk.clone())).await.unwrap();
        self.told.push(Appended { id: self.id.clone(), text, called, acknowledged: Some((slot, Instant::now())) });
        slot
    }
}

#[tokio::test(start_paused = true)]
async fn who_wrote_lately_waits_for_no_reservation() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let partition = stream(&calm).await.0.partition(0);
    let mut one = Writer::new(&server, &partition, Faults::NONE, 1).await;
    let mut other = Writer::new(&server, &partition, Faults::NONE, 2).await;
    for slot in 1..=40 {
        let (writer, expected) = if slot % 2 == 1 { (&mut one, slot / 2) } else { (&mut other, slot / 2 - 1) };
        assert_eq!(writer.append().await.get(), slot, "no slot is left empty");
        let hints = writer.connection.hints();
        // none for the first, nor for the one that lost its race to the other
        assert!(hints <= expected && hints + 2 >= expected, "{hints} hints for {expected} appends");
    }
}

/// An heir begins above all that was reserved, which has to last.
#[tokio::test(start_paused = true)]
async fn who_may_have_an_heir_waits_for_the_majority() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let partition = stream(&calm).await.0.partition(0);
    let mut stable = Writer::named(&server, &partition, Faults::NONE, 1, ProducerId::new("loader").unwrap()).await;
    let mut other = Writer::new(&server, &partition, Faults::NONE, 2).await;
    for _ in 0..10 {
        stable.append().await;
        other.append().await;
    }
    assert_eq!(stable.connection.hints(), 0);
    assert!(other.connection.hints() > 0);
}

/// Every hint is told by a primary that was deposed, and is the same for all.
#[tokio::test(start_paused = true)]
async fn hints_of_the_deposed_cost_races_and_no_more() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let misled = Faults { stale: 1_000, ..Faults::NONE };
    let mut writers = Vec::new();
    for number in 0..4 {
        writers.push(Writer::new(&server, &partition, misled, number).await);
    }
    let writers = futures::future::join_all(writers.into_iter().map(async |mut writer| {
        for _ in 0..20 {
            writer.append().await;
        }
        writer
    }))
    .await;
    assert!(writers.iter().any(|writer| writer.connection.hints() > 0));
    let told: Vec<Appended> = writers.into_iter().flat_map(|writer| writer.told).collect();
    let mut reader = Reader::new(&calm, &partition, &group).await.unwrap();
    reader.catch_up().await.unwrap();
    check_log(&reader.records, &told).unwrap();
}
