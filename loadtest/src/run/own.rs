//! What the generator itself uses, and what it may open.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Files that are left to everything but connections.
const FILES_KEPT: u64 = 64;

/// Processor time that this process has used since its start; zero where the system does not say.
pub(super) fn cpu_time() -> Duration {
    let own = System::new().ok().zip(sysinfo::get_current_pid().ok());
    let Some((mut system, pid)) = own else { return Duration::ZERO };
    let what = ProcessRefreshKind::nothing().with_cpu();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    system.process(pid).map_or(Duration::ZERO, |own| Duration::from_millis(own.accumulated_cpu_time()))
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Lets this process open as many connections as the system allows; how many that are.
pub fn allow_connections() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, wanted).is_ok() { limit.maximum } else { limit.current };
    current.map_or(u64::MAX, |files| files.saturating_sub(FILES_KEPT))
}
