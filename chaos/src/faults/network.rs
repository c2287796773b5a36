//! N: wires that are slow, silent, cut, or late.

use std::time::Duration;

use anyhow::Result;
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Place};
use crate::{
    clock::{now, pause, seconds},
    proxy::{Proxy, Wire},
    role::Said,
    server::ROLES,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "N1",
        place: Place::Mongo,
        what: "the wire is slow, and gives bytes one by one",
        expect: Expect::Sound,
        loops: (2, 10),
        run: |world| Box::pin(wired(world, SLOW)),
    },
    Fault {
        id: "N2",
        place: Place::Mongo,
        what: "the wire is cut within replies, or silent",
        expect: Expect::Sound,
        loops: (3, 15),
        run: |world| Box::pin(wired(world, BROKEN)),
    },
    Fault {
        id: "N3",
        place: Place::Mongo,
        what: "inserts arrive after their client has given up on them",
        expect: Expect::Sound,
        loops: (2, 15),
        run: |world| Box::pin(wired(world, LATE)),
    },
];

const SLOW: &[Wire] = &[Wire::Slow(Duration::from_millis(5)), Wire::Slow(Duration::from_millis(200))];
const BROKEN: &[Wire] = &[Wire::Cut("insert"), Wire::Cut("update"), Wire::Silent];
const LATE: &[Wire] = &[Wire::Held("insert")];

/// Lets the wire between the roles and the server misbehave in turn, for some seconds each time.
async fn wired(world: &mut World, wires: &[Wire]) -> Result<Verdict> {
    world.open().await?;
    let host = world.server()?.node(0)?.host();
    let proxy = Proxy::start(host).await?;
    world.url = format!("{}&appName={ROLES}", proxy.url(&world.database()));
    let producer = world.steady_producer();
    let producer = world.start_producer(&producer)?;
    let consumer = world.consumer();
    let consumer = world.start_consumer(&consumer)?;
    consumer.until(Said::Done, 1).await?;
    let mut wires = wires.iter().cycle();
    for _ in 0..world.loops {
        let Some(wire) = wires.next() else { break };
        let before = proxy.struck();
        proxy.set(*wire);
        pause(seconds(world.random.u64(2..5))).await;
        proxy.set(Wire::Sound);
        let healed = now();
        world.tally.fired += proxy.struck() - before;
        world.recovered(healed, &producer, Said::Acked).await?;
        consumer.more(Said::Done, 1).await?;
    }
    producer.end().await?;
    consumer.end().await?;
    world.drain_and_judge().await
}
