//! Every message is in exactly one state, whatever happened; and what is wrong in the storage is found.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Buffer, Cause, Fingerprint, Message, Observed, Readiness, Slot, Strategy, Timestamp, WindowEmitter,
    storage::{ChunkLog, StreamStore, Trim},
    window::{Leaves, Reason, Selection},
};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Audit, Client, Stream, Term, Window};
use proptest::{prelude::*, strategy::Strategy as _};

use crate::{
    liar::{Liar, Lie},
    tools::{numbers, soon},
};

/// Even numbers in threes, out of the middle of the buffer; multiples of five are left out.
struct Evens(Vec<minibatch_core::Offset>);

impl WindowEmitter for Evens {
    fn observe(&mut self, message: &Message<'_>) -> Observed {
        match message.decode::<u32>() {
            Ok(number) if number % 5 == 0 => Observed::Drop,
            Ok(number) if number % 2 == 0 => {
                self.0.push(message.offset());
                Observed::Keep
            }
            _ => Observed::Keep,
        }
    }

    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        if self.0.len() >= 3 { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::of(self.0.drain(..3).rev().collect(), Reason::Predicate)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("evens", 1, "")
    }

    fn restore(&mut self, _: &minibatch_core::EmitterState, buffer: &Buffer) -> minibatch_core::Result<()> {
        let even = |message: &Message<'_>| message.decode::<u32>().is_ok_and(|number| number % 2 == 0);
        self.0 = buffer.iter().filter(even).map(|message| message.offset()).collect();
        Ok(())
    }
}

/// The last four messages, after every second one: each is in two windows.
struct Sliding;

impl WindowEmitter for Sliding {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() >= 4 { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let third = buffer.iter().nth(2).map(|message| message.offset()).unwrap_or_default();
        Selection::first(4, Reason::Count).leaving(Leaves::Before(third))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("sliding", 1, "")
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(u32),
    /// Windows that are pulled, and what becomes of each; then the consumer is dropped.
    Pull(Vec<Fate>),
    Drain,
    /// Everything below is cut: so far into what is kept.
    Cut(u32),
    Trim,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Done,
    Rejected,
    Dead,
    Open,
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let fate =
        prop_oneof![3 => Just(Fate::Done), 1 => Just(Fate::Rejected), 1 => Just(Fate::Dead), 2 => Just(Fate::Open)];
    let step = prop_oneof![
        4 => (1u32..14).prop_map(Step::Append),
        3 => proptest::collection::vec(fate, 1..6).prop_map(Step::Pull),
        1 => Just(Step::Drain),
        1 => (0u32..100).prop_map(Step::Cut),
        1 => Just(Step::Trim),
    ];
    proptest::collection::vec(step, 1..16)
}

struct World<S> {
    storage: MemoryStorage,
    client: Client,
    stream: Stream<u32>,
    strategy: S,
    appended: u32,
}

impl<S: Strategy + Copy> World<S> {
    async fn new(strategy: S) -> Self {
        let storage = MemoryStorage::new();
        let client = Client::new(Arc::new(storage.clone()));
        let stream = client.stream("numbers").await.unwrap();
        stream.append_many(&[1, 2, 3]).await.unwrap();
        // a group that begins here
        stream.streaming().latest().window(strategy).open().await.unwrap().shutdown().await.unwrap();
        Self { storage, client, stream, strategy, appended: 0 }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Append(count) => {
                let numbers: Vec<u32> = (self.appended + 1..=self.appended + count).collect();
                self.stream.append_many(&numbers).await.unwrap();
                self.appended += count;
            }
            Step::Pull(fates) => self.pull(fates).await,
            Step::Drain => {
                let windows = self.stream.streaming().window(self.strategy).backoff(soon());
                windows.drain(|_: Window<u32>| async {}).await.unwrap();
            }
            Step::Cut(percent) => {
                let info = self.storage.find_stream(self.stream.name()).await.unwrap().unwrap();
                let bounds = *self.stream.bounds().await.unwrap().first().unwrap();
                let kept = bounds.tail.get() - bounds.floor.get();
                let cut = Slot::new(bounds.floor.get() + kept * u64::from(*percent) / 100).unwrap();
                self.storage.trim(&info.partition(0), Trim::FinishedOrBelow(cut)).await.unwrap();
            }
            Step::Trim => drop(self.stream.trim().await.unwrap()),
        }
    }

    async fn pull(&self, fates: &[Fate]) {
        let windows = self.stream.streaming().window(self.strategy).max_attempts(1).backoff(soon());
        let mut consumer = windows.open().await.unwrap();
        let (mut open, mut acks) = (Vec::new(), Vec::new());
        for fate in fates {
            let next = tokio::time::timeout(Duration::from_millis(5), consumer.next()).await;
            let Ok(window) = next else { break };
            let window = window.unwrap().unwrap();
            match fate {
                Fate::Done => acks.push(window.ack()),
                Fate::Rejected => {
                    window.reject(0, "no good").unwrap();
                    acks.push(window.ack());
                }
                Fate::Dead => window.fail("no good"),
                Fate::Open => open.push(window),
            }
        }
        futures::future::try_join_all(acks).await.unwrap();
    }

    async fn audit(&self) -> Audit {
        self.stream.audit("default").await.unwrap()
    }
}

async fn run<S: Strategy + Copy>(strategy: S, steps: &[Step]) {
    let mut world = World::new(strategy).await;
    for step in steps {
        world.step(step).await;
        let audit = world.audit().await;
        assert_eq!(audit.differences().collect::<Vec<_>>(), Vec::<&minibatch_runtime::Difference>::new(), "{step:?}");
        let terms = audit.total();
        assert_eq!((terms.appended, terms.sum()), (world.appended.into(), world.appended.into()), "{step:?}");
    }
    world.client.shutdown().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_sums_match(steps in steps(), strategy in 0..3) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match strategy {
                0 => run(CountWindow::new(3), &steps).await,
                1 => run(|| Evens(Vec::new()), &steps).await,
                _ => run(|| Sliding, &steps).await,
            }
        });
    }
}

/// Records of four messages: the group begins with the second, has done with it and the third, and with most of the fourth.
async fn audited(lie: Lie) -> Audit {
    let liar = Arc::new(Liar::new());
    let client = Client::new(Arc::clone(&liar) as _);
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let windows = |group| stream.streaming().window(CountWindow::new(3)).group(group);
    stream.append_many(&[0; 4]).await.unwrap();
    // needs everything, so that nothing is trimmed
    windows("other").open().await.unwrap().shutdown().await.unwrap();
    windows("default").latest().open().await.unwrap().shutdown().await.unwrap();
    stream.append_many(&[1, 2, 3, 4]).await.unwrap();
    stream.append_many(&[1, 2, 3, 4]).await.unwrap();
    windows("default").drain(|_: Window<u32>| async {}).await.unwrap();
    stream.append_many(&[1, 2, 3, 4]).await.unwrap();
    let mut consumer = windows("default").open().await.unwrap();
    consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    consumer.shutdown().await.unwrap();
    liar.tell(lie);
    let audit = stream.audit("default").await.unwrap();
    client.shutdown().await;
    audit
}

#[tokio::test]
async fn what_done_windows_took_is_missed_above_the_base_too() {
    let storage = Arc::new(Liar::new());
    let client = Client::new(Arc::clone(&storage) as _);
    let stream = client.stream::<u32>("numbers").await.unwrap();
    for first in [1, 3, 5, 7] {
        stream.append_many(&[first, first + 1]).await.unwrap();
    }
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    // the first is not settled: the base stays
    let mut windows = Vec::new();
    for _ in 0..3 {
        windows.push(consumer.next().await.unwrap().unwrap());
    }
    for window in windows.drain(1..) {
        window.ack().await.unwrap();
    }
    for (lie, found) in [(Lie::None, None), (Lie::MessageLost(3), Some((3, 5, 6))), (Lie::MessageLost(4), None)] {
        storage.tell(lie);
        let audit = stream.audit("default").await.unwrap();
        let left = audit.differences().find(|difference| difference.term == Term::Left);
        let left = left.map(|left| (left.to.slot().get(), left.found, left.expected));
        assert_eq!(left, found, "{lie:?}");
    }
    client.shutdown().await;
}

#[tokio::test]
async fn every_planted_error_is_found() {
    assert_eq!(audited(Lie::None).await.differences().count(), 0);
    let lies = [
        (Lie::MessageLost(2), Term::Read),
        (Lie::RecordLost(2), Term::Records),
        (Lie::RecordLost(4), Term::Records),
        (Lie::FloorCount, Term::Read),
        (Lie::Doubled, Term::Done),
        (Lie::Dropped, Term::Dropped),
        (Lie::Expired, Term::Expired),
        (Lie::KeptFrom, Term::Needed),
    ];
    for (lie, term) in lies {
        let audit = audited(lie).await;
        let found: Vec<Term> = audit.differences().map(|difference| difference.term).collect();
        assert!(found.contains(&term), "{lie:?}: {found:?}");
        let difference = audit.differences().find(|difference| difference.term == term).unwrap();
        assert_ne!(difference.expected, difference.found);
        assert!(difference.to_string().contains(term.name()), "{difference}");
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_cannot_be_audited() {
    let client = crate::tools::client();
    let stream = numbers(&client, 3).await;
    let error = stream.audit("nobody").await.unwrap_err();
    assert!(matches!(error.cause(), Cause::GroupRemoved), "{error:?}");
    let error = stream.audit("no/body").await.unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidName { .. }), "{error:?}");
}
