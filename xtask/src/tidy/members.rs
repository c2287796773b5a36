//! What every member's manifest has in common, so that no crate is left out of the lints or of a release.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::finding::Finding;
use crate::workspace::Workspace;

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "repository"];

pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for member in &workspace.members {
        let path = member.manifest_path.strip_prefix(&workspace.root).unwrap_or(&member.manifest_path);
        let text = fs::read_to_string(&member.manifest_path)
            .with_context(|| format!("cannot read `{}`", member.manifest_path.display()))?;
        let manifest: toml::Table = text.parse().with_context(|| format!("`{}` is not TOML", path.display()))?;
        findings.extend(check_manifest(path, &member.name, &manifest));
    }
    Ok(findings)
}

fn check_manifest(path: &Path, crate_name: &str, manifest: &toml::Table) -> Vec<Finding> {
    let place = path.display().to_string();
    let mut findings = Vec::new();
    if !inherits(manifest, "lints") {
        findings.push(Finding::fail(&place, "does not inherit the lints, add `[lints]` with `workspace = true`"));
    }
    let nothing = toml::Table::new();
    let package = manifest.get("package").and_then(toml::Value::as_table).unwrap_or(&nothing);
    for field in INHERITED.iter().filter(|field| !inherits(package, field)) {
        let text = format!("does not inherit `{field}`, write `{field}.workspace = true` under `[package]`");
        findings.push(Finding::fail(&place, text));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder.starts_with("crates") && folder != Path::new("crates").join(crate_name) {
        let text = format!("the crate is called {crate_name}, move it to `crates/{crate_name}`");
        findings.push(Finding::fail(&place, text));
    }
    findings
}

fn inherits(table: &toml::Table, key: &str) -> bool {
    let value = table.get(key).and_then(|value| value.get("workspace"));
    value.and_then(toml::Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
[package]
name = 'a'
version.workspace = true
edition.workspace = true
rust-version = { workspace = true }
license.workspace = true
repository.workspace = true

[lints]
workspace = true
";

    fn check(path: &str, manifest: &str, expect: &[&str]) {
        let manifest = manifest.parse().unwrap();
        let findings = check_manifest(Path::new(path), "a", &manifest);
        assert_eq!(findings.len(), expect.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expect) {
            assert!(finding.text.contains(part), "{finding}");
        }
    }

    #[test]
    fn members_inherit() {
        check("crates/a/Cargo.toml", GOOD, &[]);
        check("crates/a/Cargo.toml", &GOOD.replace("[lints]", "[other]"), &["lints"]);
        check("crates/a/Cargo.toml", &GOOD.replace("edition.workspace = true", "edition = '2024'"), &["`edition`"]);
        check("crates/a/Cargo.toml", "", &["lints", "version", "edition", "rust-version", "license", "repository"]);
    }

    #[test]
    fn a_crates_folder_bears_its_name() {
        check("crates/b/Cargo.toml", GOOD, &["move it to `crates/a`"]);
        check("crates/a/b/Cargo.toml", GOOD, &["move it to `crates/a`"]);
        check("examples/Cargo.toml", GOOD, &[]);
    }
}
