//! Which law a strategy broke, and on which log.

use std::fmt;

use super::laws::Law;

/// A broken law, with the smallest log found that shows it.
#[derive(Clone, Debug)]
pub struct Failure {
    law: Law,
    what: String,
    log: Option<String>,
}

impl Failure {
    pub(super) fn new(law: Law, what: String, log: Option<String>) -> Self {
        Self { law, what, log }
    }

    /// The law.
    #[must_use]
    pub fn law(&self) -> Law {
        self.law
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the strategy breaks a law: {}\n{}", self.law, self.what)?;
        match &self.log {
            Some(log) => write!(f, "\nthe log: {log}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
