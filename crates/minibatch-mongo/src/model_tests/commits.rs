//! Members that take a group from one another and commit while replies are lost: one history of versions, none lost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use minibatch_core::{
    Cause, ErrorKind, GroupName, Offset,
    storage::{Acquired, Commit, Counters, Fence, GroupStore, Partition},
};
use tokio::task::JoinSet;

use super::{
    invariants::{
        Broken,
        Invariant::{I9, I10},
        ended,
    },
    mutants::Mutant,
    seeds::{LONGEST, Tally, for_seeds},
    world::{World, pass, stream, verdict},
};
use crate::{
    MongoStorage,
    database::model::{Faults, Random},
};

const TTL: Duration = Duration::from_secs(10);

/// What each version was seen to hold, by its committer or by who took over.
#[derive(Default)]
struct History {
    versions: BTreeMap<u64, Bytes>,
    /// The newest owner's.
    epoch: u64,
    tally: Tally,
}

impl History {
    /// A checkpoint begins with the version that it is committed as.
    fn saw(&mut self, fence: Fence, checkpoint: &Bytes) -> Result<(), Broken> {
        let of_version = checkpoint.starts_with(format!("{}/", fence.version).as_bytes());
        I9.holds(of_version, || format!("version {} holds {checkpoint:?}", fence.version))?;
        let known = self.versions.entry(fence.version).or_insert_with(|| checkpoint.clone());
        I9.holds(known == checkpoint, || format!("version {} holds two things", fence.version))
    }

    fn newest(&self) -> u64 {
        self.versions.last_key_value().map_or(0, |(version, _)| *version)
    }
}

/// Takes the partition, commits a few times, and dies or goes on.
async fn live(
    storage: MongoStorage,
    partition: Partition,
    group: GroupName,
    history: Arc<Mutex<History>>,
    mut random: Random,
) -> Result<(), Broken> {
    for _ in 0..3 {
        let member = verdict(|| storage.join(TTL)).await?;
        let (newest, state) = loop {
            let newest = history.lock().unwrap().newest();
            match verdict(|| storage.acquire(&partition, &group, &member)).await {
                Ok(Acquired::Owner(state)) => break (newest, Some(state)),
                Ok(Acquired::Held(_)) => {}
                Err(error) if matches!(error.cause(), Cause::MemberDead) => break (newest, None),
                Err(error) => return Err(error.into()),
            }
            pass(Duration::from_millis(500)).await;
            let _ = storage.heartbeat(&member, TTL).await;
        };
        let Some(state) = state else { continue };
        I9.holds(state.fence.version >= newest, || format!("version {newest} was committed, {:?} found", state.fence))?;
        {
            let mut history = history.lock().unwrap();
            history.epoch = history.epoch.max(state.fence.epoch);
            if let Some(checkpoint) = &state.checkpoint {
                history.saw(state.fence, checkpoint)?;
            }
        }
        let mut fence = state.fence;
        for _ in 0..random.below(8) {
            let checkpoint = Bytes::from(format!("{}/{member}", fence.version + 1));
            let counters = Counters { finished: fence.version + 1, ..Counters::default() };
            let commit =
                Commit { checkpoint: checkpoint.clone(), keep_from: Offset::FIRST, counters, effects: Vec::new() };
            let newest = {
                let mut history = history.lock().unwrap();
                history.tally.attempted += 1;
                history.epoch
            };
            match verdict(|| storage.commit(&partition, &group, fence, commit.clone())).await {
                Ok(next) => {
                    I10.holds(fence.epoch >= newest, || format!("{fence:?} committed after epoch {newest}"))?;
                    fence = Fence { epoch: fence.epoch, version: fence.version + 1 };
                    I9.holds(next == fence, || format!("{next:?} instead of {fence:?}"))?;
                    let mut history = history.lock().unwrap();
                    history.tally.acked += 1;
                    history.saw(next, &checkpoint)?;
                }
                Err(error) if error.kind() == ErrorKind::Fenced => break,
                Err(error) => return Err(error.into()),
            }
            if random.chance(100) {
                pass(Duration::from_millis(random.below(30_000))).await;
            }
        }
        match random.below(3) {
            0 => verdict(|| storage.release(&partition, &group, fence.epoch)).await?,
            1 => verdict(|| storage.leave(&member)).await?,
            _ => {}
        }
    }
    Ok(())
}

pub(super) async fn world(seed: u64, mutant: Option<Mutant>) -> Result<Tally, Broken> {
    let world = World::new(mutant);
    let (calm, _) = world.client(Faults::NONE, seed);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let trouble = world.server.trouble(seed);
    let history = Arc::<Mutex<History>>::default();
    let mut members = JoinSet::new();
    for number in 0..4 {
        let (storage, _) = world.client(Faults::MANY, seed * 100 + number);
        let random = Random::new(seed * 101 + number);
        members.spawn(live(storage, partition.clone(), group.clone(), Arc::clone(&history), random));
    }
    while let Some(member) = members.join_next().await {
        ended(member)?;
    }
    drop(trouble);
    pass(Duration::from_secs(200)).await;
    let state = verdict(|| calm.groups(&partition)).await?.remove(0).1;
    let history = history.lock().unwrap();
    let newest = history.newest();
    I9.holds(state.fence.version >= newest, || format!("{newest} was committed, {:?} found", state.fence))?;
    Ok(history.tally)
}

#[test]
fn versions_have_one_history() {
    for_seeds("commits", LONGEST, |seed| world(seed, None));
}
