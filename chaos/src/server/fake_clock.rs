//! The time that a mongod sees, by `libfaketime`: set while it runs, by a file that the library reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Where Debian and others put the library.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// A clock that goes as fast as the real one, and so many hours before or after it.
#[derive(Clone, Debug)]
pub(crate) struct FakeClock {
    library: &'static str,
    file: PathBuf,
}

impl FakeClock {
    /// Where the library is, if it is here.
    pub(crate) fn library() -> Option<&'static str> {
        LIBRARIES.iter().copied().find(|library| Path::new(library).is_file())
    }

    pub(super) fn new(file: PathBuf) -> Result<Self> {
        let clock = Self { library: Self::library().context("libfaketime is not installed")?, file };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so many hours after the real one: whoever reads it sees that within a second.
    pub(super) fn set(&self, hours: i32) -> Result<()> {
        // in one step: the library reads it at any time
        let draft = self.file.with_extension("new");
        fs::write(&draft, format!("{hours:+}h\n"))?;
        fs::rename(&draft, &self.file)?;
        Ok(())
    }

    pub(super) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.library.into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone()),
            // else ten; none at all would read the file each time, and the server has more to do
            ("FAKETIME_CACHE_DURATION", "1".into()),
            // a step of the wall clock is no step of the steady one
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}
