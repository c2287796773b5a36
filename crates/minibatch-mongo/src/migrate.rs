//! What a version adds to a database, told before the first admin's connection makes it.

use minibatch_core::{Cause, Error};

use crate::{
    MongoOptions, MongoStorage,
    database::{Collection, Database, FORMAT, Filter, Find, Order, driver},
    error::corrupt,
};

/// What brings a database to the format of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The lowest format of the streams that are stored; this version's where there are none.
    pub from: i64,
    /// The format of this version.
    pub to: i64,
    /// What would be made, in order; nothing where all is there.
    pub changes: Vec<String>,
}

impl MongoStorage {
    /// Says what [`MongoStorage::connect`] would make as a user who may, and makes nothing: collections and their indexes.
    /// It may be asked by a user who may not make them.
    ///
    /// ```no_run
    /// # use minibatch_mongo::{MongoOptions, MongoStorage};
    /// # async fn run() -> Result<(), minibatch_core::Error> {
    /// let url = "mongodb://user:password@host/plant?replicaSet=rs0";
    /// let plan = MongoStorage::plan_migration(url, MongoOptions::default()).await?;
    /// println!("format {} to {}: {:?}", plan.from, plan.to, plan.changes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`MongoStorage::connect`]; [`NewerFormat`](Cause::NewerFormat) where a newer version has stored something.
    pub async fn plan_migration(url: &str, options: MongoOptions) -> Result<Migration, Error> {
        plan(url, &options).await.map_err(|error| error.during("plan_migration"))
    }
}

async fn plan(url: &str, options: &MongoOptions) -> Result<Migration, Error> {
    let driver = driver::reach(url, options).await?;
    let mut from = FORMAT;
    for (collection, what) in [(Collection::Streams, "stream"), (Collection::Partitions, "partition")] {
        if let Some(newest) = format(&driver, collection, what, Order::Down).await?.filter(|newest| *newest > FORMAT) {
            return Err(Cause::newer_format(what, newest, FORMAT).into());
        }
        from = format(&driver, collection, what, Order::Up).await?.map_or(from, |oldest| oldest.min(from));
    }
    let changes = driver::plan(&driver).await.map_err(Error::from)?;
    Ok(Migration { from, to: FORMAT, changes })
}

/// The first format in that order, if there is a document.
async fn format(
    database: &dyn Database,
    collection: Collection,
    what: &'static str,
    order: Order,
) -> Result<Option<i64>, Error> {
    let find = Find::one(collection, Filter::all()).sorted("format", order).only(&["format"]);
    let found = database.find(find).await.map_err(Error::from)?.documents;
    found.first().map(|document| document.get_i64("format").map_err(|_| corrupt(what))).transpose()
}
