//! The rules of the configuration, through its public face: precedence, exact errors, examples, what `show` promises.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::PathBuf;

use pomona_config::{
    Config, ConfigError, EXAMPLE, KEYS, Loaded, Override, Source, load, show_json, show_toml,
};

/// A file with this text, called `pomona.toml` in errors.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pomona.toml");
    std::fs::write(&path, text).unwrap();
    File { _folder: folder, path }
}

fn load_all(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, String> {
    let file = file(text);
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags: Vec<Override> = flags
        .iter()
        .map(|(key, value)| Override { flag: "--set", key: (*key).to_owned(), value: (*value).to_owned() })
        .collect();
    let folder = format!("{}/", file.path.parent().unwrap().display());
    load(Some(file.path.clone()), environment, &flags).map_err(|error| error.to_string().replace(&folder, ""))
}

fn error(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load_all(text, environment, flags).expect_err("the configuration was accepted")
}

#[test]
fn nothing_given_is_the_default() {
    let loaded = load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.sources.is_empty());
}

#[test]
fn the_example_is_the_default() {
    assert_eq!(load_all(EXAMPLE, &[], &[]).unwrap().config, Config::default());
}

#[test]
fn the_example_gives_every_key_once_and_a_reason_above_it() {
    let mut section = String::new();
    let mut given = Vec::new();
    let mut above = "";
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            given.push(format!("{section}.{name}"));
            assert!(
                above.starts_with('#') || name == "fallback_port_last",
                "{section}.{name} has no reason above it"
            );
        }
        above = line;
    }
    let table: Vec<String> = KEYS.iter().map(|key| key.path()).collect();
    assert_eq!(given, table);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let text = "[gateway]\nport = 1\n[turn]\nattempts_max = 2\n[log]\nkeep_days = 3\n";
    let environment = [("POMONA_GATEWAY_PORT", "11"), ("POMONA_TURN_ATTEMPTS_MAX", "12")];
    let loaded = load_all(text, &environment, &[("gateway.port", "21")]).unwrap();
    assert_eq!(loaded.config.gateway.port, 21);
    assert_eq!(loaded.config.turn.attempts_max, 12);
    assert_eq!(loaded.config.log.keep_days, 3);
    assert_eq!(loaded.sources["gateway.port"], Source::Flag { flag: "--set" });
    assert_eq!(loaded.sources["turn.attempts_max"].to_string(), "environment POMONA_TURN_ATTEMPTS_MAX");
    assert!(matches!(&loaded.sources["log.keep_days"], Source::File { line: 6, .. }));
}

#[test]
fn a_wrong_value_of_the_file_is_named_with_its_line() {
    for (text, expected) in [
        (
            "[gateway]\n\nport = 70000\n",
            "gateway.port = 70000: expected an integer from 1 to 65535, or 0 (pomona.toml:3)",
        ),
        (
            "[gateway]\nport = \"9999\"\n",
            "gateway.port = \"9999\": expected an integer from 1 to 65535, or 0 (pomona.toml:2)",
        ),
        (
            "gateway.bind = \"localhost\"\n",
            "gateway.bind = \"localhost\": expected an IP address such as 127.0.0.1 or ::1 (pomona.toml:1)",
        ),
        (
            "[turn]\nattempts_max = 0\n",
            "turn.attempts_max = 0: expected an integer from 1 to 100 (pomona.toml:2)",
        ),
        (
            "[turn]\nattempts_max = -1\n",
            "turn.attempts_max = -1: expected an integer from 1 to 100 (pomona.toml:2)",
        ),
        (
            "[restart]\nmultiplier = 11\n",
            "restart.multiplier = 11: expected a number from 1 to 10 (pomona.toml:2)",
        ),
        (
            "[restart]\nmultiplier = nan\n",
            "restart.multiplier = nan: expected a number from 1 to 10 (pomona.toml:2)",
        ),
        ("[restart]\nenabled = 1\n", "restart.enabled = 1: expected true or false (pomona.toml:2)"),
        (
            "[engine]\nisolation = \"container\"\n",
            "engine.isolation = \"container\": expected one of process, thread (pomona.toml:2)",
        ),
        ("[engine]\ncommand = \"x\"\n", "engine.command = \"x\": expected a list of texts (pomona.toml:2)"),
        (
            "[gateway]\nallowed_hosts = [\"http://a\"]\n",
            "gateway.allowed_hosts = [\"http://a\"]: expected a list of host names without scheme, port or path \
             (pomona.toml:2)",
        ),
        (
            "[gateway]\nallowed_origins = [\"*\"]\n",
            "gateway.allowed_origins = [\"*\"]: expected a list of origins such as https://chat.example.org \
             (pomona.toml:2)",
        ),
        (
            "[gateway]\naddresses = [\"https://pomona.example/chat\"]\n",
            "gateway.addresses = [\"https://pomona.example/chat\"]: expected a list of at most 8 origins such as \
             http://192.168.1.7:9999 or https://pomona.example, without a path and with a name or an IPv4 address \
             (pomona.toml:2)",
        ),
        (
            "[log]\nlevel = \"inof\"\n",
            "log.level = \"inof\": expected a level (off, error, warn, info, debug, trace) or directives such as \
             info,pomona_actors=debug (pomona.toml:2)",
        ),
        ("gateway = 1\n", "gateway = …: expected a section, written [gateway] (pomona.toml:1)"),
    ] {
        assert_eq!(error(text, &[], &[]), expected);
    }
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    for (text, expected) in [
        ("[gateway]\nprot = 1\n", "unknown key gateway.prot, did you mean gateway.port? (pomona.toml:2)"),
        ("[gatway]\nport = 1\n", "unknown key gatway, did you mean gateway? (pomona.toml:1)"),
        ("[log]\nbanana = 1\n", "unknown key log.banana; `pomona config show` lists all (pomona.toml:2)"),
    ] {
        assert_eq!(error(text, &[], &[]), expected);
    }
    assert_eq!(
        error("", &[("POMONA_GATEWAY_PROT", "1")], &[]),
        "unknown key POMONA_GATEWAY_PROT, did you mean POMONA_GATEWAY_PORT? (environment POMONA_GATEWAY_PROT)"
    );
    assert_eq!(
        error("", &[], &[("gateway.prot", "1")]),
        "unknown key gateway.prot, did you mean gateway.port? (flag --set)"
    );
}

#[test]
fn a_wrong_value_of_environment_or_flag_is_named_with_its_place() {
    assert_eq!(
        error("", &[("POMONA_GATEWAY_PORT", "x")], &[]),
        "gateway.port = x: expected an integer from 1 to 65535, or 0 (environment POMONA_GATEWAY_PORT)"
    );
    assert_eq!(
        error("", &[], &[("limits.body_bytes_max", "1")]),
        "limits.body_bytes_max = 1: expected an integer from 1024 to 16777216 (flag --set)"
    );
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    for (text, expected) in [
        (
            "[gateway]\nfallback_port_first = 10021\n",
            "gateway.fallback_port_first = 10021: expected at most gateway.fallback_port_last = 10020 (pomona.toml:2)",
        ),
        (
            "[gateway]\nfallback_port_last = 9\n",
            "gateway.fallback_port_first = 10000: expected at most gateway.fallback_port_last = 9 (pomona.toml:2)",
        ),
        (
            "[turn]\nbackoff_base_ms = 3000\n",
            "turn.backoff_base_ms = 3000: expected at most turn.backoff_ms_max = 2000 (pomona.toml:2)",
        ),
        (
            "[restart]\nmax_ms = 1\n",
            "restart.base_ms = 50: expected at most restart.max_ms = 1 (pomona.toml:2)",
        ),
        (
            "[gateway]\nbind = \"0.0.0.0\"\n[tls]\nmode = \"off\"\n",
            "gateway.bind = 0.0.0.0: expected a loopback address, or gateway.insecure = true to serve others with \
             tls.mode = off (pomona.toml:2)",
        ),
        (
            "[fleet]\nreplicas = [\"sprout\"]\n",
            "fleet.replicas = sprout: expected entries such as qwen3-8b=2 (pomona.toml:2)",
        ),
        (
            "[fleet]\nlan_suspect_ms = 300\n",
            "fleet.beat_ms = 250: expected at most half of fleet.lan_suspect_ms = 300 (pomona.toml:2)",
        ),
    ] {
        assert_eq!(error(text, &[], &[]), expected);
    }
    load_all("[gateway]\nfallback_port_first = 0\nfallback_port_last = 0\n", &[], &[]).unwrap();
    load_all("[gateway]\nbind = \"0.0.0.0\"\n", &[], &[]).unwrap();
    load_all("[gateway]\nbind = \"0.0.0.0\"\ninsecure = true\n[tls]\nmode = \"off\"\n", &[], &[]).unwrap();
    load_all("[gateway]\nbind = \"::1\"\n", &[], &[]).unwrap();
}

#[test]
fn text_that_is_no_toml_is_named_with_its_line() {
    let message = error("[gateway]\nport = \n", &[], &[]);
    assert!(message.ends_with("(pomona.toml:2)"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_file_that_is_named_must_exist() {
    let missing = PathBuf::from("/nowhere/pomona.toml");
    let error = load(Some(missing), std::iter::empty(), &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().starts_with("cannot read the configuration /nowhere/pomona.toml: "), "{error}");
}

#[test]
fn every_key_has_a_variable_and_lists_take_commas() {
    let environment = [
        ("POMONA_GATEWAY_ALLOWED_HOSTS", "a.example, b.example"),
        ("POMONA_RESTART_MULTIPLIER", "1.5"),
        ("POMONA_MODEL_PATH", "/models/sprout"),
        ("POMONA_LOG_FILE", "false"),
        ("POMONA_ENGINE_KV_BYTES", "1_000_000"),
    ];
    let config = load_all("", &environment, &[]).unwrap().config;
    assert_eq!(config.gateway.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(config.restart.multiplier, 1.5);
    assert_eq!(config.model.path, Some(PathBuf::from("/models/sprout")));
    assert!(!config.log.file);
    assert_eq!(config.engine.kv_bytes, 1_000_000);
}

#[test]
fn variables_of_commands_and_of_other_programs_are_no_keys() {
    let environment = [
        ("POMONA_HOME", "/x"),
        ("POMONA_KEY", "x"),
        ("POMONA_URL", "x"),
        ("POMONA_SERVICE_HOST", "10.0.0.1"),
        ("POMONA_PORT_9999_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ];
    assert_eq!(load_all("", &environment, &[]).unwrap().config, Config::default());
}

#[test]
fn an_empty_text_unsets_what_a_lower_layer_set() {
    let loaded = load_all("[model]\nname = \"oak\"\n", &[("POMONA_MODEL_NAME", "")], &[]).unwrap();
    assert_eq!(loaded.config.model.name, None);
    assert!(loaded.sources.is_empty());
}

#[test]
fn what_show_prints_loads_to_the_same() {
    let environment = [("POMONA_GATEWAY_PORT", "8080"), ("POMONA_MODEL_NAME", "a \"b\" #c")];
    let loaded = load_all("", &environment, &[("restart.multiplier", "3")]).unwrap();
    let shown = show_toml(&loaded);
    assert!(shown.contains("port = 8080  # environment POMONA_GATEWAY_PORT\n"), "{shown}");
    assert!(shown.contains("bind = \"127.0.0.1\"\n"), "{shown}");
    assert_eq!(load_all(&shown, &[], &[]).unwrap().config, loaded.config);
    let json = show_json(&loaded);
    assert_eq!(json["config"]["gateway"]["port"], 8080);
    assert_eq!(json["sources"]["restart.multiplier"], "flag --set");
    assert_eq!(json["sources"].as_object().unwrap().len(), 3);
}

#[test]
fn the_schema_states_the_range_of_every_number() {
    let schema = pomona_config::schema();
    let gateway = &schema["$defs"]["GatewayConfig"]["properties"];
    assert_eq!((&gateway["port"]["minimum"], &gateway["port"]["maximum"]), (&0.into(), &65_535.into()));
    let restart = &schema["$defs"]["RestartConfig"]["properties"]["multiplier"];
    assert_eq!((&restart["minimum"], &restart["maximum"]), (&1.0.into(), &10.0.into()));
}
