//! The text of `/metrics`, in Prometheus' format or in OpenMetrics, which alone has exemplars.
//!
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/> and the OpenMetrics 1.0 specification.

use std::fmt::Write;
use std::time::UNIX_EPOCH;

use hyper::header::HeaderValue;

use super::series::Buckets;
use super::table::{Kind, Row};

/// How a scraper wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text, 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics, 1.0.0.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// What an `Accept` header prefers; Prometheus' text when it names neither.
    pub fn wanted(accept: Option<&str>) -> Self {
        let mut best = (Format::Prometheus, 0.0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let (mut weight, mut version) = (1.0, "1.0.0");
            for part in parts {
                match part.split_once('=') {
                    Some(("q", q)) => weight = q.parse().unwrap_or(0.0),
                    Some(("version", asked)) => version = asked,
                    _ => {}
                }
            }
            let format = match kind {
                OPEN_METRICS if version == "1.0.0" => Format::OpenMetrics,
                "text/plain" => Format::Prometheus,
                _ => continue,
            };
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }

    /// The `Content-Type` of a page.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        })
    }
}

/// A page that is being written.
pub(super) struct Page {
    format: Format,
    text: String,
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(128 * 1024) }
    }

    /// Begins a metric.
    pub(super) fn head(&mut self, row: &Row) {
        self.head_of(row.name, row.kind, row.help);
    }

    pub(super) fn head_of(&mut self, name: &str, kind: Kind, help: &str) {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        // OpenMetrics names a counter without the ending of its sample.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {word}"));
    }

    /// A sample of a counter or a gauge.
    pub(super) fn sample(&mut self, row: &Row, labels: &[(&str, &str)], value: f64) {
        self.sample_of(row.name, labels, value);
    }

    pub(super) fn sample_of(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.name(name, labels, None);
        self.line(format_args!(" {}", number(value)));
    }

    /// All samples of a histogram.
    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], buckets: &Buckets) {
        let bucket_name = format!("{name}_bucket");
        let mut count = 0;
        for (place, in_bucket) in buckets.counts.iter().enumerate() {
            count += in_bucket;
            let bound = match buckets.bounds.get(place) {
                None => "+Inf".to_owned(),
                Some(bound) if self.format == Format::OpenMetrics => format!("{bound:?}"),
                Some(bound) => bound.to_string(),
            };
            self.name(&bucket_name, labels, Some(&bound));
            let _ = write!(self.text, " {count}");
            if let (Format::OpenMetrics, Some(Some(exemplar))) = (self.format, buckets.exemplars.get(place)) {
                let at = exemplar.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
                let (trace, value) = (exemplar.trace, exemplar.value);
                let _ = write!(self.text, " # {{trace_id=\"{trace}\"}} {value} {at:.3}");
            }
            self.text.push('\n');
        }
        self.sample_of(&format!("{name}_sum"), labels, buckets.sum);
        self.sample_of(&format!("{name}_count"), labels, count as f64);
    }

    /// The whole page.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text.into_bytes()
    }

    fn name(&mut self, name: &str, labels: &[(&str, &str)], bound: Option<&str>) {
        self.text.push_str(name);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (label, value) in labels.iter().copied().chain(bound) {
            self.text.push(separator);
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(&mut self.text, value);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// Names of machines and models are whatever people call them.
fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            letter => text.push(letter),
        }
    }
}

/// Whole numbers without a point, so that counts read as counts.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{}", value as i64) } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use pomona_protocol::TraceId;

    use super::super::series::Exemplar;
    use super::super::table::row;
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (None, Format::Prometheus),
            (Some("*/*"), Format::Prometheus),
            (Some("text/html"), Format::Prometheus),
            (Some("text/plain;version=0.0.4"), Format::Prometheus),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("application/openmetrics-text; version=0.0.1"), Format::Prometheus),
            (Some("application/openmetrics-text; q=0.2, text/plain; q=0.9"), Format::Prometheus),
            (Some("application/openmetrics-text; q=x"), Format::Prometheus),
            (Some(prometheus), Format::OpenMetrics),
        ] {
            assert_eq!(Format::wanted(accept), format, "{accept:?}");
        }
    }

    fn page(format: Format) -> String {
        let mut page = Page::new(format);
        let exemplar = Exemplar {
            trace: TraceId(0xab),
            value: 0.7,
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
        };
        let counter = row("pomona_turn_resumed_tokens_total");
        page.head(counter);
        page.sample(counter, &[("node", "Anna's \"Mac\"\\\n")], 3.0);
        let buckets = Buckets {
            bounds: &[0.5, 1.0],
            counts: vec![1, 2, 4],
            sum: 7.25,
            exemplars: vec![None, Some(exemplar), None],
        };
        page.histogram("lag_seconds", &[], &buckets);
        String::from_utf8(page.finish()).unwrap()
    }

    #[test]
    fn prometheus_text_sums_buckets_up_and_has_no_exemplars() {
        let text = page(Format::Prometheus);
        for line in [
            "# TYPE pomona_turn_resumed_tokens_total counter",
            "pomona_turn_resumed_tokens_total{node=\"Anna's \\\"Mac\\\"\\\\\\n\"} 3",
            "lag_seconds_bucket{le=\"0.5\"} 1",
            "lag_seconds_bucket{le=\"1\"} 3",
            "lag_seconds_bucket{le=\"+Inf\"} 7",
            "lag_seconds_sum 7.25",
            "lag_seconds_count 7",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in:\n{text}");
        }
        assert!(!text.contains("trace_id") && !text.contains("EOF"));
    }

    #[test]
    fn open_metrics_has_exemplars_and_an_end() {
        let text = page(Format::OpenMetrics);
        for line in [
            "# TYPE pomona_turn_resumed_tokens counter",
            "lag_seconds_bucket{le=\"1.0\"} 3 # {trace_id=\"000000000000000000000000000000ab\"} 0.7 1.500",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in:\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }
}
