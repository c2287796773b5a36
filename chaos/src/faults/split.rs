//! S5: a network that falls in two, with clients on both sides.

use anyhow::{Result, ensure};
use minibatch_testkit::history::Verdict;

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now},
    role::{Appending, Producer, Said},
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[Fault {
    id: "S5-split",
    place: Place::MongoThree,
    needs: Need::Cut,
    what: "the primary is cut off from the others, with clients on both sides",
    expect: Expect::Sound,
    loops: (1, 10),
    run: |world| Box::pin(split(world)),
}];

/// Cuts the primary off from the other members; a producer and the consumer that owns the group stay on its side, another
/// of each are with the others. Those go on with a new primary, and the former hear that nothing of theirs has counted.
async fn split(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let settings = world.steady_producer();
    let producer = world.start_producer(&settings)?;
    let settings = world.producer(Appending::Stable { id: "lonely".to_owned() });
    let lonely = world.start_producer(&Producer { pause: millis(10), ..settings })?;
    let settings = world.consumer();
    let mut owner = world.start_consumer(&settings)?;
    owner.until(Said::Done, 1).await?;
    for _ in 0..world.loops {
        let settings = world.consumer();
        let heir = world.start_consumer(&settings)?;
        tokio::try_join!(producer.more(Said::Acked, 3), lonely.more(Said::Acked, 3), owner.more(Said::Done, 3))?;

        let set = world.server()?;
        let old = set.primary().await?;
        set.cut()?.part([set.node(old)?.process()?, lonely.process()?, owner.process()?]);
        let parted = now();
        set.other_primary(old).await?;
        // what was acknowledged before has been said
        let before = lonely.count(Said::Acked);
        tokio::try_join!(producer.more(Said::Acked, 3), heir.more(Said::Done, 3))?;
        let after = lonely.count(Said::Acked);
        world.fired();
        world.tally.recoveries.push(now() - parted);
        ensure!(before == after, "{} appends were acknowledged by a primary without a majority", after - before);

        let set = world.server()?;
        set.cut()?.heal();
        let healed = now();
        set.node(old)?.settled().await?;
        tokio::try_join!(producer.more(Said::Acked, 1), lonely.more(Said::Acked, 1), heir.more(Said::Done, 1))?;
        world.tally.recoveries.push(now() - healed);
        owner.end().await?;
        owner = heir;
    }
    tokio::try_join!(producer.end(), lonely.end(), owner.end())?;
    let verdict = world.drain_and_judge().await?;
    ensure!(verdict.fenced > 0, "no consumer was told that it lost its partition");
    Ok(verdict)
}
