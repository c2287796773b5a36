//! Owners of the same windows, one after the other and at once, that append what follows from each, while others trim and
//! everything goes wrong: each window's chunks are there, and once, whoever wrote them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use minibatch_core::{
    Error, ErrorKind, ProducerId, Timestamp,
    chunk::{DerivedChunk, Record, RecordKind},
    storage::{ChunkLog, DerivedAppend, Partition, Trim},
};
use tokio::{task::JoinSet, time::timeout};

use super::{
    invariants::{Broken, Invariant, ended},
    mutants::Mutant,
    seeds::{Tally, for_seeds},
    world::{Reader, World, chunk, pass, stream, text, verdict},
};
use crate::{
    MongoStorage,
    database::model::{Faults, Random},
};

const WINDOWS: u64 = 12;
const PARTS: u64 = 2;
/// Longer than any request of the model is under way.
const GRACE: Duration = Duration::from_secs(200);

/// Owners begin one after the other, and wait for minutes.
pub(super) const LONGEST: Duration = Duration::from_secs(3_600);

/// What an owner was told of a number, and its own text.
type Told = Arc<Mutex<Vec<(u64, String, DerivedAppend)>>>;

struct Owner {
    storage: MongoStorage,
    partition: Partition,
    name: u64,
    /// The first window that is not done: what owners go on from.
    base: Arc<AtomicU64>,
    /// How many chunks were appended, or may have been.
    called: Arc<AtomicU64>,
    told: Told,
    random: Random,
}

impl Owner {
    fn chunk(&self, window: u64, part: u64, below: u64) -> (String, DerivedChunk) {
        let id = ProducerId::reserved("windows");
        let text = format!("{window}/{part} of {}", self.name);
        let payload = chunk(&id, 0, 0, &text).payload;
        let number = window * 16 + part;
        (text, DerivedChunk { id, number, below: below * 16, time: Timestamp::from_millis(1_700_000_000_000), payload })
    }

    /// Goes on from where others are, to the end, unless it dies.
    async fn work(mut self) -> Result<(), Broken> {
        let mut window = self.base.load(Ordering::Relaxed);
        while window < WINDOWS {
            let wait = if self.random.chance(150) { self.random.below(240_000) } else { self.random.below(500) };
            pass(Duration::from_millis(wait)).await;
            let (texts, chunks): (Vec<_>, Vec<_>) = (0..PARTS).map(|part| self.chunk(window, part, window)).unzip();
            self.called.fetch_add(PARTS, Ordering::Relaxed);
            let appended = loop {
                let call = self.storage.append_derived(&self.partition, chunks.clone());
                let patience = Duration::from_millis(if self.random.chance(100) { 5 } else { 1_000_000 });
                match timeout(patience, call).await {
                    Err(_) => {}
                    Ok(Ok(appended)) => break appended,
                    Ok(Err(error)) if error.kind() == ErrorKind::Retry => {}
                    Ok(Err(error)) => return Err(error.into()),
                }
                if self.random.chance(30) {
                    return Ok(());
                }
            };
            for ((text, chunk), appended) in texts.into_iter().zip(chunks).zip(appended) {
                self.told.lock().unwrap().push((chunk.number, text, appended));
            }
            window += 1;
            self.base.fetch_max(window, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn follow(reader: Arc<tokio::sync::Mutex<Reader>>, mut random: Random) -> Result<(), Error> {
    loop {
        while reader.lock().await.step().await? {}
        pass(Duration::from_millis(random.below(10_000))).await;
    }
}

fn check(records: &[Record], told: &[(u64, String, DerivedAppend)]) -> Result<(), Broken> {
    let mut standing = HashMap::new();
    for (expected, record) in (1..).zip(records) {
        let holds = record.slot.get() == expected;
        Invariant::I5.holds(holds, || format!("{} where {expected} is expected", record.slot))?;
        if record.kind == RecordKind::Data {
            let number = record.producer.sequence;
            let first = standing.insert(number, (record.slot, text(record))).is_none();
            Invariant::I1.holds(first, || format!("number {number} is there twice"))?;
        }
    }
    for window in 0..WINDOWS {
        for part in 0..PARTS {
            let number = window * 16 + part;
            Invariant::I1.holds(standing.contains_key(&number), || format!("number {number} is lost"))?;
        }
    }
    for (number, own, said) in told {
        let Some((slot, text)) = standing.get(number) else { return Invariant::I1.broken(format!("{own} is lost")) };
        Invariant::I1.holds(*slot <= said.slot, || format!("{own} is in {slot}, and {} was said", said.slot))?;
        let honest = !said.differs || text != own;
        Invariant::I1.holds(honest, || format!("{own} stands, and its owner was told that another does"))?;
    }
    Ok(())
}

pub(super) async fn world(seed: u64, mutant: Option<Mutant>) -> Result<Tally, Broken> {
    let world = World::new(mutant).with_grace(GRACE);
    let (calm, _) = world.client(Faults::NONE, seed);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let trouble = world.server.trouble(seed);
    let mut random = Random::new(seed);
    let (base, called, told) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Told::default());
    let owner = |name: u64, faults| Owner {
        storage: world.client(faults, seed * 1_000 + name).0,
        partition: partition.clone(),
        name,
        base: Arc::clone(&base),
        called: Arc::clone(&called),
        told: Arc::clone(&told),
        random: Random::new(seed * 31 + name),
    };
    let mut owners = JoinSet::new();
    for name in 0..5 {
        let (owner, later) = (owner(name, Faults::MANY), Duration::from_millis(name * random.below(200_000)));
        owners.spawn(async move {
            pass(later).await;
            owner.work().await
        });
    }
    let mut others = JoinSet::new();
    let (storage, connection) = world.client(Faults::MANY, seed * 99);
    let reader = Arc::new(tokio::sync::Mutex::new(Reader::new(&storage, &partition, &group).await?));
    others.spawn(follow(Arc::clone(&reader), Random::new(seed * 98)));
    for number in 0..2 {
        let (storage, _) = world.client(Faults::MANY, seed * 77 + number);
        let (partition, mut random) = (partition.clone(), Random::new(seed * 78 + number));
        others.spawn(async move {
            loop {
                pass(Duration::from_millis(random.below(60_000))).await;
                verdict(|| storage.trim(&partition, Trim::Finished)).await?;
            }
        });
    }
    while let Some(ended_owner) = owners.join_next().await {
        ended(ended_owner)?;
    }
    drop(trouble);
    connection.heal();
    // what was under way for long arrives; then the last owner does what those who died left
    pass(Duration::from_secs(300)).await;
    base.store(0, Ordering::Relaxed);
    owner(9, Faults::NONE).work().await?;
    others.shutdown().await;
    let mut reader = reader.lock().await;
    reader.catch_up().await?;
    let told = told.lock().unwrap();
    check(&reader.records, &told)?;
    let tombstones = reader.records.iter().filter(|record| record.kind == RecordKind::Tombstone).count();
    Ok(Tally { attempted: called.load(Ordering::Relaxed), acked: told.len() as u64, tombstones: tombstones as u64 })
}

#[test]
fn what_follows_from_a_window_is_there_once() {
    for_seeds("derived", LONGEST, |seed| world(seed, None));
}
