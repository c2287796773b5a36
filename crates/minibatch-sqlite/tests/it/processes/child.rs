//! The other process, and how a test talks to it: a line for each append that was acknowledged.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
};

use minibatch_core::{Slot, storage::ChunkLog};

use crate::support::{Producer, open, partition};

const ROLE: &str = "MINIBATCH_SQLITE_TEST_ROLE";
const FILE: &str = "MINIBATCH_SQLITE_TEST_FILE";
/// Before what is meant for the parent: the test harness writes some text of its own.
const MARK: &str = "ack ";
const ERROR: &str = "error ";

/// An append that a child was told is done.
#[derive(Clone, Debug)]
pub(super) struct Ack {
    pub(super) producer: String,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    pub(super) slot: u64,
}

impl Ack {
    /// What the chunk holds.
    pub(super) fn text(&self) -> String {
        text(&self.producer, self.epoch, self.sequence)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim().split_once(MARK)?.1.split(' ');
        let producer = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        Some(Self { producer, epoch: number()?, sequence: number()?, slot: number()? })
    }
}

fn text(producer: &str, epoch: u64, sequence: u64) -> String {
    format!("{producer} {epoch} {sequence}")
}

/// A child process, killed with its handle.
pub(super) struct Child {
    process: process::Child,
    stdin: ChildStdin,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Child {
    pub(super) fn start(role: &str, file: &Path) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()), role, file)
    }

    /// The child can make no file longer than so many blocks of 512 bytes, and is not killed for trying.
    #[cfg(unix)]
    pub(super) fn start_with_file_limit(role: &str, file: &Path, blocks: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
        shell.arg(std::env::current_exe().unwrap());
        Self::spawn(shell, role, file)
    }

    fn spawn(mut command: Command, role: &str, file: &Path) -> Self {
        let mut process = command
            .args(["--exact", "processes::child::be_a_child", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = process.stdout.take().map(BufReader::new);
        Self { process, stdin, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.as_mut().unwrap().read_line(&mut line).unwrap(), 0, "the child has ended");
        line
    }

    /// The next append that the child was told is done.
    pub(super) fn ack(&mut self) -> Ack {
        loop {
            let line = self.line();
            if let Some(ack) = Ack::parse(&line) {
                return ack;
            }
        }
    }

    /// All appends, up to the kind of the first error.
    pub(super) fn acks_and_error(&mut self) -> (Vec<Ack>, String) {
        let mut acks = Vec::new();
        loop {
            let line = self.line();
            if let Some((_, error)) = line.trim().split_once(ERROR) {
                return (acks, error.to_owned());
            }
            acks.extend(Ack::parse(&line));
        }
    }

    /// Has a child that waits for it append once more.
    pub(super) fn tell(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
    }

    /// Kills the child with SIGKILL; returns what it had still said.
    pub(super) fn kill(mut self) -> Vec<Ack> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.stdout.take().unwrap().lines().map_while(Result::ok).filter_map(|line| Ack::parse(&line)).collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Not a test: what the other processes run. Without a role it does nothing.
#[test]
fn be_a_child() {
    let (Some(role), Some(file)) = (std::env::var(ROLE).ok(), std::env::var_os(FILE)) else { return };
    let file = PathBuf::from(file);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "append-a" => append(&file, "a").await,
            "append-b" => append(&file, "b").await,
            "append-when-told" => append_when_told(&file).await,
            "append-until-error" => append_until_error(&file).await,
            "wait" => {
                let storage = open(&file).await.unwrap();
                let partition = partition(&storage).await;
                storage.wait(&partition, Slot::MAX).await.unwrap();
            }
            other => panic!("no such role: {other}"),
        }
    });
}

fn say(producer: &Producer, slot: Slot) {
    let stamp = &producer.stamp;
    println!("{MARK}{} {} {} {slot}", stamp.id, stamp.epoch, stamp.sequence);
}

async fn append_once(producer: &mut Producer) {
    let text = text(producer.stamp.id.as_str(), producer.stamp.epoch, producer.stamp.sequence);
    let slot = producer.try_append(&text).await.unwrap();
    say(producer, slot);
    producer.stamp.sequence += 1;
}

/// Four producers of one family at once, for ever.
async fn append(file: &Path, family: &str) {
    let storage = open(file).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4 {
        let mut producer = Producer::register(&storage, &format!("{family}{n}")).await;
        tasks.spawn(async move {
            loop {
                append_once(&mut producer).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn append_when_told(file: &Path) {
    let storage = open(file).await.unwrap();
    let mut producer = Producer::register(&storage, "told").await;
    append_once(&mut producer).await;
    for line in std::io::stdin().lines() {
        line.unwrap();
        append_once(&mut producer).await;
    }
}

async fn append_until_error(file: &Path) {
    let storage = open(file).await.unwrap();
    let mut small = Producer::register(&storage, "small").await;
    let mut big = Producer::register(&storage, "big").await;
    let error = loop {
        let text = text("small", small.stamp.epoch, small.stamp.sequence);
        match small.try_append(&text).await {
            Ok(slot) => say(&small, slot),
            Err(error) => break error,
        }
        small.stamp.sequence += 1;
        match big.try_append(&"x".repeat(50_000)).await {
            Ok(_) => big.stamp.sequence += 1,
            Err(error) => break error,
        }
    };
    println!("{ERROR}{:?}", error.kind());
    // until it is killed
    std::io::stdin().lines().for_each(drop);
}
