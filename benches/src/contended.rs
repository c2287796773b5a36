//! Single messages from many clients to one partition, beside as many loops that only insert.

use minibatch::{Cause, Error, Result};
use tokio::task::JoinSet;

use crate::{Scale, e2e, figure::Figures, reading::Reading};

const CLIENTS: usize = 16;

/// Messages appended one by one, by clients that share nothing but the partition.
pub(crate) async fn appends(figures: &Figures<'_>, scale: Scale) -> Result<()> {
    let each = scale.messages / 100 / CLIENTS;
    let name = format!("contended/{CLIENTS}");
    if figures.want(&name) {
        let mut values = Vec::new();
        for _ in 0..scale.runs {
            let (first, stream) = e2e::fresh(&figures.target).await?;
            let mut clients = Vec::new();
            let mut calls = Vec::new();
            for _ in 0..CLIENTS {
                let client = figures.target.connect().await?;
                let stream = client.stream::<Reading>(stream.name().as_str()).await?;
                clients.push(client);
                calls.push(e2e::one_by_one(stream, each));
            }
            let took = e2e::timed(all(calls)).await?;
            values.push(e2e::rate(each * CLIENTS, took));
            first.shutdown().await;
            for client in clients {
                client.shutdown().await;
            }
        }
        figures.print(&name, "messages/s", &mut values);
    }
    #[cfg(feature = "mongodb")]
    raw::inserts(figures, scale, each).await?;
    Ok(())
}

/// Runs calls at once.
async fn all(calls: Vec<impl Future<Output = Result<()>> + Send + 'static>) -> Result<()> {
    let mut calls = JoinSet::from_iter(calls);
    while let Some(ended) = calls.join_next().await {
        ended.map_err(|_| Error::from(Cause::Closed))??;
    }
    Ok(())
}

#[cfg(feature = "mongodb")]
mod raw {
    use mongodb::{
        Client, Collection,
        options::{CollectionOptions, WriteConcern},
    };

    use super::{CLIENTS, all};
    use crate::{
        Scale, e2e,
        figure::Figures,
        reading::{Reading, batch},
    };

    /// The same messages as documents of their own, by the driver alone and as durable.
    pub(super) async fn inserts(figures: &Figures<'_>, scale: Scale, each: usize) -> minibatch::Result<()> {
        let name = format!("contended/raw{CLIENTS}");
        if figures.target.name() != "mongo" || !figures.want(&name) {
            return Ok(());
        }
        let mut values = Vec::new();
        for _ in 0..scale.runs {
            let mut calls = Vec::new();
            for _ in 0..CLIENTS {
                calls.push(one_by_one(collection(figures.target.url()).await.map_err(failed)?, each));
            }
            let took = e2e::timed(all(calls)).await?;
            values.push(e2e::rate(each * CLIENTS, took));
        }
        collection(figures.target.url()).await.map_err(failed)?.drop().await.map_err(failed)?;
        figures.print(&name, "messages/s", &mut values);
        Ok(())
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

    async fn one_by_one(collection: Collection<Reading>, count: usize) -> minibatch::Result<()> {
        for reading in batch().iter().cycle().take(count) {
            collection.insert_one(reading).await.map_err(failed)?;
        }
        Ok(())
    }

    fn failed(error: mongodb::error::Error) -> minibatch::Error {
        minibatch::Error::from(minibatch::Cause::misconfigured("the driver's own insert failed")).with_source(error)
    }
}
