//! The URL in the environment.

use std::{env, ffi::OsString};

use minibatch_core::{Cause, Error};

use crate::Minibatch;

/// The variables in the order in which they are looked at, and the operation that an error then names.
const VARIABLES: [(&str, &str); 3] = [
    ("MINIBATCH_URL", "connect to MINIBATCH_URL"),
    ("MINIBATCH_MONGO_URL", "connect to MINIBATCH_MONGO_URL"),
    ("MONGO_URL", "connect to MONGO_URL"),
];

/// A URL, and where it was found.
pub(crate) struct Found {
    url: String,
    operation: &'static str,
}

impl Found {
    pub(crate) async fn connect(self) -> Result<Minibatch, Error> {
        let storage = crate::url::open(&self.url).await.map_err(|error| error.during(self.operation))?;
        Ok(Minibatch::new(storage))
    }
}

/// The first that is set; an empty variable is taken for none.
pub(crate) fn url() -> Result<Option<Found>, Error> {
    first(|variable| env::var_os(variable))
}

/// The error of an environment without any.
pub(crate) fn nothing_set() -> Error {
    let reason = "the environment names none, set MINIBATCH_URL (MINIBATCH_MONGO_URL and MONGO_URL were looked at as \
                  well), as MINIBATCH_URL=sqlite://quakes.db";
    Error::new(Cause::misconfigured(reason)).during("connect")
}

fn first(get: impl Fn(&str) -> Option<OsString>) -> Result<Option<Found>, Error> {
    for (variable, operation) in VARIABLES {
        let Some(url) = get(variable).filter(|url| !url.is_empty()) else { continue };
        let not_text = |_| Error::new(Cause::invalid_url("it is not UTF-8")).during(operation);
        return Ok(Some(Found { url: url.into_string().map_err(not_text)?, operation }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use minibatch_core::ErrorKind;

    use super::*;

    fn check(set: &[(&str, &str)], expect: Option<&str>) {
        let get = |variable: &str| set.iter().find(|(name, _)| *name == variable).map(|(_, url)| url.into());
        assert_eq!(first(get).unwrap().map(|found| found.url).as_deref(), expect);
    }

    #[test]
    fn the_first_that_is_set_counts() {
        check(&[("MONGO_URL", "m"), ("MINIBATCH_MONGO_URL", "mm"), ("MINIBATCH_URL", "u")], Some("u"));
        check(&[("MONGO_URL", "m"), ("MINIBATCH_MONGO_URL", "mm")], Some("mm"));
        check(&[("MONGO_URL", "m"), ("MINIBATCH_URL", "")], Some("m"));
        check(&[("MINIBATCH_URL", "")], None);
        check(&[], None);
    }

    #[test]
    fn what_is_wrong_names_its_variable() {
        let error = nothing_set();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(VARIABLES.iter().all(|(variable, _)| error.to_string().contains(variable)));
        assert!(VARIABLES.iter().all(|(variable, operation)| operation.ends_with(variable)));
    }

    #[cfg(unix)]
    #[test]
    fn a_url_is_text() {
        let bytes = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
        let get = move |_: &str| Some(OsString::clone(&bytes));
        assert!(matches!(first(get).map(drop).unwrap_err().cause(), Cause::InvalidUrl { .. }));
    }
}
