//! The lane in which Prometheus judges the metrics: its checker reads the page and the rules and runs the rules' tests;
//! then Prometheus itself finds a gateway with three nodes by service discovery and scrapes it under load, and every
//! query of the dashboard and every rule is tried on what it has seen.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pomona_tests::cluster::Cluster;
use pomona_tests::{Api, build};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::cargo::build_binaries;
use super::job::{Job, Outcome};
use super::tools;

/// Streams that run all the time.
const STREAMS: usize = 6;
/// For everything on the dashboard to have been seen. Rates need two scrapes a second apart.
const PATIENCE: Duration = Duration::from_secs(60);
/// For Prometheus to start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const DASHBOARD: &str = "ops/grafana/pomona.json";

pub(super) fn promtool(job: &mut Job) -> Result<Outcome> {
    let promtool = match tools::promtool(job)? {
        Ok(promtool) => promtool,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    let Some(prometheus) = tools::beside(&promtool, "prometheus") else {
        return Ok(Outcome::Skipped("prometheus is not installed beside promtool".to_owned()));
    };
    let tests = check_rules(job, &promtool)?;
    build_binaries(job)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let program = build::target_dir(&job.root).join("debug").join("pomona");
    let folder = std::env::temp_dir().join(format!("pomona-prometheus-{}", std::process::id()));
    let seen = runtime.block_on(async {
        let limit = job.remaining();
        let cluster = Cluster::builder().program(&program).nodes(3).start().await?;
        let work = under_load(&cluster, &prometheus, &job.root, &folder);
        let seen =
            tokio::time::timeout(limit, work).await.with_context(|| format!("not over within {limit:?}"))?;
        seen.with_context(|| cluster.printed())
    });
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let _ = fs::remove_dir_all(&folder);
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            job.note(&log)?;
            return Err(error);
        }
    };
    check_page(job, &promtool, &seen.page)?;
    Ok(Outcome::Passed(format!(
        "{tests} tests of alerts; {} series of {} nodes; {} queries and {} rules on a real Prometheus",
        seen.page.lines().filter(|line| !line.starts_with('#')).count(),
        seen.nodes,
        seen.queries,
        seen.rules,
    )))
}

/// Has the checker read and test the rules; the number of tests.
fn check_rules(job: &mut Job, promtool: &Path) -> Result<usize> {
    let ops = job.root.join("ops/prometheus");
    let files = |folder: &str| -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(ops.join(folder))?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
        files.sort();
        Ok(files)
    };
    job.run(Command::new(promtool).args(["check", "rules"]).args(files("rules")?))?;
    job.run(
        Command::new(promtool).args(["check", "config", "--syntax-only"]).arg(ops.join("prometheus.yml")),
    )?;
    let tests = files("tests")?;
    job.run(Command::new(promtool).args(["test", "rules"]).args(&tests))?;
    let texts = tests.iter().map(fs::read_to_string).collect::<std::io::Result<Vec<_>>>()?;
    untested(&fs::read_to_string(ops.join("rules/pomona.yml"))?, &texts.concat())?;
    Ok(texts.iter().map(|text| text.matches("- name: ").count()).sum())
}

/// Refuses an alert without a test in which it fires and one in which it does not.
fn untested(rules: &str, tests: &str) -> Result<()> {
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        for what in ["fires", "is quiet"] {
            let name = format!("- name: {alert} {what}");
            ensure!(tests.contains(&name), "ops/prometheus/tests has no test `{alert} {what}`");
        }
    }
    Ok(())
}

/// Has the checker read the page. Names with a colon are vLLM's; the checker would rather have none.
fn check_page(job: &mut Job, promtool: &Path, page: &str) -> Result<()> {
    let is_ours = |line: &&str| !line.starts_with("vllm:") && !line.contains(" vllm:");
    let ours: String = page.lines().filter(is_ours).map(|line| format!("{line}\n")).collect();
    let file = crate::workspace::scratch().join("metrics.txt");
    fs::write(&file, ours)?;
    let check = format!("exec {} check metrics < {}", promtool.display(), file.display());
    job.run(Command::new("sh").args(["-c", &check]))
}

/// What was seen of a cluster.
struct Seen {
    page: String,
    nodes: usize,
    queries: usize,
    rules: usize,
}

async fn under_load(cluster: &Cluster, prometheus: &Path, root: &Path, folder: &Path) -> Result<Seen> {
    let server = Prometheus::start(prometheus, root, folder, cluster.api()).await?;
    let load = async {
        let streams = (0..STREAMS).map(|number| ask_on(cluster.api(), number));
        futures::future::try_join_all(streams).await.map(|_| ())
    };
    let queries = dashboard(root)?;
    let look = async {
        server.until_none_is_empty(&queries).await?;
        let rules = server.rules().await?;
        let page = page_of_all(cluster).await?;
        Ok(Seen { page, nodes: cluster.nodes.len(), queries: queries.len(), rules })
    };
    tokio::select! {
        seen = look => seen,
        Err(error) = load => Err(error.context("the load broke")),
    }
}

/// The page of metrics once it has every member; a busy one may be late with a report and back at the next look.
async fn page_of_all(cluster: &Cluster) -> Result<String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let (code, page) = cluster.api().get("/metrics").await?;
        ensure!(code == 200, "/metrics answered {code}");
        let is_up = |line: &&str| line.starts_with("pomona_node_up{") && line.ends_with(" 1");
        let nodes = page.lines().filter(is_up).count();
        if nodes == 1 + cluster.nodes.len() {
            return Ok(page);
        }
        ensure!(Instant::now() < until, "{nodes} members are on the page");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Asks for ever: streams, and a session now and then, which the store writes.
async fn ask_on(api: &Api, number: usize) -> Result<()> {
    let mut turn = 0;
    loop {
        let words = format!("Tell me about number {number} and {turn}, and about what comes after that.");
        if number == 0 {
            // The conversation grows until the model's context is full, which is refused.
            let (code, answer) = api.post("/v1/chat", &json!({"message": words})).await?;
            ensure!(code < 500, "/v1/chat answered {code}: {answer}");
        } else {
            let ask = json!({"model": "sprout", "messages": [{"role": "user", "content": words}], "max_tokens": 48});
            let answer = api.stream(&ask).await?;
            ensure!(answer.error.is_none(), "a stream failed: {:?}", answer.error);
        }
        turn += 1;
    }
}

/// Every query of the dashboard.
fn dashboard(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(DASHBOARD))?;
    let dashboard: Value = serde_json::from_str(&text).with_context(|| format!("{DASHBOARD} is no JSON"))?;
    let panels = dashboard["panels"].as_array().context("a dashboard has panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<String> =
        targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())).collect();
    ensure!(!queries.is_empty(), "{DASHBOARD} has no query");
    Ok(queries)
}

/// A server that lives as long as this; its folder goes with the lane.
struct Prometheus {
    process: Child,
    api: Api,
}

impl Prometheus {
    /// Starts it with the rules of the repository, and a configuration that finds the gateway by asking it.
    async fn start(program: &Path, root: &Path, folder: &Path, gateway: &Api) -> Result<Self> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("pomona.key"), &gateway.key)?;
        let rules = root.join("ops/prometheus/rules");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{}/*.yml']
scrape_configs:
  - job_name: pomona
    authorization: {{type: Bearer, credentials_file: pomona.key}}
    http_sd_configs:
      - url: {}/v3/prometheus/sd
        authorization: {{type: Bearer, credentials_file: pomona.key}}
        refresh_interval: 2s
",
            rules.display(),
            gateway.url
        );
        fs::write(folder.join("prometheus.yml"), config)?;
        // Given back at once: nobody else on this machine is told of it.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(folder.join("log"))?;
        let process = Command::new(program)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let api = Api::new(&format!("http://127.0.0.1:{port}"), "")?;
        let mut server = Self { process, api };
        let started = Instant::now();
        while !matches!(server.api.get("/-/ready").await, Ok((200, _))) {
            if let Some(status) = server.process.try_wait()? {
                bail!("prometheus ended with {status}");
            }
            ensure!(started.elapsed() < START_LIMIT, "prometheus was not ready within {START_LIMIT:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(server)
    }

    /// Asks again until every query has an answer with something in it.
    async fn until_none_is_empty(&self, queries: &[String]) -> Result<()> {
        let started = Instant::now();
        let mut missing: Vec<&String> = queries.iter().collect();
        loop {
            let mut still = Vec::new();
            for query in missing {
                if self.ask(query).await? == 0 {
                    still.push(query);
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "nothing to be seen after {PATIENCE:?} by: {still:#?}");
            missing = still;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The number of series in a query's answer.
    async fn ask(&self, query: &str) -> Result<usize> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let (code, answer) = self.api.get_json(&path).await?;
        ensure!(code == 200, "{query}: {code}: {answer}");
        Ok(answer["data"]["result"].as_array().map_or(0, Vec::len))
    }

    /// Every rule was evaluated without an error; each alert's expression is asked once more. Returns their number.
    async fn rules(&self) -> Result<usize> {
        let started = Instant::now();
        loop {
            let (_, answer) = self.api.get_json("/api/v1/rules").await?;
            let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
            let rules: Vec<&Value> =
                groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
            if !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok") {
                for rule in &rules {
                    self.ask(rule["query"].as_str().context("a rule has a query")?).await?;
                }
                return Ok(rules.len());
            }
            ensure!(started.elapsed() < PATIENCE, "rules are not well: {answer}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.process.id() as i32) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

/// As a value of a URL's query.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_without_a_test_is_named() {
        let rules = "groups:\n  - name: g\n    rules:\n      - alert: Burns\n";
        let error = untested(rules, "  - name: Burns fires\n").unwrap_err().to_string();
        assert!(error.ends_with("no test `Burns is quiet`"), "{error}");
        untested(rules, "  - name: Burns fires\n  - name: Burns is quiet\n").unwrap();
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encoded("sum(a{b=\"c\"}[1m]) + 2"), "sum%28a%7Bb%3D%22c%22%7D%5B1m%5D%29%20%2B%202");
    }

    #[test]
    fn the_dashboard_has_queries() {
        assert!(dashboard(&crate::workspace::root()).unwrap().len() > 40);
    }
}
