//! Collections and indexes: made where they are missing, refused where they are others than the protocol needs.

use std::time::Duration;

use bson::Document;
use minibatch_core::Cause;
use mongodb::{
    IndexModel,
    error::{Error, ErrorKind},
    options::{IndexOptions, WriteConcern},
};

use super::{
    super::{Collection, Failure, Index, probe, schema::IndexKind},
    Driver, in_time,
    right::Right,
};

const NAMESPACE_NOT_FOUND: i32 = 26;
const NAMESPACE_EXISTS: i32 = 48;

/// Makes everything ready. A user that may not create indexes can still open what another user prepared: who does make
/// some also finds out whether the server is one to rely on.
pub(super) async fn prepare(driver: &Driver) -> Result<(), Failure> {
    let mut made = false;
    for collection in Collection::ALL {
        let this = driver.clone();
        made |= in_time(async move { prepare_one(&this, collection).await }).await?;
    }
    if made { probe::probe(driver).await } else { Ok(()) }
}

/// What [`prepare`] would make, in its order and in words.
pub(crate) async fn plan(driver: &Driver) -> Result<Vec<String>, Failure> {
    let mut changes = Vec::new();
    for collection in Collection::ALL {
        let this = driver.clone();
        let missing = in_time(async move { Missing::find(&this, collection).await }).await?;
        let name = driver.name(collection);
        changes.extend(missing.itself.then(|| format!("create collection `{name}`")));
        for index in missing.indexes {
            let (fields, kind) = (index.fields.join(", "), describe(index.kind));
            changes.push(format!("create index `{fields}` of collection `{name}` ({kind})"));
        }
    }
    Ok(changes)
}

/// What there is not of a collection.
struct Missing {
    itself: bool,
    indexes: Vec<Index>,
}

impl Missing {
    /// Looks for it; an index that is there and guards nothing is an error.
    async fn find(driver: &Driver, collection: Collection) -> Result<Self, Failure> {
        let failed = |error: Error| driver.failed(Right::new("listIndexes", collection), &error);
        let (mut itself, mut present) = (false, Vec::new());
        match driver.collection::<Document>(collection).list_indexes().await {
            Ok(mut cursor) => {
                while cursor.advance().await.map_err(failed)? {
                    present.push(cursor.deserialize_current().map_err(failed)?);
                }
            }
            Err(error) if is_code(&error, NAMESPACE_NOT_FOUND) => itself = true,
            Err(error) => return Err(failed(error)),
        }
        let mut indexes = Vec::new();
        for wanted in Index::ALL.into_iter().filter(|index| index.collection == collection) {
            match present.iter().find(|index| same_fields(index, &wanted)) {
                Some(index) => check(driver, index, &wanted)?,
                None => indexes.push(wanted),
            }
        }
        Ok(Self { itself, indexes })
    }
}

/// True when an index was missing, and was made.
async fn prepare_one(driver: &Driver, collection: Collection) -> Result<bool, Failure> {
    let missing = Missing::find(driver, collection).await?;
    if missing.itself {
        create(driver, &driver.name(collection)).await?;
    }
    if missing.indexes.is_empty() {
        return Ok(false);
    }
    driver
        .collection::<Document>(collection)
        .create_indexes(missing.indexes.iter().map(model))
        .await
        .map_err(|error| refused(driver, collection, &error))?;
    Ok(true)
}

/// Makes a collection, unless it is there.
pub(super) async fn create(driver: &Driver, name: &str) -> Result<(), Failure> {
    match driver.database.create_collection(name).write_concern(WriteConcern::majority()).await {
        Err(error) if !is_code(&error, NAMESPACE_EXISTS) => Err(driver.failed_on("createCollection", name, &error)),
        _ => Ok(()),
    }
}

fn same_fields(index: &IndexModel, wanted: &Index) -> bool {
    let ascending = |value: &bson::Bson| {
        matches!(value, bson::Bson::Int32(1) | bson::Bson::Int64(1))
            || value.as_f64().is_some_and(|direction| direction == 1.0)
    };
    index.keys.len() == wanted.fields.len()
        && index.keys.iter().zip(wanted.fields).all(|((name, value), field)| name == field && ascending(value))
}

/// Refuses an index that does not guard what it should.
fn check(driver: &Driver, index: &IndexModel, wanted: &Index) -> Result<(), Failure> {
    let options = index.options.clone().unwrap_or_default();
    let whole =
        options.partial_filter_expression.is_none() && options.sparse != Some(true) && options.collation.is_none();
    let good = match wanted.kind {
        IndexKind::Unique => whole && options.unique == Some(true),
        IndexKind::Expiry(_) => whole && options.expire_after.is_some(),
    };
    if good {
        return Ok(());
    }
    Err(Failure::Refused(Cause::misconfigured(format!(
        "index `{}` of collection `{}` is not as minibatch needs it ({}): drop the index and start again",
        wanted.fields.join(", "),
        driver.name(wanted.collection),
        describe(wanted.kind),
    ))))
}

fn describe(kind: IndexKind) -> &'static str {
    match kind {
        IndexKind::Unique => "unique, not sparse, not partial, without collation",
        IndexKind::Expiry(_) => "with expireAfterSeconds",
    }
}

fn model(wanted: &Index) -> IndexModel {
    let keys: Document = wanted.fields.iter().map(|field| ((*field).to_owned(), 1.into())).collect();
    let options = match wanted.kind {
        IndexKind::Unique => IndexOptions::builder().unique(true).build(),
        IndexKind::Expiry(seconds) => {
            IndexOptions::builder().expire_after(Duration::from_secs(seconds.unsigned_abs())).build()
        }
    };
    IndexModel::builder().keys(keys).options(options).build()
}

fn refused(driver: &Driver, collection: Collection, error: &Error) -> Failure {
    const DUPLICATE_KEY: i32 = 11_000;
    const CONFLICTS: [i32; 2] = [85, 86];
    let why = match &*error.kind {
        ErrorKind::Command(command) if command.code == DUPLICATE_KEY => "it holds documents that are no minibatch's",
        ErrorKind::Command(command) if CONFLICTS.contains(&command.code) => "it has another index of the same name",
        _ => return driver.failed(Right::new("createIndex", collection), error),
    };
    Failure::Refused(Cause::misconfigured(format!(
        "collection `{}` cannot get its indexes, {why}: use another database or collection prefix",
        driver.name(collection)
    )))
}

fn is_code(error: &Error, code: i32) -> bool {
    matches!(&*error.kind, ErrorKind::Command(command) if command.code == code)
}
