//! Memory with a backlog: a producer that nobody follows, and a consumer that comes late, each in a process of its own.

use std::{fs, process::ExitCode};

use minibatch::{Cause, Error, Minibatch, Result};
use tokio::process::Command;

use crate::{Scale, e2e, figure::Figures};

/// Runs producer and consumer as processes, and prints the most memory that each had.
pub(crate) async fn memory(figures: &Figures<'_>, scale: Scale) -> Result<()> {
    if !figures.want("backlog") {
        return Ok(());
    }
    let (mb, _) = e2e::fresh(&figures.target).await?;
    mb.shutdown().await;
    for role in ["producer", "consumer"] {
        let mib = process(role, figures.target.url(), scale.backlog).await?;
        figures.print(&format!("backlog/{role}"), "MiB", &mut [mib]);
    }
    Ok(())
}

async fn process(role: &str, url: &str, count: usize) -> Result<f64> {
    let failed = |reason: &str| Error::from(Cause::misconfigured(format!("{role} process {reason}")));
    let program = std::env::current_exe().map_err(|_| failed("cannot be found"))?;
    let output = Command::new(program).args([role, url, &count.to_string()]).output().await;
    let output = output.map_err(|_| failed("did not start"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| failed(text.trim()))
}

/// What a process of its own does: its work, then it prints the most memory it had, in MiB.
pub(crate) async fn child(role: &str, url: &str, count: usize) -> Result<ExitCode> {
    let mb = Minibatch::connect(url).await?;
    let stream = mb.stream("bench").await?;
    match role {
        "producer" => e2e::produce(&stream, count, e2e::AT_ONCE).await?,
        "consumer" => e2e::consume(&stream, count, 100).await?,
        _ => return Ok(ExitCode::from(2)),
    }
    mb.shutdown().await;
    println!("{}", peak_mib().unwrap_or(f64::NAN));
    Ok(ExitCode::SUCCESS)
}

/// The peak resident set, where the system tells: Linux's `VmHWM`.
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kib| kib / 1_024.0)
}
