//! Many producers on one partition, readers, trimmers and those who punctuate while everything goes wrong: nothing lost,
//! nothing twice, each one's order kept, and all readers agree.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use minibatch_core::{
    Cause, ErrorKind, GroupName, ProducerId,
    chunk::RecordKind,
    storage::{ChunkLog, GroupStore, Partition, Start, StreamInfo, StreamStore, Trim},
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    invariants::{Appended, Broken, Invariant, check_agreement, check_log, ended},
    mutants::Mutant,
    seeds::{LONGEST, Tally, for_seeds},
    world::{Reader, STRATEGY, World, chunk, pass, verdict},
};
use crate::{
    MongoStorage,
    database::model::{Faults, Random},
};

const CHUNKS: u64 = 6;
const LIVES: u64 = 2;

struct Producing {
    partition: Partition,
    /// Its id in each life.
    ids: Vec<ProducerId>,
    told: Arc<Mutex<Vec<Appended>>>,
    random: Random,
}

impl Producing {
    /// Registers and appends. Now and then it is killed: what it was appending is unclear.
    async fn live(&mut self, storage: &MongoStorage, life: u64) -> Result<(), Broken> {
        let id = self.ids[usize::try_from(life % LIVES).unwrap()].clone();
        let grant = verdict(|| storage.register_producer(&self.partition, &id)).await?;
        for number in 0..CHUNKS {
            self.idle().await;
            let text = format!("{id}/{life}/{number}");
            let chunk = chunk(&id, grant.epoch, grant.next_sequence + number, &text);
            let mut append = Appended { id: id.clone(), text, called: Instant::now(), acknowledged: None };
            let at = self.told.lock().unwrap().len();
            self.told.lock().unwrap().push(append.clone());
            loop {
                let call = storage.append(&self.partition, chunk.clone());
                // dropped half way now and then, and called again
                let patience = Duration::from_millis(if self.random.chance(100) { 5 } else { 1_000_000 });
                match timeout(patience, call).await {
                    Err(_) => {}
                    Ok(Ok(slot)) => {
                        append.acknowledged = Some((slot, Instant::now()));
                        self.told.lock().unwrap()[at] = append;
                        break;
                    }
                    Ok(Err(error)) if error.kind() == ErrorKind::Retry => {}
                    Ok(Err(error)) if matches!(error.cause(), Cause::Fenced { .. }) => return Ok(()),
                    Ok(Err(error)) => return Err(error.into()),
                }
                if self.random.chance(50) {
                    return Ok(());
                }
            }
        }
        Ok(())
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

/// Of numbers 0 to 3 two have an id of their own, which lasts, and heirs in 4 and 5; the ids of the others are drawn anew.
fn producer_id(number: u64, life: u64) -> ProducerId {
    match number % 4 {
        lasting @ 0..2 => ProducerId::new(&format!("p{lasting}")).unwrap(),
        drawn => ProducerId::random((drawn * LIVES + life).into()),
    }
}

/// How long readers and trimmers rest: longer when nobody appends any more.
#[derive(Clone, Debug)]
struct Pace(Arc<AtomicU64>);

impl Pace {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }

    fn slow_down(&self) {
        self.0.store(6, Ordering::Relaxed);
    }

    async fn rest(&self, random: &mut Random, longest_millis: u64) {
        let times = self.0.load(Ordering::Relaxed);
        pass(Duration::from_millis(random.below(longest_millis * times))).await;
    }
}

/// Reads what there is, from time to time, and finishes with it.
async fn follow(reader: Arc<tokio::sync::Mutex<Reader>>, pace: Pace, mut random: Random) -> Result<(), Broken> {
    loop {
        while reader.lock().await.step().await? {}
        pace.rest(&mut random, 2_000).await;
    }
}

/// Says from time to time how late it is, and is dropped half way now and then.
async fn punctuate(storage: MongoStorage, partition: Partition, pace: Pace, mut random: Random) -> Result<(), Broken> {
    loop {
        pace.rest(&mut random, 3_000).await;
        let after = verdict(|| storage.bounds(&partition)).await?.tail;
        let time = verdict(|| storage.now()).await?;
        pass(Duration::from_millis(random.below(100))).await;
        let patience = Duration::from_millis(if random.chance(200) { 5 } else { 1_000_000 });
        if let Ok(punctuated) = timeout(patience, verdict(|| storage.punctuate(&partition, after, time))).await {
            punctuated?;
        }
    }
}

/// A group that begins while others are trimming, and reads from where it is told.
async fn join_late(storage: MongoStorage, stream: StreamInfo, after: Duration) -> Result<Reader, Broken> {
    pass(after).await;
    let group = GroupName::new("late").unwrap();
    verdict(|| storage.open_group(&stream, &group, STRATEGY, Start::Earliest)).await?;
    Ok(Reader::new(&storage, &stream.partition(0), &group).await?)
}

pub(super) async fn world(seed: u64, mutant: Option<Mutant>) -> Result<Tally, Broken> {
    let world = World::new(mutant);
    let (calm, _) = world.client(Faults::NONE, seed);
    let (stream, group) = super::world::stream(&calm).await;
    let partition = stream.partition(0);
    let trouble = world.server.trouble(seed);
    let mut random = Random::new(seed);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut producers = JoinSet::new();
    for number in 0..6_u64 {
        let ids = (0..LIVES).map(|life| producer_id(number, life)).collect();
        let random = Random::new(seed * 31 + number);
        let mut producing = Producing { partition: partition.clone(), ids, told: Arc::clone(&told), random };
        let clients: Vec<_> =
            (0..LIVES).map(|life| world.client(Faults::MANY, seed * 1_000 + number * 10 + life).0).collect();
        producers.spawn(async move {
            // numbers 4 and 5 are heirs of 0 and 1, which may go on as zombies
            pass(Duration::from_secs(if number >= 4 { 20 } else { 0 })).await;
            for (life, storage) in (number * 10..).zip(&clients) {
                producing.live(storage, life).await?;
            }
            Ok(())
        });
    }
    let (mut others, pace) = (JoinSet::new(), Pace::new());
    let (storage, connection) = world.client(Faults::MANY, seed * 99);
    let reader = Arc::new(tokio::sync::Mutex::new(Reader::new(&storage, &partition, &group).await?));
    others.spawn(follow(Arc::clone(&reader), pace.clone(), Random::new(seed * 98)));
    for number in 0..2 {
        let (storage, _) = world.client(Faults::MANY, seed * 77 + number);
        let (partition, pace, mut random) = (partition.clone(), pace.clone(), Random::new(seed * 78 + number));
        others.spawn(async move {
            loop {
                pace.rest(&mut random, 8_000).await;
                verdict(|| storage.trim(&partition, Trim::Finished)).await?;
            }
        });
    }
    for number in 0..2 {
        let (storage, _) = world.client(Faults::MANY, seed * 79 + number);
        others.spawn(punctuate(storage, partition.clone(), pace.clone(), Random::new(seed * 80 + number)));
    }
    let (storage, late_connection) = world.client(Faults::MANY, seed * 97);
    let late = tokio::spawn(join_late(storage, stream, Duration::from_millis(random.below(90_000))));

    // what the log holds says more than what a client was told that it must not be: that comes last
    let mut told_wrong = Ok(());
    while !producers.is_empty() {
        told_wrong = told_wrong.and(tokio::select! {
            Some(produced) = producers.join_next() => ended(produced),
            Some(other) = others.join_next() => ended(other),
        });
    }
    let Ok(late) = late.await else { return Invariant::Verdict.broken("a client panicked") };
    let mut late = late?;
    drop(trouble);
    connection.heal();
    late_connection.heal();
    pace.slow_down();
    // what was under way for long arrives, and may be anything but lost or twice
    pass(Duration::from_secs(200)).await;
    if let Some(other) = others.try_join_next() {
        told_wrong = told_wrong.and(ended(other));
    }
    others.shutdown().await;
    late.catch_up().await?;
    let mut reader = reader.lock().await;
    reader.catch_up().await?;
    check_agreement(&reader.records, &late.records)?;
    let told = told.lock().unwrap();
    check_log(&reader.records, &told)?;
    told_wrong?;
    Ok(Tally {
        attempted: told.len() as u64,
        acked: told.iter().filter(|append| append.acknowledged.is_some()).count() as u64,
        tombstones: reader.records.iter().filter(|record| record.kind == RecordKind::Tombstone).count() as u64,
    })
}

#[test]
fn nothing_is_lost_and_nothing_twice() {
    for_seeds("producers", LONGEST, |seed| world(seed, None));
}
