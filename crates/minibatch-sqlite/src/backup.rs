//! Copying a file that is in use.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use minibatch_core::{Cause, Error};
use rusqlite::Connection;

use crate::{error::Failed, file};

/// Copies the file as one transaction sees it to a new one, which has its name only when it is whole and on the disk.
pub(crate) fn backup(conn: &Connection, to: &Path) -> Result<(), Error> {
    let to = file::resolve(to)?;
    if to.exists() {
        return Err(taken(&to));
    }
    let part = beside(&to);
    let copied = copy(conn, &part).and_then(|()| publish(&part, &to));
    if copied.is_err() {
        // what is left of it is of no use, and named so that nobody takes it for a copy
        let _ = fs::remove_file(&part);
    }
    copied
}

fn copy(conn: &Connection, part: &Path) -> Result<(), Error> {
    // what a copy that was cut short left behind
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let name = part.to_str().ok_or_else(|| Cause::misconfigured("a backup's path must be UTF-8"))?;
    // it writes, though not to the file that this connection may only read
    let allow = |allow: bool| conn.pragma_update(None, "query_only", !allow);
    let copied = allow(true).and_then(|()| conn.execute("VACUUM INTO ?1", [name]).map(drop));
    allow(false).and(copied).map_err(|error| Failed::from(error).during("backup"))
}

/// The disk has the bytes before the file has its name.
fn publish(part: &Path, to: &Path) -> Result<(), Error> {
    let publish = || {
        File::open(part)?.sync_all()?;
        // unlike a rename it fails where a file of that name has come meanwhile
        fs::hard_link(part, to)?;
        fs::remove_file(part)?;
        match to.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    };
    publish().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(to),
        _ => failed(error),
    })
}

fn beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".part");
    to.with_file_name(name)
}

fn taken(to: &Path) -> Error {
    let reason = "there is a file already, give another path for the backup";
    Cause::misconfigured(format!("{reason}: path=`{}`", to.display())).into()
}

fn failed(error: io::Error) -> Error {
    Error::from(Cause::unavailable("writing the backup failed, look at its disk")).with_source(error)
}
