//! What every source file has in common: its length, its first line, and that it is finished.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use super::finding::Finding;
use crate::process;

const LONG: usize = 500;
const TOO_LONG: usize = 800;

/// Markers of unfinished work, in any text. Written in two parts, so that this file is not found.
const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
/// The same, in Rust.
const RUST_MARKERS: &[&str] = &[concat!("to", "do!"), concat!("unimp", "lemented!"), concat!("#[ig", "nore")];

const TEXTS: &[&str] = &["rs", "toml", "md", "sh", "yml", "yaml"];

pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in sources(root)? {
        match fs::read_to_string(root.join(&file)) {
            Ok(text) => findings.extend(check_file(&file, &text)),
            // Listed by git, deleted from the work tree.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read `{file}`")),
        }
    }
    Ok(findings)
}

/// The texts that git tracks, and new ones that it would.
fn sources(root: &Path) -> Result<Vec<String>> {
    let mut git = process::command("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let files = process::output(&mut git)?;
    let mut files: Vec<String> = files.split('\0').filter(|file| is_text(file)).map(str::to_owned).collect();
    files.sort();
    Ok(files)
}

fn is_text(file: &str) -> bool {
    file == ".ci/run" || file.rsplit_once('.').is_some_and(|(_, extension)| TEXTS.contains(&extension))
}

fn check_file(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.ends_with(".rs") {
        findings.extend(check_length(file, text));
        findings.extend(check_first_line(file, text));
    }
    findings.extend(check_markers(file, text));
    findings
}

fn is_test(file: &str) -> bool {
    file.split('/').any(|part| part == "tests") || file.ends_with("/tests.rs") || file.ends_with("_tests.rs")
}

/// Programs that a test hands to the compiler to see its message are no modules.
fn is_compile_case(file: &str) -> bool {
    file.contains("/tests/ui/")
}

fn check_length(file: &str, text: &str) -> Option<Finding> {
    if is_test(file) {
        return None;
    }
    let lines = lines_before_tests(text);
    if lines <= LONG {
        return None;
    }
    let advice = format!("has {lines} lines without its tests, split it so that each file holds one idea");
    let finding = if lines <= TOO_LONG { Finding::warn } else { Finding::fail };
    Some(finding(file.to_owned(), advice))
}

/// The lines before the test module at the end of a file.
fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(
        |pair| matches!(pair, ["#[cfg(test)]", module] if module.starts_with("mod ") && module.ends_with('{')),
    );
    tests.unwrap_or(lines.len())
}

fn check_first_line(file: &str, text: &str) -> Option<Finding> {
    let fine = text.starts_with("//!") || is_compile_case(file);
    (!fine).then(|| Finding::fail(file, "does not start with `//!`, say there what the module is responsible for"))
}

fn check_markers(file: &str, text: &str) -> Vec<Finding> {
    let in_rust = if file.ends_with(".rs") { RUST_MARKERS } else { &[] };
    let markers: Vec<&str> = MARKERS.iter().chain(in_rust).copied().collect();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for marker in markers.iter().filter(|marker| has_word(line, marker)) {
            let text = format!("has `{marker}`, finish it or open an issue for it");
            findings.push(Finding::fail(format!("{file}:{number}"), text));
        }
    }
    findings
}

/// Whether `word` stands in `line` by itself, not as a part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.get(word.len()..).unwrap_or_default();
        let goes_on = word.ends_with(is_part) && after.starts_with(is_part);
        !before.ends_with(is_part) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn check(file: &str, text: &str, expect: &[&str]) {
        let findings: Vec<String> = check_file(file, text).iter().map(ToString::to_string).collect();
        assert_eq!(findings.len(), expect.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expect) {
            assert!(finding.contains(part), "{finding}");
        }
    }

    #[test]
    fn a_module_says_what_it_is() {
        check("src/a.rs", "//! Reads.\n", &[]);
        check("src/a.rs", "use std::fmt;\n", &["src/a.rs: does not start with `//!`"]);
        check("crates/m/tests/ui/a.rs", "use std::fmt;\n", &[]);
        check("README.md", "# minibatch\n", &[]);
    }

    #[test]
    fn long_files_are_found_without_their_tests() {
        let lines = |count: usize| format!("//! Long.\n{}", "x\n".repeat(count - 1));
        let severity = |file: &str, text: &str| check_length(file, text).map(|finding| finding.severity);
        assert_eq!(severity("a.rs", &lines(500)), None);
        assert_eq!(severity("a.rs", &lines(501)), Some(Severity::Warn));
        assert_eq!(severity("a.rs", &lines(800)), Some(Severity::Warn));
        assert_eq!(severity("a.rs", &lines(801)), Some(Severity::Fail));
        assert_eq!(severity("crates/m/tests/it/a.rs", &lines(801)), None);
        assert_eq!(severity("src/window/tests.rs", &lines(801)), None);
        let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(500), "x\n".repeat(400));
        assert_eq!(severity("a.rs", &with_tests), None);
        let with_declaration = format!("#[cfg(test)]\nmod tests;\n{}", lines(801));
        assert_eq!(severity("a.rs", &with_declaration), Some(Severity::Fail));
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        let [to_do, fix_me] = MARKERS[..] else { panic!() };
        let [to_do_macro, _, ignored] = RUST_MARKERS[..] else { panic!() };
        check("README.md", &format!("one\n{to_do}: two"), &["README.md:2: has"]);
        check("a.toml", &format!("# {fix_me}"), &["a.toml:1: has"]);
        check("README.md", &format!("MAS{to_do}N, {to_do}S"), &[]);
        check("a.rs", &format!("//! A.\nfn f() {{ {to_do_macro}() }}"), &["a.rs:2: has"]);
        check("a.rs", &format!("//! A.\n{ignored} = \"slow\"]\nfn f() {{}}"), &["a.rs:2: has"]);
        check("a.md", &format!("{ignored}]"), &[]);
    }

    #[test]
    fn only_texts_are_read() {
        assert!(is_text(".ci/run") && is_text("crates/a/src/lib.rs") && is_text("README.md"));
        assert!(!is_text("logo.png") && !is_text("LICENSE-MIT") && !is_text(""));
    }
}
