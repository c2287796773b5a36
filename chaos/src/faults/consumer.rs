//! C: consumers that die, that are stopped, that come and go, and functions that fail.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use minibatch::StreamName;
use minibatch_testkit::history::{Key, Verdict};
use nix::sys::signal::Signal;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now, pause},
    remains,
    role::{Consumer, Delivery, Producer, STREAM, Said, Work, is_poison},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    C1,
    C1.on(Place::Mongo),
    C1_WAIT,
    C1_WAIT.on(Place::Mongo),
    C1_IDEM,
    C1_IDEM.on(Place::Mongo),
    C1_TX,
    C1_TX.on(Place::Mongo),
    C1_INTO,
    C1_INTO.on(Place::Mongo),
    C2,
    C2.on(Place::Mongo),
    Fault {
        id: "C3",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "two to six consumers come and go",
        expect: Expect::Sound,
        loops: (8, 60),
        run: |world| Box::pin(churn(world)),
    },
    Fault {
        id: "C4",
        place: Place::Sqlite,
        needs: Need::Nothing,
        what: "a function fails, panics or hangs at some messages",
        expect: Expect::Sound,
        loops: (1, 3),
        run: |world| Box::pin(poisoned(world)),
    },
];

const C1: Fault = Fault {
    id: "C1",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "consumers are killed",
    expect: Expect::Sound,
    loops: (5, 50),
    run: |world| Box::pin(killed(world)),
};

const C1_WAIT: Fault = Fault {
    id: "C1-wait",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "consumers are killed whose windows are ended by a timer",
    expect: Expect::AtLeastOnce,
    loops: (5, 50),
    run: |world| Box::pin(killed_by_the_clock(world)),
};

const C1_IDEM: Fault = Fault {
    id: "C1-idem",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "idempotent consumers are killed whose windows are ended by a timer",
    expect: Expect::Sound,
    loops: (5, 50),
    run: |world| Box::pin(killed_idempotent(world)),
};

const C1_TX: Fault = Fault {
    id: "C1-tx",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "transactional consumers are killed whose windows are ended by a timer",
    expect: Expect::Transactional,
    loops: (5, 50),
    run: |world| Box::pin(killed_transactional(world)),
};

const C1_INTO: Fault = Fault {
    id: "C1-into",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "consumers into another stream are killed whose windows are ended by a timer",
    expect: Expect::Sound,
    loops: (5, 50),
    run: |world| Box::pin(killed_into_another(world)),
};

const C2: Fault = Fault {
    id: "C2",
    place: Place::Sqlite,
    needs: Need::Nothing,
    what: "a consumer is stopped for longer than it may, and goes on beside its heir",
    expect: Expect::Sound,
    loops: (2, 15),
    run: |world| Box::pin(stopped(world)),
};

/// Kills a consumer as it begins or has finished some window, wherever it is then, and starts another.
async fn killed(world: &mut World) -> Result<Verdict> {
    world.member_ttl = millis(500);
    world.open().await?;
    let producer = world.steady_producer();
    let producer = world.start_producer(&producer)?;
    let mut died = now();
    for _ in 0..world.loops {
        let settings = world.consumer();
        let consumer = world.start_consumer(&settings)?;
        world.recovered(died, &consumer, Said::Window).await?;
        let moment = if world.random.bool() { Said::Window } else { Said::Done };
        consumer.until(moment, world.random.u64(1..8)).await?;
        pause(millis(world.random.u64(0..4))).await;
        consumer.kill().await?;
        died = now();
        world.fired();
    }
    producer.end().await?;
    world.drain_and_judge().await
}

async fn killed_by_the_clock(world: &mut World) -> Result<Verdict> {
    world.max_wait = Some(millis(10));
    killed(world).await
}

async fn killed_idempotent(world: &mut World) -> Result<Verdict> {
    world.delivery = Delivery::Idempotent;
    killed_by_the_clock(world).await
}

async fn killed_transactional(world: &mut World) -> Result<Verdict> {
    world.delivery = Delivery::Transactional;
    killed_by_the_clock(world).await
}

async fn killed_into_another(world: &mut World) -> Result<Verdict> {
    world.delivery = Delivery::Into;
    killed_by_the_clock(world).await
}

/// Stops the owner until another has taken over, then lets it go on: whatever it does must not count.
async fn stopped(world: &mut World) -> Result<Verdict> {
    world.member_ttl = millis(1_000);
    world.open().await?;
    let producer = world.steady_producer();
    let producer = world.start_producer(&producer)?;
    let settings = world.consumer();
    let mut owner = world.start_consumer(&settings)?;
    owner.until(Said::Window, 1).await?;
    for _ in 0..world.loops {
        let settings = world.consumer();
        let heir = world.start_consumer(&settings)?;
        owner.more(Said::Window, world.random.u64(1..10)).await?;
        pause(millis(world.random.u64(0..4))).await;
        world.stop(&owner).await?;
        let stopped = now();
        world.recovered(stopped, &heir, Said::Window).await?;
        owner.signal(Signal::SIGCONT)?;
        heir.more(Said::Done, 3).await?;
        owner.end().await?;
        world.fired();
        owner = heir;
    }
    owner.end().await?;
    producer.end().await?;
    let verdict = world.drain_and_judge().await?;
    ensure!(verdict.fenced > 0, "no stopped consumer was told that it lost its partition");
    Ok(verdict)
}

/// Starts and ends consumers, some orderly and some not, as long as there are two to six.
async fn churn(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let producer = world.steady_producer();
    let producer = world.start_producer(&producer)?;
    let mut consumers = Vec::new();
    for _ in 0..world.loops {
        while consumers.len() < 2 || (consumers.len() < 6 && world.random.bool()) {
            let settings = world.consumer();
            consumers.push(world.start_consumer(&settings)?);
        }
        pause(millis(world.random.u64(100..1_000))).await;
        let leaver = consumers.swap_remove(world.random.usize(..consumers.len()));
        if world.random.bool() {
            leaver.kill().await?;
        } else {
            leaver.end().await?;
        }
        world.fired();
    }
    for consumer in consumers {
        consumer.end().await?;
    }
    producer.end().await?;
    world.drain_and_judge().await
}

/// Some messages fail for good, and they alone end as dead letters.
async fn poisoned(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let settings = Producer { lanes: 1, ..world.steady_producer() };
    let producer = world.start_producer(&settings)?;
    let consumer = Consumer { work: Work::Poisoned, ..world.consumer() };
    let consumer = world.start_consumer(&consumer)?;
    producer.until(Said::Acked, 100 * world.loops).await?;
    producer.end().await?;
    consumer.until(Said::Done, 1).await?;
    consumer.end().await?;
    world.drain(Work::Poisoned).await?;
    let mb = world.connect().await?;
    let dead: Vec<Key> = remains::dead(&mb).await?;
    let log = remains::log(&mb, &StreamName::new(STREAM)?).await?;
    mb.shutdown().await;
    let poison: BTreeSet<Key> =
        log.iter().flat_map(|record| &record.keys).copied().filter(|key| is_poison(*key)).collect();
    world.tally.fired += poison.len() as u64;
    let distinct: BTreeSet<Key> = dead.iter().copied().collect();
    ensure!(distinct == poison, "other messages are dead letters than those that fail: {distinct:?}, not {poison:?}");
    world.judge().await
}
