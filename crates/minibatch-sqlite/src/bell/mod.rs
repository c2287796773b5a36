//! The doorbell: how an append makes those wake up who wait in other processes, sooner than by their polling.
//!
//! A hint and no more. Who waits listens at a socket of its own in the directory `<file>-bell`; who has appended rings at
//! every socket it finds there. A ring holds nothing: whoever hears it looks at the file.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

use std::path::{Path, PathBuf};

#[cfg(not(unix))]
pub(crate) use elsewhere::{Ear, Nudge, Ringer};
#[cfg(unix)]
pub(crate) use unix::{Ear, Nudge, Ringer};

/// The directory of the doorbells of a file.
fn directory(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-bell");
    name.into()
}
