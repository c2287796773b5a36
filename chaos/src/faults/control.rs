//! Producers that do what minibatch must not: each has to lose or to duplicate, or the faults are none.

use anyhow::Result;
use minibatch_testkit::history::{Outcome, Verdict};

use super::{Expect, Fault, Need, Place, server::roll_back};
use crate::{
    clock::{millis, now},
    proxy::Wire,
    remains,
    role::{Appending, Producer, Said},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "S1-w1",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "control: w:1 without a journal, and the mongod is killed",
        expect: Expect::Loses,
        loops: (3, 20),
        run: |world| Box::pin(unjournaled(world)),
    },
    Fault {
        id: "S4-w1",
        place: Place::MongoThree,
        needs: Need::Nothing,
        what: "control: w:1, and what the primary wrote is rolled back",
        expect: Expect::Loses,
        loops: (1, 5),
        run: |world| Box::pin(rolled_back(world)),
    },
    Fault {
        id: "N2-unkeyed",
        place: Place::Mongo,
        needs: Need::Nothing,
        what: "control: inserts without a key, tried again after a lost reply",
        expect: Expect::Duplicates,
        loops: (3, 20),
        run: |world| Box::pin(unkeyed(world)),
    },
];

async fn unjournaled(world: &mut World) -> Result<Verdict> {
    let settings = world.producer(Appending::Unjournaled);
    let producer = world.start_producer(&settings)?;
    for _ in 0..world.loops {
        producer.more(Said::Acked, 300).await?;
        let node = world.server_mut()?.node_mut(0)?;
        node.kill().await?;
        node.run().await?;
        let back = now();
        world.fired();
        world.recovered(back, &producer, Said::Acked).await?;
    }
    producer.end().await?;
    judge(world).await
}

/// Acknowledged by a primary alone, and rolled back.
async fn rolled_back(world: &mut World) -> Result<Verdict> {
    let settings = world.producer(Appending::Unjournaled);
    let producer = world.start_producer(&settings)?;
    for _ in 0..world.loops {
        producer.more(Said::Acked, 50).await?;
        roll_back(world).await?;
        world.recovered(now(), &producer, Said::Acked).await?;
    }
    producer.end().await?;
    judge(world).await
}

async fn unkeyed(world: &mut World) -> Result<Verdict> {
    let proxy = world.behind_proxy().await?;
    let settings = Producer { pause: millis(5), ..world.producer(Appending::Unkeyed) };
    let producer = world.start_producer(&settings)?;
    for _ in 0..world.loops {
        producer.more(Said::Acked, 10).await?;
        proxy.set(Wire::Cut("insert", 1));
        world.tally.fired += proxy.spent().await;
    }
    producer.more(Said::Acked, 10).await?;
    producer.end().await?;
    judge(world).await
}

async fn judge(world: &mut World) -> Result<Verdict> {
    let histories = remains::histories(&world.path("histories"))?;
    let set = world.server()?;
    let log = remains::control(set.node(set.primary().await?)?.client(), &world.database()).await?;
    Ok(Outcome { histories, log, ..Outcome::default() }.judge())
}
