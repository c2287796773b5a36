//! What the pure crates link: no async runtime, no database, and nothing that reads the clock for them.

use std::collections::BTreeSet;

use anyhow::Result;

use super::finding::Finding;
use crate::process;
use crate::workspace::Workspace;

const PURE: &[&str] = &["minibatch-core", "minibatch-emitters"];

const BANNED: &[&str] = &["async-std", "libsqlite3-sys", "mio", "mongodb", "rusqlite", "smol", "sqlx", "tokio"];

/// The features with which chrono reads the system's clock.
const CLOCKS: &[&str] = &["clock", "now"];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for name in PURE.iter().filter(|name| workspace.members.iter().any(|member| member.name == **name)) {
        let mut tree = process::cargo();
        tree.args(["tree", "--edges=normal", "--all-features", "--target=all", "--prefix=none", "--package", name]);
        tree.arg("--format={p}\t{f}");
        findings.extend(check_tree(name, &process::output(&mut tree)?));
    }
    Ok(findings)
}

/// Checks lines of `name version\tfeature,feature`.
fn check_tree(crate_name: &str, tree: &str) -> Vec<Finding> {
    let place = format!("crates/{crate_name}/Cargo.toml");
    // A crate stands in the tree wherever it is used.
    let lines: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let mut findings = Vec::new();
    for line in lines {
        let (package, features) = line.split_once('\t').unwrap_or((line, ""));
        let package = package.split(' ').next().unwrap_or_default();
        if BANNED.contains(&package) {
            let text = format!(
                "{crate_name} links {package}, drop the dependency that brings it: {}",
                tree_of(crate_name, package)
            );
            findings.push(Finding::fail(&place, text));
        }
        if package == "chrono" {
            for clock in features.split(',').filter(|feature| CLOCKS.contains(feature)) {
                let text = format!(
                    "{crate_name} enables chrono's feature `{clock}`, time comes in as an argument here: {}",
                    tree_of(crate_name, package)
                );
                findings.push(Finding::fail(&place, text));
            }
        }
    }
    findings
}

fn tree_of(crate_name: &str, package: &str) -> String {
    format!("`cargo tree -e normal,features -p {crate_name} -i {package}` tells who asks for it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tree: &str, expect: usize) {
        assert_eq!(check_tree("minibatch-core", tree).len(), expect, "{tree}");
    }

    #[test]
    fn runtimes_and_databases_are_found_once() {
        check("minibatch-core v0.1.0 (/x)\t\nserde v1.0.0\tderive,std", 0);
        check("tokio v1.54.1\trt\ntokio v1.54.1\trt (*)", 1);
        check("tokio-util v0.7.20\t", 0);
        check("rusqlite v0.41.0\nlibsqlite3-sys v0.39.0", 2);
    }

    #[test]
    fn chrono_is_welcome_without_its_clock() {
        check("chrono v0.4.45\talloc,serde", 0);
        check("chrono v0.4.45\talloc,now", 1);
        check("chrono v0.4.45\tclock,now (*)", 2);
    }
}
