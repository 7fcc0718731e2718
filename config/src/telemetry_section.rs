//! The section of what is told to programs that measure: names on the page of metrics, and traces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is told to programs that measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Show the common metrics under vLLM's names as well.
    pub vllm_names: bool,
    /// Where traces are sent, as OTLP over HTTP: `http://collector:4318` for instance; empty means nowhere.
    pub otlp_endpoint: Option<String>,
    /// Share of requests without a trace of their own for which one is begun, 0 to 1; a request that brings a sampled one
    /// is always recorded.
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { vllm_names: true, otlp_endpoint: None, sample_ratio: 0.05 }
    }
}
