//! Producers without minibatch, that do what it must not: the positive controls.

use anyhow::Result;
use bson::{Document, doc};
use minibatch_testkit::history::Event;
use mongodb::{
    Client, Collection,
    error::Error,
    options::{ClientOptions, WriteConcern},
};

use super::{Producer, Recorder, Said, tell, told_to_end};
use crate::clock::{millis, pause};

/// Where they insert.
pub(crate) const COLLECTION: &str = "control";

/// Inserts with w:1 and without waiting for the journal. Never tries again: what is lost was acknowledged once.
pub(super) async fn unjournaled(producer: &Producer) -> Result<()> {
    let concern = WriteConcern::builder().w(mongodb::options::Acknowledgment::Nodes(1)).journal(false).build();
    insert(producer, concern, false).await
}

/// Inserts with majority, and again when no answer came: with nothing by which the server could know it again.
pub(super) async fn unkeyed(producer: &Producer) -> Result<()> {
    insert(producer, WriteConcern::majority(), true).await
}

async fn insert(producer: &Producer, concern: WriteConcern, again: bool) -> Result<()> {
    let (recorder, _) = Recorder::open(&producer.history)?;
    let collection = collection(&producer.url, concern).await?;
    let work = async {
        for number in 0.. {
            let (lane, first, count) = (producer.first_lane, number, 1);
            recorder.note(&Event::Invoke { lane, first, count })?;
            let note = doc! { "lane": i64::from(lane), "number": i64::try_from(number)? };
            let mut inserted = insert_one(&collection, &note).await;
            while again && inserted.is_err() {
                pause(millis(5)).await;
                inserted = insert_one(&collection, &note).await;
            }
            match inserted {
                Ok(()) => {
                    recorder.note(&Event::Ack { lane, first, count, at: None })?;
                    tell(Said::Acked);
                }
                Err(_) => {
                    recorder.note(&Event::Indeterminate { lane, first, count })?;
                    tell(Said::Unclear);
                    pause(millis(20)).await;
                }
            }
            pause(producer.pause).await;
        }
        Ok(())
    };
    tokio::select! {
        ended = work => ended,
        () = told_to_end() => Ok(()),
    }
}

async fn insert_one(collection: &Collection<Document>, note: &Document) -> Result<(), Error> {
    collection.insert_one(note).await.map(drop)
}

async fn collection(url: &str, concern: WriteConcern) -> Result<Collection<Document>> {
    let mut options = ClientOptions::parse(url).await?;
    options.retry_writes = Some(false);
    options.write_concern = Some(concern);
    let database = options.default_database.clone().unwrap_or_default();
    Ok(Client::with_options(options)?.database(&database).collection(COLLECTION))
}
