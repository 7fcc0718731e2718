//! The `ip` command, and what it knows of other processes' networks.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::system;

/// Runs `ip` with these words.
pub(super) fn ip(words: &str) -> Result<()> {
    run(words).map(|_| ())
}

/// Runs `ip` where failure means that there was nothing to do.
pub(super) fn ip_quietly(words: &str) {
    let _ = output(words);
}

/// Why there are no namespaces here.
pub(super) fn probe() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("network namespaces are of Linux".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need an administrator".to_owned());
    }
    let probe = format!("pmprobe-{}", std::process::id());
    if let Err(error) = ip(&format!("netns add {probe}")) {
        return Some(format!("{error:#}"));
    }
    let bridge = format!("pmp{:x}", std::process::id());
    let made = ip(&format!("link add {bridge} type bridge")).and_then(|()| ip(&format!("link del {bridge}")));
    ip_quietly(&format!("netns del {probe}"));
    made.err().map(|error| format!("{error:#}"))
}

/// Removes what processes have left behind that were killed.
pub(super) fn remove_leftovers() {
    let listed = |words: &str| run(words).unwrap_or_default();
    let namespaces = listed("netns list");
    let devices = listed("-oneline link show");
    let first_words = |text: &str| {
        text.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect::<Vec<_>>()
    };
    for name in first_words(&namespaces).iter().filter(|name| is_orphan(name)) {
        ip_quietly(&format!("netns del {name}"));
    }
    let names = devices.lines().filter_map(|line| line.split_whitespace().nth(1));
    for name in names.filter_map(|name| name.split([':', '@']).next()).filter(|name| is_orphan(name)) {
        ip_quietly(&format!("link del {name}"));
    }
}

/// Whether a name is one of ours whose process is gone.
fn is_orphan(name: &str) -> bool {
    let process = name.strip_prefix("pm").and_then(|rest| rest.split_once('x'));
    process
        .and_then(|(process, _)| u32::from_str_radix(process, 16).ok())
        .is_some_and(|pid| !system::is_alive(pid))
}

/// Two bytes that no address of this system has after its first one.
pub(super) fn free_network(process: u32, count: u32) -> Result<[u8; 2]> {
    let addresses = run("-4 -oneline address show")?;
    let taken: BTreeSet<[u8; 2]> = addresses
        .lines()
        .filter_map(|line| line.split_whitespace().skip_while(|word| *word != "inet").nth(1))
        .filter_map(|address| address.split('/').next()?.parse::<std::net::Ipv4Addr>().ok())
        .map(|address| [address.octets()[1], address.octets()[2]])
        .collect();
    let first = process.wrapping_mul(31).wrapping_add(count);
    // The second byte alone tells the second cables of neighbours apart, so it has to be free as well.
    let free = |[_, b]: [u8; 2]| taken.iter().all(|[_, other]| *other != b);
    let candidates = (0..256).map(|step| [200 + (step % 2) as u8, first.wrapping_add(step) as u8]);
    candidates.into_iter().find(|&network| free(network)).context("no free network in 10.200.0.0/15")
}

/// Runs `work` on a thread that has entered the namespace; what it opens stays there.
#[cfg(target_os = "linux")]
pub(super) fn inside<T: Send + 'static>(
    namespace: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    use std::os::fd::AsFd;

    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

    let path = format!("/run/netns/{namespace}");
    let file = std::fs::File::open(&path).with_context(|| format!("{path} cannot be opened"))?;
    let entered = std::thread::spawn(move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        anyhow::Ok(work())
    });
    entered.join().unwrap_or_else(|_| bail!("the work inside {namespace} panicked"))
}

/// There are none elsewhere.
#[cfg(not(target_os = "linux"))]
pub(super) fn inside<T: Send + 'static>(
    namespace: &str,
    _: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    bail!("{namespace} cannot be entered on this system")
}

fn run(words: &str) -> Result<String> {
    let output = output(words)?;
    if !output.status.success() {
        bail!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn output(words: &str) -> Result<Output> {
    Command::new("ip").args(words.split_whitespace()).output().context("the command `ip` cannot be started")
}
