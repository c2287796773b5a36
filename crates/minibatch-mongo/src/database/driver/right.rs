//! What a user must be granted, said by name where it is missing.

use minibatch_core::Cause;
use mongodb::error::{Error, ErrorKind};

use super::{
    super::{Collection, Failure},
    Driver, classify,
};

const UNAUTHORIZED: i32 = 13;

/// The actions on a collection that a request takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Right {
    pub(super) actions: &'static str,
    pub(super) collection: Collection,
}

impl Right {
    pub(super) const fn new(actions: &'static str, collection: Collection) -> Self {
        Self { actions, collection }
    }
}

impl Driver {
    /// What became of a request that takes this right and ended with this error.
    pub(super) fn failed(&self, right: Right, error: &Error) -> Failure {
        self.saw(error.server_response().and_then(|reply| reply.get_timestamp("operationTime").ok()));
        match &*error.kind {
            ErrorKind::Command(command) if command.code == UNAUTHORIZED => self.refused(right),
            _ => classify::failure(error),
        }
    }

    fn refused(&self, right: Right) -> Failure {
        let (collection, database) = (self.name(right.collection), self.database.name());
        let whose = match self.as_user {
            true => "the url's user lacks a right, grant it",
            false => "the url names no user and the server lets nobody in without, name one that has",
        };
        Failure::Refused(Cause::misconfigured(format!(
            "{whose}: actions=`{}` collection=`{collection}` database=`{database}`",
            right.actions
        )))
    }
}
