//! Single messages from many clients to one partition, beside as many loops that only insert.
//!
//! Both take turns within one run, so that whatever else the machine does meets both.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use minibatch::{Cause, Error, Minibatch, Result};
use tokio::task::JoinSet;

use crate::{
    Scale, e2e,
    figure::Figures,
    reading::{Reading, batch},
};

const CLIENTS: usize = 16;

/// Messages appended one by one, by clients that share nothing but the partition.
pub(crate) async fn appends(figures: &Figures<'_>, scale: Scale) -> Result<()> {
    let name = format!("contended/{CLIENTS}");
    if !figures.want(&name) {
        return Ok(());
    }
    let messages = scale.messages / 100;
    let (mut rates, mut fairness) = (Vec::new(), Vec::new());
    #[cfg(feature = "mongodb")]
    let mut raw = raw::Beside::new(figures);
    for _ in 0..scale.runs {
        #[cfg(feature = "mongodb")]
        raw.measure(messages).await?;
        let (rate, fair) = ours(figures, messages).await?;
        rates.push(rate);
        fairness.push(fair * 100.0);
        #[cfg(feature = "mongodb")]
        raw.compare(rate);
    }
    figures.print(&name, "messages/s", &mut rates);
    figures.print(&format!("{name}/jain"), "%", &mut fairness);
    #[cfg(feature = "mongodb")]
    raw.print(&name).await?;
    Ok(())
}

/// Messages a second, and how fairly the clients shared the partition.
async fn ours(figures: &Figures<'_>, messages: usize) -> Result<(f64, f64)> {
    let (first, stream) = e2e::fresh(&figures.target).await?;
    let mut clients: Vec<Minibatch> = Vec::new();
    let (mut calls, left) = (Vec::new(), Arc::new(AtomicUsize::new(messages)));
    for _ in 0..CLIENTS {
        let client = figures.target.connect().await?;
        let stream = client.stream::<Reading>(stream.name().as_str()).await?;
        // connected and registered, as those are that only insert
        if let Some(reading) = batch().first() {
            stream.append(reading).await?;
        }
        clients.push(client);
        let left = Arc::clone(&left);
        calls.push(async move {
            let mut count = 0;
            for reading in batch().iter().cycle().take_while(|_| take(&left)) {
                stream.append(reading).await?;
                count += 1;
            }
            Ok(count)
        });
    }
    let mut counts = Vec::new();
    let took = e2e::timed(async {
        counts = all(calls).await?;
        Ok(())
    })
    .await?;
    first.shutdown().await;
    for client in clients {
        client.shutdown().await;
    }
    Ok((e2e::rate(messages, took), jain(&counts)))
}

/// One of those that are left, while there are any.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Runs calls at once.
async fn all(calls: Vec<impl Future<Output = Result<usize>> + Send + 'static>) -> Result<Vec<usize>> {
    let mut calls = JoinSet::from_iter(calls);
    let mut counts = Vec::new();
    while let Some(ended) = calls.join_next().await {
        counts.push(ended.map_err(|_| Error::from(Cause::Closed))??);
    }
    Ok(counts)
}

/// Jain's index: 1 where all have the same share, 1/n where one has it all.
/// <https://www.rfc-editor.org/rfc/rfc5166#section-2.3.1>
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn jain(counts: &[usize]) -> f64 {
    let sum: usize = counts.iter().sum();
    let squares: usize = counts.iter().map(|count| count * count).sum();
    (sum * sum) as f64 / (counts.len() * squares).max(1) as f64
}

#[cfg(feature = "mongodb")]
mod raw {
    use std::sync::{Arc, atomic::AtomicUsize};

    use mongodb::{
        Client, Collection,
        options::{CollectionOptions, WriteConcern},
    };

    use super::{CLIENTS, all, take};
    use crate::{
        e2e,
        figure::Figures,
        reading::{Reading, batch},
    };

    /// The same messages as documents of their own, by the driver alone and as durable.
    pub(super) struct Beside<'a> {
        /// `None` where the storage is another.
        figures: Option<&'a Figures<'a>>,
        rates: Vec<f64>,
        shares: Vec<f64>,
    }

    impl<'a> Beside<'a> {
        pub(super) fn new(figures: &'a Figures<'a>) -> Self {
            let figures = (figures.target.name() == "mongo").then_some(figures);
            Self { figures, rates: Vec::new(), shares: Vec::new() }
        }

        pub(super) async fn measure(&mut self, messages: usize) -> minibatch::Result<()> {
            let Some(figures) = self.figures else { return Ok(()) };
            let (mut calls, left) = (Vec::new(), Arc::new(AtomicUsize::new(messages)));
            for _ in 0..CLIENTS {
                let collection = collection(figures.target.url()).await.map_err(failed)?;
                calls.push(one_by_one(collection, Arc::clone(&left)));
            }
            let took = e2e::timed(async { all(calls).await.map(drop) }).await?;
            self.rates.push(e2e::rate(messages, took));
            Ok(())
        }

        /// Notes which share of the last rate another one is.
        pub(super) fn compare(&mut self, rate: f64) {
            self.shares.extend(self.rates.last().map(|raw| 100.0 * rate / raw));
        }

        pub(super) async fn print(mut self, name: &str) -> minibatch::Result<()> {
            let Some(figures) = self.figures else { return Ok(()) };
            collection(figures.target.url()).await.map_err(failed)?.drop().await.map_err(failed)?;
            figures.print(&format!("{name}/raw"), "messages/s", &mut self.rates);
            figures.print(&format!("{name}/of_raw"), "%", &mut self.shares);
            Ok(())
        }
    }

    /// The collection, by a client of its own that is connected.
    async fn collection(url: &str) -> mongodb::error::Result<Collection<Reading>> {
        let client = Client::with_uri_str(url).await?;
        let database = client.default_database().unwrap_or_else(|| client.database("minibatch"));
        let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
        let collection = database.collection_with_options("bench_raw", options);
        if let Some(reading) = batch().first() {
            collection.insert_one(reading).await?;
        }
        Ok(collection)
    }

    async fn one_by_one(collection: Collection<Reading>, left: Arc<AtomicUsize>) -> minibatch::Result<usize> {
        let mut count = 0;
        for reading in batch().iter().cycle().take_while(|_| take(&left)) {
            collection.insert_one(reading).await.map_err(failed)?;
            count += 1;
        }
        Ok(count)
    }

    fn failed(error: mongodb::error::Error) -> minibatch::Error {
        minibatch::Error::from(minibatch::Cause::misconfigured("the driver's own insert failed")).with_source(error)
    }
}
