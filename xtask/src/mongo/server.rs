//! Starts a mongod as a replica set of one on a free port of the loopback interface, and stops it.
//!
//! The mongod must not outlive xtask, however that ends. So a small shell script stands between them: it waits for the
//! end of its standard input, a pipe whose other end only xtask holds and the kernel closes when xtask is gone; then it
//! kills the mongod and removes its folder. Stopping the server is closing that pipe.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::doc;
use serde_json::Value;

use super::wire::{Connection, number};
use crate::clock::Stopwatch;
use crate::process;
use crate::setup::Mongod;
use crate::workspace::Workspace;

const GUARD: &str = r#"
folder=$1; shift
"$@" </dev/null 2>&1 &
exec >/dev/null 2>&1
cat
kill -KILL $!
wait $!
rm -rf "$folder"
"#;

/// How long a start may take, on a machine that is busy building.
const PATIENCE: Duration = Duration::from_secs(120);

// The numbers of the lines in mongod's log that say what is waited for: unlike their texts they stay the same.
const WAITING_FOR_CONNECTIONS: i64 = 23016;
const PRIMARY_TAKES_WRITES: i64 = 21331;

/// A replica set of one, stopped and forgotten when dropped.
#[derive(Debug)]
pub(crate) struct ReplicaSet {
    connection: Connection,
    guard: Guard,
    port: u16,
    connections_at_start: i64,
}

impl ReplicaSet {
    /// Starts `mongod` on an empty folder and waits until it takes writes.
    pub(crate) fn start(mongod: &Mongod, workspace: &Workspace) -> Result<Self> {
        let folder = new_folder(workspace)?;
        let (guard, log) = Guard::start(mongod, &folder)?;
        let waiting = log.wait_for(WAITING_FOR_CONNECTIONS)?;
        let port = waiting.pointer("/attr/port").and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok()).context("mongod's log tells no port")?;
        let mut connection = Connection::open(port)?;
        let host = format!("127.0.0.1:{port}");
        connection.run(doc! {
            "replSetInitiate": { "_id": "rs0", "members": [{ "_id": 0, "host": host }] },
        })?;
        log.wait_for(PRIMARY_TAKES_WRITES)?;
        let hello = connection.run(doc! { "hello": 1 })?;
        if !hello.get_bool("isWritablePrimary").unwrap_or(false) {
            bail!("the mongod on port {port} says it is the primary, then that it is not");
        }
        let mut server = Self { connection, guard, port, connections_at_start: 0 };
        server.connections_at_start = server.connections_made()?;
        Ok(server)
    }

    /// The URL for clients. They may find the primary by themselves: its name in the set is the address given here.
    pub(crate) fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/minibatch?replicaSet=rs0", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections clients have made since the start: none means that nobody used the server.
    pub(crate) fn clients(&mut self) -> Result<i64> {
        Ok(self.connections_made()? - self.connections_at_start)
    }

    fn connections_made(&mut self) -> Result<i64> {
        let status = self.connection.run(doc! { "serverStatus": 1 })?;
        let connections = status.get_document("connections")?;
        number(connections, "totalCreated").context("mongod does not count its connections")
    }

    /// Stops the server and removes its folder; what dropping does, with a word where it fails.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.guard.stop()
    }
}

/// The script that ends the mongod with xtask.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    fn start(mongod: &Mongod, folder: &Path) -> Result<(Self, Log)> {
        let data = folder.join("data");
        fs::create_dir(&data)?;
        let mut command = process::command("sh");
        command.args(["-c", GUARD, "mongod-guard"]).arg(folder);
        command.arg(&mongod.path).arg("--dbpath").arg(&data);
        command.args(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", "0", "--nounixsocket"]);
        command.args(["--wiredTigerCacheSizeGB", "0.5", "--networkMessageCompressors", "snappy,zstd"]);
        command.args(["--setParameter", "enableTestCommands=1"]);
        // A group of its own, so that Ctrl-C ends the program that uses the server first.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot run `sh`")?;
        let stdout = child.stdout.take();
        let guard = Self(child);
        let log = Log::follow(stdout.context("no pipe to mongod's log")?, &folder.join("mongod.log"))?;
        Ok((guard, log))
    }

    fn stop(&mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().context("cannot wait for mongod's end")?;
        if !status.success() {
            bail!("mongod's folder could not be removed: look under target/tmp/xtask");
        }
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`.
        let _ = self.stop();
    }
}

/// The lines of mongod's log, which are JSON, as they come.
struct Log(Receiver<String>);

impl Log {
    /// Copies the log to `file` for as long as the mongod lives, and hands it out as long as somebody listens.
    fn follow(stdout: ChildStdout, file: &Path) -> Result<Self> {
        let mut copy = File::create(file).with_context(|| format!("cannot create `{}`", file.display()))?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut sender = Some(sender);
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                // The log must be read on even when its copy cannot be written: a full pipe would stop the mongod.
                let _ = writeln!(copy, "{line}");
                sender = sender.filter(|sender| sender.send(line).is_ok());
            }
        });
        Ok(Self(receiver))
    }

    fn wait_for(&self, id: i64) -> Result<Value> {
        let started = Stopwatch::start();
        let mut last_words = String::new();
        loop {
            let line = match self.0.recv_timeout(started.left_of(PATIENCE)) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("mongod did not start within {} s; its last words: {last_words}", PATIENCE.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("mongod ended while starting; its last words: {last_words}")
                }
            };
            match serde_json::from_str::<Value>(&line) {
                Ok(entry) if entry.get("id").and_then(Value::as_i64) == Some(id) => return Ok(entry),
                // What is no JSON comes from the dynamic linker. After an error come lines about the orderly end.
                Ok(entry) if !is_severe(&entry) => {}
                _ => last_words = line,
            }
        }
    }
}

fn is_severe(entry: &Value) -> bool {
    matches!(entry.get("s").and_then(Value::as_str), Some("E" | "F"))
}

/// A new folder for one server. Its name is free: a process has one number, and counts its servers.
fn new_folder(workspace: &Workspace) -> Result<PathBuf> {
    use std::sync::atomic::{AtomicU32, Ordering};

    static STARTED: AtomicU32 = AtomicU32::new(0);
    let scratch = workspace.scratch();
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create `{}`", scratch.display()))?;
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let folder = scratch.join(format!("mongod-{}-{number}", std::process::id()));
    if folder.exists() {
        // Of a machine that was switched off, where a process had the same number.
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    }
    fs::create_dir(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    Ok(folder)
}
