//! S: mongods that die, are stopped, or lose what nobody waited for.

use anyhow::{Result, ensure};
use bson::{Document, doc};
use minibatch_testkit::history::Verdict;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now, pause},
    load::Load,
    role::Said,
    server::FailPoint,
    strace::Strace,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "S1",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "the mongod is killed and started again",
        expect: Expect::Sound,
        loops: (3, 50),
        run: |world| Box::pin(killed(world)),
    },
    Fault {
        id: "S2",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "the mongod is stopped for a while",
        expect: Expect::Sound,
        loops: (2, 10),
        run: |world| Box::pin(stopped(world)),
    },
    Fault {
        id: "S12",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "the change stream is lost, again and again",
        expect: Expect::Sound,
        loops: (1, 5),
        run: |world| Box::pin(hints_lost(world)),
    },
    Fault {
        id: "S11",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "a collection is dropped",
        expect: Expect::Sound,
        loops: (1, 1),
        run: |world| Box::pin(dropped(world)),
    },
    Fault {
        id: "S10",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "no connection is left",
        expect: Expect::Sound,
        loops: (1, 5),
        run: |world| Box::pin(no_connection(world)),
    },
    Fault {
        id: "S6",
        place: Place::Mongo,
        needs: Need::Strace,
        what: "the disk is slow",
        expect: Expect::Sound,
        loops: (1, 10),
        run: |world| Box::pin(slow_disk(world)),
    },
    Fault {
        id: "S7",
        place: Place::Mongo,
        needs: Need::Strace,
        what: "the disk fails, or is full",
        expect: Expect::Sound,
        loops: (2, 10),
        run: |world| Box::pin(broken_disk(world)),
    },
    Fault {
        id: "S9",
        place: Place::Mongo,
        needs: Need::FakeClock,
        what: "the server's clock jumps an hour ahead, and back",
        expect: Expect::Sound,
        loops: (2, 6),
        run: |world| Box::pin(clock_jumps(world)),
    },
    Fault {
        id: "S3",
        place: Place::MongoThree,
        needs: Need::Nothing,
        what: "the primary steps down, or is killed",
        expect: Expect::Sound,
        loops: (2, 20),
        run: |world| Box::pin(failover(world)),
    },
    Fault {
        id: "S4",
        place: Place::MongoThree,
        needs: Need::Nothing,
        what: "what the primary wrote is rolled back",
        expect: Expect::Sound,
        loops: (1, 10),
        run: |world| Box::pin(rolled_back(world)),
    },
    Fault {
        id: "S5",
        place: Place::MongoThree,
        needs: Need::Nothing,
        what: "the primary is stopped, and goes on beside its heir",
        expect: Expect::Sound,
        loops: (1, 10),
        run: |world| Box::pin(two_primaries(world)),
    },
    Fault {
        id: "P6",
        place: Place::MongoThree,
        needs: Need::Nothing,
        what: "nothing is replicated for a while",
        expect: Expect::Sound,
        loops: (1, 10),
        run: |world| Box::pin(not_replicated(world)),
    },
];

/// The number of the line in which a mongod sums up what it has rolled back.
const ROLLED_BACK: u32 = 21612;

/// Kills the mongod under load.
async fn killed(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        load.work(world).await?;
        pause(millis(world.random.u64(0..10))).await;
        let node = world.server_mut()?.node_mut(0)?;
        node.kill().await?;
        node.run().await?;
        let back = now();
        world.fired();
        load.recovered(world, back).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Stops the mongod, for shorter and for longer than a membership lasts.
async fn stopped(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for number in 0..world.loops {
        load.work(world).await?;
        let longest = if number % 2 == 0 { 1_000 } else { 5_000 };
        let lasting = millis(world.random.u64(longest / 2..=longest));
        world.server()?.node(0)?.signal(Signal::SIGSTOP)?;
        pause(lasting).await;
        world.server()?.node(0)?.signal(Signal::SIGCONT)?;
        let back = now();
        world.fired();
        load.recovered(world, back).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Takes the change stream away that tells of new messages: they are seen all the same, by asking.
async fn hints_lost(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        let point = {
            let node = world.server()?.node(0)?;
            let point = FailPoint::commands(node, &["getMore", "aggregate"], 1_000, doc! { "errorCode": 286 }).await?;
            let lost = now();
            for _ in 0..3 {
                load.go_on().await?;
            }
            (point.off().await?, lost)
        };
        world.tally.fired += point.0;
        load.recovered(world, point.1).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Lets another member become the primary: in turn the old one steps down, and is killed.
async fn failover(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for number in 0..world.loops {
        load.work(world).await?;
        let set = world.server_mut()?;
        let primary = set.primary().await?;
        let lost = now();
        if number % 2 == 0 {
            // it closes the connection that says so
            let _ = set.node(primary)?.admin(doc! { "replSetStepDown": 5, "force": true }).await;
        } else {
            set.node_mut(primary)?.kill().await?;
        }
        set.primary().await?;
        world.fired();
        load.recovered(world, lost).await?;
        world.server_mut()?.heal().await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Lets the primary write what no other member gets, and kills it: when it comes back, that is rolled back.
async fn rolled_back(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        load.work(world).await?;
        roll_back(world).await?;
        load.recovered(world, now()).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Cuts the others off from the primary for a second, kills it, and lets it come back when another has taken over.
pub(super) async fn roll_back(world: &mut World) -> Result<()> {
    let set = world.server_mut()?;
    let primary = set.primary().await?;
    let before = set.node(primary)?.count_logged(ROLLED_BACK)?;
    set.replicate(primary, false).await?;
    pause(millis(1_000)).await;
    set.node_mut(primary)?.kill().await?;
    set.replicate(primary, true).await?;
    set.primary().await?;
    set.heal().await?;
    set.node(primary)?.logged(ROLLED_BACK, before + 1).await?;
    world.fired();
    Ok(())
}

/// Replication stands still: nothing is acknowledged, and a slot that is taken but not replicated is no verdict.
async fn not_replicated(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        load.work(world).await?;
        let set = world.server()?;
        let primary = set.primary().await?;
        set.replicate(primary, false).await?;
        // what was on its way when it stopped
        pause(millis(500)).await;
        let before = load.stable.count(Said::Acked) + load.producer.count(Said::Acked);
        pause(millis(world.random.u64(1_000..4_000))).await;
        let after = load.stable.count(Said::Acked) + load.producer.count(Said::Acked);
        ensure!(before == after, "{} appends were acknowledged that one member had", after - before);
        let set = world.server()?;
        set.replicate(primary, true).await?;
        let healed = now();
        world.fired();
        load.recovered(world, healed).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Stops the primary until another is elected, then lets it go on: for a moment there are two that think so.
async fn two_primaries(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        load.work(world).await?;
        let set = world.server()?;
        let old = set.primary().await?;
        set.node(old)?.signal(Signal::SIGSTOP)?;
        let lost = now();
        set.other_primary(old).await?;
        load.recovered(world, lost).await?;
        let set = world.server()?;
        set.node(old)?.signal(Signal::SIGCONT)?;
        set.node(old)?.settled().await?;
        world.fired();
        load.go_on().await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Each fdatasync of the mongod takes 50 ms to 2 s longer.
async fn slow_disk(world: &mut World) -> Result<Verdict> {
    // a heartbeat is a write as well
    world.member_ttl = millis(10_000);
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        let delay = world.random.u64(50..2_000);
        let how = format!("fdatasync:delay_enter={}", delay * 1_000);
        let strace = Strace::attach(world.server()?.node(0)?.process()?, &how, world.path("strace")).await?;
        load.go_on().await?;
        pause(millis(2_000)).await;
        world.tally.fired += strace.detach().await?;
        load.recovered(world, now()).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// A write to the disk fails, or finds no space: mongod gives up, and is started again.
async fn broken_disk(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for number in 0..world.loops {
        load.work(world).await?;
        let how = if number % 2 == 0 { "fdatasync:error=EIO" } else { "pwrite64:error=ENOSPC" };
        let mut strace = Strace::attach(world.server()?.node(0)?.process()?, how, world.path("strace")).await?;
        strace.over().await?;
        world.tally.fired += strace.detach().await?;
        let node = world.server_mut()?.node_mut(0)?;
        node.kill().await?;
        node.run().await?;
        load.recovered(world, now()).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// The server's clock jumps an hour ahead and back again, and consumers die around it: their heirs take over in time. Who
/// dies before the clock is set back has told the others that it lives for an hour more.
async fn clock_jumps(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let mut load = Load::start(world).await?;
    for number in 0..world.loops {
        load.work(world).await?;
        world.server()?.set_clock(1).await?;
        let ahead = now();
        world.fired();
        load.recovered(world, ahead).await?;
        // until it has told the others by the new clock that it lives
        pause(world.member_ttl).await;
        if number % 2 == 0 {
            load.replace_consumer(world).await?;
            set_clock_back(world).await?;
        } else {
            set_clock_back(world).await?;
            load.recovered(world, now()).await?;
            load.replace_consumer(world).await?;
        }
        let back = now();
        world.fired();
        load.recovered(world, back).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Sets the server's clock back. Now and then a mongod waits until it shows that hour again before it lets a majority
/// acknowledge anything more, whoever asks: it is started anew then, which is all that anybody could do.
async fn set_clock_back(world: &mut World) -> Result<()> {
    let server = world.server_mut()?;
    server.set_clock(0).await?;
    let node = server.node_mut(0)?;
    let hangs = !node.acknowledges().await;
    if hangs {
        node.kill().await?;
        node.run().await?;
    }
    world.tally.figures.note("server_hangs", f64::from(u8::from(hangs)));
    Ok(())
}

/// All connections that the server allows are taken: whoever comes is told so in time, and comes through later.
async fn no_connection(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        let node = world.server()?.node(0)?;
        let mut taken = Vec::new();
        while !node.is_full().await? {
            taken.push(TcpStream::connect(node.host()).await?);
        }
        let newcomer = world.steady_producer();
        let newcomer = world.start_producer(&newcomer)?;
        newcomer.until_seen("error Retry", |progress| progress.errors.iter().any(|kind| kind == "Retry")).await?;
        drop(taken);
        world.fired();
        let healed = now();
        world.recovered(healed, &newcomer, Said::Acked).await?;
        newcomer.end().await?;
        load.go_on().await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Somebody drops the chunks: whoever goes on is told, and nobody begins again at the start.
async fn dropped(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    load.work(world).await?;
    load.end().await?;
    let verdict = world.drain_and_judge().await?;
    let database = world.server()?.node(0)?.client().database(&world.database());
    database.collection::<Document>("minibatch_chunks").drop().await?;
    let settings = world.consumer();
    let mut consumer = world.start_consumer(&settings)?;
    let ended_well = consumer.ended().await?;
    let errors = consumer.progress().errors;
    ensure!(!ended_well && consumer.count(Said::Window) == 0, "a consumer went on without its log");
    ensure!(errors.last().is_some_and(|kind| kind == "Corrupt"), "a consumer without its log was told {errors:?}");
    world.fired();
    Ok(verdict)
}
