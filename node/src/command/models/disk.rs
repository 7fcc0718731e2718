//! Models on this machine's own disk, without a gateway: listing them, and comparing one with what it was.

use std::process::ExitCode;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use pomona_protocol::ModelId;
use pomona_weights::{Catalog, describe, hub};
use serde_json::json;

use super::list::Row;
use crate::cli::Global;
use crate::command::status::bytes;
use crate::exit::Exit;
use crate::output::{self, harmless};
use crate::paths::Paths;

/// What lies in the models folder.
pub(super) fn rows(paths: &Paths) -> Vec<Row> {
    let row = |(model, folder): (ModelId, std::path::PathBuf)| Row {
        card: describe(&model, &folder),
        id: model.0,
        on_disk: vec!["here".to_owned()],
        ..Row::default()
    };
    Catalog::new(&paths.data_dir).folders().into_iter().map(row).collect()
}

/// The folder of a model.
pub(super) fn folder(paths: &Paths, model: &str) -> Option<std::path::PathBuf> {
    let folders = Catalog::new(&paths.data_dir).folders();
    folders.into_iter().find(|(known, _)| known.0 == model).map(|(_, folder)| folder)
}

/// Compares, and says what differs.
pub(super) fn verify(model: &str, global: &Global) -> anyhow::Result<ExitCode> {
    let paths = Paths::discover(global.home.as_deref())?;
    let folder = folder(&paths, model).ok_or_else(|| {
        anyhow!("no model `{}` lies in {}", harmless(model), paths.data_dir.join("models").display())
    })?;
    let bar = ProgressBar::no_length().with_message(harmless(model));
    bar.set_style(
        ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let verified = hub::verify(&folder, &|done| {
        bar.set_length(done.bytes_total);
        bar.set_position(done.bytes_done);
    });
    bar.finish_and_clear();
    let verified = verified?;
    let problems: Vec<String> =
        verified.problems.iter().map(|problem| harmless(&problem.to_string())).collect();
    if global.json {
        output::json(&json!({
            "model": model, "files": verified.files, "bytes": verified.bytes, "problems": problems
        }))?;
    } else if problems.is_empty() {
        output::line(&format!("{model} is whole: {} files, {}", verified.files, bytes(verified.bytes)))?;
    } else {
        problems.iter().try_for_each(|problem| output::line(problem))?;
        output::remark(&format!("pull it again after `pomona models rm {}`", harmless(model)));
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Failed }.into())
}
