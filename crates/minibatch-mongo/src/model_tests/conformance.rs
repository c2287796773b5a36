//! The model against every clause of the contract.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch_core::storage::{Effect, Storage};
use minibatch_testkit::storage::Suite;

use super::world::client;
use crate::database::{
    Collection, Filter, Update,
    model::{Faults, Server},
};

type Servers = Arc<Mutex<HashMap<String, Arc<Server>>>>;

fn server(servers: &Servers, namespace: &str) -> Arc<Server> {
    Arc::clone(servers.lock().unwrap().entry(namespace.to_owned()).or_insert_with(Server::start))
}

fn suite(faults: Faults) -> Suite {
    let servers = Servers::default();
    let (damaged, seen) = (Arc::clone(&servers), Arc::clone(&servers));
    Suite::new(move |namespace| {
        let server = server(&servers, &namespace);
        async move {
            let storage: Arc<dyn Storage> = Arc::new(client(&server, faults, 1).0);
            Ok(storage)
        }
    })
    .with_damage(move |namespace, partition, slot| {
        let this = Filter::of(&partition).eq("slot", slot.to_i64());
        let changed = Update::set("data", bson::bson!(["changed"]));
        assert_eq!(server(&damaged, &namespace).tamper(Collection::Chunks, &this, &changed), 1);
        async { Ok(()) }
    })
    .with_effects(
        |text| Effect::insert("effects", bson::doc! { "_id": text }),
        move |namespace| {
            let inserted = server(&seen, &namespace).inserted();
            async move { Ok(inserted.iter().map(|id| id.as_str().unwrap().to_owned()).collect()) }
        },
    )
    .with_patience(Duration::from_secs(3_600))
}

#[tokio::test(start_paused = true)]
async fn without_faults() {
    let report = suite(Faults::NONE).run().await;
    assert!(report.passed(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn with_lost_replies() {
    let faults = Faults { refused: 20, dropped: 20, reply_lost: 50, ..Faults::NONE };
    let report = suite(faults).run().await;
    assert!(report.passed(), "{report}");
}
