//! What the system says of this machine and this process, looked at every few seconds for the reports to gateways.
//! `machine` starts it and ends it by dropping the set. What a system does not say stays 0 or unknown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pomona_actors::Handle;
use pomona_protocol::{MachineFigures, ThermalState};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::task::JoinSet;

/// Between two looks. Each costs some hundred microseconds, on a thread of its own.
const EVERY: Duration = Duration::from_secs(2);
/// Looks at the heat happen once in so many: on a Mac that starts a program.
const HEAT_EVERY: u32 = 5;
/// Entries that are counted in folders of temporary files; more are as alarming.
const ENTRIES_MAX: usize = 10_000;

/// Begins to look. `folders` are those of temporary files.
pub(crate) fn start(handle: Handle, data_dir: PathBuf, folders: Vec<PathBuf>) -> JoinSet<()> {
    let mut looking = JoinSet::new();
    looking.spawn(async move {
        let mut probe = Probe::new(data_dir, folders);
        loop {
            // It reads files, which may take long when the machine is in trouble.
            let looked = tokio::task::spawn_blocking(move || {
                let figures = probe.look();
                (probe, figures)
            });
            let Ok((back, figures)) = looked.await else { return };
            probe = back;
            handle.note_machine(figures);
            tokio::time::sleep(EVERY).await;
        }
    });
    looking
}

struct Probe {
    /// `None` where the system does not say.
    watched: Option<(System, Pid)>,
    data_dir: PathBuf,
    folders: Vec<PathBuf>,
    thermal: ThermalState,
    looks: u32,
}

impl Probe {
    fn new(data_dir: PathBuf, folders: Vec<PathBuf>) -> Self {
        let watched = System::new().ok().zip(sysinfo::get_current_pid().ok());
        Self { watched, data_dir, folders, thermal: ThermalState::Unknown, looks: 0 }
    }

    fn look(&mut self) -> MachineFigures {
        if self.looks.is_multiple_of(HEAT_EVERY) {
            self.thermal = thermal();
        }
        self.looks = self.looks.wrapping_add(1);
        let (disk_bytes, disk_bytes_free) = disk(&self.data_dir);
        let mut figures = MachineFigures {
            disk_bytes,
            disk_bytes_free,
            temp_files: self.folders.iter().map(|folder| files(folder)).sum(),
            thermal: self.thermal,
            ..MachineFigures::default()
        };
        let Some((system, pid)) = &mut self.watched else { return figures };
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        figures.memory_bytes = system.total_memory();
        figures.memory_bytes_available = system.available_memory();
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[*pid]), false, what);
        if let Some(process) = system.process(*pid) {
            figures.cpu_ms = process.accumulated_cpu_time();
            figures.resident_bytes = process.memory();
            figures.open_fds = process.open_files().unwrap_or(0) as u64;
            figures.fds_max = process.open_files_limit().unwrap_or(0) as u64;
        }
        figures
    }
}

/// Bytes of the disk of a folder, and those that this user may still take.
fn disk(folder: &Path) -> (u64, u64) {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return (0, 0) };
    (disk.f_blocks.saturating_mul(disk.f_frsize), disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Files in a folder and the folders in it.
fn files(folder: &Path) -> u64 {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX);
    let count = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => entries(&entry.path()).count() as u64,
        Ok(_) => 1,
        Err(_) => 0,
    };
    entries(folder).map(count).sum()
}

/// How hot the machine is.
#[cfg(target_os = "macos")]
fn thermal() -> ThermalState {
    let asked = std::process::Command::new("/usr/bin/notifyutil")
        .args(["-g", "com.apple.system.thermalpressurelevel"])
        .output();
    asked.map_or(ThermalState::Unknown, |said| pressure(&String::from_utf8_lossy(&said.stdout)))
}

/// How hot the machine is: the hottest of its zones, by how near it is to the temperature at which it is slowed down.
#[cfg(not(target_os = "macos"))]
fn thermal() -> ThermalState {
    let zones = std::fs::read_dir("/sys/class/thermal").into_iter().flatten().flatten();
    let zones = zones.filter(|zone| zone.file_name().to_string_lossy().starts_with("thermal_zone"));
    let states = zones.filter_map(|zone| {
        let read = |name: &str| {
            let text = std::fs::read_to_string(zone.path().join(name)).ok()?;
            Some(text.trim().to_owned())
        };
        let now: i64 = read("temp")?.parse().ok()?;
        let trips = (0..TRIPS_MAX).map_while(|trip| {
            let kind = read(&format!("trip_point_{trip}_type"))?;
            Some((kind, read(&format!("trip_point_{trip}_temp"))?.parse().ok()?))
        });
        Some(heat(now, trips))
    });
    states.max_by_key(|state| severity(*state)).unwrap_or_default()
}

/// Temperatures of one zone at which something happens.
#[cfg(not(target_os = "macos"))]
const TRIPS_MAX: usize = 16;

/// What a temperature means, by the temperatures at which the system does something, in thousandths of a degree.
#[cfg(any(test, not(target_os = "macos")))]
fn heat(now: i64, trips: impl Iterator<Item = (String, i64)>) -> ThermalState {
    let mut state = ThermalState::Unknown;
    // Firmware that knows of no such temperature says 0 or less.
    for (kind, at) in trips.filter(|(_, at)| *at > 0) {
        let reached = match kind.as_str() {
            "active" => ThermalState::Fair,
            "passive" | "hot" => ThermalState::Serious,
            "critical" => ThermalState::Critical,
            _ => continue,
        };
        let here = if now >= at { reached } else { ThermalState::Nominal };
        if severity(here) > severity(state) {
            state = here;
        }
    }
    state
}

/// What the notification service of macOS says: a name and a level from 0 to 4.
#[cfg(any(test, target_os = "macos"))]
fn pressure(said: &str) -> ThermalState {
    match said.split_whitespace().last() {
        Some("0") => ThermalState::Nominal,
        Some("1") => ThermalState::Fair,
        Some("2") => ThermalState::Serious,
        Some("3" | "4") => ThermalState::Critical,
        _ => ThermalState::Unknown,
    }
}

#[cfg(any(test, not(target_os = "macos")))]
fn severity(state: ThermalState) -> u8 {
    match state {
        ThermalState::Unknown => 0,
        ThermalState::Nominal => 1,
        ThermalState::Fair => 2,
        ThermalState::Serious => 3,
        ThermalState::Critical => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_something_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        for name in ["a", "inner/b", "inner/c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let path = folder.path().to_owned();
        let figures = Probe::new(path.clone(), vec![path.clone(), path.join("missing")]).look();
        assert_eq!(figures.temp_files, 3);
        assert!(figures.memory_bytes >= figures.memory_bytes_available && figures.memory_bytes_available > 0);
        assert!(figures.disk_bytes >= figures.disk_bytes_free && figures.disk_bytes > 0);
        assert!(figures.resident_bytes > 0);
    }

    #[test]
    fn a_zone_is_as_hot_as_the_worst_temperature_that_it_reached() {
        let trips = || [("active", 50), ("passive", 90), ("critical", 100), ("hot", 0)].into_iter();
        let trips = || trips().map(|(kind, at)| (kind.to_owned(), at * 1000));
        for (degrees, expected) in [
            (30, ThermalState::Nominal),
            (50, ThermalState::Fair),
            (91, ThermalState::Serious),
            (120, ThermalState::Critical),
        ] {
            assert_eq!(heat(degrees * 1000, trips()), expected);
        }
        assert_eq!(heat(30_000, std::iter::empty()), ThermalState::Unknown);
    }

    #[test]
    fn the_pressure_of_macos_is_understood() {
        let name = "com.apple.system.thermalpressurelevel";
        assert_eq!(pressure(&format!("{name} 0\n")), ThermalState::Nominal);
        assert_eq!(pressure(&format!("{name} 2\n")), ThermalState::Serious);
        assert_eq!(pressure(""), ThermalState::Unknown);
    }
}
