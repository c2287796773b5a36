//! The file that a role writes its history into.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use minibatch_testkit::history::{Event, History};

/// Writes events, each in one write: whatever was written before a SIGKILL is there.
#[derive(Debug)]
pub(crate) struct Recorder(Mutex<File>);

impl Recorder {
    /// Goes on with the history in `path`, and gives what is there.
    pub(crate) fn open(path: &Path) -> Result<(Self, History)> {
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        let before = History::parse(path.display().to_string(), &text)?;
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).context("a history's torn line")?;
        file.flush()?;
        Ok((Self(Mutex::new(file)), before))
    }

    pub(crate) fn note(&self, event: &Event) -> Result<()> {
        let line = event.line()?;
        // a file is whole whatever panicked
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())?;
        Ok(())
    }
}
