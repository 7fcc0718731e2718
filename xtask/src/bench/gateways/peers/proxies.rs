//! Proxies that know nothing of inference: the least that a hop can cost.

use std::process::Command;

use anyhow::Result;

use super::super::peer::{Peer, Place, Source};

pub(in super::super) const NGINX: Peer = Peer {
    name: "nginx",
    source: Source::Debian { packages: &["nginx"], program: "usr/sbin/nginx" },
    start: nginx,
};

pub(in super::super) const HAPROXY: Peer = Peer {
    name: "haproxy",
    source: Source::Debian {
        packages: &["haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"],
        program: "usr/sbin/haproxy",
    },
    start: haproxy,
};

/// Streams pass at once only without buffers, and connections to the upstream are kept only on request.
fn nginx(place: &Place) -> Result<Command> {
    let (listen, upstream, folder) = (place.address(), place.upstream, place.folder.display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    let text = format!(
        "daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/pid;
error_log stderr error;
events {{
    worker_connections 8192;
}}
http {{
    access_log off;
    keepalive_requests 1000000;
{temporary}    upstream inference {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000;
    }}
    server {{
        listen {listen} backlog=4096;
        location / {{
            proxy_pass http://inference;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_read_timeout 600s;
        }}
    }}
}}
"
    );
    let config = place.write("nginx.conf", &text)?;
    let mut command = place.command();
    // Both are looked up before the configuration is.
    command.arg("-p").arg(&place.folder).args(["-e", "stderr"]).arg("-c").arg(config);
    if rustix::process::geteuid().is_root() {
        // Its worker would change to a user that this machine may not have.
        command.args(["-g", "user root;"]);
    }
    Ok(command)
}

/// Without `http-no-delay` it waits up to 200 ms for more of an answer that comes in chunks.
fn haproxy(place: &Place) -> Result<Command> {
    let (listen, upstream) = (place.address(), place.upstream);
    let text = format!(
        "global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    option http-keep-alive
    option http-no-delay
    http-reuse always
frontend clients
    bind {listen} backlog 4096
    default_backend inference
backend inference
    server one {upstream}
"
    );
    let config = place.write("haproxy.cfg", &text)?;
    let mut command = place.command();
    command.arg("-db").arg("-f").arg(config);
    Ok(command)
}
