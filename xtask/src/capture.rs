//! A program whose output is looked at, and which may take only so long.

use std::io::Read as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Running;

/// A program that runs, its standard output being gathered; ended by force when dropped.
pub(crate) struct Captured {
    running: Running,
    output: Receiver<Vec<u8>>,
}

/// A program that has ended in time.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
}

impl Captured {
    /// Starts `command` without standard input; its standard error is as `command` says.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let mut stdout = running.child().stdout.take().context("no pipe to the program")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // A broken pipe ends the output like any other end, and nobody may be waiting for it any more.
            let _ = stdout.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
        Ok(Self { running, output })
    }

    /// Waits for the program's end, which is when its output ends; `None` where that takes longer than `limit`.
    pub(crate) fn finish(self, limit: Duration) -> Result<Option<Finished>> {
        let Ok(output) = self.output.recv_timeout(limit) else {
            return Ok(None);
        };
        let status = self.running.wait()?;
        Ok(Some(Finished { status, output: String::from_utf8_lossy(&output).into_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(script: &str, limit: Duration) -> Option<Finished> {
        Captured::start(Command::new("sh").args(["-c", script])).unwrap().finish(limit).unwrap()
    }

    #[test]
    fn the_output_comes_with_the_status() {
        let finished = finish("echo one; echo two; exit 3", Duration::from_secs(60)).unwrap();
        assert_eq!(finished.output, "one\ntwo\n");
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        assert!(finish("exec tail -f /dev/null", Duration::ZERO).is_none());
    }
}
