//! What tells one strategy from another.

/// Name, version and parameters of a strategy.
///
/// A group keeps it, so that a changed strategy is noticed before it forms other windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a strategy's name, the version of its rules, and its parameters as text.
    #[must_use]
    pub fn new(name: &str, version: u32, parameters: &str) -> Self {
        Self(format!("{name}/{version}({parameters})"))
    }

    /// The fingerprint as text, as `count/1(50)`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
