//! What the tests of pulling share: a hub with a small model, a models folder, short limits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pomona_weights::hub::{
    Endpoint, Order, PullError, PullEvent, PullLimits, Pulled, RetryLimits, Token, pull,
};

use crate::fake_hub::FakeHub;

pub(crate) const PIECE: usize = 4 * 1024 * 1024;
const CONFIG: &[u8] = br#"{"model_type":"llama"}"#;

/// A safetensors file of this size, with bytes that differ everywhere.
pub(crate) fn weights(bytes: usize) -> Vec<u8> {
    let mut content: Vec<u8> =
        (0..bytes as u64).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    content[..8].copy_from_slice(&16u64.to_le_bytes());
    content
}

pub(crate) fn files(weight_bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"# read".to_vec()),
        ("config.json", CONFIG.to_vec()),
        ("model.safetensors", weights(weight_bytes)),
        ("tokenizer.json", b"{}".repeat(4000)),
    ]
}

pub(crate) fn limits() -> PullLimits {
    PullLimits {
        streams_max: 3,
        span_pieces_max: 1,
        stall_max: Duration::from_secs(20),
        retry: RetryLimits {
            failures_max: 4,
            pause_base: Duration::from_millis(5),
            pause_max: Duration::from_millis(20),
            told_pause_max: Duration::from_secs(1),
        },
        disk_reserve_bytes: 0,
        lock_wait_max: Duration::from_millis(200),
    }
}

pub(crate) struct Site {
    pub(crate) hub: FakeHub,
    pub(crate) models: tempfile::TempDir,
    pub(crate) events: Arc<Mutex<Vec<PullEvent>>>,
}

impl Site {
    pub(crate) async fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let models = tempfile::tempdir().unwrap();
        Self { hub: FakeHub::start(files).await, models, events: Arc::default() }
    }

    pub(crate) async fn pull_as(
        &self,
        reference: &str,
        token: Option<&str>,
        limits: PullLimits,
    ) -> Result<Pulled, PullError> {
        let order = Order { reference: reference.parse().unwrap(), pattern: None, model: None, into: None };
        self.order(order, token, self.models.path(), limits).await
    }

    pub(crate) async fn order(
        &self,
        order: Order,
        token: Option<&str>,
        models: &Path,
        limits: PullLimits,
    ) -> Result<Pulled, PullError> {
        let endpoint = Endpoint::new(&self.hub.url(), token.and_then(Token::new)).await.unwrap();
        let events = Arc::clone(&self.events);
        let hear = Arc::new(move |event| events.lock().unwrap().push(event));
        pull(order, endpoint, models, limits, hear).await
    }

    pub(crate) async fn pull(&self) -> Result<Pulled, PullError> {
        self.pull_as("owner/apple", None, limits()).await
    }

    pub(crate) fn place(&self) -> PathBuf {
        self.models.path().join("apple")
    }

    /// Questions for this file since the start.
    pub(crate) fn asked(&self, part: &str) -> usize {
        self.hub.asked().iter().filter(|asked| asked.path.contains(part)).count()
    }

    pub(crate) fn is_whole(&self, files: &[(&str, Vec<u8>)]) -> bool {
        files
            .iter()
            .filter(|(path, _)| *path != "README.md")
            .all(|(path, bytes)| fs::read(self.place().join(path)).is_ok_and(|found| found == *bytes))
    }
}
