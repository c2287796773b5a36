//! What a process takes up, and whether that grows.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::unistd::Pid;

/// What a process takes up at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) rss_kib: f64,
    pub(crate) fds: f64,
}

impl Sample {
    pub(crate) fn take(process: Pid, at: Duration) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let rss_kib = rss.trim().trim_end_matches("kB").trim().parse()?;
        let fds = fs::read_dir(format!("/proc/{process}/fd"))?.count();
        Ok(Self { at, rss_kib, fds: f64::from(u32::try_from(fds)?) })
    }
}

/// A line through samples, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    pub(crate) mean: f64,
    pub(crate) a_minute: f64,
}

impl Trend {
    pub(crate) fn of(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> Option<Self> {
        let count = f64::from(u32::try_from(samples.len()).ok().filter(|count| *count > 1)?);
        let minutes = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
        let (middle, mean) =
            (samples.iter().map(minutes).sum::<f64>() / count, samples.iter().map(&value).sum::<f64>() / count);
        let spread: f64 = samples.iter().map(|sample| (minutes(sample) - middle).powi(2)).sum();
        let together: f64 = samples.iter().map(|sample| (minutes(sample) - middle) * (value(sample) - mean)).sum();
        (spread > 0.0).then(|| Self { mean, a_minute: together / spread })
    }

    /// Whether it is nearly flat over that time: no more than a share of the mean, or so much, is added.
    pub(crate) fn is_flat(self, over: Duration, share: f64, floor: f64) -> bool {
        self.a_minute * over.as_secs_f64() / 60.0 <= (self.mean * share).max(floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rss_kib: impl Fn(f64) -> f64) -> Vec<Sample> {
        let at = |second: u32| Duration::from_secs(second.into());
        (0..600).map(|s| Sample { at: at(s), rss_kib: rss_kib(f64::from(s)), fds: 9.0 }).collect()
    }

    #[test]
    fn what_leaks_is_told_from_what_goes_up_and_down() {
        let over = Duration::from_secs(600);
        let rss = |samples: &[Sample]| Trend::of(samples, |sample| sample.rss_kib).unwrap();
        let leaking = rss(&samples(|second| 30_000.0 + 10.0 * second));
        assert!((leaking.a_minute - 600.0).abs() < 0.01);
        assert!(!leaking.is_flat(over, 0.1, 2_048.0));
        assert!(rss(&samples(|second| 30_000.0 + 3_000.0 * (second % 7.0))).is_flat(over, 0.1, 2_048.0));
        let fds = Trend::of(&samples(|_| 1.0), |sample| sample.fds).unwrap();
        assert_eq!((fds.mean, fds.a_minute), (9.0, 0.0));
        assert!(Trend::of(&[], |sample| sample.fds).is_none());
    }
}
