//! Names of streams and groups, checked while compiling.
//!
//! The rules are those of `minibatch_core::StreamName`, which nothing that runs in the compiler should link; a test
//! compares the two.

use darling::{Error, FromMeta, Result};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Ident, Lit, LitStr, ext::IdentExt};

/// The name of a group.
#[derive(Clone, Debug)]
pub(crate) struct Group(LitStr);

impl Group {
    /// The group named after a function.
    pub(crate) fn of(function: &Ident) -> Result<Self> {
        let name = LitStr::new(&function.unraw().to_string(), function.span());
        match broken_rule(&name.value()) {
            Some(_) => Err(Error::custom("this names no group, give it one: group = \"alerts\"").with_span(function)),
            None => Ok(Self(name)),
        }
    }
}

impl FromMeta for Group {
    fn from_value(value: &Lit) -> Result<Self> {
        let Lit::Str(name) = value else { return Err(Error::unexpected_lit_type(value)) };
        check(name)?;
        Ok(Self(name.clone()))
    }
}

impl ToTokens for Group {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// Checks a stream's name.
pub(crate) fn check_stream(name: &LitStr) -> Result<()> {
    check(name)?;
    if [".dead", ".late"].iter().any(|ending| name.value().ends_with(ending)) {
        return Err(Error::custom("the endings .dead and .late are reserved").with_span(name));
    }
    Ok(())
}

fn check(name: &LitStr) -> Result<()> {
    match broken_rule(&name.value()) {
        Some(rule) => Err(Error::custom(rule).with_span(name)),
        None => Ok(()),
    }
}

fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a name is not empty");
    }
    if name.len() > 120 {
        return Some("a name has at most 120 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Some("a name begins with a letter or digit of ASCII");
    }
    if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter)) {
        return Some("a name holds letters and digits of ASCII, dot, underscore and hyphen only");
    }
    name.contains("..").then_some("a name holds no two dots in a row")
}

#[cfg(test)]
mod tests {
    use minibatch_core::{GroupName, StreamName};
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn the_rules_are_those_of_core() {
        let long = ["a".repeat(120), "a".repeat(121)];
        let mut names: Vec<&str> =
            vec!["", "quakes", "a.b_c-d", "7", "_a", ".a", "-a", "a..b", "a/b", "$a", "a b", "ä", "a\0"];
        names.extend(["quakes.dead", "quakes.late", ".dead", "dead", "a.deadly"]);
        names.extend(long.iter().map(String::as_str));
        for name in names {
            let literal = LitStr::new(name, Span::call_site());
            assert_eq!(check_stream(&literal).is_ok(), StreamName::new(name).is_ok(), "{name:?}");
            assert_eq!(Group::from_value(&Lit::Str(literal)).is_ok(), GroupName::new(name).is_ok(), "{name:?}");
        }
    }
}
