//! Which pieces of an unfinished model are on the disk: a file of records that only grows. A record is written
//! after its piece was synced, so each one that reads back whole tells the truth; a torn tail is cut off.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::digest::Digest;

/// Number of the piece and the first bytes of its hash, which tell a torn or damaged record.
const RECORD_BYTES: usize = 8;
const CHECK_BYTES: usize = 4;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// Opens or makes one, and tells the pieces in it. What follows the first bad record is forgotten.
    pub(crate) fn open(path: &Path, pieces: u32) -> io::Result<(Self, BTreeSet<u32>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        // Each piece may have been journaled again after it was found damaged.
        let longest = u64::from(pieces).saturating_mul(4 * RECORD_BYTES as u64);
        (&mut file).take(longest).read_to_end(&mut bytes)?;
        let mut known = BTreeSet::new();
        let mut good = 0;
        for record in bytes.as_chunks::<RECORD_BYTES>().0 {
            let Some(piece) = decode(record).filter(|piece| *piece < pieces) else { break };
            known.insert(piece);
            good += RECORD_BYTES as u64;
        }
        file.set_len(good)?;
        file.seek(SeekFrom::Start(good))?;
        Ok((Self { file }, known))
    }

    /// Notes a piece that is on the disk.
    pub(crate) fn note(&mut self, piece: u32) -> io::Result<()> {
        self.file.write_all(&encode(piece))
    }

    /// Forgets all but these, when some turned out to be damaged.
    pub(crate) fn rewrite(&mut self, pieces: &BTreeSet<u32>) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        let records: Vec<u8> = pieces.iter().flat_map(|piece| encode(*piece)).collect();
        self.file.write_all(&records)
    }
}

fn encode(piece: u32) -> [u8; RECORD_BYTES] {
    let number = piece.to_be_bytes();
    let mut record = [0; RECORD_BYTES];
    record[..CHECK_BYTES].copy_from_slice(&number);
    record[CHECK_BYTES..].copy_from_slice(&Digest::of(&number).0[..CHECK_BYTES]);
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> Option<u32> {
    let number = u32::from_be_bytes(*record.first_chunk()?);
    (encode(number) == *record).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_tail_is_cut_off_and_the_journal_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, known) = Journal::open(&path, 9).unwrap();
        assert!(known.is_empty());
        [3, 7, 8].iter().for_each(|piece| journal.note(*piece).unwrap());
        for cut in 1..RECORD_BYTES as u64 {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(3 * RECORD_BYTES as u64 - cut).unwrap();
            let (mut journal, known) = Journal::open(&path, 9).unwrap();
            assert_eq!(known, BTreeSet::from([3, 7]));
            journal.note(8).unwrap();
        }
        assert_eq!(Journal::open(&path, 9).unwrap().1, BTreeSet::from([3, 7, 8]));
    }

    #[test]
    fn garbage_is_no_piece() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, [&encode(1)[..], &[0; 8], &encode(2)].concat()).unwrap();
        assert_eq!(Journal::open(&path, 9).unwrap().1, BTreeSet::from([1]));
        std::fs::write(&path, encode(9)).unwrap();
        assert!(Journal::open(&path, 9).unwrap().1.is_empty());
    }
}
