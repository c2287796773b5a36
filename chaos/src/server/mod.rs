//! Real mongods, for a fault to strike: they can be killed, stopped and started again on their files.

mod fail_point;
mod node;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bson::{Document, doc};
use tempfile::TempDir;

use crate::clock::{millis, now, pause, seconds};
pub(crate) use fail_point::FailPoint;
pub(crate) use node::{Node, Wrapper};

/// By which fail points tell the roles from the orchestrator.
pub(crate) const ROLES: &str = "chaos-roles";

/// A replica set of one or more, gone when dropped.
#[derive(Debug)]
pub(crate) struct ReplicaSet {
    pub(crate) nodes: Vec<Node>,
    _folder: TempDir,
}

impl ReplicaSet {
    /// Starts so many mongods with `arguments`, and waits until they take writes.
    pub(crate) async fn start(mongod: &Path, nodes: usize, wrapper: &Wrapper, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut set = Self { nodes: Vec::new(), _folder: folder };
        for number in 0..nodes {
            let folder = set._folder.path().join(number.to_string());
            set.nodes.push(Node::start(mongod, folder, wrapper, arguments).await?);
        }
        let members: Vec<Document> =
            (0..).zip(&set.nodes).map(|(id, node): (i32, _)| doc! { "_id": id, "host": node.host() }).collect();
        let config = doc! {
            "_id": "rs0", "members": members,
            // so that a failover takes seconds
            "settings": { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 },
        };
        set.node(0)?.admin(doc! { "replSetInitiate": config }).await?;
        set.primary().await?;
        for node in &set.nodes {
            node.settled().await?;
        }
        Ok(set)
    }

    pub(crate) fn node(&self, index: usize) -> Result<&Node> {
        self.nodes.get(index).context("no such node")
    }

    pub(crate) fn node_mut(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes.get_mut(index).context("no such node")
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
        let hosts: Vec<String> = self.nodes.iter().map(Node::host).collect();
        format!("mongodb://{}/{database}?replicaSet=rs0", hosts.join(","))
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
