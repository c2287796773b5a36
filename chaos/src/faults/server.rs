//! S: mongods that die, are stopped, or lose what nobody waited for.

use anyhow::Result;
use minibatch_testkit::history::Verdict;
use nix::sys::signal::Signal;

use super::{Expect, Fault, Place};
use crate::{
    clock::{millis, now, pause},
    role::{Appending, Said},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "S1",
        place: Place::Mongo,
        what: "the mongod is killed and started again",
        expect: Expect::Sound,
        loops: (3, 50),
        run: |world| Box::pin(killed(world)),
    },
    Fault {
        id: "S2",
        place: Place::Mongo,
        what: "the mongod is stopped for a while",
        expect: Expect::Sound,
        loops: (2, 10),
        run: |world| Box::pin(stopped(world)),
    },
];

/// Kills the mongod under load.
async fn killed(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let (producer, stable) = (world.steady_producer(), world.producer(Appending::Stable { id: "stable".to_owned() }));
    let (producer, stable) = (world.start_producer(&producer)?, world.start_producer(&stable)?);
    let consumer = world.consumer();
    let consumer = world.start_consumer(&consumer)?;
    consumer.until(Said::Done, 1).await?;
    for _ in 0..world.loops {
        let (calls, moment) = (world.random.u64(1..60), millis(world.random.u64(0..10)));
        stable.more(Said::Acked, calls).await?;
        pause(moment).await;
        let node = world.server_mut()?.node_mut(0)?;
        node.kill().await?;
        node.run().await?;
        let back = now();
        world.fired();
        world.recovered(back, &stable, Said::Acked).await?;
        producer.more(Said::Acked, 1).await?;
    }
    consumer.more(Said::Done, 1).await?;
    producer.end().await?;
    stable.end().await?;
    consumer.end().await?;
    world.drain_and_judge().await
}

/// Stops the mongod, for shorter and for longer than a membership lasts.
async fn stopped(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let producer = world.steady_producer();
    let producer = world.start_producer(&producer)?;
    let consumer = world.consumer();
    let consumer = world.start_consumer(&consumer)?;
    consumer.until(Said::Done, 1).await?;
    for number in 0..world.loops {
        let longest = if number % 2 == 0 { 1_000 } else { 5_000 };
        let lasting = millis(world.random.u64(longest / 2..=longest));
        producer.more(Said::Acked, 20).await?;
        world.server()?.node(0)?.signal(Signal::SIGSTOP)?;
        pause(lasting).await;
        world.server()?.node(0)?.signal(Signal::SIGCONT)?;
        let back = now();
        world.fired();
        world.recovered(back, &producer, Said::Acked).await?;
        consumer.more(Said::Done, 1).await?;
    }
    producer.end().await?;
    consumer.end().await?;
    world.drain_and_judge().await
}
