//! X3: mixed faults for long, and what the processes take up that live through it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bson::doc;
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Need, Place, file::hold_lock};
use crate::{
    clock::{millis, now, pause},
    load::Load,
    role::{Appending, Said},
    server::FailPoint,
    trend::{Sample, Trend},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[X3, X3.on(Place::Mongo)];

const X3: Fault = Fault {
    id: "X3",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "mixed faults for long: memory and open files stay as they are",
    expect: Expect::Sound,
    loops: (0, 60),
    run: |world| Box::pin(soak(world)),
};

/// Of the time, until caches and pools are filled.
const WARM_UP: u32 = 3;
/// What may be added while it is measured: of memory a tenth, or 4 MiB; of open files two.
const MEMORY: (f64, f64) = (0.1, 4_096.0);
const FILES: (f64, f64) = (0.0, 2.0);

/// Strikes, and measures those who live through it.
async fn soak(world: &mut World) -> Result<Verdict> {
    world.member_ttl = millis(1_000);
    world.open().await?;
    let load = Load::start(world).await?;
    let mut taken: [Vec<Sample>; 3] = Default::default();
    let started = now();
    for number in 0..world.loops {
        strike(world, number).await?;
        world.fired();
        load.recovered(world, now()).await?;
        for (samples, child) in taken.iter_mut().zip([&load.producer, &load.stable, &load.consumer]) {
            samples.push(Sample::take(child.process()?, started.elapsed())?);
        }
    }
    let lasted = started.elapsed();
    for (name, samples) in ["producer", "stable producer", "consumer"].into_iter().zip(&taken) {
        flat(name, samples, lasted)?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// One fault, of each kind in turn.
async fn strike(world: &mut World, number: u64) -> Result<()> {
    match number % 3 {
        0 => {
            let settings = world.producer(Appending::Facade);
            let victim = world.start_producer(&settings)?;
            victim.until(Said::Acked, world.random.u64(1..20)).await?;
            victim.kill().await?;
        }
        1 => {
            let settings = world.consumer();
            let waiting = world.start_consumer(&settings)?;
            pause(millis(world.random.u64(200..1_000))).await;
            waiting.kill().await?;
        }
        _ => hold_up(world).await?,
    }
    pause(millis(world.random.u64(100..1_000))).await;
    Ok(())
}

/// Writes find the file locked, or the connection closed.
async fn hold_up(world: &mut World) -> Result<()> {
    if world.server().is_err() {
        return hold_lock(world, 100..1_500).await;
    }
    let node = world.server()?.node(0)?;
    let point = FailPoint::commands(node, &["insert", "update", "find"], 4, doc! { "closeConnection": true }).await?;
    point.spent().await?;
    point.off().await?;
    Ok(())
}

/// Whether a process takes up no more and more.
fn flat(name: &str, samples: &[Sample], lasted: Duration) -> Result<()> {
    let warm = lasted / WARM_UP;
    let samples: Vec<Sample> = samples.iter().filter(|sample| sample.at >= warm).copied().collect();
    let few = || format!("too few samples of the {name}");
    let memory = Trend::of(&samples, |sample| sample.rss_kib).with_context(few)?;
    let files = Trend::of(&samples, |sample| sample.fds).with_context(few)?;
    eprint!(
        "\n    {name}: {:.0} KiB {:+.1} a minute, {:.1} open files {:+.2} a minute, {} samples",
        memory.mean,
        memory.a_minute,
        files.mean,
        files.a_minute,
        samples.len()
    );
    let measured = lasted.saturating_sub(warm);
    ensure!(memory.is_flat(measured, MEMORY.0, MEMORY.1), "the memory of the {name} grows: {memory:?}");
    ensure!(files.is_flat(measured, FILES.0, FILES.1), "the open files of the {name} grow: {files:?}");
    Ok(())
}
