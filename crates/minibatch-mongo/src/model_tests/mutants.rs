//! Servers and clients that break one rule of the protocol each: a check of the worlds must find out every one of them.
//!
//! The rules are broken from outside, by a wrong server, options, clock, or something between client and connection, so
//! that the protocol's code knows nothing of it.

mod wrong;

use std::sync::Arc;

use minibatch_core::{
    Clock, ProducerId, Slot,
    storage::{ChunkLog, ReadLimit},
};

use self::wrong::{Standing, Wrong};
use super::{
    commits, derived,
    invariants::{Broken, Invariant},
    producers,
    seeds::{LONGEST, run},
    stale_slots,
    world::{World, chunk, stream},
};
use crate::{
    MongoOptions,
    database::{
        Collection, Database, Filter, PRODUCER_KEY, SLOT_KEY, Update,
        model::{Faults, Rules},
    },
};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Writes are acknowledged before a majority has them.
    AckBeforeMajority,
    /// Reads see what a majority has not got.
    LocalReads,
    /// Reads do not wait for what their client was told.
    ForgetfulReads,
    SlotsNotUnique,
    NumbersNotUnique,
    /// Ownership and commits do not look at the epoch.
    NoEpoch,
    /// Commits do not look at the version.
    NoVersion,
    /// Slots are reserved one after the other, whatever is filled or trimmed, and not compared with the floor.
    PlainHead,
    /// No reservation waits for a majority, however long its client has not written.
    HastyReservations,
    /// Tombstones have no number of their own: they are equal to one another.
    BareTombstones,
    /// An insert whose outcome is unclear counts as done.
    UnclearIsDone,
    /// Clients do not see how old a slot is that they write to.
    NoSlotAge,
    /// What is trimmed is deleted at once.
    NoGrace,
    /// Groups are listed before the floor is raised, and not again before records are deleted.
    NoSecondListing,
    /// Records expire.
    ChunksExpire,
    /// A checksum is taken for right.
    NoChecksum,
    /// The numbers of derived chunks that are trimmed are not kept.
    ForgottenNumbers,
    /// The numbers that are kept are read once, and believed however old that is.
    StaleNumbers,
}

impl Mutant {
    /// How a server keeps the rules.
    pub(super) fn rules(self) -> Rules {
        let mut rules = Rules::default();
        match self {
            Self::AckBeforeMajority => rules.majority_writes = false,
            Self::LocalReads => rules.majority_reads = false,
            Self::ForgetfulReads => rules.causal = false,
            Self::SlotsNotUnique => rules.indexes.retain(|index| index.fields != SLOT_KEY),
            Self::NumbersNotUnique => rules.indexes.retain(|index| index.fields != PRODUCER_KEY),
            _ => {}
        }
        rules
    }

    /// What a client stands on.
    pub(super) fn client(
        self,
        mut options: MongoOptions,
        mut clock: Arc<dyn Clock>,
        database: Arc<dyn Database>,
    ) -> (MongoOptions, Arc<dyn Clock>, Arc<dyn Database>) {
        match self {
            Self::NoGrace => options.trim_grace = std::time::Duration::ZERO,
            Self::NoSlotAge => clock = Arc::new(Standing(clock)),
            _ => {}
        }
        (options, clock, Arc::new(Wrong::new(database, self)))
    }
}

/// A record that was changed by hand is not returned.
async fn damaged(mutant: Mutant) -> Result<(), Broken> {
    let world = World::new(Some(mutant));
    let (storage, _) = world.client(Faults::NONE, 0);
    let partition = stream(&storage).await.0.partition(0);
    let id = ProducerId::new("p").unwrap();
    let epoch = storage.register_producer(&partition, &id).await?.epoch;
    storage.append(&partition, chunk(&id, epoch, 1, "text")).await?;
    let changed = Update::set("data", bson::bson!(["other"]));
    assert_eq!(world.server.tamper(Collection::Chunks, &Filter::of(&partition), &changed), 1);
    let read = storage.read(&partition, Slot::FIRST, ReadLimit { messages: 1, bytes: 1 }).await;
    Invariant::Damage.holds(read.is_err(), || "a damaged record is returned".to_owned())
}

/// What finds a mutant out.
#[derive(Clone, Copy, Debug)]
enum Check {
    Producers,
    Commits,
    Derived,
    StaleSlots,
    Reservations,
    Damage,
}

impl Check {
    fn run(self, mutant: Mutant, seed: u64) -> Result<(), Broken> {
        let longest = if matches!(self, Self::Derived) { derived::LONGEST } else { LONGEST };
        run(longest, || async move {
            match self {
                Self::Producers => producers::world(seed, Some(mutant)).await.map(drop),
                Self::Commits => commits::world(seed, Some(mutant)).await.map(drop),
                Self::Derived => derived::world(seed, Some(mutant)).await.map(drop),
                Self::StaleSlots => stale_slots::insert_after_trim(3, seed % 2, Some(mutant)).await,
                Self::Reservations => stale_slots::reserve_after_trim(Some(mutant)).await,
                Self::Damage => damaged(mutant).await,
            }
        })
    }
}

/// Each mutant with the check that has to find it out, and the rules that it may be found to break: what a client is told
/// that it must not be ([`Invariant::Verdict`]) counts for one alone, which does the log no harm that a seed would find.
const MUTANTS: [(Mutant, Check, &[Invariant]); 18] = {
    use Invariant::{Damage, I1, I3, I4, I5, I7, I9, I10, I13, I14, Verdict};
    [
        (Mutant::AckBeforeMajority, Check::Producers, &[I1, I4, I5, I7]),
        (Mutant::LocalReads, Check::Producers, &[I1, I4, I5, I7]),
        (Mutant::ForgetfulReads, Check::Producers, &[I1, I3, I7, I13]),
        (Mutant::SlotsNotUnique, Check::Producers, &[I1, I4, I5]),
        (Mutant::NumbersNotUnique, Check::Producers, &[I1, I3]),
        (Mutant::NoEpoch, Check::Commits, &[I9, I10]),
        (Mutant::NoVersion, Check::Commits, &[I9]),
        (Mutant::PlainHead, Check::Reservations, &[I1]),
        (Mutant::HastyReservations, Check::Producers, &[I1, I3, I7, I13, Verdict]),
        (Mutant::BareTombstones, Check::Producers, &[I14]),
        (Mutant::UnclearIsDone, Check::Producers, &[I1]),
        (Mutant::NoSlotAge, Check::StaleSlots, &[I1]),
        (Mutant::NoGrace, Check::Producers, &[I1, I13]),
        (Mutant::NoSecondListing, Check::Producers, &[I13]),
        (Mutant::ChunksExpire, Check::Producers, &[I1, I13, I14]),
        (Mutant::NoChecksum, Check::Damage, &[Damage]),
        (Mutant::ForgottenNumbers, Check::Derived, &[I1]),
        (Mutant::StaleNumbers, Check::Derived, &[I1]),
    ]
};

/// Seeds until a mutant counts as not found out.
const SEEDS: u64 = 500;

#[test]
fn every_mutant_is_found_out() {
    let mut killed = 0;
    for (mutant, check, expected) in MUTANTS {
        let mut others = Vec::new();
        let found = (0..SEEDS).find_map(|seed| match check.run(mutant, seed) {
            Err(broken) if expected.contains(&broken.invariant) => Some((seed, broken)),
            other => {
                others.extend(other.err().map(|broken| broken.invariant));
                None
            }
        });
        match found {
            Some((seed, broken)) => {
                killed += 1;
                println!("{mutant:?}: {:?} caught it, {check:?} with seed {seed}: {broken:?}", broken.invariant);
            }
            None => {
                println!(
                    "{mutant:?}: LIVES after {SEEDS} seeds of {check:?}; other rules that were broken: {others:?}"
                );
            }
        }
    }
    println!("killed {killed} of {}", MUTANTS.len());
    assert_eq!(killed, MUTANTS.len(), "a mutant lives");
}
