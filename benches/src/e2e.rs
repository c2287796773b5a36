//! From append to commit.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use minibatch::{Cause, Error, Minibatch, Result, Stream, prelude::*};

use crate::{
    Scale,
    figure::Figures,
    reading::{BATCH, Reading, batch},
    target::Target,
};

const STREAM: &str = "bench";
/// How many batches a producer that is in a hurry has under way.
pub(crate) const AT_ONCE: usize = 4;

/// Messages appended in batches, one after the other.
pub(crate) async fn append_many(figures: &Figures<'_>, scale: Scale) -> Result<()> {
    let name = format!("append/{BATCH}");
    if !figures.want(&name) {
        return Ok(());
    }
    let mut values = Vec::new();
    for _ in 0..scale.runs {
        let (mb, stream) = fresh(&figures.target).await?;
        let took = timed(produce(&stream, scale.messages, 1)).await?;
        values.push(rate(scale.messages, took));
        mb.shutdown().await;
    }
    figures.print(&name, "messages/s", &mut values);
    Ok(())
}

/// Messages appended one by one, by so many callers at once.
pub(crate) async fn append_single(figures: &Figures<'_>, scale: Scale, callers: usize) -> Result<()> {
    let name = format!("append/1x{callers}");
    if !figures.want(&name) {
        return Ok(());
    }
    let mut values = Vec::new();
    for _ in 0..scale.runs {
        let (mb, stream) = fresh(&figures.target).await?;
        let each = scale.messages / 300 / callers;
        let took = timed(async {
            let calls: Vec<_> = (0..callers).map(|_| tokio::spawn(one_by_one(stream.clone(), each))).collect();
            for call in calls {
                call.await.map_err(|_| Error::from(Cause::Closed))??;
            }
            Ok(())
        })
        .await?;
        values.push(rate(each * callers, took));
        mb.shutdown().await;
    }
    figures.print(&name, "messages/s", &mut values);
    Ok(())
}

pub(crate) async fn one_by_one(stream: Stream<Reading>, count: usize) -> Result<()> {
    for reading in batch().iter().cycle().take(count) {
        stream.append(reading).await?;
    }
    Ok(())
}

/// Messages appended in batches, some at a time, while a consumer takes them in windows of `size`, up to the last commit.
pub(crate) async fn windows(figures: &Figures<'_>, scale: Scale, size: usize) -> Result<()> {
    let name = format!("e2e/{size}");
    if !figures.want(&name) {
        return Ok(());
    }
    let mut values = Vec::new();
    for _ in 0..scale.runs {
        let (mb, stream) = fresh(&figures.target).await?;
        let messages = scale.messages / size * size;
        let took = timed(async {
            let (produced, consumed) =
                tokio::join!(produce(&stream, messages, AT_ONCE), consume(&stream, messages, size));
            produced.and(consumed)
        })
        .await?;
        let unit = if size == 2 { messages / size } else { messages };
        values.push(rate(unit, took));
        mb.shutdown().await;
    }
    let unit = if size == 2 { "windows/s" } else { "messages/s" };
    figures.print(&name, unit, &mut values);
    Ok(())
}

/// Appends so many messages in batches, so many of them at a time.
pub(crate) async fn produce(stream: &Stream<Reading>, messages: usize, at_once: usize) -> Result<()> {
    let batch = &batch();
    let sizes = (0..messages).step_by(BATCH).map(|done| BATCH.min(messages - done));
    let appends = sizes.map(|size| stream.append_many(batch.iter().take(size)));
    futures::stream::iter(appends).buffered(at_once).try_for_each(|_| async { Ok(()) }).await
}

/// Consumes so many messages in windows, with an empty function; returns when all is committed.
pub(crate) async fn consume(stream: &Stream<Reading>, messages: usize, size: usize) -> Result<()> {
    let (all, done) = tokio::sync::oneshot::channel::<()>();
    let mut all = Some(all);
    let mut left = messages;
    let windows = stream.streaming().size(size).until(async move { drop(done.await) });
    windows
        .run(|window: Window<Reading>| {
            left -= window.len();
            if left == 0 {
                drop(all.take());
            }
            async {}
        })
        .await?;
    Ok(())
}

/// An empty stream; the file or database is shared with the runs before.
pub(crate) async fn fresh(target: &Target) -> Result<(Minibatch, Stream<Reading>)> {
    let mb = target.connect().await?;
    mb.drop_stream(STREAM).await?;
    let stream = mb.stream(STREAM).await?;
    Ok((mb, stream))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) async fn timed(work: impl Future<Output = Result<()>>) -> Result<Duration> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
