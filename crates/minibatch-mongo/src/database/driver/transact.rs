//! A compare-and-set and a user's writes in one transaction.

use bson::{Document, doc};
use minibatch_core::{Cause, storage::Effect};
use mongodb::{
    ClientSession,
    error::{Error, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT},
    options::{ReadConcern, WriteConcern},
};

use super::{
    super::{Collection, Failure, Filter, Transacted, Update, effects},
    Driver, SERVER_TIME, classify, millis, prepare, reply,
    right::Right,
};

/// How often a commit is asked for before its outcome counts as unknown.
const COMMITS: usize = 3;

/// What the group's part of a transaction takes; a user's own collections take what the effects do.
const RIGHT: Right = Right::new("find, update", Collection::Groups);

impl Driver {
    pub(super) async fn transact_now(
        &self,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        effects: &[Effect],
    ) -> Result<Transacted, Failure> {
        self.prepare_targets(effects).await?;
        let failed = |error: Error| self.failed(RIGHT, &error);
        let without = || Failure::Refused(Cause::bug("a transaction where there is no replica set"));
        let mut session = self.sessions.take().await.ok_or_else(without)?;
        if let Some(seen) = self.seen() {
            session.advance_operation_time(seen);
        }
        let begun = session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(WriteConcern::majority())
            .max_commit_time(SERVER_TIME)
            .await;
        begun.map_err(failed)?;
        match self.write_in(&mut session, collection, filter, update, effects).await {
            Ok(Transacted::Done) => self.commit(&mut session).await,
            undone => {
                if let Err(error) = session.abort_transaction().await {
                    // the server ends it by itself, a little later
                    tracing::debug!(reason = classify::text(&error), "a transaction was not broken off");
                }
                undone
            }
        }
    }

    async fn write_in(
        &self,
        session: &mut ClientSession,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        effects: &[Effect],
    ) -> Result<Transacted, Failure> {
        // first, so that a former owner hears of its heir before its effects are looked at
        let update = doc! { "q": filter.to_document(), "u": update.to_pipeline(), "multi": false };
        let reply = self.run_in(session, doc! { "update": self.name(collection), "updates": [update] }).await?;
        match reply::count(&reply)? {
            0 => Ok(Transacted::Unmatched),
            _ => self.apply_in(session, effects).await,
        }
    }

    /// Makes the collections that are missing: a transaction that makes one gets in others' way.
    async fn prepare_targets(&self, effects: &[Effect]) -> Result<(), Failure> {
        for target in effects.iter().filter_map(effects::target) {
            if !self.is_prepared(target) {
                prepare::create(self, target).await?;
                self.saw_prepared(target);
            }
        }
        Ok(())
    }

    /// Runs a command of the transaction. Until the commit nothing has taken effect, whatever is unclear.
    async fn run_in(&self, session: &mut ClientSession, mut command: Document) -> Result<Document, Failure> {
        command.insert("maxTimeMS", millis(SERVER_TIME));
        match self.database.run_command(command).session(session).await {
            Ok(reply) => reply::outcome(reply).map_err(not_applied),
            Err(error) => Err(not_applied(self.failed(RIGHT, &error))),
        }
    }

    async fn apply_in(&self, session: &mut ClientSession, effects: &[Effect]) -> Result<Transacted, Failure> {
        for batch in effects::batches(effects) {
            let mut command = batch.command;
            command.insert("maxTimeMS", millis(SERVER_TIME));
            let refused = match self.database.run_command(command).session(&mut *session).await {
                Ok(reply) => classify::refused_part(&reply),
                Err(error) if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                    return Err(Failure::NotApplied(classify::text(&error)));
                }
                Err(error) => match classify::refused_whole(&error) {
                    Some(code) => Some((0, code)),
                    None => return Err(not_applied(self.failed(RIGHT, &error))),
                },
            };
            if let Some((index, code)) = refused {
                return Ok(Transacted::Refused { index: batch.first + index, code });
            }
        }
        Ok(Transacted::Done)
    }

    async fn commit(&self, session: &mut ClientSession) -> Result<Transacted, Failure> {
        let mut tries = 1;
        loop {
            match session.commit_transaction().await {
                Ok(()) => {
                    self.saw(session.operation_time());
                    return Ok(Transacted::Done);
                }
                Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && tries < COMMITS => tries += 1,
                Err(error) if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                    return Err(Failure::NotApplied(classify::text(&error)));
                }
                Err(error) => return Err(Failure::Indeterminate(classify::text(&error))),
            }
        }
    }
}

fn not_applied(failure: Failure) -> Failure {
    match failure {
        Failure::Indeterminate(reason) => Failure::NotApplied(reason),
        failure => failure,
    }
}
