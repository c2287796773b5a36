//! Tries out what the protocol relies on, so that a server that only imitates MongoDB is found out before it loses data.
//!
//! It works on scratch chunks of a stream that no user can name, which are gone afterwards.

use std::time::Duration;

use bson::{RawDocument, RawDocumentBuf, rawdoc};
use minibatch_core::Cause;

use super::{Change, Collection, Database, Failure, Filter, Find, PRODUCER_KEY, SERVER_STAMP, SLOT_KEY, Test, Update};
use crate::random;

const STREAM: &str = "~probe";
const HOUR: Duration = Duration::from_secs(3_600);

/// Fails with what the server cannot do.
pub(super) async fn probe(database: &dyn Database) -> Result<(), Failure> {
    let life = random::number().cast_signed();
    let scratch = Filter::all().eq("s", STREAM).eq("p", 0_i64).eq("inc", life);
    let verdict = behave(database, life, &scratch).await;
    let deleted = database.delete(Collection::Chunks, scratch).await;
    verdict?;
    expect(deleted? == 1, "delete every document that matches, once")
}

async fn behave(database: &dyn Database, life: i64, scratch: &Filter) -> Result<(), Failure> {
    let insert = |slot, sequence| database.insert(Collection::Chunks, chunk(life, slot, sequence));
    insert(1, 1).await?;
    for (slot, sequence, key) in [(1, 2, SLOT_KEY), (2, 1, PRODUCER_KEY)] {
        match insert(slot, sequence).await {
            Err(Failure::Duplicate(found)) if found == key => {}
            // what is not applied or unclear is no verdict on the server
            Err(Failure::NotApplied(reason)) => return Err(Failure::NotApplied(reason)),
            _ => return Err(lacking("keep a compound key unique and say which one a duplicate has hit")),
        }
    }
    let update = Update::set("text", "$slot").and("count", Change::Add(1)).and("until", Change::NowPlus(HOUR));
    let changed = database.find_and_update(Collection::Chunks, scratch.clone(), update, false).await?;
    let changed = changed.ok_or_else(|| lacking("find what was inserted"))?;
    expect(changed.get_str("text").is_ok_and(|text| text == "$slot"), "take a $literal for what it is")?;
    expect(changed.get_i64("count").is_ok_and(|count| count == 1), "change a document by a pipeline")?;
    expect(stamped(&changed), "fill in its own timestamp")?;
    let find = |test| Find::one(Collection::Chunks, scratch.clone().and("until", test)).only(&["slot"]);
    let (past, future) = (database.find(find(Test::Past)).await?, database.find(find(Test::Future)).await?);
    expect(past.documents.is_empty() && future.documents.len() == 1, "compare times with its own clock ($$NOW)")
}

fn chunk(life: i64, slot: i64, sequence: i64) -> RawDocumentBuf {
    rawdoc! {
        "_id": random::object_id(),
        "s": STREAM,
        "p": 0_i64,
        "inc": life,
        "slot": slot,
        "pid": STREAM,
        "ps": sequence,
        "sts": SERVER_STAMP,
    }
}

fn stamped(document: &RawDocument) -> bool {
    document.get_timestamp("sts").is_ok_and(|stamp| stamp.time > 0)
}

fn expect(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(lacking(what)) }
}

fn lacking(what: &str) -> Failure {
    Failure::Refused(Cause::misconfigured(format!(
        "the server is not mongodb or not as mongodb, use a real one of 6.0 or newer: it does not {what}"
    )))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use futures::stream::BoxStream;
    use minibatch_core::{Timestamp, storage::Effect};

    use super::*;
    use crate::database::{
        Found, Hint, Transacted,
        model::{Connection, Faults, Server},
    };

    /// What an imitation gets wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Flaw {
        None,
        Duplicates,
        NoKeyPattern,
        NoLiteral,
        NoPipeline,
        NoStamp,
        NoClock,
        NoDelete,
    }

    /// The model, flawed.
    #[derive(Debug)]
    struct Imitation {
        model: Arc<Connection>,
        flaw: Flaw,
    }

    #[async_trait]
    impl Database for Imitation {
        async fn find(&self, mut find: Find) -> Result<Found, Failure> {
            if self.flaw == Flaw::NoClock {
                find.filter.0.retain(|(_, test)| !matches!(test, Test::Past | Test::Future));
            }
            self.model.find(find).await
        }

        async fn insert(&self, collection: Collection, mut document: RawDocumentBuf) -> Result<(), Failure> {
            if self.flaw == Flaw::NoStamp {
                let mut copy = bson::Document::try_from(&*document).unwrap();
                copy.insert("sts", bson::Timestamp { time: 0, increment: 1 });
                document = RawDocumentBuf::try_from(&copy).unwrap();
            }
            match self.model.insert(collection, document).await {
                Err(Failure::Duplicate(_)) if self.flaw == Flaw::Duplicates => Ok(()),
                Err(Failure::Duplicate(_)) if self.flaw == Flaw::NoKeyPattern => {
                    Err(Failure::Indeterminate("duplicate".to_owned()))
                }
                outcome => outcome,
            }
        }

        async fn find_and_update(
            &self,
            collection: Collection,
            filter: Filter,
            mut update: Update,
            upsert: bool,
        ) -> Result<Option<RawDocumentBuf>, Failure> {
            match self.flaw {
                Flaw::NoLiteral => update = update.and_set("text", 1_i64),
                Flaw::NoPipeline => update.0.retain(|(field, _)| *field != "count"),
                _ => {}
            }
            self.model.find_and_update(collection, filter, update, upsert).await
        }

        async fn hint_update(
            &self,
            collection: Collection,
            filter: Filter,
            update: Update,
        ) -> Result<Option<RawDocumentBuf>, Failure> {
            self.model.hint_update(collection, filter, update).await
        }

        async fn update(&self, collection: Collection, filter: Filter, update: Update) -> Result<u64, Failure> {
            self.model.update(collection, filter, update).await
        }

        async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Failure> {
            if self.flaw == Flaw::NoDelete { Ok(0) } else { self.model.delete(collection, filter).await }
        }

        async fn transact(
            &self,
            collection: Collection,
            filter: Filter,
            update: Update,
            effects: Vec<Effect>,
        ) -> Result<Transacted, Failure> {
            self.model.transact(collection, filter, update, effects).await
        }

        fn is_transactional(&self) -> bool {
            self.model.is_transactional()
        }

        fn sessions(&self) -> Vec<bson::Document> {
            self.model.sessions()
        }

        async fn break_off(&self, sessions: Vec<bson::Document>) -> Result<(), Failure> {
            self.model.break_off(sessions).await
        }

        async fn now(&self) -> Result<Timestamp, Failure> {
            self.model.now().await
        }

        async fn watch(&self, streams: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
            self.model.watch(streams).await
        }
    }

    async fn probe_with(flaw: Flaw) -> (Result<(), Failure>, usize) {
        let model = Server::start().connect(Faults::NONE, 1);
        let verdict = probe(&Imitation { model: Arc::clone(&model), flaw }).await;
        let left = model.find(Find::one(Collection::Chunks, Filter::all()).at_most(10)).await.unwrap();
        (verdict, left.documents.len())
    }

    #[tokio::test(start_paused = true)]
    async fn what_behaves_passes_and_nothing_is_left() {
        assert_eq!(probe_with(Flaw::None).await, (Ok(()), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_imitation_is_told_by_what_it_lacks() {
        for (flaw, word) in [
            (Flaw::Duplicates, "unique"),
            (Flaw::NoKeyPattern, "which one"),
            (Flaw::NoLiteral, "$literal"),
            (Flaw::NoPipeline, "pipeline"),
            (Flaw::NoStamp, "timestamp"),
            (Flaw::NoClock, "$$NOW"),
            (Flaw::NoDelete, "delete"),
        ] {
            let (Err(Failure::Refused(cause)), _) = probe_with(flaw).await else { panic!("{flaw:?}") };
            assert!(cause.to_string().contains(word), "{flaw:?}: {cause}");
        }
    }
}
