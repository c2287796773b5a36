//! P: producers that die, that hear nothing, or that hear something wrong.

use std::collections::VecDeque;

use anyhow::Result;
use bson::{Document, doc};
use minibatch_testkit::history::Verdict;
use nix::sys::signal::Signal;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now, pause},
    load::Load,
    proxy::Wire,
    role::{Appending, Producer, Said},
    server::FailPoint,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    P1,
    P1.on(Place::Mongo),
    Fault {
        id: "P2",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "answers are lost after the write",
        expect: Expect::Sound,
        loops: (12, 50),
        run: |world| Box::pin(answers_lost(world)),
    },
    Fault {
        id: "P3",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "connections are closed, twice in a row",
        expect: Expect::Sound,
        loops: (10, 50),
        run: |world| Box::pin(connections_closed(world)),
    },
    Fault {
        id: "P4",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "the server says that it is no primary, or shuts down",
        expect: Expect::Sound,
        loops: (5, 20),
        run: |world| Box::pin(not_primary(world)),
    },
    Fault {
        id: "P5",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "writes are done, and their concern is not satisfied",
        expect: Expect::Sound,
        loops: (12, 48),
        run: |world| Box::pin(concern_unsatisfied(world)),
    },
    P7,
    P7.on(Place::Mongo),
    P9,
    P9.on(Place::Mongo),
];

const P1: Fault = Fault {
    id: "P1",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "producers are killed",
    expect: Expect::Sound,
    loops: (12, 50),
    run: |world| Box::pin(killed(world)),
};

const P7: Fault = Fault {
    id: "P7",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "four producers crowd one partition, and are killed in turn",
    expect: Expect::Sound,
    loops: (6, 50),
    run: |world| Box::pin(crowd(world)),
};

const P9: Fault = Fault {
    id: "P9",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "a producer is stopped, its id taken over, then it goes on",
    expect: Expect::Sound,
    loops: (4, 20),
    run: |world| Box::pin(zombie(world)),
};

/// Kills a producer after some acknowledged calls, wherever it is then, and starts it again: in turn one of four lanes,
/// and one whose id survives it.
async fn killed(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let stable = world.producer(Appending::Stable { id: "stable".to_owned() });
    let mut died = now();
    for number in 0..world.loops {
        let settings = if number % 2 == 0 { world.producer(Appending::Facade) } else { stable.clone() };
        let producer = world.start_producer(&settings)?;
        world.recovered(died, &producer, Said::Acked).await?;
        producer.until(Said::Acked, world.random.u64(1..40)).await?;
        pause(millis(world.random.u64(0..4))).await;
        producer.kill().await?;
        died = now();
        world.fired();
    }
    let producer = world.start_producer(&stable)?;
    producer.until(Said::Acked, 1).await?;
    producer.end().await?;
    world.drain_and_judge().await
}

/// Kills one of four producers that append as fast as they can, and starts another in its place.
async fn crowd(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let mut producers = VecDeque::new();
    for _ in 0..4 {
        let settings = Producer { lanes: 1, ..world.producer(Appending::Facade) };
        producers.push_back(world.start_producer(&settings)?);
    }
    while let Some(victim) = producers.pop_front() {
        victim.until(Said::Acked, world.random.u64(1..20)).await?;
        if world.tally.fired == world.loops {
            victim.end().await?;
            continue;
        }
        pause(millis(world.random.u64(0..4))).await;
        victim.kill().await?;
        let died = now();
        world.fired();
        let settings = Producer { lanes: 1, ..world.producer(Appending::Facade) };
        let heir = world.start_producer(&settings)?;
        world.recovered(died, &heir, Said::Acked).await?;
        producers.push_back(heir);
    }
    world.drain_and_judge().await
}

/// Lets commands fail in turn, each time `times` in a row, under load. A newcomer does what is done only at the start.
async fn failing(world: &mut World, faults: &[(&'static str, Document)], times: i32) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    let mut faults = faults.iter().cycle();
    while world.tally.fired < world.loops {
        let Some((command, how)) = faults.next() else { break };
        load.work(world).await?;
        let newcomer = newcomer(world);
        let node = world.server()?.node(0)?;
        let point = FailPoint::commands(node, &[*command], times, how.clone()).await?;
        let newcomer = world.start_producer(&newcomer)?;
        point.spent().await?;
        let fired = point.off().await?;
        let healed = now();
        world.tally.fired += fired;
        newcomer.until(Said::Acked, 1).await?;
        load.recovered(world, healed).await?;
        newcomer.end().await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

fn newcomer(world: &mut World) -> Producer {
    let id = format!("newcomer-{}", world.random.u64(..));
    Producer { pause: millis(20), ..world.producer(Appending::Stable { id }) }
}

/// The server does as it was told, and its answer is lost half way: two of each command.
async fn answers_lost(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let proxy = world.behind_proxy().await?;
    let load = Load::start(world).await?;
    let mut commands = ["insert", "update", "findAndModify"].into_iter().cycle();
    while world.tally.fired < world.loops {
        let Some(command) = commands.next() else { break };
        load.work(world).await?;
        let newcomer = newcomer(world);
        proxy.set(Wire::Cut(command, 2));
        let newcomer = world.start_producer(&newcomer)?;
        world.tally.fired += proxy.spent().await;
        let healed = now();
        newcomer.until(Said::Acked, 1).await?;
        load.recovered(world, healed).await?;
        newcomer.end().await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

async fn connections_closed(world: &mut World) -> Result<Verdict> {
    let closed = doc! { "closeConnection": true };
    failing(world, &[("insert", closed.clone()), ("update", closed.clone()), ("find", closed)], 2).await
}

async fn not_primary(world: &mut World) -> Result<Verdict> {
    let mut faults = Vec::new();
    for code in [91, 189, 10_107, 11_600, 11_602] {
        faults.push(("insert", doc! { "errorCode": code }));
        faults.push(("update", doc! { "errorCode": code, "errorLabels": ["RetryableWriteError"] }));
    }
    failing(world, &faults, 1).await
}

async fn concern_unsatisfied(world: &mut World) -> Result<Verdict> {
    let mut faults = Vec::new();
    for code in [64, 91] {
        for command in ["insert", "update", "findAndModify"] {
            faults.push((command, doc! { "writeConcernError": { "code": code, "errmsg": "not yet" } }));
        }
    }
    failing(world, &faults, 2).await
}

/// Stops a producer in the middle of its work, lets another take over its id and append, and lets the first go on: it
/// must learn that it is fenced, and what it was about to append must not be there twice.
async fn zombie(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let same = Appending::Stable { id: "zombie".to_owned() };
    let settings = world.producer(same.clone());
    let mut producer = world.start_producer(&settings)?;
    for _ in 0..world.loops {
        producer.until(Said::Acked, world.random.u64(3..20)).await?;
        world.stop(&producer).await?;
        let settings = world.producer(same.clone());
        let heir = world.start_producer(&settings)?;
        heir.until(Said::Acked, 2).await?;
        producer.signal(Signal::SIGCONT)?;
        producer.until(Said::Fenced, 1).await?;
        producer.end().await?;
        world.fired();
        producer = heir;
    }
    producer.end().await?;
    world.drain_and_judge().await
}
