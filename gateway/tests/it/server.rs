//! A whole gateway for one test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_actors::{LocalModel, Parts, System};
use pomona_config::{Config, GatewayConfig, Isolation};
use pomona_gateway::{Gateway, GatewayParts, HttpService, KeyRing, Metrics, Served, TlsSource};
use pomona_protocol::{ModelId, NodeId};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "pom_test";
pub(crate) const MODEL: &str = "tiny";
/// Generous, since tests share two cores with the rest of the suite.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) system: System,
    pub(crate) shutdown: CancellationToken,
    pub(crate) kill: CancellationToken,
    pub(crate) task: JoinSet<Served>,
    pub(crate) service: HttpService,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose configuration a test has changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::encrypted(TlsSource::Off, change, |_| {}).await
    }

    /// A server with a certificate, and what a test does with its gateway before it serves.
    pub(crate) async fn encrypted(
        tls: TlsSource,
        change: impl FnOnce(&mut Config),
        prepare: impl FnOnce(&Gateway),
    ) -> Self {
        let mut config = Config {
            gateway: GatewayConfig { port: 0, fallback_port_first: 0, ..GatewayConfig::default() },
            ..Config::default()
        };
        config.engine.isolation = Isolation::Thread;
        config.engine.threads = 1;
        config.engine.kv_bytes = 64 << 20;
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new("0.0.0"));
        let system = System::start(Parts {
            accelerator: None,
            cluster: "orchard".to_owned(),
            node: NodeId::from("here"),
            name: "here".to_owned(),
            boot: 1,
            routes: true,
            hosts: true,
            first_model: Some(LocalModel {
                id: ModelId::from(MODEL),
                folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/sprout/model"),
                memory_bytes: config.engine.kv_bytes,
            }),
            memory_bytes: 1 << 30,
            kv_bytes: config.engine.kv_bytes,
            data_dir: folder.path().to_owned(),
            run_dir: folder.path().to_owned(),
            members_max: config.cluster.members_max,
            routing: config.routing,
            turn: config.turn,
            model: config.model,
            engine: config.engine,
            restart: config.restart,
            link: config.link,
            fleet: config.fleet,
            weights: config.weights,
            observer: Arc::clone(&metrics) as _,
            mesh: None,
            store: None,
            session: config.session.clone(),
            notifications: config.notifications.clone(),
            hub: None,
        })
        .await
        .unwrap();
        let handle = system.handle();
        tokio::time::timeout(PATIENCE, handle.ready()).await.expect("the model loads in time").unwrap();
        let (shutdown, kill) = (CancellationToken::new(), CancellationToken::new());
        let gateway = Gateway::bind(GatewayParts {
            gateway: config.gateway,
            api: config.api,
            limits: config.limits,
            session: config.session.clone(),
            notifications: config.notifications,
            keys: KeyRing::of(&[KEY]),
            handle,
            metrics,
            version: "0.0.0".to_owned(),
            tls,
            shutdown: shutdown.clone(),
        })
        .await
        .unwrap();
        let service = gateway.http_service();
        prepare(&gateway);
        let address = gateway.local_addr();
        let mut task = JoinSet::new();
        task.spawn(gateway.serve(kill.clone()));
        let client = reqwest::Client::new();
        Self { address, system, shutdown, kill, task, service, client, _folder: folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request_without_key(method, path).bearer_auth(KEY)
    }

    pub(crate) fn request_without_key(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.request("POST", path).json(body).send().await.unwrap()
    }

    pub(crate) async fn chat(&self, body: Value) -> reqwest::Response {
        self.post("/v1/chat/completions", &merged(chat(), body)).await
    }

    /// Waits until no turn runs.
    pub(crate) async fn until_idle(&self) {
        let asked = Instant::now();
        while self.system.handle().status().await.unwrap().turns_active > 0 {
            assert!(asked.elapsed() < PATIENCE, "turns still run");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The value of a metric, by its line without the value.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let page = self.request("GET", "/metrics").send().await.unwrap().text().await.unwrap();
        let line = page.lines().find(|line| line.rsplit_once(' ').is_some_and(|(name, _)| name == series));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.parse().unwrap()).unwrap_or(0.0)
    }
}

/// A question that any model answers.
pub(crate) fn chat() -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": "Say something."}], "seed": 7, "max_tokens": 8})
}

/// `changes` over `base`.
pub(crate) fn merged(mut base: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}
