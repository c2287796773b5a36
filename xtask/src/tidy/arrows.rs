//! Which crate may depend on which.
//!
//! Only normal dependencies count: tests may use whatever they need.

use std::path::Path;

use super::finding::Finding;
use crate::workspace::Package;

const CORE: &str = "minibatch-core";

/// Every crate of the project, and the crates of the project that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    (CORE, &[]),
    ("minibatch-macros", &[]),
    ("minibatch-emitters", &[CORE]),
    ("minibatch-memory", &[CORE]),
    ("minibatch-sqlite", &[CORE]),
    ("minibatch-mongo", &[CORE]),
    ("minibatch-runtime", &[CORE]),
    ("minibatch-connectors", &[CORE]),
    ("minibatch-testkit", &[CORE]),
    (
        "minibatch",
        &[
            CORE,
            "minibatch-macros",
            "minibatch-emitters",
            "minibatch-memory",
            "minibatch-sqlite",
            "minibatch-mongo",
            "minibatch-runtime",
            "minibatch-connectors",
            "minibatch-testkit",
        ],
    ),
];

/// What a crate may depend on; `None` where nobody has decided that.
fn allowed(crate_name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == crate_name).map(|(_, allowed)| *allowed)
}

pub(crate) fn check(members: &[Package]) -> Vec<Finding> {
    members.iter().filter(|package| is_in_crates(package)).flat_map(check_package).collect()
}

fn is_in_crates(package: &Package) -> bool {
    package.manifest_path.parent().and_then(Path::parent).is_some_and(|folder| folder.ends_with("crates"))
}

fn check_package(package: &Package) -> Vec<Finding> {
    let place = format!("crates/{}/Cargo.toml", package.name);
    let Some(allowed) = allowed(&package.name) else {
        let text = "nothing says what this crate may depend on, add a row to ARROWS in xtask/src/tidy/arrows.rs";
        return vec![Finding::fail(place, text)];
    };
    let ours = package.dependencies.iter().filter(|dependency| dependency.name.starts_with("minibatch"));
    let normal = ours.filter(|dependency| dependency.kind.is_none());
    normal
        .filter(|dependency| !allowed.contains(&dependency.name.as_str()))
        .map(|dependency| Finding::fail(&place, advice(&package.name, &dependency.name, allowed)))
        .collect()
}

fn advice(from: &str, to: &str, allowed: &[&str]) -> String {
    let may = if allowed.is_empty() { "no crate of the project".to_owned() } else { allowed.join(", ") };
    format!(
        "{from} must not depend on {to}, only on {may}: move what both need into {CORE}, or make it a dev-dependency"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `from -> to`, `from -dev-> to`: how many findings?
    fn check_arrow(arrow: &str, expect: usize) {
        let (from, kind, to) = match arrow.split(' ').collect::<Vec<_>>()[..] {
            [from, "->", to] => (from, "null", to),
            [from, "-dev->", to] => (from, "\"dev\"", to),
            _ => panic!("{arrow}"),
        };
        let folder = if from == "examples" { "examples".to_owned() } else { format!("crates/{from}") };
        let json = format!(
            r#"{{ "name": "{from}", "manifest_path": "/x/{folder}/Cargo.toml", "targets": [],
                  "dependencies": [{{ "name": "{to}", "kind": {kind} }}] }}"#
        );
        let package: Package = serde_json::from_str(&json).unwrap();
        assert_eq!(check(&[package]).len(), expect, "{arrow}");
    }

    #[test]
    fn arrows_point_to_core() {
        check_arrow("minibatch-sqlite -> minibatch-core", 0);
        check_arrow("minibatch-sqlite -> rusqlite", 0);
        check_arrow("minibatch-sqlite -> minibatch-emitters", 1);
        check_arrow("minibatch-sqlite -> minibatch", 1);
        check_arrow("minibatch-core -> minibatch-emitters", 1);
        check_arrow("minibatch-macros -> minibatch-core", 1);
        check_arrow("minibatch -> minibatch-sqlite", 0);
    }

    #[test]
    fn tests_may_use_what_they_need() {
        check_arrow("minibatch-sqlite -dev-> minibatch-testkit", 0);
        check_arrow("examples -> minibatch", 0);
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        check_arrow("minibatch-new -> serde", 1);
    }

    #[test]
    fn no_arrow_leads_back() {
        for (from, allowed) in ARROWS {
            for to in *allowed {
                let back = super::allowed(to).unwrap();
                assert!(!back.contains(from), "{from} <-> {to}");
            }
        }
    }
}
