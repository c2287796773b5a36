//! Worlds, one for each of many seeds, on all cores.

use std::{
    env,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{runtime::Builder, time::timeout};

use super::invariants::{Broken, Invariant};

/// How long most worlds may take in their own time.
pub(super) const LONGEST: Duration = Duration::from_secs(1_800);

/// What went on in worlds in which every rule held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Appends or commits that were called.
    pub(super) attempted: u64,
    /// Those that their caller was told are durable.
    pub(super) acked: u64,
    pub(super) tombstones: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.attempted += other.attempted;
        self.acked += other.acked;
        self.tombstones += other.tombstones;
    }
}

/// Runs a world once, for so long in its own time.
pub(super) fn run<T, F: Future<Output = Result<T, Broken>>>(
    longest: Duration,
    world: impl FnOnce() -> F,
) -> Result<T, Broken> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let ended = timeout(longest, world()).await;
        ended.unwrap_or_else(|_| Invariant::I14.broken("there is no end of it"))
    })
}

/// Runs a world for each of some seeds: 100 from 0 on, or the one that `MINIBATCH_SEED` names, or as many from there on as
/// `MINIBATCH_SEEDS` says. `name` is the test's, for the command that repeats a seed.
///
/// Prints one line of JSON that says what went on, which `cargo xtask chaos` reads.
pub(super) fn for_seeds<F: Future<Output = Result<Tally, Broken>>>(
    name: &str,
    longest: Duration,
    world: impl Fn(u64) -> F + Sync,
) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("MINIBATCH_SEED");
    let count = number("MINIBATCH_SEEDS").unwrap_or(if first.is_some() { 1 } else { 100 });
    let next = AtomicU64::new(first.unwrap_or(0));
    let end = first.unwrap_or(0) + count;
    let (total, failed) = (Mutex::new(Tally::default()), AtomicBool::new(false));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let ran = catch_unwind(AssertUnwindSafe(|| run(longest, || world(seed))));
            match ran.unwrap_or_else(|_| Invariant::Verdict.broken("a panic, which is told above")) {
                Ok(tally) => total.lock().unwrap().add(tally),
                Err(broken) => {
                    failed.store(true, Ordering::Relaxed);
                    println!(
                        "{broken:?}: MINIBATCH_SEED={seed} cargo xtask test -- model_tests::{name} gives it again"
                    );
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    assert!(!failed.into_inner(), "a seed failed, see above");
    let Tally { attempted, acked, tombstones } = total.into_inner().unwrap();
    println!(
        "{}",
        serde_json::json!({ "seeds": count, "attempted": attempted, "acked": acked, "tombstones": tombstones })
    );
}
