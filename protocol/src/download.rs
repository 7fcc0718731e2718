//! Downloads of models from a hub, as a gateway tells them.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::NodeId;
use crate::ids::IdError;

/// Names a download, in texts and JSON as `dl_` and 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownloadId(pub u64);

impl fmt::Display for DownloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dl_{:016x}", self.0)
    }
}

impl FromStr for DownloadId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("dl_").filter(|hex| hex.len() == 16);
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        number.map(DownloadId).ok_or_else(|| IdError::new(text, "download id", "dl_ and 16 hex digits"))
    }
}

impl Serialize for DownloadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DownloadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a download is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownloadState {
    /// Others are before it.
    Waiting,
    /// Bytes come, or the list of files.
    Running,
    /// Files are compared with their hashes.
    Proving,
    /// Somebody stopped it; what is on the disk stays.
    Paused,
    /// The model is in its place.
    Done,
    /// It ended; what is on the disk stays.
    Failed,
}

impl DownloadState {
    /// Whether nothing more happens to it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, DownloadState::Done | DownloadState::Failed)
    }

    /// Whether it holds one of the places for downloads that run.
    pub fn is_running(self) -> bool {
        matches!(self, DownloadState::Running | DownloadState::Proving)
    }
}

/// A download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Download {
    /// Its id.
    pub id: DownloadId,
    /// The repository, as `owner/name`.
    pub repo: String,
    /// Branch, tag or commit that was asked for.
    pub revision: String,
    /// Which file of it, with `*` and `?`; `None` for what the repository is for.
    pub file: Option<String>,
    /// What clients will call the model, once that is known.
    pub model: Option<String>,
    /// The commit, once that is known.
    pub commit: Option<String>,
    /// The machine whose disk it goes to.
    pub node: NodeId,
    /// What people call that machine.
    pub name: String,
    /// What it is doing.
    pub state: DownloadState,
    /// Files; 0 until they are known.
    pub files: u32,
    /// Bytes in all; 0 until they are known.
    pub bytes_total: u64,
    /// Bytes on the disk.
    pub bytes_done: u64,
    /// Bytes per second over the last five; 0 unless it runs.
    pub bytes_per_s: f64,
    /// Seconds to its end at this speed.
    pub eta_s: Option<u64>,
    /// A question that failed and will be asked again.
    pub retry: Option<DownloadRetry>,
    /// Why it failed.
    pub error: Option<DownloadError>,
    /// Who asked: the id of the key.
    pub by: String,
    /// When it was asked for, in Unix milliseconds.
    pub started_unix_ms: u64,
    /// When its state last changed, in Unix milliseconds.
    pub changed_unix_ms: u64,
}

/// A question that failed and will be asked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRetry {
    /// The file, or the list.
    pub what: String,
    /// Why.
    pub message: String,
    /// When, in Unix milliseconds.
    pub at_unix_ms: u64,
}

/// Why a download failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadError {
    /// `hub_unreachable`, `hub_denied`, `hub_invalid`, `no_weights`, `model_exists`, `disk_full` or `internal_error`.
    pub code: String,
    /// In words, with what may help.
    pub message: String,
}
