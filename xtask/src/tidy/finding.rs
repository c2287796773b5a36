//! What tidy has to say about one place.

use std::fmt;

/// Whether a finding must be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Fail,
    Warn,
}

/// One line: where, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) place: String,
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn fail(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, place: place.into(), text: text.into() }
    }

    pub(crate) fn warn(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.severity == Severity::Warn { "warning: " } else { "" };
        write!(f, "{}: {warning}{}", self.place, self.text)
    }
}
