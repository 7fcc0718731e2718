//! A gateway that is measured: what it is called, where it comes from, how it is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::peers::{litellm, proxies, routers};

/// Opens those gateways that want a key.
pub(super) const KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";

/// A gateway of others.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// The command that starts it in the foreground, before what it is to serve.
    pub(super) start: fn(&Place) -> Result<Command>,
}

/// Where a gateway comes from. Nothing is installed outside of `target`.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// Packages of Debian, unpacked: the program's first, then libraries that a machine may lack.
    Debian { packages: &'static [&'static str], program: &'static str },
    /// A package of PyPI in an environment of its own.
    Python { requirement: &'static str, program: &'static str },
}

/// Where a gateway runs.
pub(super) struct Place {
    /// What was installed.
    pub(super) program: PathBuf,
    /// For its configuration and logs; empty at first.
    pub(super) folder: PathBuf,
    /// Where it is to listen, on loopback.
    pub(super) port: u16,
    /// Free as well, for metrics.
    pub(super) other_port: u16,
    /// The inference server behind it.
    pub(super) upstream: SocketAddr,
}

impl Place {
    /// Where the gateway is to listen.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Writes a file of its configuration.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The installed program, and libraries that were unpacked with it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let unpacked = self.program.parent().and_then(Path::parent).filter(|folder| folder.ends_with("usr"));
        if let Some(usr) = unpacked {
            command.env("LD_LIBRARY_PATH", usr.join("lib").join(libraries()));
        }
        command
    }
}

/// Debian's name for this kind of machine.
fn libraries() -> &'static Path {
    Path::new(match std::env::consts::ARCH {
        "aarch64" => "aarch64-linux-gnu",
        _ => "x86_64-linux-gnu",
    })
}

/// All of them, the lightest first.
pub(super) const ALL: &[Peer] =
    &[proxies::NGINX, proxies::HAPROXY, routers::VLLM, routers::SGLANG, routers::SMG, litellm::LITELLM];
