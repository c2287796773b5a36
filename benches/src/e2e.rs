//! From append to commit.

use std::time::{Duration, Instant};

use minibatch::{Cause, Error, Minibatch, Result, Stream, prelude::*};

use crate::{
    Scale,
    figure::{self, Output},
    reading::{BATCH, Reading, batch},
    target::Target,
};

const STREAM: &str = "bench";
/// How many callers append single messages at once.
const CALLERS: usize = 16;

/// Messages appended in batches, by one producer.
pub(crate) async fn append_many(target: &Target, scale: Scale, output: Output) -> Result<()> {
    let mut values = Vec::new();
    for _ in 0..scale.runs {
        let (mb, stream) = fresh(target).await?;
        let took = timed(produce(&stream, scale.messages)).await?;
        values.push(rate(scale.messages, took));
        mb.shutdown().await;
    }
    figure::print(output, target, "append/1000", "messages/s", &mut values);
    Ok(())
}

/// Messages appended one by one, by one caller and by several at once.
pub(crate) async fn append_single(target: &Target, scale: Scale, output: Output) -> Result<()> {
    for callers in [1, CALLERS] {
        let mut values = Vec::new();
        for _ in 0..scale.runs {
            let (mb, stream) = fresh(target).await?;
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
        figure::print(output, target, &format!("append/1x{callers}"), "messages/s", &mut values);
    }
    Ok(())
}

async fn one_by_one(stream: Stream<Reading>, count: usize) -> Result<()> {
    for reading in batch().iter().cycle().take(count) {
        stream.append(reading).await?;
    }
    Ok(())
}

/// Messages appended in batches while a consumer takes them in windows of `size`, up to the last commit.
pub(crate) async fn windows(target: &Target, scale: Scale, output: Output, size: usize) -> Result<()> {
    let mut values = Vec::new();
    for _ in 0..scale.runs {
        let (mb, stream) = fresh(target).await?;
        let messages = scale.messages / size * size;
        let took = timed(async {
            let (produced, consumed) = tokio::join!(produce(&stream, messages), consume(&stream, messages, size));
            produced.and(consumed)
        })
        .await?;
        let unit = if size == 2 { messages / size } else { messages };
        values.push(rate(unit, took));
        mb.shutdown().await;
    }
    let unit = if size == 2 { "windows/s" } else { "messages/s" };
    figure::print(output, target, &format!("e2e/{size}"), unit, &mut values);
    Ok(())
}

/// Appends so many messages in batches.
pub(crate) async fn produce(stream: &Stream<Reading>, messages: usize) -> Result<()> {
    let batch = batch();
    for _ in 0..messages / BATCH {
        stream.append_many(&batch).await?;
    }
    stream.append_many(batch.iter().take(messages % BATCH)).await?;
    Ok(())
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
async fn timed(work: impl Future<Output = Result<()>>) -> Result<Duration> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
