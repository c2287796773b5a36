//! Trimming by the stream's retention.

use minibatch_core::{
    Cause, Error, ErrorKind, Slot, Timestamp,
    storage::{LogBounds, Partition, Trim, Trimmed},
};

use super::{Retention, Span, Upkeep};
use crate::{Client, retry::until_verdict};

impl Upkeep {
    /// Trims beside whatever its caller does: nothing depends on it, and the next time does the same. Where this client may
    /// not, that is said once, and tried seldom from then on.
    pub(crate) async fn trim_aside(&self, index: u32) {
        if self.trimming.lasts(self.millis()) {
            return;
        }
        let Err(error) = self.trim(index).await else { return };
        let stream = &self.info.name;
        if error.kind() == ErrorKind::Misconfigured && self.trimming.begin(self.millis()) {
            tracing::warn!(
                %stream, %error,
                "may not trim, and leaves it to others: grant what is missing, or run `stream.trim()` as somebody who may"
            );
        } else {
            tracing::debug!(%stream, partition = index, %error, "could not trim");
        }
    }

    /// Removes what the retention no longer keeps of a partition.
    pub(crate) async fn trim(&self, index: u32) -> Result<Trimmed, Error> {
        let (client, partition) = (&self.client, self.info.partition(index));
        let retention = self.settings().await?.retention;
        let cut = self.cut(index, &partition, &retention).await?;
        let trim = if retention.keep { Trim::Below(cut) } else { Trim::FinishedOrBelow(cut) };
        client.storage().trim(&partition, trim).await
    }

    /// The first slot that the caps leave; 0 without caps.
    async fn cut(&self, index: u32, partition: &Partition, retention: &Retention) -> Result<Slot, Error> {
        let kept = usize::try_from(index).ok().and_then(|index| self.kept.get(index));
        let Some(kept) = kept.filter(|_| retention.is_capped()) else { return Ok(Slot::ZERO) };
        let mut kept = kept.lock().await;
        let bounds = bounds(&self.client, partition).await?;
        // lost to another client that trimmed: what is kept is counted anew
        let known = kept.take().filter(|span| span.low() >= bounds.first().offset.slot());
        let mut span = known.unwrap_or_else(|| Span::at(&bounds));
        match advance(&mut span, &self.client, partition, retention, bounds.tail).await {
            Err(error) if matches!(error.cause(), Cause::OffsetTrimmed { .. }) => return Ok(Slot::ZERO),
            advanced => advanced?,
        }
        *kept = Some(span);
        if span.low() > bounds.floor.max(Slot::FIRST) {
            tell(&self.client, partition, &bounds, span.low()).await?;
        }
        Ok(span.low())
    }
}

/// Takes in what was appended, and gives up what the caps do not keep.
async fn advance(
    span: &mut Span,
    client: &Client,
    partition: &Partition,
    retention: &Retention,
    tail: Slot,
) -> Result<(), Error> {
    span.extend(client, partition, tail).await?;
    let oldest = match retention.max_age {
        Some(age) => until_verdict(&**client.clock(), "now", || client.storage().now()).await?.minus(age),
        None => Timestamp::MIN,
    };
    let has = |limit: Option<u64>, left: u64| limit.is_some_and(|limit| left >= limit);
    let gone = |_: &_, left: &Span| {
        left.low() <= tail
            && (left.time() < oldest
                || has(retention.max_messages, left.messages())
                || has(retention.max_bytes, left.bytes()))
    };
    span.raise(client, partition, gone).await
}

/// Says of which groups a cut takes what they need.
async fn tell(client: &Client, partition: &Partition, bounds: &LogBounds, cut: Slot) -> Result<(), Error> {
    let groups = until_verdict(&**client.clock(), "groups", || client.storage().groups(partition)).await?;
    for (group, state) in groups.iter().filter(|(_, state)| state.keep_from.slot() < cut) {
        let from = state.keep_from.slot().max(bounds.floor);
        tracing::warn!(%partition, %group, %from, to = %cut, "retention takes messages that the group has not finished");
    }
    Ok(())
}

async fn bounds(client: &Client, partition: &Partition) -> Result<LogBounds, Error> {
    until_verdict(&**client.clock(), "bounds", || client.storage().bounds(partition)).await
}
