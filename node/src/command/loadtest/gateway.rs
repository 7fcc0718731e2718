//! The gateway that a load test asks: found as every other command finds it, with the model and the versions that a report names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use pomona_client::{Client, Endpoint, Given};
use pomona_loadtest::run::{Faults, Target, TargetError};

use crate::cli::{ChaosArgs, Global};
use crate::exit::Exit;

/// Who is asked.
pub(super) struct Gateway {
    /// Chains go to them in turn.
    pub(super) targets: Vec<Arc<Target>>,
    /// The model that is asked for.
    pub(super) model: String,
    /// Version of this tool and, where it says it, of the gateway.
    pub(super) versions: BTreeMap<String, String>,
}

impl Gateway {
    /// Finds it by the flags of every command. All addresses that are given are asked, in turn.
    pub(super) async fn find(global: &Global, model: Option<&str>) -> anyhow::Result<Self> {
        Self::at(super::super::endpoint(global)?, model).await
    }

    /// Finds another one, with a key of its own or that of the first.
    pub(super) async fn other(
        global: &Global,
        url: &str,
        key_file: Option<&Path>,
        model: &str,
    ) -> anyhow::Result<Self> {
        let own = super::super::endpoint(global)?;
        let key = match key_file {
            Some(path) => Some(super::super::read_key(path)?),
            None => own.gateways.into_iter().next().and_then(|gateway| gateway.key),
        };
        let given = Given { urls: vec![url.to_owned()], key, authority: own.authority };
        let endpoint = Endpoint::discover(given, Given::default(), Given::default())?;
        let mut found =
            Self { targets: targets(&endpoint).await?, model: model.to_owned(), versions: versions() };
        // A gateway of another make has no such route.
        if let Ok(status) = Client::new(endpoint)?.status().await {
            found.versions.insert("gateway".to_owned(), status.version);
        }
        Ok(found)
    }

    async fn at(endpoint: Endpoint, model: Option<&str>) -> anyhow::Result<Self> {
        let targets = targets(&endpoint).await?;
        let client = Client::new(endpoint)?;
        let model = match model {
            Some(model) => served(&client, model).await?,
            None => super::super::chat::first_model(&client).await?,
        };
        let mut versions = versions();
        if let Ok(status) = client.status().await {
            versions.insert("gateway".to_owned(), status.version);
        }
        Ok(Self { targets, model, versions })
    }

    /// The faults that the flags ask for, each with its target found.
    pub(super) async fn faults(&self, args: &ChaosArgs, length: Duration) -> anyhow::Result<Faults> {
        let list: Vec<_> = args.chaos.iter().flat_map(|list| list.0.iter().cloned()).collect();
        if let Some(late) = list.iter().find(|fault| fault.at > length) {
            let reason = anyhow!(
                "a fault is to come after {:.1} s, behind the end of the load after {:.1} s; make it earlier, or --duration longer",
                late.at.as_secs_f64(),
                length.as_secs_f64()
            );
            return Err(Exit::Usage.because(reason));
        }
        let found = Faults::find(list, args.chaos_exec.clone(), &self.targets[0]).await;
        found.map_err(|error| Exit::Usage.because(error))
    }

    /// The address that a report names.
    pub(super) fn url(&self) -> String {
        let urls: Vec<&str> = self.targets.iter().map(|target| target.url.as_str()).collect();
        urls.join(",")
    }
}

/// The model, when the gateway serves it.
async fn served(client: &Client, model: &str) -> anyhow::Result<String> {
    let models: Vec<String> = client.models().await?.into_iter().map(|served| served.id).collect();
    if models.iter().any(|served| served == model) {
        return Ok(model.to_owned());
    }
    let known = if models.is_empty() { "none".to_owned() } else { models.join(", ") };
    Err(Exit::Usage.because(anyhow!("the gateway serves no model `{model}`; it serves {known}")))
}

fn versions() -> BTreeMap<String, String> {
    BTreeMap::from([("pomona loadtest".to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
}

async fn targets(endpoint: &Endpoint) -> anyhow::Result<Vec<Arc<Target>>> {
    let mut targets = Vec::with_capacity(endpoint.gateways.len());
    for gateway in &endpoint.gateways {
        let key = gateway.key.as_ref().map(pomona_client::Secret::reveal);
        let found = Target::find(gateway.url.as_str(), key, endpoint.authority.as_deref()).await;
        let target = found.map_err(|error| match error {
            TargetError::Url { .. } => Exit::Usage.because(error),
            TargetError::Name { .. } | TargetError::Encryption(_) => Exit::Unavailable.because(error),
        })?;
        targets.push(Arc::new(target));
    }
    Ok(targets)
}
