//! What the system and the runtime say of this process, read when somebody looks.

use std::time::{SystemTime, UNIX_EPOCH};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::page::Page;
use super::table::row;

/// Processor time, memory, descriptors and tasks.
pub(super) struct Process {
    /// `None` where the system does not say.
    watched: Option<(System, Pid)>,
    started_unix_s: f64,
    seen: Seen,
}

/// What was read last; stays when the system says nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    cpu_seconds: f64,
    resident_bytes: u64,
    open_fds: u64,
    fds_max: u64,
}

/// Rows that are written here.
#[cfg(test)]
pub(super) const ROWS: &[&str] = &[
    "pomona_process_cpu_seconds_total",
    "pomona_process_resident_bytes",
    "pomona_process_open_fds",
    "pomona_process_max_fds",
    "pomona_process_start_time_seconds",
    "pomona_runtime_tasks",
];

impl Process {
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            watched: System::new().ok().zip(sysinfo::get_current_pid().ok()),
            started_unix_s: started.as_secs_f64().floor(),
            seen: Seen::default(),
        }
    }

    fn refresh(&mut self) {
        let Some((system, pid)) = &mut self.watched else { return };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[*pid]), false, what);
        let Some(process) = system.process(*pid) else { return };
        self.seen = Seen {
            // A counter must not fall.
            cpu_seconds: (process.accumulated_cpu_time() as f64 / 1e3).max(self.seen.cpu_seconds),
            resident_bytes: process.memory(),
            open_fds: process.open_files().unwrap_or(0) as u64,
            fds_max: process.open_files_limit().unwrap_or(0) as u64,
        };
    }

    pub(super) fn write(&mut self, page: &mut Page) {
        self.refresh();
        let tasks = tokio::runtime::Handle::try_current().map(|runtime| runtime.metrics().num_alive_tasks());
        for (name, value) in [
            ("pomona_process_cpu_seconds_total", self.seen.cpu_seconds),
            ("pomona_process_resident_bytes", self.seen.resident_bytes as f64),
            ("pomona_process_open_fds", self.seen.open_fds as f64),
            ("pomona_process_max_fds", self.seen.fds_max as f64),
            ("pomona_process_start_time_seconds", self.started_unix_s),
            ("pomona_runtime_tasks", tasks.unwrap_or(0) as f64),
        ] {
            let row = row(name);
            page.head(row);
            page.sample(row, &[], value);
        }
    }
}
