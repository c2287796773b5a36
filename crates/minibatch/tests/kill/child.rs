//! The parent's hold on a consumer process.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{ChildStdin, ChildStdout, Command, Stdio},
};

use crate::consumer;

/// A window as the process said it.
pub(crate) struct Said {
    pub(crate) ordinal: u64,
    pub(crate) id: String,
    pub(crate) data: Vec<u32>,
}

pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "consumer::process", "--nocapture"])
            .env(consumer::URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, input, output }
    }

    /// The next window that it begins.
    pub(crate) fn window(&mut self) -> Said {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the consumer process ended");
            let Some(said) = line.trim_end().strip_prefix("window ") else { continue };
            let mut parts = said.split(' ');
            let mut part = || parts.next().unwrap();
            let (ordinal, id) = (part().parse().unwrap(), part().to_owned());
            let data = part().split(',').map(|number| number.parse().unwrap()).collect();
            return Said { ordinal, id, data };
        }
    }

    /// Lets it finish the window.
    pub(crate) fn go_on(&mut self) {
        writeln!(self.input, "go on").unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
