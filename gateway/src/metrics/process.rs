//! What the system says of this process, read when somebody looks.

use prometheus::{Counter, IntGauge};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::registry::Builder;

/// Processor time, memory and descriptors.
pub(super) struct Process {
    /// `None` where the system does not say.
    watched: Option<(System, Pid)>,
    cpu_seconds: Counter,
    resident_bytes: IntGauge,
    open_fds: IntGauge,
}

impl Process {
    pub(super) fn new(builder: &mut Builder) -> Self {
        Self {
            watched: System::new().ok().zip(sysinfo::get_current_pid().ok()),
            cpu_seconds: builder.real_counter("pomona_process_cpu_seconds_total"),
            resident_bytes: builder.gauge("pomona_process_resident_bytes"),
            open_fds: builder.gauge("pomona_process_open_fds"),
        }
    }

    pub(super) fn refresh(&mut self) {
        let Some((system, pid)) = &mut self.watched else { return };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[*pid]), false, what);
        let Some(process) = system.process(*pid) else { return };
        let cpu_seconds = process.accumulated_cpu_time() as f64 / 1e3;
        self.cpu_seconds.inc_by((cpu_seconds - self.cpu_seconds.get()).max(0.0));
        self.resident_bytes.set(process.memory() as i64);
        self.open_fds.set(process.open_files().unwrap_or(0) as i64);
    }
}
