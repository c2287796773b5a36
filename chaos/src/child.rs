//! A role that runs: what it has said so far, and what can be done to it.

use std::{fs::File, path::Path, process::Stdio};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child as Process, ChildStdin, ChildStdout, Command},
    sync::watch,
    time::timeout,
};

use crate::{
    clock::seconds,
    role::{ERROR, Said},
};

/// Whoever says nothing for so long says nothing any more: longer than any deadline of the library.
const PATIENCE: u64 = 90;

/// How often a role has said what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    said: [u64; Said::ALL.len()],
    /// The kinds of the errors that it was told.
    pub(crate) errors: Vec<String>,
    ended: bool,
}

impl Progress {
    pub(crate) fn count(&self, what: Said) -> u64 {
        Said::ALL.iter().zip(&self.said).filter(|(said, _)| **said == what).map(|(_, count)| *count).sum()
    }

    fn take(&mut self, line: &str) {
        if let Some(kind) = line.strip_prefix(ERROR) {
            self.errors.push(kind.to_owned());
        }
        for (said, count) in Said::ALL.iter().zip(&mut self.said) {
            *count += u64::from(said.word() == line);
        }
    }
}

/// A process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    stdin: Option<ChildStdin>,
    progress: watch::Receiver<Progress>,
}

impl Child {
    /// Starts this program as `role`; what it logs goes to `log`.
    pub(crate) fn start(name: String, role: &str, settings: &impl Serialize, log: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).arg(serde_json::to_string(settings)?);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log)?);
        let mut process = command.kill_on_drop(true).spawn().context("cannot start a role")?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().context("no pipe from a role")?;
        let (sender, progress) = watch::channel(Progress::default());
        tokio::spawn(listen(stdout, sender));
        Ok(Self { name, process, stdin, progress })
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub(crate) fn count(&self, what: Said) -> u64 {
        self.progress.borrow().count(what)
    }

    /// Waits until it has said `what` so often in all.
    pub(crate) async fn until(&self, what: Said, count: u64) -> Result<()> {
        self.until_seen(what.word(), |progress| progress.count(what) >= count).await
    }

    /// Waits until it has said `what` so often more.
    pub(crate) async fn more(&self, what: Said, count: u64) -> Result<()> {
        self.until(what, self.count(what) + count).await
    }

    pub(crate) async fn until_seen(&self, what: &str, seen: impl Fn(&Progress) -> bool) -> Result<()> {
        let mut progress = self.progress.clone();
        let waited = timeout(seconds(PATIENCE), progress.wait_for(|now| now.ended || seen(now))).await;
        match waited {
            Ok(Ok(now)) if seen(&now) => Ok(()),
            Ok(_) => bail!("{} ended, and was to say `{what}`", self.name),
            Err(_) => bail!("{} did not say `{what}` within {PATIENCE} s", self.name),
        }
    }

    /// Its process.
    pub(crate) fn process(&self) -> Result<Pid> {
        let id = self.process.id().with_context(|| format!("{} has ended", self.name))?;
        Ok(Pid::from_raw(id.try_into()?))
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.process()?, signal)?;
        Ok(())
    }

    /// SIGSTOP, until the last thread stands still: one may come back from the kernel with a lock before it does.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        waitid(Id::Pid(self.process()?), WaitPidFlag::WSTOPPED)?;
        Ok(())
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.process.kill().await?;
        Ok(())
    }

    /// Lets it end by itself.
    pub(crate) async fn end(mut self) -> Result<()> {
        drop(self.stdin.take());
        let ended = timeout(seconds(PATIENCE), self.process.wait()).await;
        let status = ended.with_context(|| format!("{} did not end within {PATIENCE} s", self.name))??;
        if !status.success() {
            bail!("{} failed ({status}); errors: {:?}", self.name, self.progress.borrow().errors);
        }
        Ok(())
    }

    /// Waits until it ends without being asked to; whether it succeeded.
    pub(crate) async fn ended(&mut self) -> Result<bool> {
        let ended = timeout(seconds(PATIENCE), self.process.wait()).await;
        Ok(ended.with_context(|| format!("{} did not end within {PATIENCE} s", self.name))??.success())
    }
}

async fn listen(stdout: ChildStdout, progress: watch::Sender<Progress>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        progress.send_modify(|progress| progress.take(&line));
    }
    progress.send_modify(|progress| progress.ended = true);
}
