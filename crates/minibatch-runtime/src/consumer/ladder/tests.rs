//! The ladder by itself, under functions that fail, time that passes and owners that come and go.

use std::collections::{BTreeSet, VecDeque};

use minibatch_core::{
    Members, Offset, Run,
    window::{Bounds, Reason, WindowChain},
};
use minibatch_testkit::log;
use proptest::{collection::vec, prelude::*};

use super::{
    super::settlement::{GivenBack, Passed, Rejected},
    *,
};

/// What the function does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    /// Whatever it is in fails.
    Poison,
    Rejected,
    /// Given back so often; where that is too often, for ever.
    GivenBack(u32),
}

/// What a call of the function comes to, before it looks at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Works,
    /// It asks to be called later.
    Busy,
    /// Its owner goes away, and another goes on from what is stored.
    Restart,
    /// The dead letters that come of it cannot be sent off at once.
    NoBurial,
}

/// Windows with the fates of their messages.
#[derive(Clone, Debug)]
struct World {
    windows: Vec<Vec<Fate>>,
    /// So many calls fail whatever they are about.
    broken: usize,
    /// What becomes of those after them, over and over.
    moods: Vec<Mood>,
    max_attempts: u32,
    on_exhausted: OnExhausted,
    in_order: bool,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Dead,
    Skipped,
}

/// What a world came to.
struct Lives {
    world: World,
    options: ConsumerOptions,
    drains: bool,
    ladder: Ladder,
    now: Duration,
    chunks: Vec<Arc<Chunk>>,
    ready: VecDeque<FormedWindow>,
    given_back: BTreeMap<Offset, u32>,
    /// The messages that a call has finished.
    finished: BTreeSet<Offset>,
    ended: BTreeMap<Offset, End>,
    calls: usize,
    stopped: Option<String>,
}

fn formed(ordinal: u64, chunk: &Arc<Chunk>) -> FormedWindow {
    FormedWindow {
        ordinal,
        members: Members::from_iter(Run::of(chunk, 0, chunk.len())),
        folded: None,
        bounds: Bounds::new(Timestamp::EPOCH, Timestamp::MAX),
        key: None,
        reason: Reason::Count,
        next: Offset::default(),
        chain: WindowChain::default(),
        leaving: chunk.len().into(),
        left_before: 0,
    }
}

impl Lives {
    fn new(world: World, drains: bool) -> Self {
        let line: Vec<String> = world.windows.iter().map(|fates| "m ".repeat(fates.len())).collect();
        let chunks: Vec<Arc<Chunk>> = log::chunks(&line.join("|")).unwrap();
        let options = ConsumerOptions {
            max_attempts: world.max_attempts,
            on_exhausted: world.on_exhausted,
            ..ConsumerOptions::default()
        };
        Self {
            ladder: Ladder::new(&options, false, drains),
            ready: (1..).zip(&chunks).map(|(ordinal, chunk)| formed(ordinal, chunk)).collect(),
            world,
            options,
            drains,
            now: Duration::ZERO,
            chunks,
            given_back: BTreeMap::new(),
            finished: BTreeSet::new(),
            ended: BTreeMap::new(),
            calls: 0,
            stopped: None,
        }
    }

    /// Goes on until everything has ended, nothing is to be hoped for, or after so many calls.
    fn run(mut self, calls: usize) -> Self {
        while self.stopped.is_none() && self.calls < calls {
            if let Some(Attempt { formed, .. }) = self.ladder.next(self.now) {
                let outcome = self.outcome(&formed);
                self.settle(&formed, outcome);
                continue;
            }
            assert!(self.ladder.wake().is_none_or(|wake| wake > self.now), "there was something to do");
            assert!(!self.ladder.is_out());
            let waits = self.world.in_order && self.ladder.is_climbing();
            if self.ladder.admits()
                && !waits
                && let Some(window) = self.ready.pop_front()
            {
                self.ladder.admitted();
                self.begin(&window);
                continue;
            }
            if self.ladder.is_empty() || (self.drains && self.ladder.is_hopeless()) {
                break;
            }
            self.now = self.ladder.wake().expect("what is left is tried again some time");
        }
        self
    }

    /// A window is handed out for the first time.
    fn begin(&mut self, window: &FormedWindow) {
        match self.outcome(window) {
            Ok(passed) if passed.is_whole() => {
                self.ladder.prove(self.now);
                self.ended.extend(window.members.iter().map(|message| (message.offset(), End::Finished)));
            }
            outcome => {
                self.ladder.enter(window, 1);
                self.settle(window, outcome);
            }
        }
    }

    fn mood(&self) -> Mood {
        let moods = self.world.moods.get(self.calls.saturating_sub(self.world.broken) % self.world.moods.len().max(1));
        moods.copied().unwrap_or(Mood::Works)
    }

    fn fate(&self, offset: Offset) -> Fate {
        self.world.windows[usize::try_from(offset.slot().get()).unwrap() - 1][offset.index() as usize]
    }

    fn given_back(&self, offset: Offset) -> u32 {
        self.given_back.get(&offset).copied().unwrap_or(0)
    }

    fn outcome(&mut self, piece: &FormedWindow) -> Result<Passed, Failure> {
        let offsets: Vec<Offset> = piece.members.iter().map(|message| message.offset()).collect();
        assert!(offsets.iter().all(|offset| !self.finished.contains(offset)), "handed out what is finished");
        if self.calls < self.world.broken {
            return Err(Failure::new("broken"));
        }
        if self.mood() == Mood::Busy {
            return Err(Failure { reason: "busy".to_owned(), retry_after: Some(Duration::from_secs(7)) });
        }
        if offsets.iter().any(|&offset| self.fate(offset) == Fate::Poison) {
            return Err(Failure::new("poison"));
        }
        let mut passed = Passed::whole();
        for (place, offset) in offsets.into_iter().enumerate() {
            match self.fate(offset) {
                Fate::Rejected => passed.rejected.push(Rejected { place, reason: "rejected".to_owned() }),
                Fate::GivenBack(times) if times >= self.world.max_attempts || self.given_back(offset) < times => {
                    *self.given_back.entry(offset).or_default() += 1;
                    passed.given_back.push(GivenBack { place, after: Duration::from_secs(u64::from(times)) });
                }
                _ => drop(self.finished.insert(offset)),
            }
        }
        Ok(passed)
    }

    fn settle(&mut self, piece: &FormedWindow, outcome: Result<Passed, Failure>) {
        let (ordinal, mood) = (piece.ordinal, self.mood());
        self.calls += 1;
        let verdict = match outcome {
            Ok(passed) => self.ladder.passed(ordinal, passed, self.now),
            Err(failure) => self.ladder.failed(ordinal, failure, self.now),
        };
        match verdict {
            Verdict::GoOn => {}
            Verdict::Bury(condemned) => {
                assert_eq!(condemned.places.len(), condemned.reasons.len());
                assert_eq!(condemned.places.len(), condemned.members.len());
                self.ladder.buried(ordinal, &condemned.places, mood != Mood::NoBurial);
            }
            Verdict::Stop(reason) => self.stopped = Some(reason),
        }
        if let Some(Ended { window, .. }) = self.ladder.take_ended(ordinal) {
            let chunk = &self.chunks[usize::try_from(ordinal).unwrap() - 1];
            let [dead, skipped]: [BTreeSet<usize>; 2] =
                [&window.dead, &window.skipped].map(|places| places.iter().collect());
            for place in 0..chunk.len() {
                let end = match (dead.contains(&(place as usize)), skipped.contains(&(place as usize))) {
                    (true, false) => End::Dead,
                    (false, true) => End::Skipped,
                    (false, false) => End::Finished,
                    (true, true) => panic!("ended twice"),
                };
                let offset = Offset::new(chunk.slot(), place).unwrap();
                assert_eq!(end == End::Finished, self.finished.contains(&offset), "{offset}: {end:?}");
                assert!(self.ended.insert(offset, end).is_none(), "{offset} ended twice");
            }
        }
        if mood == Mood::Restart {
            self.restart();
        }
    }

    /// Another owner goes on with what is stored.
    fn restart(&mut self) {
        let wall = Timestamp::from_millis(1_000_000);
        let mut heir = Ladder::new(&self.options, false, self.drains);
        for ordinal in 1..=self.chunks.len() as u64 {
            let Some(open) = self.ladder.stored(ordinal, self.now, wall) else { continue };
            let verdict = heir.restore(open, &self.chunks, self.now, wall).unwrap();
            assert!(matches!(verdict, Verdict::GoOn), "no attempt was noted");
        }
        self.ladder = heir;
    }

    fn all(&self) -> impl Iterator<Item = (Fate, Option<End>)> {
        self.chunks
            .iter()
            .flat_map(|chunk| (0..chunk.len()).map(|index| Offset::new(chunk.slot(), index).unwrap()))
            .map(|offset| (self.fate(offset), self.ended.get(&offset).copied()))
    }

    /// How a message of that fate is to end.
    fn due(&self, fate: Fate) -> End {
        let given_up = if self.world.on_exhausted == OnExhausted::Skip { End::Skipped } else { End::Dead };
        match fate {
            Fate::Good => End::Finished,
            Fate::Poison => given_up,
            Fate::Rejected => End::Dead,
            Fate::GivenBack(times) if times < self.world.max_attempts => End::Finished,
            Fate::GivenBack(_) => given_up,
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        5 => Just(Fate::Good),
        2 => Just(Fate::Poison),
        1 => Just(Fate::Rejected),
        1 => (1_u32..5).prop_map(Fate::GivenBack),
    ]
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![6 => Just(Mood::Works), 1 => Just(Mood::Busy), 1 => Just(Mood::Restart), 1 => Just(Mood::NoBurial)]
}

prop_compose! {
    fn world()(
        windows in vec(vec(fate(), 1..9), 1..5),
        broken in 0_usize..12,
        moods in vec(mood(), 1..12),
        max_attempts in 1_u32..5,
        skips in any::<bool>(),
        in_order in any::<bool>(),
    ) -> World {
        // at least one call is made
        let moods = [vec![Mood::Works], moods].concat();
        let on_exhausted = if skips { OnExhausted::Skip } else { OnExhausted::DeadLetter };
        World { windows, broken, moods, max_attempts, on_exhausted, in_order }
    }
}

proptest! {
    /// Whoever works, is broken for a while, asks for patience or is replaced: a message ends as its fate says, or not yet.
    #[test]
    fn each_message_is_blamed_for_itself_alone(world in world(), drains in any::<bool>()) {
        let lives = Lives::new(world, drains).run(2_000);
        for (fate, end) in lives.all() {
            if let Some(end) = end {
                prop_assert_eq!(end, lives.due(fate), "{:?}", fate);
            }
        }
    }

    /// Everything ends, also at the end of the log, where something of each window succeeds.
    #[test]
    fn everything_ends_where_something_succeeds(mut world in world(), drains in any::<bool>()) {
        // what another owner knew of other windows is forgotten: it may begin over and over
        world.moods.retain(|mood| *mood != Mood::Restart);
        world.windows.iter_mut().for_each(|window| window.push(Fate::Good));
        // a drain waits for a broken function only so long
        world.broken = if drains { 0 } else { world.broken };
        let lives = Lives::new(world, drains).run(20_000);
        for (fate, end) in lives.all() {
            prop_assert_eq!(end, Some(lives.due(fate)), "{:?}", fate);
        }
    }

    /// Nothing is given up on where nothing ever succeeds, and a drain ends.
    #[test]
    fn a_function_that_never_works_is_not_the_messages_fault(mut world in world(), drains in any::<bool>()) {
        world.broken = usize::MAX;
        let lives = Lives::new(world, drains).run(300);
        prop_assert!(lives.ended.is_empty());
        prop_assert!(lives.ladder.failing().is_some());
        prop_assert_eq!(lives.ladder.is_hopeless(), drains || lives.calls == 300);
        prop_assert!(!drains || lives.calls < 300, "a drain gives up");
    }

    /// What is left of a window is tried again after a wait that grows to the longest and no further.
    #[test]
    fn something_is_always_tried_within_the_longest_wait(mut world in world()) {
        world.broken = usize::MAX;
        let mut lives = Lives::new(world, false);
        let longest = lives.options.backoff.max * 2;
        for calls in 1..100 {
            let before = lives.now;
            lives = lives.run(calls);
            prop_assert!(lives.now - before <= longest, "waited {:?}", lives.now - before);
        }
    }
}

fn one(fates: &[Fate], on_exhausted: OnExhausted, max_attempts: u32) -> Lives {
    let windows = vec![fates.to_vec()];
    Lives::new(World { windows, broken: 0, moods: vec![], max_attempts, on_exhausted, in_order: true }, false)
}

#[test]
fn a_consumer_that_is_to_stop_does_after_as_many_attempts_and_settles_nothing() {
    let lives = one(&[Fate::Good, Fate::Poison], OnExhausted::Stop, 3).run(100);
    assert_eq!((lives.stopped.as_deref(), lives.calls), (Some("poison"), 3));
    assert!(lives.ended.is_empty());
    // the next owner begins with the first attempt
    let left = lives.ladder.stored(1, Duration::ZERO, Timestamp::EPOCH).unwrap().left;
    assert_eq!(left.iter().map(|piece| (piece.places.len(), piece.attempt)).collect::<Vec<_>>(), [(2, 1)]);
}

#[test]
fn the_message_at_fault_is_found_in_as_many_calls_as_halving_takes() {
    for at in 0..64 {
        let mut fates = vec![Fate::Good; 64];
        fates[at] = Fate::Poison;
        let lives = one(&fates, OnExhausted::DeadLetter, 1).run(100);
        assert_eq!(lives.all().filter(|(_, end)| *end == Some(End::Dead)).count(), 1);
        // the whole, two halves at each of six steps, and once more where nothing had succeeded before
        assert!(lives.calls <= 1 + 2 * 6 + 1, "{at}: {}", lives.calls);
    }
}

#[test]
fn patience_costs_no_attempt() {
    let mut lives = one(&[Fate::Good], OnExhausted::DeadLetter, 2);
    lives.world.moods = [vec![Mood::Busy; 50], vec![Mood::Works]].concat();
    let lives = lives.run(100);
    assert_eq!((lives.calls, lives.now), (51, Duration::from_secs(7) * 50));
    assert_eq!(lives.all().next(), Some((Fate::Good, Some(End::Finished))));
}

#[test]
fn what_ends_its_process_is_found_from_attempts_that_were_noted() {
    let lives = one(&[Fate::Good, Fate::Poison], OnExhausted::DeadLetter, 1);
    let (wall, mut now) = (Timestamp::EPOCH, Duration::ZERO);
    let mut ladder = Ladder::new(&lives.options, false, false);
    let window = &lives.ready[0];
    ladder.enter(window, 1);
    ladder.begin(1);
    for _ in 0..10 {
        // whoever had it died of it
        let open = ladder.stored(1, now, wall).unwrap();
        ladder = Ladder::new(&lives.options, false, false);
        if let Verdict::Bury(condemned) = ladder.restore(open, &lives.chunks, now, wall).unwrap() {
            assert_eq!(condemned.places, Places::from(1..2));
            return;
        }
        while let Some(Attempt { formed, .. }) = ladder.next(now) {
            ladder.begin(1);
            if formed.members.iter().any(|message| lives.fate(message.offset()) == Fate::Poison) {
                break;
            }
            ladder.passed(1, Passed::whole(), now);
        }
        now += Duration::from_secs(60);
    }
    panic!("it was never found");
}
