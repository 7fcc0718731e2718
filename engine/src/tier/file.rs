//! One file of the tier: a safetensors file with the KV of several blocks.
//!
//! Each block is a tensor of bytes, named by its prefix; the header says the SHA-256 of each, which is compared on
//! every read. A file is written under another name and renamed when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::prefix::PrefixKey;

/// Bytes of a header. A block takes about 250, so that a file with more is none of ours.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// Where a block lies in its file, and what its bytes must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) bytes: usize,
    sha256: [u8; 32],
}

/// Why a block or a header cannot be had.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The file has gone: another engine made room.
    Gone,
    /// The file is not what was written.
    Broken,
    /// The disk does not answer.
    Disk(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Unreadable::Gone,
            io::ErrorKind::UnexpectedEof => Unreadable::Broken,
            _ => Unreadable::Disk(error),
        }
    }
}

/// Writes a file of blocks; returns where they lie.
pub(super) fn write(path: &Path, blocks: &[(PrefixKey, Vec<u8>)]) -> io::Result<Vec<(PrefixKey, Place)>> {
    let mut metadata = Map::new();
    let mut tensors = Map::new();
    let mut end = 0;
    let mut places = Vec::new();
    for (key, bytes) in blocks {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        metadata.insert(key.hex(), PrefixKey(sha256).hex().into());
        let offsets = [end, end + bytes.len()];
        tensors.insert(key.hex(), json!({"dtype": "U8", "shape": [bytes.len()], "data_offsets": offsets}));
        places.push((*key, Place { offset: end as u64, bytes: bytes.len(), sha256 }));
        end += bytes.len();
    }
    tensors.insert("__metadata__".to_owned(), Value::Object(metadata));
    let header = Value::Object(tensors).to_string();
    let start = 8 + header.len() as u64;
    places.iter_mut().for_each(|(_, place)| place.offset += start);
    let unfinished = path.with_extension("tmp");
    let written = (|| {
        // What a conversation was about can be guessed from its KV: for this user only, like the sessions.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for (_, bytes) in blocks {
            file.write_all(bytes)?;
        }
        fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        // A disk that is full can still let go of a file; if not, the next start does.
        let _ = fs::remove_file(&unfinished);
    }
    written.map(|()| places)
}

/// The blocks that a file says it has. The file must be as long as its header says.
pub(super) fn read_header(path: &Path) -> Result<Vec<(PrefixKey, Place)>, Unreadable> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > HEADER_BYTES_MAX {
        return Err(Unreadable::Broken);
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)?;
    let header: Map<String, Value> = serde_json::from_slice(&header).map_err(|_| Unreadable::Broken)?;
    let Some(Value::Object(metadata)) = header.get("__metadata__") else { return Err(Unreadable::Broken) };
    let mut places = Vec::new();
    for (name, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let place = place_of(tensor, metadata.get(name), 8 + size);
        let (Some(key), Some(place)) = (PrefixKey::from_hex(name), place) else {
            return Err(Unreadable::Broken);
        };
        if place.offset.checked_add(place.bytes as u64).is_none_or(|end| end > length) {
            return Err(Unreadable::Broken);
        }
        places.push((key, place));
    }
    Ok(places)
}

fn place_of(tensor: &Value, sha256: Option<&Value>, start: u64) -> Option<Place> {
    let offsets = tensor.get("data_offsets")?;
    let (begin, end) = (offsets.get(0)?.as_u64()?, offsets.get(1)?.as_u64()?);
    let sha256 = PrefixKey::from_hex(sha256?.as_str()?)?.0;
    let bytes = usize::try_from(end.checked_sub(begin)?).ok()?;
    Some(Place { offset: start.checked_add(begin)?, bytes, sha256 })
}

/// The bytes of a block, if they are those that were written.
pub(super) fn read_block(path: &Path, place: &Place) -> Result<Vec<u8>, Unreadable> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut bytes = vec![0; place.bytes];
    file.read_exact(&mut bytes)?;
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != place.sha256 {
        return Err(Unreadable::Broken);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u8) -> PrefixKey {
        PrefixKey([name; 32])
    }

    #[test]
    fn what_was_written_is_read_and_a_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.safetensors");
        let blocks = [(key(1), vec![7; 100]), (key(2), (0..=255).collect())];
        let places = write(&path, &blocks).unwrap();
        let mut found = read_header(&path).unwrap();
        found.sort_by_key(|(key, _)| *key);
        assert_eq!(found, places);
        for ((_, place), (_, bytes)) in places.iter().zip(&blocks) {
            assert_eq!(&read_block(&path, place).unwrap(), bytes);
        }
        assert!(safetensors::SafeTensors::deserialize(&fs::read(&path).unwrap()).is_ok());
        let whole = fs::read(&path).unwrap();
        for position in [8, 60, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[position] ^= 1;
            fs::write(&path, &changed).unwrap();
            let places = read_header(&path).unwrap_or_default();
            let is_noticed = |(_, place): &(PrefixKey, Place)| read_block(&path, place).is_err();
            let names: Vec<_> = places.iter().map(|(key, _)| *key).collect();
            assert!(places.iter().any(is_noticed) || names != [key(1), key(2)], "byte {position}");
        }
        for length in [0, 4, 9, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(read_header(&path), Err(Unreadable::Broken)), "{length} bytes");
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read_header(&path), Err(Unreadable::Gone)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing unfinished is left");
    }
}
