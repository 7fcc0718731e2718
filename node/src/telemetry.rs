//! Traces: takes the spans of this process and sends them as OTLP over HTTP, in batches. `up` and `node` start it, `machine`
//! keeps it until the actors have ended. A full queue or a collector that is away costs spans, never a turn any time.

mod otlp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use pomona_actors::{Observation, Observer, SpanRecord, is_drawn};
use pomona_config::TelemetryConfig;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Spans that wait to be sent: some seconds of a busy gateway, about a megabyte.
const QUEUE_MAX: usize = 4096;
/// Spans of one request to the collector.
const BATCH_MAX: usize = 512;
/// For how long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_millis(500);
/// For the collector to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// For what waits at the end of the process to be sent.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Failures are logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Sends spans for as long as it lives.
pub(crate) struct Telemetry {
    task: JoinSet<()>,
    ends: CancellationToken,
}

/// Where spans are sent, and with what.
#[derive(Debug)]
struct Collector {
    url: Url,
    headers: HeaderMap,
    service: String,
}

/// `observer`, and beside it a sender of spans when one is configured.
pub(crate) fn start(
    config: &TelemetryConfig,
    observer: Arc<dyn Observer>,
) -> anyhow::Result<(Arc<dyn Observer>, Option<Telemetry>)> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(collector) = collector(config, variable)? else { return Ok((observer, None)) };
    tracing::info!(host = collector.url.host_str(), ratio = config.sample_ratio, "traces are sent");
    let (spans, waiting) = mpsc::channel(QUEUE_MAX);
    let (mut task, ends) = (JoinSet::new(), CancellationToken::new());
    task.spawn(send_all(collector, waiting, ends.clone()));
    let traced = Traced { observer, spans, ratio: config.sample_ratio, dropped: AtomicU64::new(0) };
    Ok((Arc::new(traced), Some(Telemetry { task, ends })))
}

impl Telemetry {
    /// Sends what waits; spans that come later are lost.
    pub(crate) async fn finish(mut self) {
        self.ends.cancel();
        let _ = tokio::time::timeout(LAST_WORDS, self.task.join_next()).await;
    }
}

/// The configuration first, then the variables that OpenTelemetry gives a meaning to.
fn collector(
    config: &TelemetryConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Collector>> {
    let base = |name: &'static str, text: String| (name, format!("{}/v1/traces", text.trim_end_matches('/')));
    let configured = config.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty());
    let found = configured.map(|text| base("telemetry.otlp_endpoint", text)).or_else(|| {
        let name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        variable(name).map(|text| (name, text))
    });
    let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let Some((name, text)) = found.or_else(|| variable(name).map(|text| base(name, text))) else {
        return Ok(None);
    };
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        Exit::Usage.because(anyhow!("{name} is no address of http or https; `http://localhost:4318` is one"))
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let given = variable("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
    for pair in given.split(',').filter(|pair| !pair.trim().is_empty()) {
        let parsed = pair.split_once('=').and_then(|(name, value)| {
            let name = HeaderName::try_from(name.trim()).ok()?;
            Some((name, HeaderValue::try_from(value.trim()).ok()?))
        });
        // The value may be a secret.
        let (name, value) = parsed.ok_or_else(|| {
            Exit::Usage.because(anyhow!("OTEL_EXPORTER_OTLP_HEADERS reads `name=value,name=value`"))
        })?;
        headers.insert(name, value);
    }
    let service = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "pomona".to_owned());
    Ok(Some(Collector { url, headers, service }))
}

/// An observer that also takes spans.
struct Traced {
    observer: Arc<dyn Observer>,
    spans: mpsc::Sender<SpanRecord>,
    ratio: f64,
    dropped: AtomicU64,
}

impl Observer for Traced {
    fn record(&self, observation: Observation<'_>) {
        self.observer.record(observation);
    }

    fn takes_spans(&self) -> bool {
        true
    }

    fn begins_trace(&self) -> bool {
        is_drawn(self.ratio)
    }

    fn take_span(&self, span: SpanRecord) {
        if self.spans.try_send(span).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "spans are lost: the collector is too slow");
            }
        }
    }
}

async fn send_all(collector: Collector, mut waiting: mpsc::Receiver<SpanRecord>, ends: CancellationToken) {
    let Ok(client) = Client::builder().timeout(PATIENCE).build() else {
        return tracing::error!("no traces are sent: there is no HTTP client");
    };
    let mut complained_at: Option<Instant> = None;
    let mut batch = Vec::new();
    while let Some(first) = next(&mut waiting, &ends).await {
        batch.push(first);
        let due = Instant::now() + GATHER;
        while batch.len() < BATCH_MAX {
            match tokio::time::timeout_at(due, next(&mut waiting, &ends)).await {
                Ok(Some(span)) => batch.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        let body = otlp::request(&collector.service, &batch).to_string();
        let request = client.post(collector.url.clone()).headers(collector.headers.clone()).body(body);
        let sent = request.send().await.and_then(reqwest::Response::error_for_status);
        if let Err(error) = sent
            && complained_at.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY)
        {
            complained_at = Some(Instant::now());
            // Without its address, which may hold a secret.
            let error = error.without_url();
            tracing::warn!(%error, spans = batch.len(), "spans could not be sent, and are lost");
        }
        batch.clear();
    }
}

/// The next span; after the end was asked for, what waits and then `None`.
async fn next(waiting: &mut mpsc::Receiver<SpanRecord>, ends: &CancellationToken) -> Option<SpanRecord> {
    tokio::select! {
        biased;
        span = waiting.recv() => span,
        () = ends.cancelled(), if !waiting.is_closed() => {
            waiting.close();
            waiting.recv().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: &str) -> TelemetryConfig {
        let otlp_endpoint = (!endpoint.is_empty()).then(|| endpoint.to_owned());
        TelemetryConfig { otlp_endpoint, ..TelemetryConfig::default() }
    }

    fn found(endpoint: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let found = collector(&config(endpoint), variable).map_err(|error| format!("{error:#}"))?;
        Ok(found.map(|collector| collector.url.to_string()))
    }

    #[test]
    fn the_configuration_counts_before_the_variables_of_open_telemetry() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:4318/");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/take");
        assert_eq!(found("", &[]), Ok(None));
        assert_eq!(found("", &[base]), Ok(Some("http://b:4318/v1/traces".to_owned())));
        assert_eq!(found("", &[base, traces]), Ok(Some("https://t/take".to_owned())));
        assert_eq!(found("http://c:1", &[base, traces]), Ok(Some("http://c:1/v1/traces".to_owned())));
    }

    #[test]
    fn what_is_no_address_or_no_header_is_named_without_its_value() {
        for endpoint in ["localhost:4318", "grpc://x", "s3cret"] {
            let error = found(endpoint, &[]).unwrap_err();
            assert!(error.contains("telemetry.otlp_endpoint") && !error.contains("s3cret"), "{error}");
        }
        let wrong = ("OTEL_EXPORTER_OTLP_HEADERS", "api key s3cret");
        let error = found("http://c:1", &[wrong]).unwrap_err();
        assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("s3cret"), "{error}");
        let right = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret, x=y");
        assert!(found("http://c:1", &[right]).is_ok());
    }
}
