//! Lets system calls of another process fail or take long, by `strace`.

use std::{fs, path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use crate::clock::seconds;

/// An `strace` that is attached.
#[derive(Debug)]
pub(crate) struct Strace {
    process: Child,
    said: Lines<BufReader<ChildStderr>>,
    output: PathBuf,
}

impl Strace {
    /// Whether there is one here that may attach to other processes.
    pub(crate) async fn works() -> bool {
        let mut strace = Command::new("strace");
        let strace = strace.args(["-o", "/dev/null", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
        strace.status().await.is_ok_and(|status| status.success())
    }

    /// Injects `how` into all threads of a process, as in `fdatasync:error=EIO`.
    pub(crate) async fn attach(process: Pid, how: &str, output: PathBuf) -> Result<Self> {
        let call = how.split(':').next().unwrap_or_default();
        Self::start(process, &["-e", &format!("trace={call}"), "-e", &format!("inject={how}")], output).await
    }

    /// Writes down these calls of all threads, with all bytes and the names of files.
    pub(crate) async fn record(process: Pid, calls: &str, output: PathBuf) -> Result<Self> {
        Self::start(process, &["-y", "-xx", "-s", "100000000", "-e", &format!("trace={calls}")], output).await
    }

    async fn start(process: Pid, how: &[&str], output: PathBuf) -> Result<Self> {
        let mut strace = Command::new("strace");
        strace.arg("-f").args(how).arg("-o").arg(&output).args(["-p", &process.to_string()]);
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = strace.spawn().context("cannot run strace")?;
        let stderr = process.stderr.take().context("no pipe from strace")?;
        let mut said = BufReader::new(stderr).lines();
        match timeout(seconds(10), said.next_line()).await {
            Ok(Ok(Some(line))) if line.contains("attached") => Ok(Self { process, said, output }),
            other => bail!("strace did not attach: {other:?}"),
        }
    }

    /// Waits until the process that it is attached to has ended.
    pub(crate) async fn over(&mut self) -> Result<()> {
        let ended = timeout(seconds(60), async { while let Ok(Some(_)) = self.said.next_line().await {} }).await;
        ended.context("the process went on for a minute")
    }

    /// Lets the process alone again; how many calls were struck.
    pub(crate) async fn detach(mut self) -> Result<u64> {
        if let Some(id) = self.process.id() {
            kill(Pid::from_raw(id.try_into()?), Signal::SIGINT)?;
        }
        self.process.wait().await?;
        let struck = fs::read_to_string(&self.output)?;
        let struck = struck.lines().filter(|line| line.contains("(INJECTED)") || line.contains("(DELAYED)")).count();
        Ok(struck as u64)
    }
}
