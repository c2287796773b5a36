//! What a mongod is told to fail at.

use anyhow::Result;
use bson::{Bson, Document, doc};

use super::{Node, ROLES};

/// A fail point that is on: commands of the roles fail, so many times.
#[derive(Debug)]
pub(crate) struct FailPoint<'a> {
    node: &'a Node,
    name: &'static str,
    before: i64,
    times: i32,
}

impl<'a> FailPoint<'a> {
    /// Lets the next so many of those commands of the roles fail.
    pub(crate) async fn commands(node: &'a Node, names: &[&str], times: i32, how: Document) -> Result<Self> {
        let mut data = doc! { "failCommands": names, "appName": ROLES };
        data.extend(how);
        Self::on(node, "failCommand", times, data).await
    }

    /// Lets it happen to the next so many.
    pub(crate) async fn on(node: &'a Node, name: &'static str, times: i32, data: Document) -> Result<Self> {
        let reply = node.admin(doc! { "configureFailPoint": name, "mode": { "times": times }, "data": data }).await?;
        Ok(Self { node, name, before: count(&reply), times })
    }

    /// Waits until it struck as often as it was to.
    pub(crate) async fn spent(&self) -> Result<()> {
        let times = self.before + i64::from(self.times);
        let wait = doc! { "waitForFailPoint": self.name, "timesEntered": times, "maxTimeMS": 30_000 };
        self.node.admin(wait).await?;
        Ok(())
    }

    /// Ends it; how often it struck.
    pub(crate) async fn off(self) -> Result<u64> {
        let reply = self.node.admin(doc! { "configureFailPoint": self.name, "mode": "off" }).await?;
        Ok(u64::try_from(count(&reply) - self.before)?)
    }
}

fn count(reply: &Document) -> i64 {
    match reply.get("count") {
        Some(Bson::Int32(count)) => i64::from(*count),
        Some(Bson::Int64(count)) => *count,
        _ => 0,
    }
}
