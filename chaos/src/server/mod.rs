//! Real mongods, for a fault to strike: they can be killed, stopped and started again on their files.

mod fail_point;
mod fake_clock;
mod node;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use bson::{Document, doc};
use tempfile::TempDir;

use crate::{
    clock::{millis, now, pause, seconds},
    cut::Cut,
    proxy::Proxy,
};
pub(crate) use fail_point::FailPoint;
pub(crate) use fake_clock::FakeClock;
pub(crate) use node::Node;
use node::Settings;

/// What its clock moves by on its own while it is watched is less, and a jump by hours more; in milliseconds.
const JUMP: i64 = 30 * 60 * 1_000;

/// By which fail points tell the roles from the orchestrator.
pub(crate) const ROLES: &str = "chaos-roles";

/// A replica set of one or more, gone when dropped.
#[derive(Debug)]
pub(crate) struct ReplicaSet {
    pub(crate) nodes: Vec<Node>,
    clock: Option<FakeClock>,
    /// By which all, the nodes too, reach the nodes, where they can be cut off from one another.
    proxies: Vec<Proxy>,
    cut: Cut,
    folder: TempDir,
}

impl ReplicaSet {
    /// Starts so many mongods, and waits until they take writes.
    pub(crate) async fn start(mongod: &Path, nodes: usize) -> Result<Self> {
        Self::launch(mongod, nodes, tempfile::tempdir()?, None).await?.initiate().await
    }

    /// Starts one mongod whose clock can be set.
    pub(crate) async fn start_with_clock(mongod: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let clock = FakeClock::new(folder.path().join("clock"))?;
        Self::launch(mongod, 1, folder, Some(clock)).await?.initiate().await
    }

    /// Starts three mongods that can be cut off from one another.
    pub(crate) async fn start_with_cut(mongod: &Path) -> Result<Self> {
        let mut set = Self::launch(mongod, 3, tempfile::tempdir()?, None).await?;
        for node in &set.nodes {
            set.proxies.push(Proxy::with_cut(node.host(), node.process()?, set.cut.clone()).await?);
        }
        set.initiate().await
    }

    async fn launch(mongod: &Path, nodes: usize, folder: TempDir, clock: Option<FakeClock>) -> Result<Self> {
        let (proxies, cut) = (Vec::new(), Cut::default());
        let mut set = Self { nodes: Vec::new(), clock: clock.clone(), proxies, cut, folder };
        for number in 0..nodes {
            let folder = set.folder.path().join(number.to_string());
            set.nodes.push(Node::start(mongod, folder, Settings { clock: clock.clone() }).await?);
        }
        Ok(set)
    }

    /// Makes them a replica set, and waits until it takes writes.
    async fn initiate(self) -> Result<Self> {
        let members: Vec<Document> =
            (0..).zip(self.hosts()).map(|(id, host): (i32, _)| doc! { "_id": id, "host": host }).collect();
        let config = doc! {
            "_id": "rs0", "members": members,
            // so that a failover takes seconds
            "settings": { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 },
        };
        self.node(0)?.admin(doc! { "replSetInitiate": config }).await?;
        self.primary().await?;
        for node in &self.nodes {
            node.settled().await?;
        }
        Ok(self)
    }

    /// Where they are reached.
    fn hosts(&self) -> Vec<String> {
        match self.proxies.as_slice() {
            [] => self.nodes.iter().map(Node::host).collect(),
            proxies => proxies.iter().map(Proxy::host).collect(),
        }
    }

    /// What cuts processes off, where that can be.
    pub(crate) fn cut(&self) -> Result<&Cut> {
        ensure!(!self.proxies.is_empty(), "these servers cannot be cut off from one another");
        Ok(&self.cut)
    }

    pub(crate) fn node(&self, index: usize) -> Result<&Node> {
        self.nodes.get(index).context("no such node")
    }

    pub(crate) fn node_mut(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes.get_mut(index).context("no such node")
    }

    /// Keeps the files of the mongods for whoever looks into what went wrong.
    pub(crate) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sets the clock so many hours after the real one, and waits until the server shows it.
    pub(crate) async fn set_clock(&self, hours: i32) -> Result<()> {
        let clock = self.clock.as_ref().context("the clock of this server cannot be set")?;
        let (before, started) = (self.node(0)?.wall().await?, now());
        clock.set(hours)?;
        // it shows the same hour as before as long as it has not jumped
        while (self.node(0)?.wall().await? - before).abs() < JUMP {
            if started.elapsed() > seconds(30) {
                bail!("the server's clock did not jump");
            }
            pause(millis(20)).await;
        }
        Ok(())
    }

    /// Waits for a node that takes writes; its index.
    pub(crate) async fn primary(&self) -> Result<usize> {
        let started = now();
        while started.elapsed() < seconds(90) {
            for (index, node) in self.nodes.iter().enumerate() {
                if node.is_alive() && node.is_primary().await {
                    return Ok(index);
                }
            }
            pause(millis(20)).await;
        }
        bail!("no mongod takes writes")
    }

    /// Waits for another primary than that.
    pub(crate) async fn other_primary(&self, old: usize) -> Result<()> {
        let started = now();
        while started.elapsed() < seconds(90) {
            for (_, node) in self.nodes.iter().enumerate().filter(|(index, _)| *index != old) {
                if node.is_primary().await {
                    return Ok(());
                }
            }
            pause(millis(20)).await;
        }
        bail!("no other mongod takes writes")
    }

    /// Lets all but the primary get what it writes, or not.
    pub(crate) async fn replicate(&self, primary: usize, on: bool) -> Result<()> {
        let mode = if on { "off" } else { "alwaysOn" };
        for (_, node) in self.nodes.iter().enumerate().filter(|(index, _)| *index != primary) {
            node.admin(doc! { "configureFailPoint": "stopReplProducer", "mode": mode }).await?;
        }
        Ok(())
    }

    /// The URL of a database, as users write it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("mongodb://{}/{database}?replicaSet=rs0", self.hosts().join(","))
    }

    /// Takes back whatever a fault left: all nodes run, and no fail point is on.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.heal().await?;
        }
        self.primary().await?;
        Ok(())
    }
}
