//! Hints by a change stream: which partitions got a chunk.

use bson::{Document, doc};
use futures::{StreamExt, stream::BoxStream};

use super::{
    super::{Collection, Failure, Hint},
    Driver, classify,
    right::Right,
};

pub(super) async fn open(
    driver: Driver,
    streams: Vec<String>,
) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
    let chunks = driver.collection::<Document>(Collection::Chunks);
    let right = Right::new("changeStream, find", Collection::Chunks);
    let pipeline = [
        doc! { "$match": { "operationType": "insert", "fullDocument.s": { "$in": streams } } },
        doc! { "$project": { "fullDocument.s": 1, "fullDocument.p": 1, "fullDocument.inc": 1 } },
    ];
    let events = chunks.watch().pipeline(pipeline).await.map_err(|error| driver.failed(right, &error))?;
    let hints = events.with_type::<Document>().filter_map(|event| async {
        match event {
            Ok(event) => hint(&event).map(Ok),
            Err(error) => Some(Err(classify::failure(&error))),
        }
    });
    Ok(hints.boxed())
}

fn hint(event: &Document) -> Option<Hint> {
    let chunk = event.get_document("fullDocument").ok()?;
    Some(Hint {
        stream: chunk.get_str("s").ok()?.to_owned(),
        incarnation: chunk.get_i64("inc").ok()?,
        partition: chunk.get_i64("p").ok()?,
    })
}
