//! N: wires that are slow, silent, cut, or late.

use std::time::Duration;

use anyhow::Result;
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now, pause},
    load::Load,
    proxy::Wire,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "N1",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "the wire is slow, and gives bytes one by one",
        expect: Expect::Sound,
        loops: (2, 10),
        run: |world| Box::pin(wired(world, SLOW)),
    },
    Fault {
        id: "N2",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "the wire is cut within replies, or silent",
        expect: Expect::Sound,
        loops: (3, 15),
        run: |world| Box::pin(wired(world, BROKEN)),
    },
    Fault {
        id: "N3",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "inserts arrive after their client has given up on them",
        expect: Expect::Sound,
        loops: (1, 10),
        run: |world| Box::pin(late(world)),
    },
];

const SLOW: &[Wire] = &[Wire::Slow(Duration::from_millis(5)), Wire::Slow(Duration::from_millis(200))];
const BROKEN: &[Wire] = &[Wire::Cut("insert", u64::MAX), Wire::Cut("update", u64::MAX), Wire::Silent];

/// Lets the wire between the roles and the server misbehave in turn, for some seconds each time.
async fn wired(world: &mut World, wires: &[Wire]) -> Result<Verdict> {
    world.open().await?;
    let proxy = world.behind_proxy().await?;
    let load = Load::start(world).await?;
    let mut wires = wires.iter().cycle();
    for _ in 0..world.loops {
        let Some(wire) = wires.next() else { break };
        load.work(world).await?;
        let before = proxy.struck();
        proxy.set(*wire);
        pause(millis(world.random.u64(1_500..4_000))).await;
        proxy.set(Wire::Sound);
        let healed = now();
        world.tally.fired += proxy.struck() - before;
        load.recovered(world, healed).await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Holds two inserts back until everybody has gone on without them, then delivers them.
async fn late(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let proxy = world.behind_proxy().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        load.work(world).await?;
        proxy.set(Wire::Held("insert", 2));
        let lost = now();
        let held = proxy.spent().await;
        load.recovered(world, lost).await?;
        proxy.set(Wire::Sound);
        world.tally.fired += held;
        load.go_on().await?;
    }
    load.end().await?;
    world.drain_and_judge().await
}
