//! The binary's commands as a shell sees them: what goes to stdout, what to stderr, which exit code. A gateway
//! of canned answers stands in for the real one.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const ANSWER: &str = concat!(
    "data: {\"model\":\"sprout\",\"choices\":[{\"delta\":{\"content\":\"Hello \\u001b[31mthere\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

/// How the canned gateway ends a chat.
#[derive(Clone, Copy)]
enum Chat {
    Answers,
    Hangs,
}

/// A gateway that knows one model and one answer; gives its address.
fn gateway(chat: Chat) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            std::thread::spawn(move || serve(connection, chat));
        }
    });
    url
}

fn serve(mut connection: TcpStream, chat: Chat) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let Some((method, path, body_bytes)) = read_head(&mut reader) else { return };
        let mut body = vec![0; body_bytes];
        reader.read_exact(&mut body).unwrap();
        match (path.as_str(), chat) {
            ("/v1/models", _) => {
                let body = r#"{"object":"list","data":[{"id":"sprout"}]}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                connection.write_all((head + body).as_bytes()).unwrap();
            }
            ("/v1/chat/completions", Chat::Answers) => {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                connection.write_all(format!("{head}{ANSWER}").as_bytes()).unwrap();
                return;
            }
            ("/v1/chat/completions", Chat::Hangs) => {
                let first = ANSWER.split_inclusive("\n\n").next().unwrap();
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                connection.write_all(format!("{head}{first}").as_bytes()).unwrap();
            }
            (path, _) => match admin(&method, path) {
                None => return,
                Some((status, body)) => {
                    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                    connection.write_all((head + &body).as_bytes()).unwrap();
                }
            },
        }
    }
}

/// A cluster of one machine, whose last turn ends while somebody waits for it.
fn admin(method: &str, path: &str) -> Option<(&'static str, String)> {
    let drained = r#"{"node":"n-1f","name":"mini","role":"node","state":"draining","path":{"kind":"lan","address":"192.168.1.7:9999","rtt_ms":0.42,"since_ms":1,"switches":0},"version":"0.1.0","hosts":true,"is_here":false,"seen_ms_ago":10,"joined_unix_ms":0,"memory_bytes":1024,"memory_bytes_used":512,"turns":0,"models":[],"replicas":[]}"#;
    let busy = drained.replace(r#""turns":0"#, r#""turns":1"#);
    let alive = drained.replace("draining", "alive");
    Some(match (method, path) {
        ("GET", "/admin/nodes") => ("200 OK", format!(r#"{{"nodes":[{alive}]}}"#)),
        ("GET", "/admin/nodes/n-1f") => ("200 OK", drained.to_owned()),
        ("GET" | "POST", "/admin/nodes/mini" | "/admin/nodes/mini/undrain") => ("200 OK", alive),
        ("POST", "/admin/nodes/mini/drain") => ("200 OK", busy),
        ("DELETE", "/admin/nodes/n-1f") => ("204 No Content", String::new()),
        ("POST", "/admin/models/sprout/load") => ("202 Accepted", String::new()),
        ("POST", "/admin/tokens") => (
            "201 Created",
            r#"{"token":"pom1-abc","id":"4f1d","expires_unix_ms":1,"addresses":["192.168.1.5:9999"]}"#
                .to_owned(),
        ),
        ("GET", "/admin/tokens") => ("200 OK", r#"{"tokens":[]}"#.to_owned()),
        ("DELETE", "/admin/tokens/4f1d") => ("204 No Content", String::new()),
        _ => (
            "404 Not Found",
            r#"{"error":{"message":"there is no node `maxi`; known: mini","code":"node_not_found"}}"#
                .to_owned(),
        ),
    })
}

/// Method, path and length of the body of the next request.
fn read_head(reader: &mut impl BufRead) -> Option<(String, String, usize)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    let mut body_bytes = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        match line.trim_end().to_lowercase().split_once(": ") {
            None => {
                let mut words = first.split(' ').map(str::to_owned);
                return Some((words.next()?, words.next()?, body_bytes));
            }
            Some(("content-length", length)) => body_bytes = length.parse().ok()?,
            Some(_) => {}
        }
    }
}

/// `pomona` with a home of its own and nothing of ours in the environment.
fn pomona(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pomona"));
    command.args(arguments).env_clear().env("HOME", home).env("POMONA_HOME", home).stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    told(pomona(home, arguments).output().unwrap())
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["nonsense"][..], &["status", "--port", "1"], &["chat", "--temperature", "9", "x"]] {
        let (code, stdout, stderr) = run(home.path(), arguments);
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
    let (code, stdout, _) = run(home.path(), &["--help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("Examples:"));
    assert_eq!(run(home.path(), &["chat"]).0, Some(64), "an empty pipe is no prompt");
}

#[test]
fn a_wrong_configuration_ends_with_78_and_one_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    std::fs::write(&file, "[gateway]\nport = 70000\n").unwrap();
    let line = format!(
        "error: gateway.port = 70000: expected an integer from 1 to 65535, or 0 ({}:2)\n",
        file.display()
    );
    for arguments in [&["config", "check"][..], &["config", "show"], &["up"], &[]] {
        assert_eq!(run(home.path(), arguments), (Some(78), String::new(), line.clone()));
    }
    let (code, stdout, stderr) = run(home.path(), &["up", "--port", "x"]);
    assert_eq!((code, stdout.as_str()), (Some(78), ""), "{stderr}");
}

#[test]
fn show_prints_what_holds_and_where_it_was_set() {
    let home = tempfile::tempdir().unwrap();
    let shown = pomona(home.path(), &["config", "show"]).env("POMONA_GATEWAY_PORT", "8080").output().unwrap();
    let (code, stdout, stderr) = told(shown);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("port = 8080  # environment POMONA_GATEWAY_PORT\n"), "{stdout}");
}

#[test]
fn no_gateway_ends_with_69_and_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["status"][..], &["nodes", "ls"], &["chat", "hi"]] {
        let (code, stdout, stderr) = run(home.path(), arguments);
        assert_eq!((code, stdout.as_str()), (Some(69), ""), "{stderr}");
        assert!(stderr.contains("start it with `pomona up`"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn the_path_of_the_key_is_shown_and_the_key_only_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("key");
    let (code, _, stderr) = run(home.path(), &["key", "show"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("`pomona up` makes one"), "{stderr}");
    std::fs::write(&file, "# mine\npom_secret\n").unwrap();
    assert_eq!(run(home.path(), &["key"]).1, format!("{}\n", file.display()));
    assert_eq!(run(home.path(), &["key", "show"]).1, "pom_secret\n");
}

#[test]
fn an_answer_alone_goes_to_stdout_exactly_as_it_came() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    let expected = (Some(0), "Hello \u{1b}[31mthere\n".to_owned(), String::new());
    assert_eq!(run(home.path(), &["chat", "--url", &url, "hi"]), expected);
    let mut piped = pomona(home.path(), &["chat", "--url", &url]);
    let mut child =
        piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hi\n").unwrap();
    assert_eq!(told(child.wait_with_output().unwrap()), expected);
}

#[test]
fn a_program_gets_one_object() {
    let home = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) =
        run(home.path(), &["chat", "--json", "--url", &gateway(Chat::Answers), "hi"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&answer["text"], &answer["finish_reason"]),
        (&"Hello \u{1b}[31mthere".into(), &"stop".into())
    );
    assert_eq!((&answer["usage"]["completion_tokens"], &answer["model"]), (&2.into(), &"sprout".into()));
}

#[test]
fn a_reader_that_left_ends_it_quietly() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    for arguments in [&["chat", "--url", &url, "hi"][..], &["config", "show"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = pomona(home.path(), arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let (code, _, stderr) = told(child.wait_with_output().unwrap());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn an_interrupted_answer_ends_with_130_and_keeps_what_came() {
    let home = tempfile::tempdir().unwrap();
    let mut command = pomona(home.path(), &["chat", "--url", &gateway(Chat::Hangs), "hi"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"Hello ");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let start = Instant::now();
    let (code, _, stderr) = told(child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (Some(130), ""));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_pipe_gets_the_token_alone() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    let done = |stdout: &str| (Some(0), stdout.to_owned(), String::new());
    assert_eq!(run(home.path(), &["token", "create", "--url", &url]), done("pom1-abc\n"));
    let (code, stdout, _) = run(home.path(), &["token", "create", "--json", "--url", &url]);
    let created: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &created["token"], &created["id"]), (Some(0), &"pom1-abc".into(), &"4f1d".into()));
    assert_eq!(run(home.path(), &["token", "revoke", "4f1d", "--url", &url]), done("revoked 4f1d\n"));
    let (code, stdout, stderr) = run(home.path(), &["token", "ls", "--url", &url]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
    assert!(stderr.contains("`pomona token create` makes one"), "{stderr}");
}

#[test]
fn nodes_are_listed_without_colours_for_a_pipe_and_as_json_for_a_program() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    let (code, stdout, stderr) = run(home.path(), &["nodes", "ls", "--url", &url]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let expected = "\
NAME  ID    ROLE  STATE  PATH        MEMORY           REPLICAS  TURNS  VERSION  SEEN
mini  n-1f  node  alive  LAN 0.4 ms  512 B / 1.0 KiB  0         0      0.1.0    now
";
    assert_eq!(stdout, expected);
    for (arguments, pointer) in [(&["nodes", "ls"][..], "/0/node"), (&["nodes", "show", "mini"], "/node")] {
        let (_, stdout, _) = run(home.path(), &[arguments, &["--json", "--url", &url]].concat());
        let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(value.pointer(pointer), Some(&"n-1f".into()), "{arguments:?}");
    }
}

#[test]
fn draining_waits_for_the_last_turn_and_tells_each_change() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    let expected = (
        Some(0),
        "mini is drained; no turn is left there\n".to_owned(),
        "mini drains: 1 turn left\n".to_owned(),
    );
    assert_eq!(run(home.path(), &["nodes", "drain", "mini", "--wait", "--url", &url]), expected);
    let (_, stdout, _) = run(home.path(), &["nodes", "drain", "mini", "--url", &url]);
    assert_eq!(stdout, "mini drains; 1 turn left there\n");
    let (_, stdout, _) = run(home.path(), &["nodes", "undrain", "mini", "--url", &url]);
    assert_eq!(stdout, "mini takes turns again\n");
}

#[test]
fn a_node_is_removed_only_when_that_was_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    let (code, stdout, stderr) = run(home.path(), &["nodes", "remove", "mini", "--url", &url]);
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    assert!(stderr.contains("wants --yes"), "{stderr}");
    let (code, stdout, _) = run(home.path(), &["nodes", "remove", "mini", "--yes", "--url", &url]);
    assert_eq!((code, stdout.as_str()), (Some(0), "mini was removed; it needs a new token to come back\n"));
}

#[test]
fn an_unknown_node_is_named_with_those_that_are_known() {
    let home = tempfile::tempdir().unwrap();
    let url = gateway(Chat::Answers);
    for arguments in [&["nodes", "show", "maxi"][..], &["nodes", "remove", "maxi", "--yes"]] {
        let expected = "error: there is no node `maxi`; known: mini (node_not_found)\n".to_owned();
        let result = run(home.path(), &[arguments, &["--url", &url]].concat());
        assert_eq!(result, (Some(1), String::new(), expected), "{arguments:?}");
    }
    let (code, _, stderr) = run(home.path(), &["nodes", "show", "..", "--url", &url]);
    assert_eq!(code, Some(64), "{stderr}");
}

#[test]
fn a_model_is_asked_to_be_loaded_by_the_gateway_that_answers() {
    let home = tempfile::tempdir().unwrap();
    let nobody = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let urls = format!("{nobody}, {}", gateway(Chat::Answers));
    let output =
        pomona(home.path(), &["models", "load", "sprout", "--node", "mini"]).env("POMONA_URL", urls).output();
    let (code, stdout, stderr) = told(output.unwrap());
    let expected = "loading sprout on mini; `pomona status` says how far it is\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn a_text_that_is_no_token_ends_with_64_wherever_it_comes_from() {
    let home = tempfile::tempdir().unwrap();
    for command in ["up", "gateway", "node"] {
        for (flag, variable) in [(Some("hello"), None), (Some("-"), None), (None, Some("hello"))] {
            let join = flag.map_or(vec![], |flag| vec!["--join", flag]);
            let mut process = pomona(home.path(), &[&[command][..], &join].concat());
            process.envs(variable.map(|text| ("POMONA_JOIN_TOKEN", text)));
            let (code, stdout, stderr) = told(process.output().unwrap());
            assert_eq!((code, stdout.as_str()), (Some(64), ""), "{command}: {stderr}");
            assert!(stderr.contains("`pomona token create`"), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn flags_that_name_a_gateway_have_no_meaning_for_one() {
    let home = tempfile::tempdir().unwrap();
    for command in ["up", "gateway", "node"] {
        let (code, _, stderr) = run(home.path(), &[command, "--url", "http://127.0.0.1:1"]);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(&format!("`pomona {command}` asks none")), "{stderr}");
    }
}

#[test]
fn an_authority_that_is_none_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("authority.pem");
    let arguments = ["status", "--url", "https://127.0.0.1:1", "--authority", file.to_str().unwrap()];
    let (code, _, stderr) = run(home.path(), &arguments);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("cannot read the authority file"), "{stderr}");
    std::fs::write(&file, "nonsense").unwrap();
    let (code, _, stderr) = run(home.path(), &arguments);
    assert_eq!(code, Some(64));
    assert!(stderr.contains("no certificate of an authority in PEM"), "{stderr}");
}
