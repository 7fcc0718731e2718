//! The hub that models are downloaded from, by the variables that people know. `pomona models pull` and gateways ask it.

use anyhow::anyhow;
use pomona_actors::HubSource;
use pomona_weights::hub::{HUB_DEFAULT, Token};

use crate::exit::Exit;

/// By `HF_ENDPOINT` and `HF_TOKEN`.
pub(crate) fn source() -> anyhow::Result<HubSource> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let token = match variable("HF_TOKEN") {
        None => None,
        Some(text) => Some(Token::new(&text).ok_or_else(|| {
            Exit::Configuration
                .because(anyhow!("HF_TOKEN is no token: it has a space or something else odd in it"))
        })?),
    };
    let address = variable("HF_ENDPOINT").unwrap_or_else(|| HUB_DEFAULT.to_owned());
    Ok(HubSource { address, token })
}
