//! A client that stood still while the log was trimmed past the slot that it was about to fill, or to ask for.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, GroupName, ProducerId, Slot,
    storage::{ChunkLog, Partition, ReadLimit, Trim},
};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    invariants::{Broken, Invariant},
    mutants::Mutant,
    world::{Reader, World, chunk, client, is_text, pass, stream, verdict},
};
use crate::{
    MongoStorage,
    database::{
        Change, Collection, Database, Filter, Find, Update,
        model::{Connection, Faults},
    },
};

const MINUTE: Duration = Duration::from_secs(60);

/// A client that will stand still, and another that goes on meanwhile.
struct Slow {
    world: World,
    storage: MongoStorage,
    slow: Arc<Connection>,
    quick: MongoStorage,
    partition: Partition,
    group: GroupName,
    id: ProducerId,
    epoch: u64,
}

impl Slow {
    /// One in which the slow client has written so many chunks.
    async fn after(before: u64, mutant: Option<Mutant>) -> Self {
        let world = World::new(mutant);
        let (storage, slow) = world.client(Faults::NONE, 1);
        // this one breaks no rule of clients
        let (quick, _) = client(&world.server, Faults::NONE, 2);
        let (stream, group) = stream(&quick).await;
        let partition = stream.partition(0);
        let id = ProducerId::new("slow").unwrap();
        let epoch = storage.register_producer(&partition, &id).await.unwrap().epoch;
        for sequence in 1..=before {
            storage.append(&partition, chunk(&id, epoch, sequence, &sequence.to_string())).await.unwrap();
        }
        Self { world, storage, slow, quick, partition, group, id, epoch }
    }

    /// The slow client sees that others write: from its next append on it reserves its slots for a while.
    async fn others_write(&self) {
        let beyond =
            Update::default().and("head", Change::Beyond { other: "floor_slot", value: 0, unless: ("reserver", 0) });
        let partition = Filter::of(&self.partition);
        // lower than what is filled, which is nobody's
        self.slow.find_and_update(Collection::Partitions, partition, beyond, false).await.unwrap();
        pass(Duration::from_secs(1)).await;
    }

    /// Appends in the background, as often as it takes.
    fn append(&self, sequence: u64, text: &str) -> JoinHandle<Slot> {
        let chunk = chunk(&self.id, self.epoch, sequence, text);
        let (storage, partition) = (self.storage.clone(), self.partition.clone());
        tokio::spawn(async move { verdict(|| storage.append(&partition, chunk.clone())).await.unwrap() })
    }

    /// The quick client writes so many chunks, and reads and trims all there is; returns how many were deleted.
    async fn go_on(&self, chunks: u64) -> (Reader, u64) {
        let Self { quick, partition, .. } = self;
        let other = ProducerId::new("quick").unwrap();
        let grant = quick.register_producer(partition, &other).await.unwrap();
        for sequence in 1..=chunks {
            quick.append(partition, chunk(&other, grant.epoch, sequence, "quick")).await.unwrap();
        }
        let mut reader = Reader::new(quick, partition, &self.group).await.unwrap();
        reader.catch_up().await.unwrap();
        quick.trim(partition, Trim::Finished).await.unwrap();
        pass(MINUTE).await;
        (reader, quick.trim(partition, Trim::Finished).await.unwrap().deleted)
    }
}

/// A client writes `before` chunks and stands still on the way to the next; another writes 10 meanwhile, all is trimmed,
/// and only then the first one's insert arrives in a slot that is free again. With `gaps` it had reserved that slot, which
/// a tombstone has filled meanwhile.
pub(super) async fn insert_after_trim(before: u64, gaps: u64, mutant: Option<Mutant>) -> Result<(), Broken> {
    let world = Slow::after(before, mutant).await;
    if gaps > 0 {
        world.others_write().await;
    }
    // a reservation is the first write, and the insert the second
    world.slow.hold_write(usize::try_from(gaps).unwrap(), 5 * MINUTE);
    let held = world.append(before + 1, "late");
    pass(Duration::from_secs(1)).await;
    let (mut reader, deleted) = world.go_on(10).await;
    assert_eq!(deleted, before + gaps + 9);

    let Slow { slow, quick, partition, .. } = world;
    let slot = held.await.unwrap();
    reader.catch_up().await?;
    let late: Vec<Slot> =
        reader.records.iter().filter(|record| is_text(record, "late")).map(|record| record.slot).collect();
    Invariant::I1.holds(late == [slot], || format!("it is in {late:?}, and {slot} was said"))?;
    assert_eq!(reader.records.len() as u64, before + gaps + 11, "neither lost nor twice");
    assert_eq!(quick.gap_repairs(), gaps);
    // what arrived too late lies where nobody reads it, and is deleted with the next trim
    let limit = ReadLimit { messages: 1, bytes: 1 };
    assert!(quick.read(&partition, Slot::FIRST, limit).await.is_err());
    quick.trim(&partition, Trim::Finished).await?;
    pass(MINUTE).await;
    quick.trim(&partition, Trim::Finished).await?;
    let left = slow.find(Find::one(Collection::Chunks, Filter::all()).at_most(100)).await.unwrap();
    assert_eq!(left.documents.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn slot_after_an_own_append() {
    insert_after_trim(3, 0, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slot_merely_read() {
    insert_after_trim(0, 0, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slot_reserved() {
    insert_after_trim(3, 1, None).await.unwrap();
}

/// What a former registration sent arrives below the floor, under a number that its heir has used and that was trimmed: it is
/// not the heir's last append.
#[tokio::test(start_paused = true)]
async fn a_stray_is_nobodys_last_append() {
    let world = Slow::after(3, None).await;
    let Slow { storage, partition, id, .. } = &world;
    world.slow.hold_write(0, 5 * MINUTE);
    let (zombie, here, late) = (storage.clone(), partition.clone(), chunk(id, world.epoch, 4, "late"));
    let held = tokio::spawn(async move { zombie.append(&here, late).await });
    pass(Duration::from_secs(1)).await;
    let (heir, connection) = world.world.client(Faults::NONE, 3);
    let epoch = heir.register_producer(partition, id).await.unwrap().epoch;
    heir.append(partition, chunk(id, epoch, 4, "heir's")).await.unwrap();
    let (mut reader, _) = world.go_on(10).await;
    assert!(matches!(held.await.unwrap().unwrap_err().cause(), Cause::Fenced { .. }));

    // nobody waits for what was sent, so the next attempt looks for it
    connection.hold_write(0, MINUTE);
    timeout(Duration::from_secs(1), heir.append(partition, chunk(id, epoch, 5, "next"))).await.unwrap_err();
    let slot = verdict(|| heir.append(partition, chunk(id, epoch, 5, "next"))).await.unwrap();
    pass(2 * MINUTE).await;
    reader.catch_up().await.unwrap();
    let next: Vec<Slot> =
        reader.records.iter().filter(|record| is_text(record, "next")).map(|record| record.slot).collect();
    assert_eq!(next, [slot]);
}

/// A client alone has filled slots that nobody reserved, and all are trimmed: of two that write now one loses the race for
/// the next slot, and what it reserves then lies above all of them.
pub(super) async fn reserve_after_trim(mutant: Option<Mutant>) -> Result<(), Broken> {
    let world = Slow::after(100, mutant).await;
    let (mut reader, deleted) = world.go_on(0).await;
    assert_eq!(deleted, 99);
    let (storage, connection) = world.world.client(Faults::NONE, 3);
    let [new, rival] = ["new", "rival"].map(|id| ProducerId::new(id).unwrap());
    let new_epoch = storage.register_producer(&world.partition, &new).await?.epoch;
    let rival_epoch = world.quick.register_producer(&world.partition, &rival).await?.epoch;
    connection.hold_write(0, Duration::from_secs(1));
    let (slot, first) = tokio::join!(storage.append(&world.partition, chunk(&new, new_epoch, 1, "new")), async {
        pass(Duration::from_millis(500)).await;
        world.quick.append(&world.partition, chunk(&rival, rival_epoch, 1, "rival")).await
    });
    assert_eq!(first?.get(), 101);
    let slot = slot?;
    reader.catch_up().await?;
    let found: Vec<Slot> =
        reader.records.iter().filter(|record| is_text(record, "new")).map(|record| record.slot).collect();
    Invariant::I1.holds(found == [slot], || format!("it is in {found:?}, and {slot} was said"))?;
    assert_eq!((slot.get(), reader.records.len()), (102, 102));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn reservations_begin_above_the_floor() {
    reserve_after_trim(None).await.unwrap();
}

/// A client that was idle knows a slot of its own that is long trimmed: it does not follow it.
#[tokio::test(start_paused = true)]
async fn tail_of_long_ago_is_forgotten() {
    let world = Slow::after(3, None).await;
    let (mut reader, _) = world.go_on(10).await;
    for sequence in 4..7 {
        let slot = world.append(sequence, "again").await.unwrap();
        assert_eq!(slot.get(), 10 + sequence);
        pass(MINUTE).await;
    }
    reader.catch_up().await.unwrap();
    assert_eq!(reader.records.len(), 16);
}

/// An append is given up and arrives later, and its client stands still while it looks for it: one of its reads comes
/// after all was trimmed, those before it before the append arrived. With `stray` an earlier attempt of the same append
/// comes to a slot before that is free again.
async fn looked_for_around_trim(before: usize, stray: bool) {
    let world = Slow::after(2, None).await;
    world.slow.delay_next_write(Duration::from_secs(1));
    world.slow.hold_find(Collection::Producers, before, 5 * MINUTE);
    let held = world.append(3, "3");
    pass(Duration::from_secs(2)).await;
    let (_, other) = world.world.client(Faults::NONE, 3);
    let third = Filter::of(&world.partition).eq("pid", "slow").eq("ps", 3_i64);
    let copy = other.find(Find::one(Collection::Chunks, third)).await.unwrap().documents.remove(0);
    let (mut reader, _) = world.go_on(2).await;
    if stray {
        let mut earlier = bson::Document::try_from(&*copy).unwrap();
        earlier.insert("slot", 1_i64);
        let earlier = bson::RawDocumentBuf::try_from(&earlier).unwrap();
        other.insert(Collection::Chunks, earlier).await.unwrap();
    }
    let slot = held.await.unwrap();
    reader.catch_up().await.unwrap();
    let third: Vec<_> = reader.records.iter().filter(|record| is_text(record, "3")).map(|record| record.slot).collect();
    assert!(third.len() == 1 && third[0] <= slot, "it is in {third:?}, and {slot} was said");
}

#[tokio::test(start_paused = true)]
async fn append_looked_for_while_all_is_trimmed() {
    for before in 0..5 {
        looked_for_around_trim(before, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stray_of_an_append_that_is_looked_for() {
    for before in 0..5 {
        looked_for_around_trim(before, true).await;
    }
}
