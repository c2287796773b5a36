//! Whether a path can be a database file, said better than SQLite does.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use minibatch_core::{Cause, Error};

use crate::mounts;

/// Checks the path, and returns it absolute and without symbolic links.
///
/// An absolute path means the same after a change of the working directory, and never looks like one of SQLite's URIs.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let resolved = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(refuse(path, "it is a directory, name a file in it")),
        Ok(found) if !found.is_file() => return Err(refuse(path, "it is not a regular file, give another path")),
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_file(path)?,
        Err(error) => Err(error),
    };
    let resolved = resolved.map_err(|error| explain(path, error))?;
    if mounts::is_network(&resolved) {
        return Err(refuse(path, "it is on a network file system, where sqlite cannot be shared, use a local disk"));
    }
    Ok(resolved)
}

fn new_file(path: &Path) -> Result<io::Result<PathBuf>, Error> {
    let Some(name) = path.file_name() else { return Err(refuse(path, "it names no file, give another path")) };
    if path.is_symlink() {
        return Err(refuse(path, "it is a symbolic link to nothing, remove the link"));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::canonicalize(parent) {
        Ok(parent) => Ok(Ok(parent.join(name))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(refuse(path, "its directory does not exist, create it"))
        }
        Err(error) => Ok(Err(error)),
    }
}

fn explain(path: &Path, error: io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::PermissionDenied => "permission is denied, allow reading and writing it and its directory",
        io::ErrorKind::NotADirectory => "a part of it is a file and not a directory, give another path",
        _ => "it cannot be looked at, give another path",
    };
    refuse(path, reason).with_source(error)
}

fn refuse(path: &Path, reason: &str) -> Error {
    Cause::misconfigured(format!("{reason}: path=`{}`", path.display())).into()
}
