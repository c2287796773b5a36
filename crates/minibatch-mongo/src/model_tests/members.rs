//! Who is alive when the server's clock jumps: the dead are taken over in time, whatever it shows.

use std::{sync::Arc, time::Duration};

use bson::{DateTime, rawdoc};
use minibatch_core::{
    Cause, GroupName, MemberId,
    storage::{Acquired, GroupStore, Partition, StreamStore},
};

use super::world::{client, pass, stream};
use crate::{
    MongoStorage,
    database::{
        Collection, Database,
        model::{Faults, Server},
    },
};

const TTL: Duration = Duration::from_secs(10);
const HOUR: i64 = 3_600_000;

/// A member that owns a partition, and another that would.
struct Two {
    server: Arc<Server>,
    storage: MongoStorage,
    partition: Partition,
    group: GroupName,
    owner: MemberId,
    heir: MemberId,
}

impl Two {
    async fn new() -> Self {
        let server = Server::start();
        let (storage, _) = client(&server, Faults::NONE, 1);
        let (stream, group) = stream(&storage).await;
        let partition = stream.partition(0);
        let (owner, heir) = (storage.join(TTL).await.unwrap(), storage.join(TTL).await.unwrap());
        assert!(matches!(storage.acquire(&partition, &group, &owner).await.unwrap(), Acquired::Owner(_)));
        Self { server, storage, partition, group, owner, heir }
    }

    /// Whether the heir gets the partition, right after a heartbeat of its own.
    async fn takes_over(&self) -> bool {
        self.storage.heartbeat(&self.heir, TTL).await.unwrap();
        let acquired = self.storage.acquire(&self.partition, &self.group, &self.heir).await.unwrap();
        matches!(acquired, Acquired::Owner(_))
    }

    async fn is_living(&self) -> bool {
        self.storage.living(std::slice::from_ref(&self.owner)).await.unwrap() == [self.owner.clone()]
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_keeps_no_dead_member_alive() {
    let two = Two::new().await;
    two.server.set_clock(-HOUR);
    assert!(!two.is_living().await && two.takes_over().await);
    let late = two.storage.heartbeat(&two.owner, TTL).await;
    assert!(matches!(late.unwrap_err().cause(), Cause::MemberDead), "one that was taken over is told so");
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_a_little_kills_nobody_and_keeps_nobody() {
    let two = Two::new().await;
    two.server.set_clock(-9_000);
    assert!(two.is_living().await && !two.takes_over().await);
    pass(TTL * 2).await;
    assert!(!two.is_living().await && two.takes_over().await);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_under_any_clock() {
    let two = Two::new().await;
    for ahead in [HOUR, 0, -HOUR] {
        two.server.set_clock(ahead);
        two.storage.heartbeat(&two.owner, TTL).await.unwrap();
        assert!(two.is_living().await && !two.takes_over().await);
        pass(TTL - Duration::from_secs(1)).await;
        assert!(!two.takes_over().await);
    }
}

/// Earlier versions' heartbeats do not say from when on they count.
#[tokio::test(start_paused = true)]
async fn members_of_earlier_versions_live() {
    let two = Two::new().await;
    let (earlier, server) = ([MemberId::stored("earlier")], client(&two.server, Faults::NONE, 2).1);
    let until = two.storage.now().await.unwrap().plus(TTL);
    let document = rawdoc! { "_id": earlier[0].as_str(), "seen_until": DateTime::from_millis(until.as_millis()) };
    server.insert(Collection::Members, document).await.unwrap();
    assert_eq!(two.storage.living(&earlier).await.unwrap(), earlier);
    pass(TTL).await;
    assert_eq!(two.storage.living(&earlier).await.unwrap(), []);
}
