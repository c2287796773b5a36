//! Running other programs, so that none of them outlives xtask.
//!
//! Ctrl-C reaches the program that runs in the terminal by itself: xtask waits for it to end, then cleans up. SIGTERM
//! and SIGHUP are passed on to it. What must stop even when xtask is killed is guarded by a pipe instead, see
//! `mongo::server`.

use std::env;
use std::ffi::OsStr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The programs that run for xtask now.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes SIGINT, SIGTERM and SIGHUP wait for the program that runs, so that what was started is also stopped.
pub(crate) fn handle_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            let running = running();
            if running.is_empty() {
                std::process::exit(128 + signal);
            }
            if signal != SIGINT {
                for pid in running.iter() {
                    // Where the program has ended meanwhile there is nothing left to tell it.
                    let _ = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid.to_string()]).status();
                }
            }
        }
    });
    Ok(())
}

/// A command that does not see the variables that `cargo run` has set for xtask itself.
///
/// Build scripts that watch them (ring's) would otherwise be run again, with all that depends on them, whenever cargo
/// is called now from a shell and now from xtask.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_xtasks_own) {
            command.env_remove(name);
        }
    }
    command
}

fn is_xtasks_own(variable: &str) -> bool {
    const PREFIXES: &[&str] = &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const NAMES: &[&str] = &["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
    PREFIXES.iter().any(|prefix| variable.starts_with(prefix)) || NAMES.contains(&variable)
}

/// The cargo that runs xtask.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The command as one would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A program that runs for xtask; ended by force when dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        // The lock is held meanwhile: a signal comes either before the start or to a program that is known.
        let mut running = running();
        if INTERRUPTED.load(Ordering::SeqCst) {
            bail!("interrupted before `{}`", shown(command));
        }
        let child = command.spawn().with_context(|| format!("cannot run `{}`", shown(command)))?;
        running.push(child.id());
        Ok(Self(child))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        self.0.wait().context("cannot wait for a program's end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only on a program that has ended, which is what they are for.
        let _ = self.0.kill();
        let _ = self.0.wait();
        running().retain(|pid| *pid != self.0.id());
    }
}

/// Runs `command` to its end, with the input and output of xtask.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    Running::start(command)?.wait()
}

/// Runs `command` like [`status`]; anything but success is an error.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs `command` and gives what it printed; anything but success is an error with what it said.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed something else than text", shown(command)))
}

/// Whether `command` can be run and succeeds, silently.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The exit code that tells of `status`, as a shell would: 128 + n for the signal n.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;

    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn exit_codes_are_a_shells() {
        assert_eq!(exit_code(status(&mut sh("exit 7")).unwrap()), 7);
        assert_eq!(exit_code(status(&mut sh("kill -TERM $$")).unwrap()), 143);
    }

    #[test]
    fn a_failed_command_says_what_it_said() {
        let error = output(&mut sh("echo no such thing >&2; exit 1")).unwrap_err();
        assert!(error.to_string().contains("no such thing"));
    }

    #[test]
    fn a_dropped_program_has_ended() {
        let mut command = sh("exec cat");
        let mut running = Running::start(command.stdin(Stdio::piped())).unwrap();
        // The pipe stays open, so only being ended by force ends it.
        let stdin = running.child().stdin.take();
        drop(running);
        drop(stdin);
    }

    #[test]
    fn cargos_settings_are_passed_on_and_xtasks_own_are_not() {
        assert!(is_xtasks_own("CARGO_PKG_NAME"));
        assert!(is_xtasks_own("CARGO_MANIFEST_DIR"));
        assert!(!is_xtasks_own("CARGO_TARGET_DIR"));
        assert!(!is_xtasks_own("CARGO_HOME"));
    }
}
