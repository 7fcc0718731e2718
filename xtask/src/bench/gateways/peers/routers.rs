//! Routers for inference servers. All three have grown from one root and take the same options.

use std::process::Command;

use super::super::peer::{Peer, Place, Source};

pub(in super::super) const VLLM: Peer = Peer {
    name: "vllm-router",
    source: Source::Python { requirement: "vllm-router==0.1.17", program: "vllm-router" },
    start: |place| Ok(router(place, &["--log-level", "warning"])),
};

pub(in super::super) const SGLANG: Peer = Peer {
    name: "sglang-router",
    source: Source::Python { requirement: "sglang-router==0.3.2", program: "python" },
    start: |place| {
        let mut command = place.command();
        command.args(["-m", "sglang_router.launch_router"]);
        Ok(with_options(command, place, &["--log-level", "warn"]))
    },
};

pub(in super::super) const SMG: Peer = Peer {
    name: "smg",
    source: Source::Python { requirement: "smg==1.13.0", program: "smg" },
    start: |place| {
        let mut command = place.command();
        command.arg("launch");
        Ok(with_options(command, place, &["--log-level", "warn"]))
    },
};

fn router(place: &Place, more: &[&str]) -> Command {
    with_options(place.command(), place, more)
}

/// One upstream, so any policy chooses it; round robin is the cheapest. The limit of requests is put out of the way.
fn with_options(mut command: Command, place: &Place, more: &[&str]) -> Command {
    command
        .args(["--host", "127.0.0.1", "--port", &place.port.to_string()])
        .args(["--worker-urls", &format!("http://{}", place.upstream)])
        .args(["--policy", "round_robin", "--max-concurrent-requests", "8192"])
        .args(["--prometheus-host", "127.0.0.1", "--prometheus-port", &place.other_port.to_string()])
        .args(more);
    command
}
