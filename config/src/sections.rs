//! The sections, with the default of every key. The reason for each default stands in
//! `config/examples/pomona.toml`; ranges are checked in one place before anything starts.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet_sections::{ClusterConfig, FleetConfig, LinkConfig, TlsConfig, WeightsConfig};
use crate::session_sections::{NotificationsConfig, SessionConfig, StoreConfig};
use crate::telemetry_section::TelemetryConfig;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the gateway listens and whom it trusts.
    pub gateway: GatewayConfig,
    /// How the API is encrypted.
    pub tls: TlsConfig,
    /// What one client may ask of the API.
    pub api: ApiConfig,
    /// Limits of connections, bodies and streams.
    pub limits: LimitsConfig,
    /// How turns are admitted and queued.
    pub routing: RoutingConfig,
    /// How long a turn may take and how often it is tried.
    pub turn: TurnConfig,
    /// Which model is served, and when its replica counts as stuck.
    pub model: ModelConfig,
    /// The engine process: memory, batch, threads.
    pub engine: EngineConfig,
    /// What this machine is in its cluster, and where members reach it.
    pub cluster: ClusterConfig,
    /// QUIC between members.
    pub link: LinkConfig,
    /// How the fleet is watched and what it is to serve.
    pub fleet: FleetConfig,
    /// Weights between machines.
    pub weights: WeightsConfig,
    /// Where sessions and the audit lie.
    pub store: StoreConfig,
    /// Conversations that outlive connections and processes.
    pub session: SessionConfig,
    /// Notices for admins: when they are made, and who else hears of them.
    pub notifications: NotificationsConfig,
    /// When and how often a failed child is restarted.
    pub restart: RestartConfig,
    /// How the process ends.
    pub shutdown: ShutdownConfig,
    /// What is logged, where, and for how long it is kept.
    pub log: LogConfig,
    /// What is told to programs that measure.
    pub telemetry: TelemetryConfig,
}

/// Where the gateway listens and whom it trusts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address to listen on.
    pub bind: IpAddr,
    /// TCP port, 1 to 65535; 0 takes any free one.
    pub port: u16,
    /// First port tried when `port` is taken; 0 turns the search off.
    pub fallback_port_first: u16,
    /// Last port tried when `port` is taken.
    pub fallback_port_last: u16,
    /// Serve beyond loopback without TLS.
    pub insecure: bool,
    /// Host names accepted besides loopback names and the bound address.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call the API besides the gateway's own.
    pub allowed_origins: Vec<String>,
    /// Other origins under which browsers reach this cluster, 8 at most; the web app's page may ask whether they answer.
    pub addresses: Vec<String>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            port: 9999,
            fallback_port_first: 10000,
            fallback_port_last: 10020,
            insecure: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            addresses: Vec::new(),
        }
    }
}

/// What one request may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Highest `n` (choices per request), 1 to 128.
    pub choices_max: u32,
    /// Messages in one conversation, 1 to 100000.
    pub messages_max: u32,
    /// Seconds between keep-alive comments while a stream has nothing to say, 1 to 60.
    pub sse_keep_alive_s: u64,
    /// Turns that one WebSocket may run at once, 1 to 1024.
    pub websocket_turns_max: u32,
    /// Sessions that one WebSocket may be attached to at once, 1 to 4096.
    pub websocket_sessions_max: u32,
    /// Seconds between WebSocket pings, 1 to 300.
    pub websocket_ping_s: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            choices_max: 16,
            messages_max: 2048,
            sse_keep_alive_s: 10,
            websocket_turns_max: 32,
            websocket_sessions_max: 256,
            websocket_ping_s: 20,
        }
    }
}

/// Limits of connections, bodies and streams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Open client connections, 1 to 1000000.
    pub connections_max: u32,
    /// Bytes of a request body or WebSocket message, 1024 to 16777216.
    pub body_bytes_max: u32,
    /// Bytes of all request headers together, 8192 to 1048576.
    pub header_bytes_max: u32,
    /// Milliseconds for a client to send its headers, 100 to 600000.
    pub header_read_ms: u64,
    /// Milliseconds for a client to send its body, 100 to 600000.
    pub body_read_ms: u64,
    /// Milliseconds a client may leave a stream unread before it is cut off, 100 to 3600000.
    pub stall_ms: u64,
    /// Requests handled at once, streams included, 1 to 1000000.
    pub requests_max: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            body_bytes_max: 8 * 1024 * 1024,
            header_bytes_max: 32 * 1024,
            header_read_ms: 10_000,
            body_read_ms: 30_000,
            stall_ms: 60_000,
            requests_max: 4096,
        }
    }
}

/// How turns are admitted and queued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoutingConfig {
    /// Turns sent to one replica at once, 1 to 65536; more wait at the gateway.
    pub replica_turns_max: u32,
    /// Turns that may wait at the gateway, 0 to 100000; more are refused.
    pub queue_max: u32,
    /// Milliseconds that a turn may wait at the gateway, 1 to 3600000.
    pub queue_ms_max: u64,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { replica_turns_max: 64, queue_max: 256, queue_ms_max: 60_000 }
    }
}

/// How long a turn may take and how often it is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TurnConfig {
    /// Tries in a row that show no new token, 1 to 100.
    pub attempts_max: u32,
    /// Milliseconds in all, 1000 to 86400000.
    pub total_ms_max: u64,
    /// Milliseconds before the second try, doubled for each further one, 0 to 60000.
    pub backoff_base_ms: u64,
    /// Longest pause between tries in milliseconds, 0 to 60000.
    pub backoff_ms_max: u64,
    /// Events buffered between engine and client, 1 to 4096; a full buffer pauses the sequence.
    pub buffer_events: u32,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            attempts_max: 8,
            total_ms_max: 600_000,
            backoff_base_ms: 20,
            backoff_ms_max: 2_000,
            buffer_events: 64,
        }
    }
}

/// Which model is served, and when its replica counts as stuck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// A Hugging Face folder; empty means the built-in model.
    pub path: Option<PathBuf>,
    /// What clients call it; empty means the folder's name.
    pub name: Option<String>,
    /// Milliseconds without a step before a busy replica counts as stuck, 100 to 600000.
    pub step_timeout_ms: u64,
    /// Milliseconds added to that per prompt token of the step, 0 to 1000.
    pub step_timeout_per_prefill_token_ms: u64,
    /// Milliseconds for an engine process to load the model, 1000 to 86400000.
    pub load_timeout_ms: u64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            path: None,
            name: None,
            step_timeout_ms: 5_000,
            step_timeout_per_prefill_token_ms: 20,
            load_timeout_ms: 600_000,
        }
    }
}

/// Where the engine runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In a process of its own, so that its death takes nothing else down.
    #[default]
    Process,
    /// In a thread of the node, for tests and debuggers.
    Thread,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// MLX where this program was built with it and it can run the model, else the CPU.
    #[default]
    Auto,
    /// MLX, or no answer at all.
    Mlx,
    /// The CPU.
    Cpu,
}

/// How tokens are guessed before they are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Speculation {
    /// What followed the last tokens where they stood before, in prompt or answer.
    #[default]
    PromptLookup,
    /// Not at all.
    Off,
}

/// The engine process: memory, batch, threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Where the engine runs.
    pub isolation: Isolation,
    /// What computes.
    pub backend: BackendChoice,
    /// Program and arguments to run as the engine instead of our own, for test engines; it gets the same
    /// arguments behind its own.
    pub command: Vec<String>,
    /// Threads for computing, 0 to 1024; 0 means one per core.
    pub threads: u32,
    /// Bytes for the KV of all sequences and the prefix tree, 0 to 2^50; 0 means an eighth of the memory, at most 4 GiB.
    pub kv_bytes: u64,
    /// Sequences in one batch, 1 to 4096.
    pub running_max: u32,
    /// Turns that may wait for a place in the batch, 0 to 100000.
    pub waiting_max: u32,
    /// Prompt tokens in one step, 16 to 65536; smaller keeps running answers smoother.
    pub step_prefill_tokens_max: u32,
    /// How tokens are guessed before they are computed; no answer depends on it.
    pub speculation: Speculation,
    /// Bytes of KV that are kept on disk for later prompts with the same beginning, of all models together, 0 to 2^50;
    /// 0 means none.
    pub prefix_disk_bytes: u64,
    /// Folder for them; unset means `prefix` in the data folder.
    pub prefix_disk_folder: Option<String>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            isolation: Isolation::Process,
            backend: BackendChoice::Auto,
            command: Vec::new(),
            threads: 0,
            kv_bytes: 0,
            running_max: 64,
            waiting_max: 1024,
            step_prefill_tokens_max: 512,
            speculation: Speculation::PromptLookup,
            prefix_disk_bytes: 0,
            prefix_disk_folder: None,
        }
    }
}

/// When and how often a failed child is restarted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RestartConfig {
    /// Whether failed children are restarted at all.
    pub enabled: bool,
    /// Restarts within `window_ms` before giving up, 0 to 1000.
    pub max_attempts: u32,
    /// Milliseconds before the first restart within a window, 0 to 60000.
    pub base_ms: u64,
    /// Factor from one pause to the next, 1 to 10.
    pub multiplier: f64,
    /// Longest pause in milliseconds, 0 to 3600000.
    pub max_ms: u64,
    /// Milliseconds over which restarts are counted, 1000 to 86400000.
    pub window_ms: u64,
}

impl Default for RestartConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_attempts: 10,
            base_ms: 50,
            multiplier: 2.0,
            max_ms: 10_000,
            window_ms: 60_000,
        }
    }
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownConfig {
    /// Milliseconds that running turns get to end, 0 to 3600000.
    pub grace_ms: u64,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { grace_ms: 10_000 }
    }
}

/// What is logged, where, and for how long it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A `tracing` filter: a level (`info`) or directives (`info,pomona_actors=debug`).
    pub level: String,
    /// Whether JSON lines also go to files in the data folder.
    pub file: bool,
    /// Days of log files to keep, 1 to 3650.
    pub keep_days: u32,
    /// Bytes of one log file before it is rotated, 65536 to 2^40.
    pub file_bytes_max: u64,
    /// Bytes of the newest lines that are kept in memory for questions, 65536 to 2^30.
    pub ring_bytes_max: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            file: true,
            keep_days: 14,
            file_bytes_max: 64 * 1024 * 1024,
            ring_bytes_max: 1024 * 1024,
        }
    }
}
