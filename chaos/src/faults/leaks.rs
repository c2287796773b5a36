//! P8: what clients leave behind that come and go.

use std::fs;

use anyhow::Result;
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Need, Place};
use crate::{
    child::Child,
    clock::{millis, now, pause, seconds},
    role::Said,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[P8, P8.on(Place::Mongo)];

const P8: Fault = Fault {
    id: "P8",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "clients come and go, some in the middle of an append",
    expect: Expect::Sound,
    loops: (60, 600),
    run: |world| Box::pin(clients_come_and_go(world)),
};

/// What a process without clients has: more than that is left over of them.
const FILES: f64 = 24.0;
const THREADS: f64 = 12.0;
/// What the orchestrator's own clients may have opened meanwhile.
const CONNECTIONS: f64 = 4.0;

/// One process opens so many clients, one after the other, and then none: nothing of them is left, here or at the server.
async fn clients_come_and_go(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let before = connections(world).await?;
    let clients = u32::try_from(world.loops)?;
    let opener = world.start_opener(clients)?;
    for number in 1..=clients {
        opener.until(Said::Done, u64::from(number)).await?;
        world.fired();
    }
    let left = settled(world, &opener, before).await?;
    let figures = &mut world.tally.figures;
    figures.note("clients", f64::from(clients));
    figures.at_most(FILES, "open_files_left", left.files)?;
    figures.at_most(THREADS, "threads_left", left.threads)?;
    if world.server().is_ok() {
        let figures = &mut world.tally.figures;
        figures.note("connections_before", before);
        figures.at_most(CONNECTIONS, "connections_left", left.connections)?;
    }
    opener.end().await?;
    world.drain_and_judge().await
}

/// What is left of the clients.
#[derive(Clone, Copy, Debug)]
struct Left {
    files: f64,
    threads: f64,
    connections: f64,
}

/// Looks until no more is left than may be, or for half a minute: what is closed takes a moment to go.
async fn settled(world: &World, opener: &Child, before: f64) -> Result<Left> {
    let process = format!("/proc/{}", opener.process()?);
    let count = |part: &str| anyhow::Ok(fs::read_dir(format!("{process}/{part}"))?.count() as f64);
    let started = now();
    loop {
        let connections = connections(world).await? - before;
        let left = Left { files: count("fd")?, threads: count("task")?, connections };
        let gone = left.files <= FILES && left.threads <= THREADS && left.connections <= CONNECTIONS;
        if gone || started.elapsed() > seconds(30) {
            return Ok(left);
        }
        pause(millis(100)).await;
    }
}

/// How many connections the server has, where there is one.
async fn connections(world: &World) -> Result<f64> {
    match world.server() {
        Ok(set) => Ok(f64::from(set.node(0)?.connections().await?)),
        Err(_) => Ok(0.0),
    }
}
