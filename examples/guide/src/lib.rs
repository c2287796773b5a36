//! What the examples share: where their streams are, the earthquakes and flights, and times that are easy on the eye.

use std::{
    env,
    error::Error,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use minibatch::{
    Bounds, Cause, Minibatch, Result, Timestamp,
    prelude::{DateTime, Utc},
    sqlite::{SqliteOptions, SqliteStorage},
};
use serde::de::DeserializeOwned;

/// Connects to the URL in the environment, otherwise to an SQLite file beside the program, under `target`.
///
/// # Errors
/// Those of [`Minibatch::connect`].
pub async fn connect() -> Result<Minibatch> {
    let file = beside("guide.db");
    match Minibatch::connect_from_env_or(&sqlite_url(&file)).await {
        // an earlier version's examples may have left it there
        Err(error) if matches!(error.cause(), Cause::OlderFormat { .. }) && file.exists() => {
            SqliteStorage::migrate(&file, SqliteOptions::default()).await?;
            Minibatch::connect_from_env_or(&sqlite_url(&file)).await
        }
        connected => connected,
    }
}

/// Connects to an SQLite file of this name beside the program, under `target`, that has nothing in it yet.
///
/// # Errors
/// Those of [`Minibatch::connect`], and where an earlier run's file cannot be removed.
pub async fn connect_anew(name: &str) -> std::result::Result<(Minibatch, PathBuf), Box<dyn Error>> {
    let file = beside(name);
    for part in ["", "-wal", "-shm"] {
        match fs::remove_file(file.with_file_name(format!("{name}{part}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok((Minibatch::connect(&sqlite_url(&file)).await?, file))
}

/// A file beside the program, under `target`.
fn beside(name: &str) -> PathBuf {
    env::current_exe().unwrap_or_default().with_file_name(name)
}

/// The URL of an SQLite file.
fn sqlite_url(file: &Path) -> String {
    let file = file.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite://{file}")
}

/// The earthquakes of `data/earthquakes.csv` in the order of time, with the columns that a `T` has.
#[must_use]
pub fn earthquakes<T: DeserializeOwned>() -> Vec<T> {
    rows(include_str!("../data/earthquakes.csv"))
}

/// The flights of `data/flights.csv` in the order in which they left, with the columns that a `T` has.
#[must_use]
pub fn flights<T: DeserializeOwned>() -> Vec<T> {
    rows(include_str!("../data/flights.csv"))
}

#[expect(clippy::expect_used, reason = "the file is part of the program")]
fn rows<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let rows: csv::Result<Vec<T>> = csv::Reader::from_reader(file.as_bytes()).into_deserialize().collect();
    rows.expect("every row of the file has these columns")
}

/// Bounds as times of the day: `[14:12:27.337, 14:12:27.412)`.
#[must_use]
pub fn times(bounds: Bounds) -> String {
    let time = |time: Timestamp| time.to_datetime().unwrap_or_default().format("%H:%M:%S%.3f");
    format!("[{}, {})", time(bounds.start), time(bounds.end))
}

/// The instant that a text like `2024-04-01 10:26:27.337` names, in UTC.
#[must_use]
#[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "the file is part of the program")]
pub fn instant(text: &str) -> Timestamp {
    let time: DateTime<Utc> = format!("{}Z", text.replace(' ', "T")).parse().expect("every row has a time");
    time.into()
}

/// An instant to the minute: `2024-04-01 14:12`.
#[must_use]
pub fn minute(time: Timestamp) -> String {
    time.to_datetime().unwrap_or_default().format("%Y-%m-%d %H:%M").to_string()
}
