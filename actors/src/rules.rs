//! The rules that this process runs with, for whoever shows them. They come from the configuration and change with a
//! restart alone.

use pomona_config::{FleetConfig, RestartConfig};

use crate::Handle;
use crate::shared::Shared;

/// A look at the rules.
pub struct Rules<'a>(&'a Shared);

impl Handle {
    /// The rules of this process.
    pub fn rules(&self) -> Rules<'_> {
        Rules(&self.shared)
    }
}

impl<'a> Rules<'a> {
    /// When and how often what failed is restarted.
    pub fn restart(&self) -> &'a RestartConfig {
        &self.0.restart
    }

    /// What is to be loaded, kept and unloaded.
    pub fn fleet(&self) -> &'a FleetConfig {
        &self.0.fleet
    }

    /// Whether this machine hosts models.
    pub fn hosts(&self) -> bool {
        self.0.hosts
    }

    /// Bytes that models may take here.
    pub fn memory_bytes_max(&self) -> u64 {
        self.0.memory_bytes
    }
}
