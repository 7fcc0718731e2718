//! The rules of the command line.

use clap::CommandFactory;

use super::*;

fn parsed(line: &str) -> Result<Cli, clap::Error> {
    parse(line.split_whitespace().map(OsString::from))
}

/// Every command that a person can find, with its path.
fn visible(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
    let path = format!("{path} {}", command.get_name()).trim().to_owned();
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    let mut found: Vec<_> = below.flat_map(|sub| visible(sub, &path)).collect();
    found.push((path, command.clone()));
    found
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_of_every_command_shows_an_example_of_it() {
    let commands = visible(&Cli::command(), "");
    assert!(commands.len() >= 11, "{}", commands.len());
    for (path, mut command) in commands {
        let help = command.render_long_help().to_string();
        let examples = help.split_once("Examples:").map(|(_, examples)| examples).unwrap_or_default();
        assert!(examples.contains(&path), "`{path} --help` shows no example");
    }
}

#[test]
fn every_example_of_the_help_parses() {
    for (path, mut command) in visible(&Cli::command(), "") {
        let help = command.render_long_help().to_string();
        let examples = help.split_once("Examples:").map(|(_, examples)| examples).unwrap_or_default();
        let lines = examples.lines().map(str::trim).filter(|line| line.starts_with("pomona"));
        for line in lines {
            let line = line.split(" > ").next().unwrap_or_default().split(" | ").next().unwrap_or_default();
            let line = line.split("  ").next().unwrap_or_default().replace('"', "");
            // A quoted prompt of many words is one argument to a shell and many to this test.
            let line = if line.starts_with("pomona chat") {
                line.split(" Write").next().unwrap_or_default()
            } else {
                &line
            };
            let line =
                line.split(" Why").next().unwrap_or_default().split(" Roll").next().unwrap_or_default();
            if let Err(error) = parsed(line) {
                panic!("`{line}` of `{path} --help`: {error}");
            }
        }
    }
}

#[test]
fn no_command_is_up() {
    assert!(parsed("pomona").unwrap().command.is_none());
    for line in ["pomona --port 1", "pomona --home /x --port 1", "pomona up --home /x --port 1"] {
        match parsed(line).unwrap().command {
            Some(Command::Up(up)) => assert_eq!(up.port.as_deref(), Some("1"), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    assert!(matches!(parsed("pomona --url http://x status").unwrap().command, Some(Command::Status)));
}

#[test]
fn a_named_flag_wins_over_set_and_says_its_name() {
    let Some(Command::Up(up)) = parsed("pomona up --set gateway.port=1 --port 2 --insecure").unwrap().command
    else {
        panic!("not up")
    };
    let overrides = up.overrides();
    let seen: Vec<(&str, &str, &str)> =
        overrides.iter().map(|given| (given.flag, given.key.as_str(), given.value.as_str())).collect();
    let expected = [
        ("--set", "gateway.port", "1"),
        ("--port", "gateway.port", "2"),
        ("--insecure", "gateway.insecure", "true"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn values_out_of_range_are_refused() {
    for line in [
        "pomona up --set port",
        "pomona chat --temperature 3 x",
        "pomona chat --temperature nan x",
        "pomona chat --max-tokens 0 x",
        "pomona chat --seed -1 x",
        "pomona nonsense",
        "pomona --nonsense",
        "pomona status --port 1",
    ] {
        let error = parsed(line).expect_err(line);
        assert!(error.use_stderr(), "{line}");
    }
}
