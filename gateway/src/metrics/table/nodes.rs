//! Members of the cluster: as this gateway sees them, and as they say in their reports.

use super::buckets::ROUND_TRIP_SECONDS;
use super::values::{NODE_STATES, PATHS, REPLICA_STATES, THERMAL_STATES};
use super::{Area, MODEL, NODE, counter, gauge, histogram, label};

pub(super) const AREA: Area = Area {
    title: "Members",
    rows: &[
        gauge(
            "pomona_nodes",
            &[label("state", NODE_STATES)],
            "Members of the cluster as this gateway sees them, by state; removed ones are not counted.",
        ),
        counter(
            "pomona_node_suspicions_total",
            &[],
            "Times that a member was silent for so long that its turns were moved.",
        ),
        gauge("pomona_links", &[label("path", PATHS)], "Members linked now, by the kind of network."),
        histogram(
            "pomona_link_round_trip_seconds",
            ROUND_TRIP_SECONDS,
            &[label("path", PATHS)],
            "Seconds of the smoothed round trip of a link at each measurement, by the kind of network.",
        ),
        counter(
            "pomona_path_switches_total",
            &[label("path", PATHS)],
            "Moves of a member from one kind of network to another, by the one it moved to. The first link is not counted.",
        ),
        gauge(
            "pomona_node_up",
            &[NODE],
            "1 while a member is linked and reports, else 0; this machine is always 1. A removed member is gone from here.",
        ),
        gauge(
            "pomona_node_state",
            &[NODE, label("state", NODE_STATES)],
            "1 for the state of a member, 0 for the others.",
        ),
        gauge(
            "pomona_node_path",
            &[NODE, label("path", PATHS)],
            "1 for the kind of network over which a member is reached, 0 for the other.",
        ),
        gauge("pomona_node_round_trip_seconds", &[NODE], "Seconds of the smoothed round trip to a member."),
        gauge(
            "pomona_node_turns",
            &[NODE],
            "Turns of this gateway that hold a place at a member's replicas.",
        ),
        counter(
            "pomona_node_turns_total",
            &[NODE],
            "Turns that were begun at a member's engines, of any gateway.",
        ),
        counter("pomona_node_tokens_total", &[NODE], "Tokens that a member's engines made."),
        counter("pomona_node_restarts_total", &[NODE], "Restarts of a member's engines."),
        counter(
            "pomona_node_model_loads_total",
            &[NODE],
            "Models that a member has loaded, reloads after a loss included.",
        ),
        counter(
            "pomona_node_model_unloads_total",
            &[NODE],
            "Models that left a member's memory: for being idle, to make room, or as told.",
        ),
        gauge("pomona_node_model_memory_limit_bytes", &[NODE], "Bytes that models may take at a member."),
        gauge(
            "pomona_node_model_memory_bytes",
            &[NODE],
            "Bytes that a member's replicas take, weights and KV.",
        ),
        gauge("pomona_node_memory_total_bytes", &[NODE], "Bytes of memory of a member's machine."),
        gauge(
            "pomona_node_memory_available_bytes",
            &[NODE],
            "Bytes of memory that a member's machine could give without swapping.",
        ),
        gauge(
            "pomona_node_disk_total_bytes",
            &[NODE],
            "Bytes of the disk that holds a member's data folder.",
        ),
        gauge("pomona_node_disk_free_bytes", &[NODE], "Bytes that are free on it."),
        gauge(
            "pomona_node_thermal",
            &[NODE, label("state", THERMAL_STATES)],
            "1 for how hot a member's machine is, 0 for the others.",
        ),
        gauge(
            "pomona_node_certificate_expiry_timestamp_seconds",
            &[NODE],
            "When a member's certificate ends, in seconds since 1970; it is renewed at two thirds of its life.",
        ),
        counter(
            "pomona_node_cpu_seconds_total",
            &[NODE],
            "Processor seconds of a member's process; an engine in a process of its own is not counted.",
        ),
        gauge(
            "pomona_node_resident_bytes",
            &[NODE],
            "Resident memory of a member's process in bytes; an engine in a process of its own is not counted.",
        ),
        gauge(
            "pomona_node_open_fds",
            &[NODE],
            "Open descriptors of a member's process; 0 where the system does not say.",
        ),
        gauge("pomona_node_tasks", &[NODE], "Tasks that live in a member's runtime."),
        gauge("pomona_node_actors", &[NODE], "Actors that live at a member."),
        gauge("pomona_node_hosted_turns", &[NODE], "Turns of other members that a member runs or holds."),
        gauge(
            "pomona_node_temp_files",
            &[NODE],
            "Files of a member that are to be gone after its end: sockets of engines, unfinished downloads.",
        ),
        gauge(
            "pomona_node_lag_seconds",
            &[NODE],
            "Seconds by which a timer of 100 ms fired late at a member, the worst of the last five to ten seconds.",
        ),
        counter(
            "pomona_node_long_polls_total",
            &[NODE],
            "Polls of a member's handlers that held a thread for more than half a millisecond.",
        ),
        gauge(
            "pomona_replicas",
            &[MODEL, NODE, label("state", REPLICA_STATES)],
            "Replicas of a model at a member, by state.",
        ),
        counter(
            "pomona_replica_restarts_total",
            &[MODEL, NODE],
            "Restarts of a replica's engine. The first start is not counted.",
        ),
    ],
};
