//! Notes beside a log or a group.

use async_trait::async_trait;
use bson::{Binary, Bson, RawDocument, spec::BinarySubtype};
use bytes::Bytes;
use minibatch_core::{
    Cause, Error,
    storage::{Note, NotePlace, NoteStore},
};

use crate::{
    MongoStorage,
    client::Client,
    database::{Collection, Filter, Find, Order, Test, Update},
    error::corrupt,
};

const PAGE: usize = 1_000;

#[async_trait]
impl NoteStore for MongoStorage {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
        self.client.put_notes(place, notes).await.map_err(|error| error.during("put_notes"))
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        self.client.notes(place, from, limit).await.map_err(|error| error.during("notes"))
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        self.client.delete_notes(place, from, until).await.map_err(|error| error.during("delete_notes"))
    }
}

/// The notes of a place; one beside no group has an empty name for it.
fn filter(place: &NotePlace) -> Filter {
    let group = place.group.as_ref().map_or("", |group| group.as_str());
    Filter::of(&place.partition).eq("g", group).eq("kind", place.kind)
}

impl Client {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
        notes.iter().try_for_each(Note::check)?;
        self.check(&place.partition).await?;
        if let Some(group) = &place.group
            && !self.has_group(&place.partition, group).await?
        {
            return Err(Cause::GroupRemoved.into());
        }
        for Note { key, bytes } in notes {
            let this = filter(place).eq("key", key);
            let bytes = Binary { subtype: BinarySubtype::Generic, bytes: bytes.into() };
            let update = Update::set("bytes", Bson::from(bytes));
            let put = || self.database().find_and_update(Collection::Notes, this.clone(), update.clone(), true);
            self.settle(put).await.map_err(Error::from)?;
        }
        Ok(())
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        self.check(&place.partition).await?;
        let limit = u32::try_from(limit.clamp(1, PAGE)).unwrap_or(1);
        let these = filter(place).and("key", Test::Gte(from.into()));
        let find = Find::one(Collection::Notes, these).sorted("key", Order::Up).only(&["key", "bytes"]).at_most(limit);
        let found = self.find(find).await?;
        found.documents.iter().map(|document| decode(document).ok_or_else(|| corrupt("note"))).collect()
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        self.check(&place.partition).await?;
        let mut these = filter(place).and("key", Test::Gte(from.into()));
        if let Some(until) = until {
            these = these.and("key", Test::Lt(until.into()));
        }
        self.delete(Collection::Notes, these).await?;
        Ok(())
    }
}

fn decode(document: &RawDocument) -> Option<Note> {
    let key = document.get_str("key").ok()?.to_owned();
    let bytes = Bytes::copy_from_slice(document.get_binary("bytes").ok()?.bytes);
    Some(Note { key, bytes })
}
