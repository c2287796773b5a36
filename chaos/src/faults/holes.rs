//! C5: windows that are never done, between others that are.

use anyhow::{Result, ensure};
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{pause, seconds},
    figures::quantile_ms,
    role::{Appending, Consumer, Producer, Said, Timing, Work},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[C5, C5.on(Place::Mongo)];

const C5: Fault = Fault {
    id: "C5",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "every second window is never done, and the consumer is killed",
    expect: Expect::Sound,
    loops: (2, 10),
    run: |world| Box::pin(holes(world)),
};

/// What a hole may cost in a checkpoint, and what is in it beside them, in bytes.
const HOLE: f64 = 128.0;
const REST: f64 = 4_096.0;
/// How much longer a commit may take at the bound than at the start, in milliseconds a thousand holes.
const SLOWER: f64 = 25.0;

/// Windows of one message, of which the first, the third and so on are never done, up to a bound of as many thousands as
/// there are loops: no more are handed out, the checkpoint stays small, and what is done stays done when the consumer dies.
async fn holes(world: &mut World) -> Result<Verdict> {
    let max_ahead = 1_000 * world.loops;
    world.size = 1;
    world.open().await?;
    let settings = Producer { batch: 50, ..world.producer(Appending::Facade) };
    let producer = world.start_producer(&settings)?;
    producer.until(Said::Acked, max_ahead / 20).await?;
    producer.end().await?;
    let settings = Consumer { work: Work::Holes { max_ahead }, ..world.consumer() };
    let consumer = world.start_consumer(&settings)?;
    for hundreds in 1..=max_ahead / 100 {
        consumer.until(Said::Window, 100 * hundreds).await?;
    }
    consumer.until(Said::Done, max_ahead / 2).await?;
    // what it would do beyond
    pause(seconds(1)).await;
    let handed_out = consumer.count(Said::Window);
    let bytes = world.checkpoint_bytes().await?;
    consumer.kill().await?;
    world.tally.fired += max_ahead / 2;
    ensure!(handed_out == max_ahead, "{handed_out} windows were handed out, and {max_ahead} may be");

    let took: Vec<u64> = Timing::read_all(&world.path("timings"))?.iter().map(|timing| timing.took).collect();
    let tenth = took.len() / 10;
    let median = |part: Option<&[u64]>| {
        let mut part = part.unwrap_or_default().to_vec();
        part.sort_unstable();
        quantile_ms(&part, 500)
    };
    let (few, full) = (median(took.get(..tenth)), median(took.get(took.len() - tenth..)));
    let holes = (max_ahead / 2) as f64;
    let figures = &mut world.tally.figures;
    figures.note("holes", holes);
    figures.note("commit_ms_p50_few_holes", few);
    figures.at_most(few + SLOWER * holes / 1_000.0, "commit_ms_p50_all_holes", full)?;
    figures.at_most(REST + HOLE * holes, "checkpoint_bytes", bytes as f64)?;

    let verdict = world.drain_and_judge().await?;
    let again = verdict.redelivered;
    ensure!(again <= max_ahead / 2 + 1, "{again} windows came again, of which {} were never done", max_ahead / 2);
    Ok(verdict)
}
