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

use super::world::{client, for_seeds, pass, stream, verdict};
use crate::{
    MongoStorage,
    database::model::{Faults, Random, Server},
};

const TTL: Duration = Duration::from_secs(10);

/// What each version was seen to hold, by its committer or by who took over.
#[derive(Default)]
struct History(BTreeMap<u64, Bytes>);

impl History {
    fn saw(&mut self, fence: Fence, checkpoint: &Bytes) {
        let known = self.0.entry(fence.version).or_insert_with(|| checkpoint.clone());
        assert_eq!(known, checkpoint, "version {} holds two things", fence.version);
    }
}

/// Takes the partition, commits a few times, and dies or goes on.
async fn live(
    storage: MongoStorage,
    partition: Partition,
    group: GroupName,
    history: Arc<Mutex<History>>,
    mut random: Random,
) {
    for life in 0..4 {
        let member = verdict(|| storage.join(TTL)).await.unwrap();
        let (newest, state) = loop {
            let newest = history.lock().unwrap().0.last_key_value().map_or(0, |(version, _)| *version);
            match verdict(|| storage.acquire(&partition, &group, &member)).await {
                Ok(Acquired::Owner(state)) => break (newest, Some(state)),
                Ok(Acquired::Held(_)) => {}
                Err(error) => {
                    assert!(matches!(error.cause(), Cause::MemberDead), "{error}");
                    break (newest, None);
                }
            }
            pass(Duration::from_millis(500)).await;
            let _ = storage.heartbeat(&member, TTL).await;
        };
        let Some(state) = state else { continue };
        assert!(state.fence.version >= newest, "version {} was committed, {} found", newest, state.fence.version);
        if let Some(checkpoint) = &state.checkpoint {
            history.lock().unwrap().saw(state.fence, checkpoint);
        }
        let mut fence = state.fence;
        for number in 0..random.below(12) {
            let checkpoint = Bytes::from(format!("{member}/{life}/{number}"));
            let counters = Counters { finished: fence.version + 1, ..Counters::default() };
            let commit =
                Commit { checkpoint: checkpoint.clone(), keep_from: Offset::FIRST, counters, effects: Vec::new() };
            match verdict(|| storage.commit(&partition, &group, fence, commit.clone())).await {
                Ok(next) => {
                    assert_eq!(next, Fence { epoch: fence.epoch, version: fence.version + 1 });
                    history.lock().unwrap().saw(next, &checkpoint);
                    fence = next;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
                    break;
                }
            }
            if random.chance(100) {
                pass(Duration::from_millis(random.below(30_000))).await;
            }
        }
        match random.below(3) {
            0 => verdict(|| storage.release(&partition, &group, fence.epoch)).await.unwrap(),
            1 => verdict(|| storage.leave(&member)).await.unwrap(),
            _ => {}
        }
    }
}

async fn world(seed: u64) {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, seed);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let history = Arc::<Mutex<History>>::default();
    let mut members = JoinSet::new();
    for number in 0..5 {
        let (storage, _) = client(&server, Faults::MANY, seed * 100 + number);
        let random = Random::new(seed * 101 + number);
        members.spawn(live(storage, partition.clone(), group.clone(), Arc::clone(&history), random));
    }
    while let Some(ended) = members.join_next().await {
        ended.unwrap();
    }
    let state = calm.groups(&partition).await.unwrap().remove(0).1;
    let history = history.lock().unwrap();
    let newest = history.0.last_key_value().map_or(0, |(version, _)| *version);
    assert!(state.fence.version >= newest && newest > 10, "{newest} of {}", state.fence.version);
}

#[test]
fn versions_have_one_history() {
    for_seeds(world);
}
