//! The command line of xtask: what a command is, how it is found, and what help says.

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

/// One command of xtask.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// One line for the list of commands.
    pub(crate) summary: &'static str,
    /// What `cargo xtask NAME --help` prints.
    pub(crate) help: &'static str,
    pub(crate) run: fn(&[String]) -> Result<ExitCode>,
}

/// A command line that cannot be understood: one line of what to write instead, exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Refuses arguments to a command that takes none.
pub(crate) fn no_arguments(command: &str, args: &[String]) -> Result<(), Usage> {
    match args.first() {
        None => Ok(()),
        Some(first) => {
            Err(Usage(format!("`{command}` takes no arguments, but got `{first}`; see `cargo xtask {command} --help`")))
        }
    }
}

/// Runs the command that `args` names, or prints the help it asks for.
pub(crate) fn dispatch(commands: &[Command], args: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = args.split_first() else {
        print!("{}", overview(commands));
        return Ok(ExitCode::from(2));
    };
    if asks_for_help(name) {
        let text = rest
            .first()
            .and_then(|topic| find(commands, topic))
            .map_or_else(|| overview(commands), |command| command.help.to_owned());
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = find(commands, name) else {
        let known: Vec<&str> = commands.iter().map(|command| command.name).collect();
        let known = known.join(", ");
        return Err(Usage(format!("no command `{name}`; there are {known}")).into());
    };
    // What stands after `--` is another program's.
    if rest.iter().take_while(|arg| *arg != "--").any(|arg| asks_for_help(arg)) {
        print!("{}", command.help);
        return Ok(ExitCode::SUCCESS);
    }
    (command.run)(rest)
}

fn find<'a>(commands: &'a [Command], name: &str) -> Option<&'a Command> {
    commands.iter().find(|command| command.name == name)
}

fn asks_for_help(arg: &str) -> bool {
    matches!(arg, "help" | "--help" | "-h")
}

fn overview(commands: &[Command]) -> String {
    use fmt::Write as _;

    let mut text = String::from("The repository's own commands.\n\nUsage: cargo xtask COMMAND [ARGUMENTS]\n\n");
    for command in commands {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<12}{}", command.name, command.summary);
    }
    text.push_str("\n`cargo xtask COMMAND --help` tells more about one.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: &[Command] = &[Command {
        name: "three",
        summary: "exits with 3",
        help: "help of three\n",
        run: |args| {
            no_arguments("three", args)?;
            Ok(ExitCode::from(3))
        },
    }];

    fn dispatch_words(words: &str) -> Result<ExitCode> {
        let args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        dispatch(COMMANDS, &args)
    }

    #[test]
    fn a_known_command_runs() {
        assert_eq!(dispatch_words("three").unwrap(), ExitCode::from(3));
    }

    #[test]
    fn help_is_not_an_error() {
        for words in ["--help", "-h", "help", "help three", "three --help", "three -h"] {
            assert_eq!(dispatch_words(words).unwrap(), ExitCode::SUCCESS, "{words}");
        }
    }

    #[test]
    fn no_command_is_a_usage_error_after_the_overview() {
        assert_eq!(dispatch_words("").unwrap(), ExitCode::from(2));
    }

    #[test]
    fn what_is_not_understood_is_a_usage_error_of_one_line() {
        for words in ["four", "three more", "three -- --help"] {
            let error = dispatch_words(words).unwrap_err();
            assert!(error.is::<Usage>(), "{words}");
            assert!(!error.to_string().contains('\n'), "{words}");
        }
    }

    #[test]
    fn the_overview_lists_every_command() {
        assert!(overview(COMMANDS).contains("  three       exits with 3\n"));
    }
}
