//! One typed configuration: file < environment < flag, validated before a port is bound.
//!
//! `node` loads it once with [`load()`] and hands each part its own section by value; nobody reads the
//! environment later. Where the file lies and which flags exist is `node`'s business.

pub mod sections;

mod check;
mod conflict;
mod environment;
mod error;
mod file;
mod fleet_sections;
mod keys;
mod load;
mod nearest;
mod private;
mod schema;
mod session_sections;
mod show;
mod source;
mod telemetry_section;

pub use error::ConfigError;
pub use fleet_sections::{
    ClusterConfig, Congestion, FleetConfig, LinkConfig, TlsConfig, TlsMode, WeightsConfig,
};
pub use keys::{KEYS, Key, Kind};
pub use load::{Loaded, Override, load};
pub use private::is_private;
pub use schema::schema;
pub use sections::{
    ApiConfig, BackendChoice, Config, EngineConfig, GatewayConfig, Isolation, LimitsConfig, LogConfig,
    ModelConfig, RestartConfig, RoutingConfig, ShutdownConfig, Speculation, TurnConfig,
};
pub use session_sections::{NotificationsConfig, SessionConfig, StoreConfig};
pub use show::{show_json, show_toml};
pub use source::Source;
pub use telemetry_section::TelemetryConfig;

/// A configuration file with every key at its default and the reason for it.
pub const EXAMPLE: &str = include_str!("../examples/pomona.toml");
