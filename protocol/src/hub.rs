//! What a hub of models has, as a gateway tells it to whoever chooses a download.

use serde::{Deserialize, Serialize};

/// The answer to a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubAnswer {
    /// The hub's address.
    pub hub: String,
    /// What it found, in its own order.
    pub models: Vec<HubModel>,
    /// False for a mirror that has files and no search; a repository has to be named whole there.
    pub has_search: bool,
}

/// A repository that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubModel {
    /// `owner/name`.
    pub repo: String,
    /// Downloads lately, as the hub counts them; 0 when it does not say.
    pub downloads: u64,
    /// People who like it; 0 when the hub does not say.
    pub likes: u64,
    /// When it last changed, in Unix milliseconds; 0 when the hub does not say.
    pub updated_unix_ms: u64,
    /// Whether its files are for those alone who accepted its terms at the hub.
    pub is_gated: bool,
    /// What the hub says of its kind.
    pub tags: Vec<String>,
}

/// What a repository offers, of which one is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubRepo {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit that it is at.
    pub commit: String,
    /// What can be taken; empty when nothing of it can be served.
    pub choices: Vec<HubChoice>,
    /// Which of them is taken when nobody says otherwise; `None` when somebody has to say.
    pub default: Option<usize>,
    /// Bytes that a download may still write to this gateway's disk.
    pub disk_bytes_free: u64,
}

/// One model of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubChoice {
    /// The pattern that a download takes it by; `None` for what the repository is for.
    pub file: Option<String>,
    /// What clients will call it.
    pub model: String,
    /// `safetensors` or `gguf`.
    pub format: String,
    /// `Q4_K_M`, `4 bit`, `BF16`, as its name has it; empty when that says nothing.
    pub quantisation: String,
    /// Files that are taken, the small ones beside the weights included.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whether these very files lie on this gateway's disk already.
    pub is_here: bool,
}
