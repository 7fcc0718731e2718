//! The flags of the commands that serve until a signal ends them: up, node, gateway. What is set in the configuration
//! by a flag wins over the file and the environment.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use pomona_config::Override;
use pomona_protocol::JoinToken;

use super::values::{parse_address, parse_name};

/// Flags of `pomona up`; those with a key in the configuration win over it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UpArgs {
    /// Where it listens.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// Hugging Face folder to serve instead of the built-in model (model.path)
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    /// Which cluster, and as whom; without a token it has one of its own.
    #[command(flatten)]
    pub(crate) join: JoinArgs,
}

impl UpArgs {
    /// What the flags set in the configuration; named flags win over `--set`.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let model = self.model.as_ref().map(|path| path.to_string_lossy().into_owned());
        let model = model.map(|path| over("--model", "model.path", path));
        self.serve.overrides().chain(model).chain(self.join.overrides()).collect()
    }
}

/// Flags of `pomona node`; those with a key in the configuration win over it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NodeArgs {
    /// Which cluster, and as whom.
    #[command(flatten)]
    pub(crate) join: JoinArgs,
    /// Address of a gateway besides those that the cluster tells; may be repeated
    #[arg(long = "gateway", value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) gateways: Vec<String>,
    /// Hugging Face folder to serve instead of the built-in model (model.path)
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    /// Set any key of the configuration; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = parse_set)]
    pub(crate) set: Vec<(String, String)>,
}

impl NodeArgs {
    /// What the flags set in the configuration; named flags win over `--set`.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let set = self.set.iter().map(|(key, value)| over("--set", key, value.clone()));
        let model = self.model.as_ref().map(|path| path.to_string_lossy().into_owned());
        let model = model.map(|path| over("--model", "model.path", path));
        set.chain(model).chain(self.join.overrides()).collect()
    }
}

/// Flags of `pomona gateway`; those with a key in the configuration win over it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GatewayArgs {
    /// Where it listens.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// Which cluster, and as whom; without a token it has one of its own.
    #[command(flatten)]
    pub(crate) join: JoinArgs,
}

impl GatewayArgs {
    /// What the flags set in the configuration, and that a gateway hosts no model whatever the file says.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let hosts = over("pomona gateway", "cluster.hosts", "false".to_owned());
        self.serve.overrides().chain(self.join.overrides()).chain([hosts]).collect()
    }
}

/// Where a gateway listens, for `up` and `gateway`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on (gateway.bind)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<String>,
    /// Port to listen on, 0 for any free one (gateway.port)
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<String>,
    /// Serve beyond this machine without TLS (gateway.insecure)
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Do not open the page of the gateway in a browser
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Set any key of the configuration; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = parse_set)]
    pub(crate) set: Vec<(String, String)>,
}

impl ServeArgs {
    fn overrides(&self) -> impl Iterator<Item = Override> {
        let set = self.set.iter().map(|(key, value)| over("--set", key, value.clone()));
        let named = [
            self.bind.clone().map(|value| over("--bind", "gateway.bind", value)),
            self.port.clone().map(|value| over("--port", "gateway.port", value)),
            self.insecure.then(|| over("--insecure", "gateway.insecure", "true".to_owned())),
        ];
        set.chain(named.into_iter().flatten())
    }
}

/// How a machine becomes a member, for everything that can be one.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct JoinArgs {
    /// Token of the cluster to join; - reads it from stdin. Needed once: the membership is kept
    /// [env: POMONA_JOIN_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) join: Option<JoinText>,
    /// What people call this machine, instead of its host name (cluster.node_name)
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) name: Option<String>,
    /// The token, read from wherever it was given, before the command runs.
    #[arg(skip)]
    pub(crate) token: Option<JoinToken>,
}

impl JoinArgs {
    fn overrides(&self) -> impl Iterator<Item = Override> {
        self.name.clone().map(|name| over("--name", "cluster.node_name", name)).into_iter()
    }
}

/// A token as it was typed; it opens the cluster, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct JoinText(pub(crate) String);

impl FromStr for JoinText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for JoinText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinText(…)")
    }
}

fn over(flag: &'static str, key: &str, value: String) -> Override {
    Override { flag, key: key.to_owned(), value }
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.to_owned()));
    parts.ok_or_else(|| "expected SECTION.KEY=VALUE, gateway.port=8080 for instance".to_owned())
}
