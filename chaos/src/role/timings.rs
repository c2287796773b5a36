//! How long calls took, as those who made them noted it: a line of JSON each.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// A call that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) lane: u32,
    /// When, in microseconds by the clock of the machine.
    pub(crate) at: u64,
    /// How long it took, in microseconds.
    pub(crate) took: u64,
}

impl Timing {
    /// All in the files of a folder.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let mut timings = Vec::new();
        for file in fs::read_dir(folder)? {
            for line in fs::read_to_string(file?.path())?.lines() {
                timings.push(serde_json::from_str(line)?);
            }
        }
        Ok(timings)
    }
}

/// Notes them.
#[derive(Clone, Debug)]
pub(super) struct Timings(Arc<Mutex<File>>);

impl Timings {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(File::create(path)?))))
    }

    pub(super) fn note(&self, timing: Timing) -> Result<()> {
        let line = serde_json::to_string(&timing)? + "\n";
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())?;
        Ok(())
    }
}
