//! The weight files of a folder, mapped into memory: tensors by name, out of one file or several.
//!
//! Opened by [`Checkpoint::open`](super::Checkpoint::open). A folder has either `model.safetensors` or an index that
//! says which tensor lies in which file beside it.
#![expect(unsafe_code, reason = "mapping a file is unsafe because another process could change it")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use memmap2::Mmap;

use super::header::{self, Entry};
use super::quantisation::Quantisation;
use super::quantised::{self, Quantised};
use super::tensor::TensorView;
use super::{LoadError, json};

const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";
/// More weight files than any model has; each costs a mapping.
const FILES_MAX: usize = 10_000;

/// All weight files of a folder.
#[derive(Debug)]
pub(super) struct WeightFiles {
    files: Vec<WeightFile>,
    /// For each tensor the number of its file.
    places: BTreeMap<String, usize>,
    quantised: BTreeMap<String, Quantised>,
    /// Named in messages about tensors that are nowhere.
    catalogue: PathBuf,
}

/// One of them.
#[derive(Debug)]
pub(super) struct WeightFile {
    pub(super) path: PathBuf,
    pub(super) map: Mmap,
    entries: BTreeMap<String, Entry>,
}

impl WeightFiles {
    /// Maps all files of the folder and reads their headers.
    pub(super) fn open(dir: &Path, quantisation: &Quantisation) -> Result<WeightFiles, LoadError> {
        let index_path = dir.join(INDEX_FILE);
        let mut files = match json::read_optional(&index_path)? {
            Some(index) if !dir.join(SINGLE_FILE).exists() => {
                WeightFiles::open_sharded(dir, &index_path, &index)?
            }
            _ => WeightFiles::open_single(&dir.join(SINGLE_FILE))?,
        };
        files.quantised = quantised::find(&files, quantisation)?;
        Ok(files)
    }

    fn open_single(path: &Path) -> Result<WeightFiles, LoadError> {
        let file = WeightFile::open(path)?;
        let places = file.entries.keys().map(|name| (name.clone(), 0)).collect();
        Ok(WeightFiles { files: vec![file], places, quantised: BTreeMap::new(), catalogue: path.to_owned() })
    }

    fn open_sharded(dir: &Path, index_path: &Path, index: &json::Object) -> Result<WeightFiles, LoadError> {
        let weight_map = index.object("weight_map")?.ok_or_else(|| index.missing("weight_map"))?;
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut files = Vec::new();
        let mut places = BTreeMap::new();
        for (tensor, name) in &weight_map.map {
            let name = name.as_str().ok_or_else(|| weight_map.bad(tensor, name, "the name of a file"))?;
            let number = match numbers.get(name) {
                Some(&number) => number,
                None => {
                    if !is_plain_name(name) {
                        let found = name.to_owned();
                        return Err(LoadError::OutsideFolder { file: index_path.to_owned(), found });
                    }
                    if files.len() == FILES_MAX {
                        return Err(weight_map.bad(tensor, name, format!("at most {FILES_MAX} files")));
                    }
                    files.push(WeightFile::open(&dir.join(name))?);
                    numbers.insert(name, files.len() - 1);
                    files.len() - 1
                }
            };
            places.insert(tensor.clone(), number);
        }
        Ok(WeightFiles { files, places, quantised: BTreeMap::new(), catalogue: index_path.to_owned() })
    }

    /// Whether there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// A tensor of a type that we can use.
    pub(super) fn tensor(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        if let Some(quantised) = self.quantised.get(name) {
            return quantised.view(self);
        }
        let (file, entry) = self.entry(name)?;
        let dtype = entry.dtype.ok_or_else(|| wrong_type(file, name, entry, "F32, F16 or BF16"))?;
        Ok(TensorView::new(dtype, &entry.shape, &file.map[entry.start..entry.end]))
    }

    /// The bytes of a tensor of bytes.
    pub(super) fn raw_bytes(&self, name: &str) -> Result<&[u8], LoadError> {
        let (file, entry) = self.entry(name)?;
        match entry.dtype_name.as_str() {
            "U8" => Ok(&file.map[entry.start..entry.end]),
            _ => Err(wrong_type(file, name, entry, "U8")),
        }
    }

    /// Checks that a tensor is there in the shape that is needed.
    pub(super) fn check(&self, name: &str, shape: &[usize]) -> Result<(), LoadError> {
        let (file, entry) = self.entry(name)?;
        let found = self.quantised.get(name).map_or(entry.shape.as_slice(), Quantised::shape);
        let expected: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
        if found == expected {
            return Ok(());
        }
        let (file, tensor) = (file.path.clone(), name.to_owned());
        Err(LoadError::TensorShape { file, tensor, found: found.to_vec(), expected })
    }

    /// The file of a tensor, or where it was looked for.
    pub(super) fn file_of(&self, name: &str) -> &Path {
        self.entry(name).map_or(&self.catalogue, |(file, _)| &file.path)
    }

    /// The names of all tensors as the files have them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The file of a tensor, and what its header says.
    pub(super) fn entry(&self, name: &str) -> Result<(&WeightFile, &Entry), LoadError> {
        let missing =
            |file: &Path| LoadError::TensorMissing { file: file.to_owned(), tensor: name.to_owned() };
        let &number = self.places.get(name).ok_or_else(|| missing(&self.catalogue))?;
        let file = &self.files[number];
        let entry = file.entries.get(name).ok_or_else(|| missing(&file.path))?;
        Ok((file, entry))
    }
}

/// The error for a tensor of a type that does not do.
pub(super) fn wrong_type(file: &WeightFile, name: &str, entry: &Entry, expected: &'static str) -> LoadError {
    let (file, tensor, found) = (file.path.clone(), name.to_owned(), entry.dtype_name.clone());
    LoadError::TensorType { file, tensor, found, expected }
}

impl WeightFile {
    fn open(path: &Path) -> Result<WeightFile, LoadError> {
        let unreadable = |error: std::io::Error| LoadError::Unreadable {
            file: path.to_owned(),
            message: error.to_string(),
        };
        let file = File::open(path).map_err(unreadable)?;
        // SAFETY: the mapping is private and read only. Like every program that maps model files we rely on nobody
        // changing a file while it is loaded; the backend copies what it keeps, so that this time is short.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        let entries = header::read(path, &map)?;
        Ok(WeightFile { path: path.to_owned(), map, entries })
    }
}

/// Whether a name is a single step down from the folder: no way up, no absolute path, no folder below.
fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let is_normal = matches!(components.next(), Some(Component::Normal(_)));
    is_normal && components.next().is_none() && !name.contains(['/', '\\', '\0'])
}
