//! Q: the file of SQLite, and the processes that share it.

use anyhow::{Result, ensure};
use minibatch_testkit::history::Verdict;
use rusqlite::{Connection, OpenFlags};

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now, pause},
    role::{Appending, Consumer, Said},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[Fault {
    id: "Q1",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "producers and a consumer share a file, and are killed in turn",
    expect: Expect::Sound,
    loops: (8, 50),
    run: |world| Box::pin(killed(world)),
}];

/// Kills one of two producers and a consumer that share a file; the file stays whole.
async fn killed(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let settings = world.producer(Appending::Facade);
    let mut producers = vec![world.start_producer(&settings)?];
    let settings = Consumer { member_ttl: millis(500), ..world.consumer() };
    let mut consumers = vec![world.start_consumer(&settings)?];
    let steady = world.steady_producer();
    let steady = world.start_producer(&steady)?;
    for number in 0..world.loops {
        let (victims, what) =
            if number % 2 == 0 { (&mut producers, Said::Acked) } else { (&mut consumers, Said::Window) };
        let Some(victim) = victims.pop() else { break };
        victim.until(what, world.random.u64(1..20)).await?;
        pause(millis(world.random.u64(0..4))).await;
        victim.kill().await?;
        let died = now();
        world.fired();
        whole(world)?;
        if number % 2 == 0 {
            let settings = world.producer(Appending::Facade);
            let heir = world.start_producer(&settings)?;
            world.recovered(died, &heir, Said::Acked).await?;
            producers.push(heir);
        } else {
            let settings = Consumer { member_ttl: millis(500), ..world.consumer() };
            let heir = world.start_consumer(&settings)?;
            world.recovered(died, &heir, Said::Window).await?;
            consumers.push(heir);
        }
    }
    for child in producers.into_iter().chain(consumers).chain([steady]) {
        child.end().await?;
    }
    whole(world)?;
    world.drain_and_judge().await
}

/// Asks SQLite itself whether the file is whole.
pub(super) fn whole(world: &World) -> Result<()> {
    let database = Connection::open_with_flags(world.file(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let said: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(said == "ok", "integrity_check: {said}");
    Ok(())
}
