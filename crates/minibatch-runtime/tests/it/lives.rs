//! Whatever a function makes of its windows, and wherever its process dies: every message ends once.
//!
//! A process is a tokio runtime that is dropped with all that runs in it; its time passes when nothing else can happen.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use minibatch_core::{Clock, Timestamp, storage::Storage};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions, Window, retry_after};
use proptest::{collection::vec, prelude::*};
use tokio::{sync::Notify, time::Instant};

use crate::dead_letters::letters;

const MESSAGES: u32 = 24;

/// Tokio's time, which goes on from life to life.
struct LivesClock(Mutex<(Duration, Option<Instant>)>);

impl LivesClock {
    /// A new life begins, long after the last one ended.
    fn begin(&self) {
        let elapsed = self.elapsed() + Duration::from_secs(60);
        *self.0.lock().unwrap() = (elapsed, Some(Instant::now()));
    }

    /// The life is over: time stands still.
    fn end(&self) {
        let elapsed = self.elapsed();
        *self.0.lock().unwrap() = (elapsed, None);
    }
}

#[async_trait]
impl Clock for LivesClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        let (before, began) = *self.0.lock().unwrap();
        before + began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl fmt::Debug for LivesClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LivesClock")
    }
}

/// What the function does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Succeed,
    Fail,
    Reject,
    GiveBack,
    AskForPatience,
    Die,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Succeed),
        6 => Just(Act::Fail),
        1 => Just(Act::Reject),
        2 => Just(Act::GiveBack),
        1 => Just(Act::AskForPatience),
        2 => Just(Act::Die),
    ]
}

/// What was seen of the messages.
#[derive(Debug, Default)]
struct Seen {
    script: VecDeque<Act>,
    finished: Vec<u32>,
}

struct World {
    storage: Arc<dyn Storage>,
    clock: Arc<LivesClock>,
    seen: Arc<Mutex<Seen>>,
    size: usize,
    workers: usize,
}

impl World {
    /// One life; true when all messages have ended, or an hour has passed.
    fn live(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ended = runtime.block_on(async {
            self.clock.begin();
            let death = Arc::new(Notify::new());
            let ended = tokio::select! {
                () = self.work(Arc::clone(&death)) => true,
                () = death.notified() => false,
            };
            self.clock.end();
            ended
        });
        // whatever ran in it is gone, and has told nobody
        runtime.shutdown_background();
        ended
    }

    fn client(&self) -> Client {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Client::with_options(Arc::clone(&self.storage), clock, ClientOptions::default())
    }

    async fn work(&self, death: Arc<Notify>) {
        let client = self.client();
        let stream = client.stream::<u32>("numbers").await.unwrap();
        let (group, clock) = (stream.clone(), Arc::clone(&self.clock));
        let all_ended = async move {
            for _ in 0..3_600 {
                let groups = group.groups().await.unwrap();
                if groups
                    .iter()
                    .flat_map(|(_, states)| states)
                    .all(|state| state.counters.total() >= u64::from(MESSAGES))
                {
                    return;
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        };
        let windows = stream.streaming().window(CountWindow::new(self.size)).max_attempts(2).workers(self.workers);
        windows
            .until(all_ended)
            .run(|window: Window<u32>| {
                let (seen, death) = (Arc::clone(&self.seen), Arc::clone(&death));
                async move {
                    tokio::task::yield_now().await;
                    let act = seen.lock().unwrap().script.pop_front().unwrap_or(Act::Succeed);
                    match act {
                        Act::Succeed => seen.lock().unwrap().finished.extend(&window.data),
                        Act::Fail => return Err("failed".into()),
                        Act::Reject => {
                            window.reject(0, "rejected").unwrap();
                            seen.lock().unwrap().finished.extend(window.data.iter().skip(1));
                        }
                        Act::GiveBack => {
                            window.retry(0, Duration::from_secs(5)).unwrap();
                            seen.lock().unwrap().finished.extend(window.data.iter().skip(1));
                        }
                        Act::AskForPatience => {
                            let patience = retry_after(Duration::from_secs(1));
                            return Err(Box::<dyn std::error::Error + Send + Sync>::from(patience));
                        }
                        Act::Die => {
                            death.notify_one();
                            std::future::pending::<()>().await;
                        }
                    }
                    Ok(())
                }
            })
            .await
            .unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_message_ends_once(script in vec(act(), 0..60), size in 1usize..10, workers in 1usize..4) {
        let deaths = script.iter().filter(|act| **act == Act::Die).count();
        let clock = Arc::new(LivesClock(Mutex::default()));
        let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let storage = Arc::new(MemoryStorage::with_clock(given));
        let seen = Arc::new(Mutex::new(Seen { script: script.into(), finished: Vec::new() }));
        // the last window is as long as the others: only a drain would end it
        let size = (size..).find(|size| (MESSAGES as usize).is_multiple_of(*size)).unwrap_or(1);
        let world = World { storage, clock, seen, size, workers };
        let first = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let numbers: Vec<u32> = (1..=MESSAGES).collect();
        first.block_on(async {
            world.clock.begin();
            let stream = world.client().stream::<u32>("numbers").await.unwrap();
            stream.append_many(&numbers).await.unwrap();
            world.clock.end();
        });
        let mut lives = 1;
        while !world.live() {
            lives += 1;
            prop_assert!(lives <= deaths + 1, "it died only where the function did");
        }
        let (counters, dead) = first.block_on(async {
            world.clock.begin();
            let client = world.client();
            let stream = client.stream::<u32>("numbers").await.unwrap();
            let counters = stream.groups().await.unwrap()[0].1[0].counters;
            let dead: Vec<u32> = letters::<u32>(&client).await.iter().map(|(number, _)| *number).collect();
            (counters, dead)
        });
        prop_assert_eq!(counters.total(), u64::from(MESSAGES));
        prop_assert_eq!(counters.finished + counters.dead, u64::from(MESSAGES));
        let finished = world.seen.lock().unwrap().finished.clone();
        let ends: BTreeSet<u32> = finished.iter().chain(&dead).copied().collect();
        prop_assert!(ends.iter().eq(&numbers), "lost: {:?}", ends);
        if deaths == 0 {
            prop_assert_eq!(finished.len() + dead.len(), numbers.len(), "none twice: {:?} and {:?}", finished, dead);
            prop_assert_eq!(counters.dead, dead.len() as u64);
        }
    }
}
