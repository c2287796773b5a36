//! One run: a storage of its own, the roles that use it, and what happened to them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use minibatch::{GroupName, Minibatch, StreamName, storage::Start};
use minibatch_testkit::history::{LogRecord, Outcome, Seen, SinkEntry, Verdict};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    child::Child,
    clock::{millis, now, pause},
    figures::Figures,
    proxy::Proxy,
    remains,
    role::{Appending, Consumer, Delivery, Opener, Producer, STREAM, Said, TAKEN, Work},
    server::{ROLES, ReplicaSet},
    sqlite,
    watcher::Watcher,
};

/// What a run's figures are made of, beside the checker's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How often the fault struck.
    pub(crate) fired: u64,
    /// From its end until the next thing went well.
    pub(crate) recoveries: Vec<Duration>,
    pub(crate) figures: Figures,
}

/// One run.
#[derive(Debug)]
pub(crate) struct World {
    folder: TempDir,
    /// How the roles reach the storage, and how the orchestrator does, whom no fault strikes.
    pub(crate) url: String,
    own_url: String,
    database: String,
    server: Option<ReplicaSet>,
    pub(crate) seed: u64,
    pub(crate) random: fastrand::Rng,
    /// How often the fault is to strike.
    pub(crate) loops: u64,
    pub(crate) tally: Tally,
    /// How long consumers may be silent.
    pub(crate) member_ttl: Duration,
    /// How many messages their windows have.
    pub(crate) size: usize,
    /// How long their windows wait for more.
    pub(crate) max_wait: Option<Duration>,
    /// How often they take effect.
    pub(crate) delivery: Delivery,
    started: u32,
    watcher: Option<Watcher>,
}

impl World {
    pub(crate) fn on_sqlite(seed: u64, loops: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("notes.db").display());
        Self::new(folder, url.clone(), url, seed, loops)
    }

    pub(crate) fn on_mongo(server: ReplicaSet, database: &str, seed: u64, loops: u64) -> Result<Self> {
        let own_url = server.url(database);
        let url = format!("{own_url}&appName={ROLES}");
        let world = Self::new(tempfile::tempdir()?, url, own_url, seed, loops)?;
        Ok(Self { database: database.to_owned(), server: Some(server), ..world })
    }

    fn new(folder: TempDir, url: String, own_url: String, seed: u64, loops: u64) -> Result<Self> {
        for part in ["histories", "logs", "sink", "timings"] {
            fs::create_dir(folder.path().join(part))?;
        }
        let (random, tally) = (fastrand::Rng::with_seed(seed), Tally::default());
        let (database, server) = (String::new(), None);
        Ok(Self {
            folder,
            url,
            own_url,
            database,
            server,
            seed,
            random,
            loops,
            tally,
            member_ttl: millis(2_000),
            size: 10,
            max_wait: None,
            delivery: Delivery::default(),
            started: 0,
            watcher: None,
        })
    }

    /// Gives the server back.
    pub(crate) fn into_server(self) -> Option<ReplicaSet> {
        self.server
    }

    pub(crate) fn server(&self) -> Result<&ReplicaSet> {
        self.server.as_ref().context("this run has no server")
    }

    pub(crate) fn server_mut(&mut self) -> Result<&mut ReplicaSet> {
        self.server.as_mut().context("this run has no server")
    }

    /// The database of this run.
    pub(crate) fn database(&self) -> String {
        self.database.clone()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets the roles reach the server through a wire that can misbehave.
    pub(crate) async fn behind_proxy(&mut self) -> Result<Proxy> {
        let proxy = Proxy::start(self.server()?.node(0)?.host()).await?;
        self.url = format!("{}&appName={ROLES}", proxy.url(&self.database));
        Ok(proxy)
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("notes.db")
    }

    /// Stops a client where it does not hold the lock of a file: nobody could go on beside it.
    pub(crate) async fn stop(&self, client: &Child) -> Result<()> {
        client.stop()?;
        while self.is_file_locked()? {
            client.signal(Signal::SIGCONT)?;
            pause(millis(1)).await;
            client.stop()?;
        }
        Ok(())
    }

    /// Whether whoever was stopped holds the lock of a file in use. Others may for a moment.
    fn is_file_locked(&self) -> Result<bool> {
        let file = self.file();
        if !file.exists() {
            return Ok(false);
        }
        let database = sqlite::open(&file, millis(500))?;
        Ok(database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err())
    }

    pub(crate) async fn connect(&self) -> Result<Minibatch> {
        Ok(Minibatch::connect(&self.own_url).await?)
    }

    /// Makes the stream, with a group that reads nothing so that nothing is trimmed; watches the consumers' group.
    pub(crate) async fn open(&mut self) -> Result<()> {
        let mb = self.connect().await?;
        let stream = mb.storage().open_stream(&StreamName::new(STREAM)?, 1).await?;
        mb.storage().open_group(&stream, &GroupName::new("keeper")?, "keeper", Start::Earliest).await?;
        self.watcher = Some(Watcher::start(mb, stream.partition(0)));
        if self.delivery == Delivery::Transactional && self.server.is_none() {
            remains::make_rows(&self.file())?;
        }
        Ok(())
    }

    /// A producer's settings: a name and lanes of its own, no pause, up to three messages a call.
    pub(crate) fn producer(&mut self, appending: Appending) -> Producer {
        self.started += 1;
        Producer {
            url: self.url.clone(),
            history: self.path("histories").join(format!("producer-{}", self.started)),
            appending,
            seed: self.random.u64(..),
            first_lane: self.started * 100,
            lanes: 4,
            batch: 3,
            pause: Duration::ZERO,
            append_timeout: millis(60_000),
            timings: None,
        }
    }

    /// One that goes on at a moderate speed while something else is struck.
    pub(crate) fn steady_producer(&mut self) -> Producer {
        Producer { pause: millis(20), ..self.producer(Appending::Facade) }
    }

    /// A consumer's settings: windows of ten unless said, taken over soon.
    pub(crate) fn consumer(&mut self) -> Consumer {
        self.started += 1;
        Consumer {
            url: self.url.clone(),
            history: self.path("histories").join(format!("consumer-{}", self.started)),
            sink: self.path("sink"),
            timings: self.path("timings").join(format!("consumer-{}", self.started)),
            seed: self.random.u64(..),
            size: self.size,
            max_wait: self.max_wait,
            member_ttl: self.member_ttl,
            drain: false,
            work: Work::Sound,
            delivery: self.delivery,
        }
    }

    /// Clients that come and go, so many.
    pub(crate) fn start_opener(&mut self, clients: u32) -> Result<Child> {
        self.started += 1;
        let name = format!("opener-{}", self.started);
        let opener = Opener {
            url: self.url.clone(),
            history: self.path("histories").join(&name),
            seed: self.random.u64(..),
            first_lane: self.started * 100,
            clients,
        };
        Child::start(name.clone(), "opener", &opener, &self.path("logs").join(name))
    }

    pub(crate) fn start_producer(&self, producer: &Producer) -> Result<Child> {
        let name = name_of(&producer.history);
        Child::start(name.clone(), "producer", producer, &self.path("logs").join(name))
    }

    pub(crate) fn start_consumer(&self, consumer: &Consumer) -> Result<Child> {
        let name = name_of(&consumer.history);
        Child::start(name.clone(), "consumer", consumer, &self.path("logs").join(name))
    }

    /// The fault struck.
    pub(crate) fn fired(&mut self) {
        self.tally.fired += 1;
    }

    /// Waits until `child` says `what` once more, and counts the time since `since` as a recovery.
    pub(crate) async fn recovered(&mut self, since: Instant, child: &Child, what: Said) -> Result<()> {
        child.more(what, 1).await?;
        self.tally.recoveries.push(now() - since);
        Ok(())
    }

    /// Consumes up to the end of the log, then judges what all of them left.
    pub(crate) async fn drain_and_judge(&mut self) -> Result<Verdict> {
        self.drain(Work::Sound).await?;
        self.judge().await
    }

    pub(crate) async fn drain(&mut self, work: Work) -> Result<()> {
        let settings = Consumer { drain: true, work, ..self.consumer() };
        let mut consumer = self.start_consumer(&settings)?;
        if !consumer.ended().await? {
            bail!("the last consumer failed: {:?}", consumer.progress().errors);
        }
        Ok(())
    }

    /// Judges what is there.
    pub(crate) async fn judge(&mut self) -> Result<Verdict> {
        let mb = self.connect().await?;
        let seen: Vec<Seen> = match self.watcher.take() {
            Some(watcher) => watcher.end().await?,
            None => Vec::new(),
        };
        let committed = seen.last().map_or(0, |seen| seen.keep_from);
        let outcome = Outcome {
            histories: remains::histories(&self.path("histories"))?,
            log: remains::log(&mb, &StreamName::new(STREAM)?).await?,
            committed,
            seen,
            sink: Some(self.sink().await?),
            dead: remains::dead(&mb).await?,
        };
        mb.shutdown().await;
        let mut verdict = outcome.judge();
        let logs = remains::logs(&self.path("logs"))?;
        verdict.fenced += logs.fenced;
        if logs.canaries > 0 {
            bail!("I16: {} lines of logs hold a payload", logs.canaries);
        }
        Ok(verdict)
    }

    /// What the windows left.
    async fn sink(&self) -> Result<Vec<SinkEntry>> {
        match (self.delivery, &self.server) {
            (Delivery::Files | Delivery::Idempotent, _) => remains::files(&self.path("sink")),
            (Delivery::Into, _) => {
                let mb = self.connect().await?;
                let taken = remains::log(&mb, &StreamName::new(TAKEN)?).await?;
                mb.shutdown().await;
                let of = |record: LogRecord| SinkEntry { id: record.stamp.2.to_string(), keys: record.keys };
                Ok(taken.into_iter().map(of).collect())
            }
            (Delivery::Transactional, None) => remains::rows(&self.file()),
            (Delivery::Transactional, Some(set)) => {
                remains::documents(set.node(set.primary().await?)?.client(), &self.database).await
            }
        }
    }

    /// How big the consumers' checkpoint is.
    pub(crate) async fn checkpoint_bytes(&self) -> Result<u64> {
        let server = match &self.server {
            Some(set) => Some((set.node(set.primary().await?)?.client(), self.database.as_str())),
            None => None,
        };
        remains::checkpoint_bytes(&self.file(), server).await
    }

    /// Keeps the files for whoever looks into what went wrong; says where they are.
    pub(crate) fn keep(&mut self) -> String {
        self.folder.disable_cleanup(true);
        let mut places = self.folder.path().display().to_string();
        if let Some(server) = &mut self.server {
            server.keep();
            places = format!("{places} and {}", server.folder().display());
        }
        places
    }
}

fn name_of(history: &Path) -> String {
    history.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
