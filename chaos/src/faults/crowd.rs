//! P7: many producers on one partition.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use minibatch::StreamName;
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{pause, seconds, wall_micros},
    figures::{jain, quantile_ms},
    role::{Appending, Producer, STREAM, Said, Timing},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[P7_MANY, P7_MANY.on(Place::Mongo)];

const P7_MANY: Fault = Fault {
    id: "P7-many",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "1 to 64 producers append single messages to one partition",
    expect: Expect::Sound,
    loops: (4, 12),
    run: |world| Box::pin(crowds(world)),
};

/// Of how many producers, in turn; each is a client of its own.
const CROWDS: [u32; 4] = [1, 4, 16, 64];
/// In how many processes at most.
const PROCESSES: u32 = 8;
/// Less fair than this is none: half of the producers have everything.
const FAIR: f64 = 0.5;

async fn crowds(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    for (_, producers) in (0..world.loops).zip(CROWDS.into_iter().cycle()) {
        crowd(world, producers).await?;
        world.fired();
    }
    world.drain_and_judge().await
}

/// Lets so many append as fast as they can, and measures them for two seconds.
async fn crowd(world: &mut World, producers: u32) -> Result<()> {
    let processes = producers.min(PROCESSES);
    let lanes = producers / processes;
    let before = filled(world).await?;
    let mut crowd = Vec::new();
    for number in 0..processes {
        let timings = Some(world.path("timings").join(format!("{producers}-{number}-{}", world.tally.fired)));
        let settings = Producer { lanes, batch: 1, timings, ..world.producer(Appending::Facade) };
        crowd.push((settings.first_lane, world.start_producer(&settings)?));
    }
    for (_, child) in &crowd {
        // all of its lanes are at work, likely
        child.until(Said::Acked, 2 * u64::from(lanes)).await?;
    }
    let began = wall_micros();
    pause(seconds(2)).await;
    let ended = wall_micros();
    let mut shares: BTreeMap<u32, u64> =
        crowd.iter().flat_map(|(first, _)| *first..first + lanes).map(|lane| (lane, 0)).collect();
    for (_, child) in crowd {
        child.end().await?;
    }
    // from when they met for the first time
    let after = filled(world).await?;
    let mut took = Vec::new();
    for timing in Timing::read_all(&world.path("timings"))? {
        if let Some(share) = shares.get_mut(&timing.lane).filter(|_| (began..ended).contains(&timing.at)) {
            *share += 1;
            took.push(timing.took);
        }
    }
    took.sort_unstable();
    let shares: Vec<u64> = shares.into_values().collect();
    let (fairness, appended) = (jain(&shares), shares.iter().sum::<u64>());
    let figures = &mut world.tally.figures;
    figures.note(format!("appends_per_s_{producers}"), ratio(appended * 1_000_000, ended - began));
    figures.note(format!("append_ms_p50_{producers}"), quantile_ms(&took, 500));
    figures.note(format!("append_ms_p99_{producers}"), quantile_ms(&took, 990));
    figures.note(format!("jain_{producers}"), fairness);
    if let (Some((inserts, slots)), Some((more_inserts, more_slots))) = (before, after) {
        let (inserts, slots) = (more_inserts - inserts, more_slots - slots);
        figures.note(format!("races_per_append_{producers}"), ratio(inserts.saturating_sub(slots), slots));
    }
    ensure!(fairness >= FAIR, "{producers} producers have shares as unequal as {shares:?}");
    ensure!(!shares.contains(&0), "one of {producers} producers has nothing: {shares:?}");
    Ok(())
}

/// How many inserts there were, and how many slots they have filled, where a server counts that.
async fn filled(world: &World) -> Result<Option<(u64, u64)>> {
    let Ok(set) = world.server() else { return Ok(None) };
    let chunks = format!("{}.minibatch_chunks", world.database());
    let inserts = set.node(0)?.inserts(&chunks).await?.try_into()?;
    let mb = world.connect().await?;
    let stream = mb.storage().open_stream(&StreamName::new(STREAM)?, 1).await?;
    let slots = mb.storage().bounds(&stream.partition(0)).await?.tail.get();
    mb.shutdown().await;
    Ok(Some((inserts, slots)))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
