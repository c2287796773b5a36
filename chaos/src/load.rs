//! What goes on while a fault strikes: appends through the façade, appends under a stable id, and a consumer.

use std::time::Instant;

use anyhow::Result;

use crate::{
    child::Child,
    clock::{millis, now},
    role::{Appending, Producer, Said},
    world::World,
};

/// Three roles at work.
pub(crate) struct Load {
    pub(crate) producer: Child,
    pub(crate) stable: Child,
    pub(crate) consumer: Child,
}

impl Load {
    /// Starts them, and waits until each has got somewhere.
    pub(crate) async fn start(world: &mut World) -> Result<Self> {
        let producer = world.steady_producer();
        let stable = world.producer(Appending::Stable { id: "stable".to_owned() });
        let stable = Producer { pause: millis(10), ..stable };
        let consumer = world.consumer();
        let load = Self {
            producer: world.start_producer(&producer)?,
            stable: world.start_producer(&stable)?,
            consumer: world.start_consumer(&consumer)?,
        };
        load.go_on().await?;
        Ok(load)
    }

    /// Waits until each has got further.
    pub(crate) async fn go_on(&self) -> Result<()> {
        let (producer, stable) = (self.producer.more(Said::Acked, 1), self.stable.more(Said::Acked, 1));
        tokio::try_join!(producer, stable, self.consumer.more(Said::Done, 1))?;
        Ok(())
    }

    /// The fault ended at `since`: the time until all of them have got further is a recovery.
    pub(crate) async fn recovered(&self, world: &mut World, since: Instant) -> Result<()> {
        self.go_on().await?;
        world.tally.recoveries.push(now() - since);
        Ok(())
    }

    /// Waits for some calls of the stable producer, so that the next fault strikes somewhere else.
    pub(crate) async fn work(&self, world: &mut World) -> Result<()> {
        self.stable.more(Said::Acked, world.random.u64(1..40)).await
    }

    /// Kills the consumer, and starts another in its place.
    pub(crate) async fn replace_consumer(&mut self, world: &mut World) -> Result<()> {
        let heir = world.consumer();
        let heir = world.start_consumer(&heir)?;
        std::mem::replace(&mut self.consumer, heir).kill().await
    }

    /// Ends them in an orderly way.
    pub(crate) async fn end(self) -> Result<()> {
        tokio::try_join!(self.producer.end(), self.stable.end(), self.consumer.end())?;
        Ok(())
    }
}
