//! Requests and connections.

use super::values::{CODES, HANDSHAKES, REFUSALS};
use super::{Area, Label, Values, counter, gauge, label};
use crate::routes::ROUTE_LABELS;

pub(super) const AREA: Area = Area {
    title: "Requests and connections",
    rows: &[
        counter(
            "pomona_http_requests_total",
            &[
                Label { name: "code", values: Values::Used(CODES) },
                Label { name: "route", values: Values::Known(ROUTE_LABELS) },
            ],
            "Requests whose response head was made, by route template and status code. Connections refused over the limit and requests whose head does not parse are not counted; a WebSocket counts once.",
        ),
        counter(
            "pomona_rejected_requests_total",
            &[label("cause", REFUSALS)],
            "Requests that were answered with an error instead of what they asked for, by its code. Errors within a stream that had begun are not counted.",
        ),
        counter(
            "pomona_tls_handshakes_total",
            &[label("outcome", HANDSHAKES)],
            "TLS handshakes with clients over TCP, by outcome; those of HTTP/3 are not counted.",
        ),
        gauge(
            "pomona_client_connections",
            &[],
            "Open client connections, idle ones and WebSockets included.",
        ),
        gauge(
            "pomona_permits_in_use",
            &[label("permit", &["connections", "requests", "turns"])],
            "Permits that are taken: of connections, of requests that work on turns or follow sessions, and of places of turns at replicas.",
        ),
        gauge(
            "pomona_permits_max",
            &[label("permit", &["connections", "requests"])],
            "Permits that there are; places at replicas come and go with these.",
        ),
        gauge(
            "pomona_tls_certificate_expiry_timestamp_seconds",
            &[],
            "When the certificate that clients are shown ends, in seconds since 1970; 0 without TLS.",
        ),
    ],
};
