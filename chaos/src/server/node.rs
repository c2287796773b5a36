//! One mongod on files of its own.
//!
//! It must not outlive this program, however that ends: a small shell stands between, which waits for the end of its
//! standard input, a pipe that only this program holds, and then kills the mongod.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail};
use bson::{Document, doc};
use mongodb::{
    Client,
    options::{Acknowledgment, ClientOptions, WriteConcern},
};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::FakeClock;
use crate::clock::{millis, now, pause, seconds};

const GUARD: &str = r#"
"$@" </dev/null >/dev/null 2>&1 &
echo $!
exec >/dev/null
cat
kill -KILL $!
wait $!
exit 0
"#;

/// What a mongod is started with beside the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The time that it is to see.
    pub(crate) clock: Option<FakeClock>,
}

/// One mongod.
#[derive(Debug)]
pub(crate) struct Node {
    mongod: PathBuf,
    settings: Settings,
    folder: PathBuf,
    port: u16,
    running: Option<Running>,
    client: Client,
}

#[derive(Debug)]
struct Running {
    guard: Child,
    process: Pid,
}

impl Node {
    pub(super) async fn start(mongod: &Path, folder: PathBuf, settings: Settings) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut options = ClientOptions::parse(format!("mongodb://127.0.0.1:{port}/?directConnection=true")).await?;
        options.server_selection_timeout = Some(millis(500));
        options.connect_timeout = Some(millis(500));
        options.heartbeat_freq = Some(millis(500));
        let client = Client::with_options(options)?;
        let mongod = mongod.to_owned();
        let mut node = Self { mongod, settings, folder, port, running: None, client };
        node.run().await?;
        Ok(node)
    }

    /// Starts it on its files, and waits until it answers.
    pub(crate) async fn run(&mut self) -> Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "mongod-guard"]).arg(&self.mongod);
        command.arg("--dbpath").arg(&self.folder).arg("--logpath").arg(self.log()).arg("--logappend");
        command.args([
            "--replSet",
            "rs0",
            "--bind_ip",
            "127.0.0.1",
            "--nounixsocket",
            "--port",
            &self.port.to_string(),
        ]);
        command.args(["--wiredTigerCacheSizeGB", "0.25", "--networkMessageCompressors", "snappy,zstd"]);
        command.args(["--setParameter", "enableTestCommands=1"]).args(["--maxConns", "400"]);
        if let Some(clock) = &self.settings.clock {
            command.envs(clock.environment());
        }
        let mut guard = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run `sh`")?;
        let stdout = guard.stdout.take().context("no pipe from the guard")?;
        let process = BufReader::new(stdout).lines().next_line().await?.context("the guard tells no process id")?;
        self.running = Some(Running { guard, process: Pid::from_raw(process.trim().parse()?) });
        let started = now();
        while self.admin(doc! { "hello": 1 }).await.is_err() {
            if started.elapsed() > seconds(60) {
                bail!("a mongod does not answer; the end of its log: {}", self.last_words());
            }
            pause(millis(20)).await;
        }
        Ok(())
    }

    /// How often the line of that number stands in its log.
    pub(crate) fn count_logged(&self, id: u32) -> Result<usize> {
        let log = fs::read(self.log())?;
        let line = format!("\"id\":{id},");
        Ok(String::from_utf8_lossy(&log).lines().filter(|text| text.contains(&line)).count())
    }

    /// Waits until that line stands so often in its log.
    pub(crate) async fn logged(&self, id: u32, times: usize) -> Result<()> {
        let started = now();
        while self.count_logged(id)? < times {
            if started.elapsed() > seconds(60) {
                bail!("a mongod did not log what it was to: {id}");
            }
            pause(millis(50)).await;
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("mongod.log")
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The process's id.
    pub(crate) fn process(&self) -> Result<Pid> {
        Ok(self.running.as_ref().context("the mongod is not running")?.process)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.process()?, signal)?;
        Ok(())
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let mut running = self.running.take().context("the mongod is not running")?;
        match kill(running.process, Signal::SIGKILL) {
            // it may have given up by itself
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        drop(running.guard.stdin.take());
        running.guard.wait().await?;
        Ok(())
    }

    /// Runs a command on the database `admin`.
    pub(crate) async fn admin(&self, command: Document) -> Result<Document> {
        Ok(self.client.database("admin").run_command(command).await?)
    }

    pub(crate) async fn is_primary(&self) -> bool {
        let hello = self.admin(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    }

    /// Whether a majority acknowledges a write, within a few seconds by this machine's clock.
    pub(crate) async fn acknowledges(&self) -> bool {
        let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        let probes = self.client.database("probe").collection::<Document>("probes");
        let write = probes.insert_one(doc! {}).write_concern(concern);
        matches!(timeout(seconds(5), write.into_future()).await, Ok(Ok(_)))
    }

    /// What its clock shows, in milliseconds since the epoch.
    pub(crate) async fn wall(&self) -> Result<i64> {
        Ok(self.admin(doc! { "hello": 1 }).await?.get_datetime("localTime")?.timestamp_millis())
    }

    /// How many inserts into a collection there were, those that failed included, since it started.
    pub(crate) async fn inserts(&self, namespace: &str) -> Result<i64> {
        let top = self.admin(doc! { "top": 1 }).await?;
        // names have dots
        let collection = top.get_document("totals")?.get_document(namespace)?;
        Ok(collection.get_document("insert")?.get_i64("count").or_else(|_| {
            let count = collection.get_document("insert")?.get_i32("count");
            count.map(i64::from)
        })?)
    }

    /// Whether all connections that it allows are taken.
    pub(crate) async fn is_full(&self) -> Result<bool> {
        Ok(self.connection_count("available").await? <= 0)
    }

    /// How many connections it has.
    pub(crate) async fn connections(&self) -> Result<i32> {
        self.connection_count("current").await
    }

    async fn connection_count(&self, which: &str) -> Result<i32> {
        let status = self.admin(doc! { "serverStatus": 1 }).await?;
        Ok(status.get_document("connections")?.get_i32(which)?)
    }

    /// Waits until it is a primary or a secondary.
    pub(crate) async fn settled(&self) -> Result<()> {
        let started = now();
        while started.elapsed() < seconds(90) {
            let hello = self.admin(doc! { "hello": 1 }).await.unwrap_or_default();
            if ["isWritablePrimary", "secondary"].iter().any(|role| hello.get_bool(role).unwrap_or(false)) {
                return Ok(());
            }
            pause(millis(20)).await;
        }
        bail!("a mongod is neither primary nor secondary")
    }

    pub(super) async fn heal(&mut self) -> Result<()> {
        if self.running.is_none() {
            self.run().await?;
        }
        self.signal(Signal::SIGCONT)?;
        for name in ["failCommand", "onPrimaryTransactionalWrite", "stopReplProducer"] {
            self.admin(doc! { "configureFailPoint": name, "mode": "off" }).await?;
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // the guard does it, and ends by itself
            drop(running.guard.stdin.take());
        }
    }
}
