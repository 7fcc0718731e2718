//! Files of a load test: what is read, and where its report goes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use pomona_loadtest::record::Record;
use pomona_loadtest::report::Report;
use pomona_loadtest::slo::{SLO_BYTES_MAX, Slo};
use pomona_loadtest::{csv, html, junit, words};
use serde::Serialize;

use crate::cli::{Global, OutArgs, ReportArgs, TableArgs};
use crate::exit::Exit;
use crate::output;

/// Largest report that is read again.
const REPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where a report goes.
#[derive(Debug)]
pub(super) struct Outputs {
    slo: Option<Slo>,
    html: Option<PathBuf>,
    csv: Option<PathBuf>,
    junit: Option<PathBuf>,
    /// Whether JSON is wanted, and in which file; the terminal without one.
    json: Option<Option<PathBuf>>,
}

impl Outputs {
    /// By the flags; objectives are read now, so that a mistake in them costs no run.
    pub(super) fn of(out: &OutArgs, global: &Global) -> anyhow::Result<Self> {
        let json = json(out.json_file.as_deref(), global)?;
        let (html, csv, junit) = (out.html.clone(), out.csv.clone(), out.junit.clone());
        Self { slo: read_slo(out.slo.as_deref())?, html, csv, junit, json }.checked()
    }

    /// For the result of many runs.
    pub(super) fn of_table(out: &TableArgs, global: &Global) -> anyhow::Result<Self> {
        let json = json(out.json_file.as_deref(), global)?;
        Self { slo: read_slo(out.slo.as_deref())?, html: out.html.clone(), csv: None, junit: None, json }
            .checked()
    }

    fn checked(self) -> anyhow::Result<Self> {
        self.paths().try_for_each(|path| check_folder(path))?;
        Ok(self)
    }

    /// For a report that is there already.
    pub(super) fn again(args: &ReportArgs, global: &Global) -> Self {
        let json = global.json.then_some(None);
        Self { slo: None, html: args.html.clone(), csv: args.csv.clone(), junit: args.junit.clone(), json }
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let json = self.json.as_ref().and_then(Option::as_ref);
        [self.html.as_ref(), self.csv.as_ref(), self.junit.as_ref(), json].into_iter().flatten()
    }

    /// The objectives.
    pub(super) fn slo(&self) -> Option<&Slo> {
        self.slo.as_ref()
    }

    /// Writes the files and says the rest. Without records the table is that of the slices of time.
    pub(super) fn write(&self, report: &Report, records: Option<&[Record]>) -> anyhow::Result<()> {
        if let Some(path) = &self.csv {
            let table = records.map_or_else(|| csv::timeline(&report.timeline), csv::records);
            write(path, &table)?;
        }
        if let Some(path) = &self.junit {
            write(path, &junit::suite(report))?;
        }
        self.say(report, html::page, words::summary)
    }

    /// Writes the page of a result, where one is wanted, and says it: as JSON where that is wanted, else in words.
    pub(super) fn say<T: Serialize>(
        &self,
        result: &T,
        page: fn(&T) -> String,
        words: fn(&T, bool) -> String,
    ) -> anyhow::Result<()> {
        if let Some(path) = &self.html {
            write(path, &page(result))?;
        }
        let colours = output::is_terminal();
        match &self.json {
            Some(None) => output::json(result),
            Some(Some(path)) => {
                write(path, &format!("{}\n", serde_json::to_string_pretty(result)?))?;
                output::fragment(&words(result, colours))
            }
            None => output::fragment(&words(result, colours)),
        }
    }
}

/// Whether JSON is wanted, and in which file. `--json` is a flag of every command, so the file behind it stands alone.
fn json(file: Option<&Path>, global: &Global) -> anyhow::Result<Option<Option<PathBuf>>> {
    match (global.json, file) {
        (true, file) => Ok(Some(file.map(Path::to_owned))),
        (false, None) => Ok(None),
        (false, Some(file)) => {
            let reason =
                anyhow!("{0} is not expected; for a report there, write `--json {0}`", file.display());
            Err(Exit::Usage.because(reason))
        }
    }
}

fn read_slo(path: Option<&Path>) -> anyhow::Result<Option<Slo>> {
    let Some(path) = path else { return Ok(None) };
    let text = read(path, SLO_BYTES_MAX as u64)?;
    let slo = Slo::parse(&text).with_context(|| path.display().to_string());
    slo.map(Some).map_err(|error| Exit::Usage.because(error))
}

/// A file of at most this size, as text.
pub(super) fn read(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let context = || format!("cannot read {}", path.display());
    let failed = |error: anyhow::Error| Exit::Usage.because(error);
    let file = fs::File::open(path).with_context(context).map_err(failed)?;
    let mut text = String::new();
    file.take(bytes_max + 1).read_to_string(&mut text).with_context(context).map_err(failed)?;
    if text.len() as u64 > bytes_max {
        return Err(failed(anyhow!("{} has more than {bytes_max} bytes", path.display())));
    }
    Ok(text)
}

/// A report that was written before.
pub(super) fn read_report(path: &Path) -> anyhow::Result<Report> {
    let text = read(path, REPORT_BYTES_MAX)?;
    let report: Result<Report, _> = serde_json::from_str(&text);
    let report = report.map_err(|error| {
        Exit::Usage.because(anyhow!("{} is no report of a load test: {error}", path.display()))
    })?;
    let version = pomona_loadtest::report::VERSION;
    if report.version > version {
        let reason = anyhow!(
            "{} has version {} and this tool reads up to {version}; update it",
            path.display(),
            report.version
        );
        return Err(Exit::Usage.because(reason));
    }
    Ok(report)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A run of an hour whose report has no place to go would be a pity.
fn check_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !path.is_dir() {
        return Ok(());
    }
    Err(Exit::Usage.because(anyhow!("{} cannot be written: there is no such folder", path.display())))
}
