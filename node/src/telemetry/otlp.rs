//! Spans as OTLP's JSON: `ExportTraceServiceRequest` of opentelemetry-proto 1.x, in the mapping that its specification
//! gives (ids in hex, 64-bit numbers as text).

use std::time::{SystemTime, UNIX_EPOCH};

use pomona_actors::{SpanRecord, SpanValue};
use serde_json::{Value, json};

/// Kinds of spans: what answers somebody outside, and everything else.
const KIND_INTERNAL: u8 = 1;
const KIND_SERVER: u8 = 2;
/// A status that says "failed".
const STATUS_ERROR: u8 = 2;

/// One request with all of these spans.
pub(super) fn request(service: &str, spans: &[SpanRecord]) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [attribute("service.name", service.into()), attribute("service.version", version.into())];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{
            "scope": {"name": "pomona", "version": version},
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }]})
}

fn span(span: &SpanRecord) -> Value {
    let attributes: Vec<Value> =
        span.attributes.iter().map(|(name, value)| attribute(name, value.clone())).collect();
    let mut told = json!({
        "traceId": span.trace.to_string(),
        "spanId": format!("{:016x}", span.span),
        "name": span.name,
        "kind": if span.name == "request" { KIND_SERVER } else { KIND_INTERNAL },
        "startTimeUnixNano": nanos(span.began),
        "endTimeUnixNano": nanos(span.ended),
        "attributes": attributes,
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = format!("{parent:016x}").into();
    }
    if let Some(code) = span.error {
        told["status"] = json!({"code": STATUS_ERROR, "message": code});
    }
    told
}

fn attribute(name: &str, value: SpanValue) -> Value {
    let value = match value {
        SpanValue::Text(text) => json!({"stringValue": text}),
        SpanValue::Number(number) => json!({"intValue": number.to_string()}),
    };
    json!({"key": name, "value": value})
}

fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pomona_protocol::TraceId;

    use super::*;

    #[test]
    fn a_span_is_told_as_the_specification_says() {
        let record = SpanRecord {
            trace: TraceId(0xab),
            span: 0xcd,
            parent: Some(0xef),
            name: "attempt",
            began: UNIX_EPOCH + Duration::from_nanos(5),
            ended: UNIX_EPOCH + Duration::from_secs(1),
            attributes: vec![("attempt", 2.into()), ("node", "mini".into())],
            error: Some("engine_lost"),
        };
        let told = request("pomona", &[record]);
        let scope = &told["resourceSpans"][0]["scopeSpans"][0];
        let expected = json!({
            "traceId": "000000000000000000000000000000ab",
            "spanId": "00000000000000cd",
            "parentSpanId": "00000000000000ef",
            "name": "attempt",
            "kind": 1,
            "startTimeUnixNano": "5",
            "endTimeUnixNano": "1000000000",
            "attributes": [
                {"key": "attempt", "value": {"intValue": "2"}},
                {"key": "node", "value": {"stringValue": "mini"}},
            ],
            "status": {"code": 2, "message": "engine_lost"},
        });
        assert_eq!(scope["spans"][0], expected);
        let name = &told["resourceSpans"][0]["resource"]["attributes"][0];
        assert_eq!(*name, json!({"key": "service.name", "value": {"stringValue": "pomona"}}));
    }
}
