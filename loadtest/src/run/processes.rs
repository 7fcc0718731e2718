//! Which process of this machine a node or an engine is. A cluster tells the process ids of engines; a node is the parent of
//! its engine. Nothing is taken for one that does not look like it, and other machines' processes are out of reach.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::Value;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// Why somebody is not to be found.
#[derive(Debug, thiserror::Error)]
pub enum NotHere {
    /// No such node.
    #[error("no member is called `{0}`; `pomona nodes ls` shows them")]
    Unknown(String),
    /// It runs elsewhere.
    #[error("`{0}` does not run on this machine; use exec@… with a command that reaches it")]
    Elsewhere(String),
    /// It has no engine by which it could be found.
    #[error("`{0}` has no engine that runs; it is found by that. Name its process id instead")]
    NoEngine(String),
    /// It is the one that is asked.
    #[error("`{0}` is the gateway that is asked; name a node, or `{0}/engine`")]
    Gateway(String),
}

/// Process id of the engine of the member `name`, as `/admin/nodes` lists it.
pub(super) fn engine(nodes: &Value, name: &str) -> Result<u32, NotHere> {
    let member = member(nodes, name)?;
    let is_here = member["is_here"] == true;
    let address = member["path"]["address"].as_str().and_then(|address| address.parse::<SocketAddr>().ok());
    if !is_here && !address.is_some_and(|address| is_of_this_machine(address.ip())) {
        return Err(NotHere::Elsewhere(name.to_owned()));
    }
    let replicas = member["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pid = replicas.iter().find_map(|replica| replica["engine_pid"].as_u64());
    let pid =
        pid.and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| NotHere::NoEngine(name.to_owned()))?;
    if looks_like_engine(pid) { Ok(pid) } else { Err(NotHere::Elsewhere(name.to_owned())) }
}

/// Process id of the member `name` itself.
pub(super) fn node(nodes: &Value, name: &str) -> Result<u32, NotHere> {
    if member(nodes, name)?["is_here"] == true {
        return Err(NotHere::Gateway(name.to_owned()));
    }
    let engine = engine(nodes, name)?;
    parent(engine).ok_or_else(|| NotHere::Elsewhere(name.to_owned()))
}

/// Whether an address is one of this machine's: only such a one can be bound.
pub(super) fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The member of this name or id.
pub(super) fn member<'a>(nodes: &'a Value, name: &str) -> Result<&'a Value, NotHere> {
    let members = nodes["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = members.iter().find(|member| member["name"] == name || member["node"] == name);
    found.ok_or_else(|| NotHere::Unknown(name.to_owned()))
}

/// An engine is told its socket.
fn looks_like_engine(pid: u32) -> bool {
    with_process(pid, |process| process.cmd().iter().any(|word| word == "--socket")).unwrap_or(false)
}

fn parent(pid: u32) -> Option<u32> {
    let parent = with_process(pid, |process| process.parent())??.as_u32();
    (parent > 1).then_some(parent)
}

fn with_process<T>(pid: u32, look: impl FnOnce(&sysinfo::Process) -> T) -> Option<T> {
    let mut system = System::new().ok()?;
    let pid = Pid::from_u32(pid);
    let what = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    system.process(pid).map(look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_of_this_machine_with_an_engine_are_found() {
        let own = std::process::id();
        let replica = serde_json::json!([{ "engine_pid": own }]);
        let nodes = serde_json::json!({"nodes": [
            {"name": "far", "node": "n-1", "is_here": false, "path": {"address": "192.0.2.1:9"}, "replicas": replica},
            {"name": "idle", "node": "n-2", "is_here": false, "path": {"address": "127.0.0.1:9"}, "replicas": []},
            {"name": "false", "node": "n-3", "is_here": false, "path": {"address": "127.0.0.1:9"}, "replicas": replica},
            {"name": "own", "node": "n-4", "is_here": true, "path": null, "replicas": replica},
        ]});
        for (name, expected) in [
            ("other", "no member"),
            ("far", "does not run on this machine"),
            ("n-2", "no engine that runs"),
            ("false", "does not run on this machine"),
            ("own", "is the gateway"),
        ] {
            let error = node(&nodes, name).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
