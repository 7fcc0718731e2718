//! The rules of the command line.

use clap::CommandFactory;
use pomona_config::Override;

use super::cluster::RoleArg;
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
    assert!(commands.len() >= 26, "{}", commands.len());
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
            let line = line.split(" < ").next().unwrap_or_default();
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
            Some(Command::Up(up)) => assert_eq!(up.serve.port.as_deref(), Some("1"), "{line}"),
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
        "pomona node --port 1",
        "pomona node --gateway studio",
        "pomona node --gateway studio:0",
        "pomona node --gateway fd00::1:9999",
        "pomona node --name a/b",
        "pomona gateway --model x",
        "pomona token create --role client",
        "pomona token create --uses 0",
        "pomona token create --uses 1001",
        "pomona token create --uses 2 --name mini",
        "pomona token revoke",
        "pomona nodes drain",
        "pomona nodes drain mini studio",
        "pomona nodes undrain mini --wait",
        "pomona nodes rename mini",
        "pomona nodes rename mini ..",
        "pomona models load",
        "pomona models load sprout mini",
        "pomona sessions",
        "pomona sessions ls --limit 0",
        "pomona sessions ls --all --limit 5",
        "pomona sessions search",
        "pomona sessions show",
        "pomona sessions export a --format pdf",
        "pomona sessions import",
        "pomona sessions rename a",
        "pomona sessions tag a",
        "pomona sessions tag a work",
        "pomona sessions tag a +",
        "pomona sessions share a key_12 read",
        "pomona sessions share a key_00c0ffee00c0ffee own",
        "pomona sessions rm",
        "pomona do --timeout 5 x",
        "pomona do --timeout 0s x",
        "pomona store backup",
        "pomona store export",
        "pomona audit ls --by anna",
        "pomona audit ls --after -1",
    ] {
        let error = parsed(line).expect_err(line);
        assert!(error.use_stderr(), "{line}");
    }
}

fn ttl(text: &str) -> Result<u64, clap::Error> {
    let line = ["pomona", "token", "create", "--ttl", text].map(OsString::from);
    match parse(line.into_iter())?.command {
        Some(Command::Token(TokenCommand::Create(args))) => Ok(args.ttl.as_secs()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn spans_have_a_unit_and_limits() {
    for (text, expected) in
        [("1s", 1), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("30d", 2_592_000)]
    {
        assert_eq!(ttl(text).unwrap(), expected, "{text}");
    }
    for text in
        ["", "15", "m", "0s", "31d", "+1m", "1.5h", "1h30m", "15 m", "15min", "ä", "99999999999999999999d"]
    {
        let error = ttl(text).expect_err(text).to_string();
        assert!(error.contains("from 1s to 30d"), "{text}: {error}");
    }
}

#[test]
fn a_token_is_for_one_node_and_a_quarter_of_an_hour_unless_said_otherwise() {
    let Some(Command::Token(TokenCommand::Create(args))) = parsed("pomona token create").unwrap().command
    else {
        panic!("not token create")
    };
    assert_eq!((args.role, args.ttl.as_secs(), args.uses, args.name), (RoleArg::Node, 900, 1, None));
}

#[test]
fn whoever_can_be_a_member_takes_a_token_and_a_name() {
    for line in ["pomona up --join pom1-a --name b", "pomona --join pom1-a --name b"] {
        let Some(Command::Up(args)) = parsed(line).unwrap().command else { panic!("{line}") };
        assert_eq!(args.join.join, Some(JoinText("pom1-a".to_owned())), "{line}");
        assert_eq!(given(&args.overrides()), ["cluster.node_name=b"]);
    }
    let line =
        "pomona node --join - --name b --model m --set cluster.port=1 --gateway a:1 --gateway [fd00::1]:2";
    let Some(Command::Node(args)) = parsed(line).unwrap().command else { panic!("{line}") };
    assert_eq!(args.join.join, Some(JoinText("-".to_owned())));
    assert_eq!(args.gateways, ["a:1", "[fd00::1]:2"]);
    assert_eq!(given(&args.overrides()), ["cluster.port=1", "model.path=m", "cluster.node_name=b"]);
}

#[test]
fn a_gateway_hosts_nothing_whatever_is_set() {
    let line = "pomona gateway --port 1 --name b --no-open --set cluster.hosts=true";
    let Some(Command::Gateway(args)) = parsed(line).unwrap().command else { panic!("{line}") };
    assert!(args.serve.no_open);
    let expected = ["cluster.hosts=true", "gateway.port=1", "cluster.node_name=b", "cluster.hosts=false"];
    assert_eq!(given(&args.overrides()), expected);
}

fn given(overrides: &[Override]) -> Vec<String> {
    overrides.iter().map(|given| format!("{}={}", given.key, given.value)).collect()
}

#[test]
fn gateways_to_ask_come_by_commas_or_one_by_one() {
    for line in ["pomona status --url a,b", "pomona --url a --url b status", "pomona status --url a --url b"]
    {
        assert_eq!(parsed(line).unwrap().global.url, ["a", "b"], "{line}");
    }
}

fn session(line: &str) -> SessionsCommand {
    match parsed(line).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        Some(Command::Sessions(command)) => command,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn tags_to_be_taken_away_are_no_flags() {
    for line in
        ["pomona sessions tag 4f1d +work -draft -v", "pomona --json sessions tag 4f1d +work -draft -v"]
    {
        let SessionsCommand::Tag { id, changes } = session(line) else { panic!("{line}") };
        let expected =
            [(true, "work"), (false, "draft"), (false, "v")].map(|(adds, tag)| (adds, tag.to_owned()));
        assert_eq!((id.as_str(), changes.as_slice()), ("4f1d", &expected[..]), "{line}");
    }
}

#[test]
fn words_need_no_quotes() {
    let SessionsCommand::Search { words } = session("pomona sessions search apple pie --json") else {
        panic!()
    };
    assert_eq!(words, ["apple", "pie"]);
    let SessionsCommand::Resume { id, prompt } = session("pomona sessions resume 4f1d and pears?") else {
        panic!()
    };
    assert_eq!((id.as_str(), prompt.join(" ").as_str()), ("4f1d", "and pears?"));
    let Some(Command::Do(args)) = parsed("pomona do --timeout 5m write a haiku --model oak").unwrap().command
    else {
        panic!()
    };
    assert_eq!((args.task.join(" ").as_str(), args.model.as_deref()), ("write a haiku", Some("oak")));
    assert_eq!(args.timeout, Some(std::time::Duration::from_secs(300)));
}

#[test]
fn sessions_are_listed_twenty_at_a_time_and_deleted_after_a_question() {
    let SessionsCommand::Ls(args) = session("pomona sessions ls --tag a") else { panic!() };
    assert_eq!((args.limit, args.all, args.tag.as_deref()), (20, false, Some("a")));
    let SessionsCommand::Rm { ids, yes } = session("pomona sessions rm 4f1d 88aa") else { panic!() };
    assert_eq!((ids.len(), yes), (2, false));
    let SessionsCommand::Share { key, access, .. } =
        session("pomona sessions share 4f1d key_00C0FFEE00c0ffee none")
    else {
        panic!()
    };
    assert_eq!((key.to_string().as_str(), access), ("key_00c0ffee00c0ffee", ShareAs::None));
}
