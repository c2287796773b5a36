//! Members of a group share the partitions of a stream.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch_core::{
    Clock, GroupName, MemberId, Timestamp,
    storage::{NotePlace, Storage},
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions, Consumer, Stream, Window};
use minibatch_testkit::{clock::ManualClock, storage::Tapped};

use crate::{
    counting::Counting,
    tools::{keyed, partitioned, settle},
};

/// Members on one storage, in a time of their own.
struct World {
    clock: Arc<ManualClock>,
    storage: Arc<dyn Storage>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let storage = Arc::new(MemoryStorage::with_clock(Arc::clone(&clock) as _));
        Self { clock, storage }
    }

    fn client(&self) -> Client {
        self.client_with(Arc::clone(&self.clock) as _)
    }

    fn client_with(&self, clock: Arc<dyn Clock>) -> Client {
        Client::with_options(Arc::clone(&self.storage), clock, ClientOptions::default())
    }

    /// Lets time pass until `goal`, and says how much.
    async fn until(&self, goal: impl AsyncFn() -> bool) -> Duration {
        let (step, began) = (Duration::from_millis(250), self.clock.elapsed());
        loop {
            settle().await;
            let passed = self.clock.elapsed() - began;
            if goal().await {
                return passed;
            }
            assert!(passed < Duration::from_secs(100), "not in time");
            self.clock.advance(step);
        }
    }

    /// How many partitions each owner has.
    async fn shares(&self, stream: &Stream<u32>) -> Vec<usize> {
        let mut owners: BTreeMap<MemberId, usize> = BTreeMap::new();
        for state in stream.group("default").unwrap().states().await.unwrap() {
            if let Some(owner) = state.owner {
                *owners.entry(owner).or_default() += 1;
            }
        }
        let mut shares: Vec<usize> = owners.into_values().collect();
        shares.sort_unstable();
        shares
    }

    async fn members(&self, stream: &Stream<u32>) -> usize {
        let info = self.storage.find_stream(stream.name()).await.unwrap().unwrap();
        let group = Some(GroupName::new("default").unwrap());
        let place = NotePlace { partition: info.partition(0), group, kind: "member" };
        self.storage.notes(&place, "", 100).await.unwrap().len()
    }
}

async fn consume(client: &Client) -> Consumer<u32> {
    let stream = client.stream::<u32>("numbers").await.unwrap();
    stream.streaming().window(CountWindow::new(1)).open().await.unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn those_who_come_get_their_share_and_those_who_go_leave_it() {
    let world = World::new();
    let (one, two) = (world.client(), world.client());
    let stream = partitioned(&one, 5).await;
    let first = consume(&one).await;
    assert!(world.until(async || world.shares(&stream).await == [5]).await <= SECOND);
    let second = consume(&two).await;
    assert!(world.until(async || world.shares(&stream).await == [2, 3]).await <= 3 * SECOND);

    first.shutdown().await.unwrap();
    assert!(world.until(async || world.shares(&stream).await == [5]).await <= 2 * SECOND);
    assert_eq!(world.members(&stream).await, 1);
    second.shutdown().await.unwrap();
    assert_eq!((world.shares(&stream).await, world.members(&stream).await), (vec![], 0));
}

#[tokio::test]
async fn what_a_member_had_that_died_is_taken_over_in_time() {
    let world = World::new();
    // its clock stands still: it beats no more, and notices nothing
    let dead = world.client_with(Arc::new(ManualClock::new(Timestamp::EPOCH)));
    let stream = partitioned(&world.client(), 4).await;
    let _first = consume(&dead).await;
    settle().await;
    assert_eq!(world.shares(&stream).await, [4]);
    let heir = world.client();
    let _second = consume(&heir).await;
    let me = async || world.shares(&stream).await == [4] && world.members(&stream).await == 1;
    assert!(world.until(me).await <= 10 * SECOND);
}

#[tokio::test]
async fn a_member_that_gives_up_a_partition_finishes_the_windows_at_hand() {
    let world = World::new();
    let (one, two) = (world.client(), world.client());
    let stream = partitioned(&one, 2).await;
    let keys = [0, 1].map(|partition| (0..).map(|k: u32| k.to_string()).find(|k| stream.partition_of(k) == partition));
    for key in keys.iter().flatten() {
        stream.append_with(&7, &keyed(key)).await.unwrap();
    }
    let mut first = consume(&one).await;
    let windows = [first.next().await.unwrap().unwrap(), first.next().await.unwrap().unwrap()];
    let _second = consume(&two).await;
    // the other waits as long as they are at hand
    for _ in 0..20 {
        settle().await;
        world.clock.advance(SECOND / 4);
    }
    assert_eq!(world.shares(&stream).await, [2]);
    for window in windows {
        window.ack().await.unwrap();
    }
    world.until(async || world.shares(&stream).await == [1, 1]).await;
    let states = stream.group("default").unwrap().states().await.unwrap();
    assert_eq!(states.iter().map(|state| state.counters.finished).collect::<Vec<_>>(), [1, 1], "none twice");
}

/// Everything that was handed out and acknowledged, and how far the group had got when it was looked at last.
#[derive(Default)]
struct Ledger {
    seen: Mutex<BTreeSet<u32>>,
    finished: Mutex<Vec<u64>>,
}

#[tokio::test]
async fn whoever_comes_and_goes_every_message_is_handed_out_and_no_commit_goes_back() {
    for seed in 1..=10u64 {
        let world = World::new();
        let stream = partitioned(&world.client(), 7).await;
        let ledger = Arc::new(Ledger::default());
        let (mut crew, mut random, mut next) = (Vec::new(), seed, 0u32);
        for _ in 0..60 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = usize::try_from(random >> 40).unwrap();
            match draw % 6 {
                0 | 1 if crew.len() < 5 => crew.push(work(&world, &ledger).await),
                2 if !crew.is_empty() => {
                    let (client, task) = crew.remove(draw / 6 % crew.len());
                    // as gone: nothing is committed or released any more, the heartbeat stops
                    if draw % 4 < 2 { task.abort() } else { client.shutdown().await }
                }
                _ => {
                    for _ in 0..5 {
                        next += 1;
                        stream.append_with(&next, &keyed(&(next % 23).to_string())).await.unwrap();
                    }
                }
            }
            settle().await;
            world.clock.advance(Duration::from_millis(500));
            no_step_back(&stream, &ledger).await;
        }
        let survivor = work(&world, &ledger).await;
        let all = async || ledger.seen.lock().unwrap().len() == next as usize;
        world.until(all).await;
        survivor.0.shutdown().await;
        for (client, _) in crew {
            client.shutdown().await;
        }
        let states = stream.group("default").unwrap().states().await.unwrap();
        assert_eq!(states.iter().map(|state| state.counters.finished).sum::<u64>(), u64::from(next), "seed {seed}");
    }
}

async fn no_step_back(stream: &Stream<u32>, ledger: &Ledger) {
    let Ok(states) = stream.group("default").unwrap().states().await else { return };
    let now: Vec<u64> = states.iter().map(|state| state.counters.finished).collect();
    let mut before = ledger.finished.lock().unwrap();
    assert!(before.iter().zip(&now).all(|(before, now)| before <= now), "{before:?} to {now:?}");
    *before = now;
}

/// A member that works until it is told to go.
async fn work(world: &World, ledger: &Arc<Ledger>) -> (Client, tokio::task::JoinHandle<()>) {
    let (client, ledger) = (world.client(), Arc::clone(ledger));
    let mut consumer = consume(&client).await;
    let task = tokio::spawn(async move {
        while let Ok(Some(window)) = consumer.next().await {
            let data = window.data.clone();
            if window.ack().await.is_ok() {
                ledger.seen.lock().unwrap().extend(data);
            }
        }
    });
    (client, task)
}

#[tokio::test]
async fn many_groups_of_one_stream_cost_one_heartbeat() {
    const GROUPS: usize = 10_000;
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let counting = Arc::new(Tapped::new(MemoryStorage::with_clock(Arc::clone(&clock) as _), Counting::default()));
    let client = Client::with_options(Arc::clone(&counting) as _, Arc::clone(&clock) as _, ClientOptions::default());
    let stream = partitioned(&client, 1).await;
    let mut groups = Vec::with_capacity(GROUPS);
    for number in 0..GROUPS {
        let group = stream.streaming().group(&format!("g{number}")).window(CountWindow::new(1));
        groups.push(group.open().await.unwrap());
    }
    let mut waiting = 0;
    while waiting < GROUPS as u64 {
        settle().await;
        waiting += counting.tap().take().get("wait").copied().unwrap_or(0);
    }
    assert_eq!(stream.groups().await.unwrap().len(), GROUPS);
    counting.tap().take();
    for _ in 0..120 {
        clock.advance(SECOND / 2);
        settle().await;
    }
    let calls = counting.tap().take();
    assert!(
        (19..=21).contains(&calls["heartbeat"]) && calls.len() == 1,
        "in a minute in which nothing happens: {calls:?}"
    );
    drop(groups);
    client.shutdown().await;
}

#[tokio::test]
async fn a_group_with_partitions_looks_at_its_members_once_a_second() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let counting = Arc::new(Tapped::new(MemoryStorage::with_clock(Arc::clone(&clock) as _), Counting::default()));
    let client = || Client::with_options(Arc::clone(&counting) as _, Arc::clone(&clock) as _, ClientOptions::default());
    let (one, two) = (client(), client());
    let _stream = partitioned(&one, 100).await;
    let (_first, _second) = (consume(&one).await, consume(&two).await);
    for _ in 0..40 {
        clock.advance(SECOND / 4);
        settle().await;
    }
    counting.tap().take();
    for _ in 0..240 {
        clock.advance(SECOND / 4);
        settle().await;
    }
    let calls = counting.tap().take();
    let names: Vec<_> = calls.keys().copied().collect();
    assert_eq!(names, ["heartbeat", "living", "notes"], "{calls:?}");
    // a list has a page and its end
    assert!(calls["living"] <= 120 && calls["notes"] <= 240, "{calls:?}");
}

#[tokio::test]
async fn consumers_of_one_group_in_one_client_take_turns() {
    let world = World::new();
    let client = world.client();
    let stream = partitioned(&client, 2).await;
    stream.append_many(&[1, 2]).await.unwrap();
    let mut first = consume(&client).await;
    let window = first.next().await.unwrap().unwrap();
    let mut second = consume(&client).await;
    settle().await;
    assert!(futures::poll!(Box::pin(second.next())).is_pending());
    window.ack().await.unwrap();
    first.shutdown().await.unwrap();
    let next: Window<u32> = second.next().await.unwrap().unwrap();
    assert_eq!(next.data, [2]);
}
