//! Pictures from files, for `pomona chat --image`: their type by their first bytes, and no larger than a gateway takes.

use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pomona_protocol::limits::{IMAGE_BYTES_MAX, IMAGES_MAX};

use crate::exit::Exit;

/// The type of each file and its content in base64.
pub(super) fn read(files: &[impl AsRef<Path>]) -> anyhow::Result<Vec<(String, String)>> {
    if files.len() > IMAGES_MAX {
        let message = format!("{} pictures; at most {IMAGES_MAX} are taken", files.len());
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    files.iter().map(|file| one(file.as_ref())).collect()
}

fn one(file: &Path) -> anyhow::Result<(String, String)> {
    let shown = file.display();
    let bytes = std::fs::metadata(file).with_context(|| format!("cannot read {shown}"))?.len();
    if bytes > IMAGE_BYTES_MAX as u64 {
        let message = format!("{shown} has {bytes} bytes; at most {IMAGE_BYTES_MAX} are taken");
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    let content = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let media_type = type_of(&content)
        .ok_or_else(|| Exit::Usage.because(anyhow!("{shown} is no png, jpeg, webp or gif")))?;
    Ok((media_type.to_owned(), STANDARD.encode(content)))
}

fn type_of(content: &[u8]) -> Option<&'static str> {
    match content {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, [0x89, b'P', b'N', b'G', 13]).unwrap();
        assert_eq!(read(&[&file]).unwrap(), [("image/png".to_owned(), "iVBORw0=".to_owned())]);
        std::fs::write(&file, "text").unwrap();
        assert_eq!(Exit::of(&read(&[&file]).unwrap_err()), Exit::Usage);
        assert!(read(&[folder.path().join("none")]).is_err());
        assert_eq!(Exit::of(&read(&[&file; 17]).unwrap_err()), Exit::Usage);
    }
}
