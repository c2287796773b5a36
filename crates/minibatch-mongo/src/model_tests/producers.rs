//! Many producers on one partition while everything goes wrong: nothing lost, nothing twice, each one's order kept,
//! no slot empty, whatever is trimmed meanwhile.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch_core::{
    Cause, ErrorKind, ProducerId, Slot,
    chunk::RecordKind,
    storage::{ChunkLog, Partition},
};
use tokio::{task::JoinSet, time::timeout};

use super::world::{Reader, chunk, client, for_seeds, pass, stream, text, verdict};
use crate::{
    MongoStorage,
    database::model::{Faults, Random, Server},
};

/// What the producers were told.
#[derive(Default)]
struct Told {
    /// Texts with the slot that they were told.
    acknowledged: Vec<(String, Slot)>,
    /// Texts that nobody was told of.
    unclear: HashSet<String>,
    /// For each registration its texts in order.
    orders: HashMap<(String, u64), Vec<String>>,
}

struct Producing {
    partition: Partition,
    id: ProducerId,
    told: Arc<Mutex<Told>>,
    random: Random,
}

impl Producing {
    /// Registers and appends. Now and then it is killed: what it was appending is unclear.
    async fn live(&mut self, storage: &MongoStorage, life: u64, chunks: u64) {
        let grant = verdict(|| storage.register_producer(&self.partition, &self.id)).await.unwrap();
        for number in 0..chunks {
            self.idle().await;
            let (sequence, text) = (grant.next_sequence + number, format!("{}/{life}/{number}", self.id));
            let chunk = chunk(&self.id, grant.epoch, sequence, &text);
            loop {
                let append = storage.append(&self.partition, chunk.clone());
                // dropped half way now and then, and called again
                let patience = Duration::from_millis(if self.random.chance(100) { 5 } else { 1_000_000 });
                match timeout(patience, append).await {
                    Err(_) => {}
                    Ok(Ok(slot)) => {
                        let mut told = self.told.lock().unwrap();
                        told.acknowledged.push((text.clone(), slot));
                        told.orders.entry((self.id.to_string(), grant.epoch)).or_default().push(text);
                        break;
                    }
                    Ok(Err(error)) if error.kind() == ErrorKind::Retry => {}
                    Ok(Err(error)) => {
                        assert!(matches!(error.cause(), Cause::Fenced { .. }), "{text}: {error}");
                        self.told.lock().unwrap().unclear.insert(text);
                        return;
                    }
                }
                if self.random.chance(50) {
                    self.told.lock().unwrap().unclear.insert(text);
                    return;
                }
            }
        }
    }

    async fn idle(&mut self) {
        let millis = match self.random.below(20) {
            0 => self.random.below(60_000),
            1..8 => self.random.below(500),
            _ => 0,
        };
        pass(Duration::from_millis(millis)).await;
    }
}

async fn world(seed: u64) {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, seed);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let told = Arc::new(Mutex::new(Told::default()));
    let mut producers = JoinSet::new();
    for number in 0..6_u64 {
        let id = ProducerId::new(&format!("p{}", number % 4)).unwrap();
        let random = Random::new(seed * 31 + number);
        let mut producing = Producing { partition: partition.clone(), id, told: Arc::clone(&told), random };
        let server = Arc::clone(&server);
        producers.spawn(async move {
            // numbers 4 and 5 are heirs of 0 and 1, which may go on as zombies
            pass(Duration::from_secs(if number >= 4 { 20 } else { 0 })).await;
            for life in 0..3 {
                let (storage, _) = client(&server, Faults::MANY, seed * 1_000 + number * 10 + life);
                producing.live(&storage, number * 10 + life, 12).await;
            }
        });
    }
    let mut others = JoinSet::new();
    for number in 0..2 {
        let (storage, _) = client(&server, Faults::MANY, seed * 77 + number);
        let (partition, mut random) = (partition.clone(), Random::new(seed * 78 + number));
        others.spawn(async move {
            loop {
                pass(Duration::from_millis(random.below(8_000))).await;
                verdict(|| storage.trim(&partition, Slot::ZERO)).await.unwrap();
            }
        });
    }
    let (storage, connection) = client(&server, Faults::MANY, seed * 99);
    let mut reader = Reader::new(&storage, &partition, &group).await;
    while !producers.is_empty() {
        if !reader.step().await {
            pass(Duration::from_millis(300)).await;
        }
        while let Some(ended) = producers.try_join_next() {
            ended.unwrap();
        }
    }
    connection.heal();
    // what was under way for long arrives, and may be anything but lost or twice
    pass(Duration::from_secs(300)).await;
    others.shutdown().await;
    reader.catch_up().await;
    check(&reader, &told.lock().unwrap());
}

fn check(reader: &Reader, told: &Told) {
    let mut slots = HashMap::new();
    let mut keys = HashSet::new();
    for (expected, record) in (1..).zip(&reader.records) {
        assert_eq!(record.slot.get(), expected, "slots are dense");
        if record.kind == RecordKind::Tombstone {
            continue;
        }
        let text = text(record);
        assert!(keys.insert((record.producer.id.clone(), record.producer.sequence)), "{text}: number used twice");
        assert!(slots.insert(text.clone(), record.slot).is_none(), "{text} is there twice");
    }
    for (text, acknowledged) in &told.acknowledged {
        let slot = slots.get(text).unwrap_or_else(|| panic!("{text} was acknowledged and is lost"));
        assert!(slot <= acknowledged, "{text} is in {slot}, and {acknowledged} was said");
    }
    let known: HashSet<_> = told.acknowledged.iter().map(|(text, _)| text).chain(&told.unclear).collect();
    for text in slots.keys() {
        assert!(known.contains(text), "{text} is there and its producer was told otherwise");
    }
    for texts in told.orders.values() {
        assert!(texts.is_sorted_by_key(|text| slots[text]), "order of {texts:?}");
    }
}

#[test]
fn nothing_is_lost_and_nothing_twice() {
    for_seeds(world);
}
