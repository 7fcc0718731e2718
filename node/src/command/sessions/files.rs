//! Conversations as files: written for people or for another gateway, read back from there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use pomona_client::Client;
use pomona_protocol::v3::ExportBody;
use serde_json::json;

use super::session_id;
use crate::cli::{ExportArgs, ExportFormat, Global};
use crate::exit::Exit;
use crate::output::{self, harmless};

/// Bytes of a file that is imported: ten thousand long turns.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Writes a conversation to stdout or into a file.
pub(super) async fn export(client: &Client, args: ExportArgs, global: &Global) -> anyhow::Result<()> {
    let id = session_id(client, &args.id).await?;
    let format = format(&args, global.json);
    let text = match format {
        ExportFormat::Md => client.export_markdown(&id).await?,
        ExportFormat::Json => format!("{}\n", serde_json::to_string_pretty(&client.export_json(&id).await?)?),
    };
    match args.output {
        Some(file) => {
            write(&file, text.as_bytes())?;
            if global.json {
                return output::json(&json!({ "session": id, "file": file }));
            }
            output::remark(&format!("wrote {}", file.display()));
            Ok(())
        }
        None if output::is_terminal() => output::fragment(&harmless(&text)),
        None => output::raw(&text),
    }
}

/// What was asked for, else what the name of the file says.
fn format(args: &ExportArgs, json: bool) -> ExportFormat {
    let ending = args.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    match (args.format, ending) {
        (Some(format), _) => format,
        (None, Some(ending)) if ending.eq_ignore_ascii_case("json") => ExportFormat::Json,
        (None, None) if json => ExportFormat::Json,
        (None, _) => ExportFormat::Md,
    }
}

/// Writes beside the file first, so that a full disk leaves the old one as it was. A link stays one, and what is no
/// file, `/dev/stdout` or a pipe for instance, is written into and not replaced.
pub(in crate::command) fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = || -> io::Result<()> {
        let target = match std::fs::metadata(file) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => return File::options().write(true).open(file)?.write_all(bytes),
            Ok(_) => file.canonicalize()?,
            Err(_) => file.to_owned(),
        };
        let folder =
            target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such folder"));
        }
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(bytes)?;
        draft.as_file().sync_all()?;
        draft.persist(&target).map_err(|error| error.error)?;
        Ok(())
    };
    written().with_context(|| format!("cannot write {}", file.display()))
}

/// A conversation from a file, or from stdin for `-`.
pub(super) fn read(file: &PathBuf) -> anyhow::Result<ExportBody> {
    let (what, reader): (String, Box<dyn Read>) = if file.as_os_str() == "-" {
        ("stdin".to_owned(), Box::new(io::stdin()))
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        (file.display().to_string(), Box::new(opened))
    };
    let mut bytes = Vec::new();
    let read = reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {what}"))?;
    parse(&what, &bytes)
}

fn parse(what: &str, bytes: &[u8]) -> anyhow::Result<ExportBody> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let message = format!("{what} is longer than {FILE_BYTES_MAX} bytes");
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!(
            "{what} is no exported session: {error}; `pomona sessions export --format json` writes one"
        );
        Exit::Usage.because(anyhow!(message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_decides_the_format_and_then_the_name_of_the_file() {
        let args = |format, output: Option<&str>| ExportArgs {
            id: String::new(),
            format,
            output: output.map(PathBuf::from),
        };
        for (flag, output, json, expected) in [
            (None, None, false, ExportFormat::Md),
            (None, Some("a.JSON"), false, ExportFormat::Json),
            (None, Some("a.md"), true, ExportFormat::Md),
            (None, None, true, ExportFormat::Json),
            (Some(ExportFormat::Md), Some("a.json"), true, ExportFormat::Md),
        ] {
            assert_eq!(format(&args(flag, output), json), expected, "{flag:?} {output:?} {json}");
        }
    }

    #[test]
    fn what_is_no_export_is_named_with_the_remedy() {
        let good = r#"{"format":"pomona.session.v3","title":"t","model":"m","turns":[]}"#;
        assert_eq!(parse("f", good.as_bytes()).unwrap().title, "t");
        for bytes in [&b""[..], b"{}", b"[1]", b"\xff"] {
            let error = parse("pie.json", bytes).unwrap_err().to_string();
            assert!(
                error.starts_with("pie.json is no exported session") && error.contains("--format json"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.md");
        for text in ["long text", "b"] {
            write(&file, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        let error = write(&folder.path().join("none/a.md"), b"x").unwrap_err();
        assert!(format!("{error:#}").ends_with("none/a.md: there is no such folder"), "{error:#}");
        assert!(write(folder.path(), b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.md"), folder.path().join("b.md"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("a.md", &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        let null = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        write(&null, b"x").unwrap();
        assert!(null.is_symlink() && !Path::new("/dev/null").is_file());
    }
}
