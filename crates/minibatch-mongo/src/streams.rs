//! Streams: a document by name, and one for each partition, which says that it exists.
//!
//! The partitions' documents are made before the stream's, so a stream that is found is whole. They are deleted first
//! when it is dropped: from then on every client that looks finds it gone, and the drop ends when every client has.

use async_trait::async_trait;
use bson::{RawDocument, RawDocumentBuf, rawdoc};
use minibatch_core::{
    Cause, Error, Slot, StreamName, Timestamp,
    storage::{Incarnation, Partition, StreamInfo, StreamStore},
};

use crate::{
    MongoStorage,
    client::Client,
    database::{Collection, FORMAT, Failure, Filter, Find, Order, SERVER_STAMP, Test, Update},
    error::corrupt,
    partition::{PartitionDocument, SEEN_BY_ALL},
    random,
};

const PAGE: u32 = 1_000;

/// A stream's document.
struct StreamDocument {
    info: StreamInfo,
    /// True while it is being dropped: for everybody else there is no such stream.
    dropping: bool,
}

impl StreamDocument {
    fn create(info: &StreamInfo) -> RawDocumentBuf {
        rawdoc! {
            "_id": info.name.as_str(),
            "inc": info.incarnation.get(),
            "partitions": i64::from(info.partitions),
            "config": {},
            "created": SERVER_STAMP,
            "format": FORMAT,
        }
    }

    fn decode(document: &RawDocument) -> Result<Self, Error> {
        let damaged = |_| corrupt("stream");
        let format = document.get_i64("format").map_err(damaged)?;
        if format > FORMAT {
            return Err(Cause::newer_format("stream", format, FORMAT).into());
        }
        let name = StreamName::stored(document.get_str("_id").map_err(damaged)?)?;
        let incarnation = Incarnation::new(document.get_i64("inc").map_err(damaged)?);
        let partitions = document.get_i64("partitions").map_err(damaged)?;
        let partitions = u32::try_from(partitions).map_err(|_| corrupt("stream"))?;
        let dropping = document.get_bool("dropping").unwrap_or(false);
        Ok(Self { info: StreamInfo { name, incarnation, partitions }, dropping })
    }
}

#[async_trait]
impl StreamStore for MongoStorage {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        self.client.open_stream(name, partitions).await.map_err(|error| error.during("open_stream"))
    }

    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        self.client.find_living_stream(name).await.map_err(|error| error.during("find_stream"))
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        self.client.list_streams().await.map_err(|error| error.during("list_streams"))
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        self.client.drop_stream(name).await.map_err(|error| error.during("drop_stream"))
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        let now = self.client.settle(|| self.client.database().now()).await;
        now.map_err(|failure| Error::from(failure).during("now"))
    }
}

impl Client {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        if partitions == 0 {
            return Err(Cause::out_of_range("a stream has at least one partition").into());
        }
        let mut mine: Option<StreamInfo> = None;
        loop {
            let found = self.find_stream_document(name).await?;
            let lost =
                |mine: &StreamInfo| found.as_ref().is_none_or(|found| found.info.incarnation != mine.incarnation);
            if let Some(mine) = mine.take_if(|mine| lost(mine)) {
                self.delete_partitions(&mine).await?;
            }
            match found {
                Some(dropped) if dropped.dropping => self.finish_drop(&dropped.info).await?,
                Some(StreamDocument { info, .. }) if info.partitions == partitions => return Ok(info),
                Some(StreamDocument { info, .. }) => {
                    return Err(Cause::stream_differs(info.partitions, partitions).into());
                }
                None => {
                    let new = StreamInfo { name: name.clone(), incarnation: random::incarnation(), partitions };
                    self.create_stream(&new).await?;
                    mine = Some(new);
                }
            }
        }
    }

    /// Creates the stream, unless somebody else does: whoever comes first is found.
    async fn create_stream(&self, info: &StreamInfo) -> Result<(), Error> {
        for index in 0..info.partitions {
            let document = PartitionDocument::create(&info.partition(index));
            self.insert_once(Collection::Partitions, document).await?;
        }
        self.insert_once(Collection::Streams, StreamDocument::create(info)).await
    }

    /// Inserts a document unless there is one of the same key.
    pub(crate) async fn insert_once(&self, collection: Collection, document: RawDocumentBuf) -> Result<(), Error> {
        match self.settle(|| self.database().insert(collection, document.clone())).await {
            Ok(()) | Err(Failure::Duplicate(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn find_stream_document(&self, name: &StreamName) -> Result<Option<StreamDocument>, Error> {
        let found = self.find_one(Find::one(Collection::Streams, Filter::id(name.as_str()))).await?;
        found.map(|document| StreamDocument::decode(&document)).transpose()
    }

    /// The stream, unless it is being dropped.
    pub(crate) async fn find_living_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        let found = self.find_stream_document(name).await?;
        Ok(found.filter(|stream| !stream.dropping).map(|stream| stream.info))
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        let mut streams: Vec<StreamInfo> = Vec::new();
        let mut after = Filter::all();
        loop {
            let find = Find::one(Collection::Streams, after).sorted("_id", Order::Up).at_most(PAGE);
            let found = self.find(find).await?;
            let Some(last) = found.documents.last() else { return Ok(streams) };
            let last = last.get_str("_id").map_err(|_| corrupt("stream"))?;
            after = Filter::all().and("_id", Test::Gt(last.into()));
            for document in &found.documents {
                let stream = StreamDocument::decode(document)?;
                if !stream.dropping {
                    streams.push(stream.info);
                }
            }
        }
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        let Some(stream) = self.find_stream_document(name).await? else { return Ok(false) };
        if !stream.dropping {
            let this_life = Filter::id(name.as_str()).eq("inc", stream.info.incarnation.get());
            let dropping =
                || self.database().update(Collection::Streams, this_life.clone(), Update::set("dropping", true));
            self.settle(dropping).await.map_err(Error::from)?;
        }
        self.finish_drop(&stream.info).await?;
        Ok(true)
    }

    /// Deletes everything of a stream that is marked. Whoever finds it so can do it.
    async fn finish_drop(&self, info: &StreamInfo) -> Result<(), Error> {
        self.delete_partitions(info).await?;
        self.partitions().forget_stream(&info.partition(0));
        self.clock().sleep(SEEN_BY_ALL).await;
        for index in 0..info.partitions {
            let partition = info.partition(index);
            self.delete_chunks_below(&partition, Slot::MAX).await?;
            for collection in [Collection::Groups, Collection::Snapshots, Collection::Notes, Collection::Producers] {
                self.delete(collection, Filter::of(&partition)).await?;
            }
        }
        let this_life = Filter::id(info.name.as_str()).eq("inc", info.incarnation.get());
        self.delete(Collection::Streams, this_life).await?;
        Ok(())
    }

    async fn delete_partitions(&self, info: &StreamInfo) -> Result<(), Error> {
        for index in 0..info.partitions {
            self.delete(Collection::Partitions, Filter::of(&info.partition(index))).await?;
        }
        Ok(())
    }

    /// The stream, if it is still in that life.
    pub(crate) async fn check_stream(&self, stream: &StreamInfo) -> Result<(), Error> {
        let partition: Partition = stream.partition(0);
        self.check(&partition).await.map(drop)
    }
}
