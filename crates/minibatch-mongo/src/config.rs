//! What can be set.

use std::time::Duration;

/// Options of a [`MongoStorage`](crate::MongoStorage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MongoOptions {
    /// The database, when it is not the URL's (`mongodb://host/database`). Without either it is `minibatch`.
    pub database: Option<String>,
    /// What the names of all collections begin with: `minibatch_` unless set.
    pub prefix: String,
    /// How long an operation is tried again until it gives up without a verdict: 15 s unless set.
    pub patience: Duration,
    /// How long a trimmed record is kept after this client saw that it was trimmed, so that slow clients come to no
    /// harm: 30 s unless set, at least 5 s.
    pub trim_grace: Duration,
    /// How long a reader waits for a producer that has reserved a slot and leaves it empty while later ones are filled,
    /// until it fills that slot itself: 2 s unless set. A producer that comes later takes another slot; shorter costs
    /// slow producers a second attempt, longer delays all readers where one died.
    pub gap_timeout: Duration,
    /// Takes any certificate from a server of a URL with `tls=true`, so that whoever lies between can read and change
    /// everything: for experiments alone. A warning is logged. `false` unless set; a URL cannot set it.
    pub invalid_certificates: bool,
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self {
            database: None,
            prefix: "minibatch_".to_owned(),
            patience: Duration::from_secs(15),
            trim_grace: Duration::from_secs(30),
            gap_timeout: Duration::from_secs(2),
            invalid_certificates: false,
        }
    }
}

impl MongoOptions {
    /// Sets the database.
    #[must_use]
    pub fn with_database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// Sets what the names of all collections begin with.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long an operation is tried again.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how long trimmed records are kept.
    #[must_use]
    pub fn with_trim_grace(mut self, grace: Duration) -> Self {
        self.trim_grace = grace;
        self
    }

    /// Sets how long a reader waits for a slot that a producer left empty.
    #[must_use]
    pub fn with_gap_timeout(mut self, timeout: Duration) -> Self {
        self.gap_timeout = timeout;
        self
    }

    /// Turns off the checking of the server's certificate: see
    /// [`invalid_certificates`](MongoOptions::invalid_certificates).
    #[must_use]
    pub fn with_invalid_certificates(mut self) -> Self {
        self.invalid_certificates = true;
        self
    }
}
