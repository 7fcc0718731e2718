//! What a report says of how it came to be: the command line that repeats it, and the machine.

use std::collections::BTreeMap;
use std::path::Path;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The command line. No flag takes a key, so none is in it.
pub(super) fn command_line() -> String {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned());
    let words: Vec<String> =
        std::iter::once(name.unwrap_or(program)).chain(arguments.map(|word| quoted(&word))).collect();
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The machine of the generator.
pub(super) fn machine() -> BTreeMap<String, String> {
    let mut machine = BTreeMap::new();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    machine.insert("cores".to_owned(), cores.to_string());
    machine.insert("system".to_owned(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    let what = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::everything());
    let Ok(system) = System::new_with_specifics(what) else { return machine };
    if let Some(cpu) = system.cpus().first() {
        machine.insert("processor".to_owned(), cpu.brand().trim().to_owned());
    }
    let gigabytes = system.total_memory() as f64 / 1e9;
    machine.insert("memory".to_owned(), format!("{gigabytes:.1} GB"));
    machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_typed_again() {
        assert_eq!(quoted("--rate=20"), "--rate=20");
        assert_eq!(quoted("exec@1s:a b's"), "'exec@1s:a b'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
