//! What `up`, `gateway` and `node` show a person: progress while a model loads, then where everything is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pomona_actors::Handle;
use pomona_protocol::{Cause, ModelCard, PathKind};

use crate::output::{self, BOLD, DIM, harmless};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A model that loads faster shows no bar.
const PROGRESS_AFTER: Duration = Duration::from_millis(500);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What `up` and `gateway` show once they can be asked.
#[derive(Clone, Debug)]
pub(crate) struct GatewayBanner {
    /// Where clients reach it, with scheme and port, without a slash at the end.
    pub(crate) url: String,
    /// A link that signs one browser in.
    pub(crate) sign_in: Option<String>,
    /// The configured port when it was taken.
    pub(crate) fell_back_from: Option<u16>,
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// What people call this machine.
    pub(crate) name: String,
    /// Members that are there now, this machine included.
    pub(crate) members: usize,
    /// The model of this machine; `None` when it hosts none.
    pub(crate) model: Option<String>,
    /// Where the key lies.
    pub(crate) key_file: PathBuf,
    /// The UDP address for other members, when there is one.
    pub(crate) member_address: Option<SocketAddr>,
    /// A token for one more machine, when this gateway can make one.
    pub(crate) join_token: Option<String>,
    /// Certificate of the authority, when clients have to be told whom to trust.
    pub(crate) authority: Option<PathBuf>,
    /// The gateway whose cluster this is, when it is another one's.
    pub(crate) joined: Option<Via>,
}

/// What `node` shows once it is a member.
#[derive(Clone, Debug)]
pub(crate) struct NodeBanner {
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// What people call this machine.
    pub(crate) name: String,
    /// The gateway that it reached first.
    pub(crate) gateway: Via,
    /// Its model; `None` when its policy forbids one, or while none is wanted of it.
    pub(crate) model: Option<String>,
    /// Its UDP address.
    pub(crate) member_address: SocketAddr,
}

/// A gateway and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Via {
    /// What people call it.
    pub(crate) name: String,
    /// Its address, as `host:port`.
    pub(crate) address: String,
    /// LAN or WAN.
    pub(crate) path: PathKind,
}

/// Prints where everything is. `ready_after` is the time since the start of the process.
pub(crate) fn show_gateway(banner: &GatewayBanner, ready_after: Duration) -> anyhow::Result<()> {
    output::line(&gateway_page(banner, ready_after))
}

/// Prints whose member this machine is. `ready_after` is the time since the start of the process.
pub(crate) fn show_node(banner: &NodeBanner, ready_after: Duration) -> anyhow::Result<()> {
    output::line(&node_page(banner, ready_after))
}

fn gateway_page(banner: &GatewayBanner, ready_after: Duration) -> String {
    let GatewayBanner { url, .. } = banner;
    let port = url.rsplit(':').next().unwrap_or_default();
    let fell_back = banner
        .fell_back_from
        .map(|taken| format!("port {taken} is in use; listening on {port} instead\n"))
        .unwrap_or_default();
    let members =
        if banner.members == 1 { "1 member".to_owned() } else { format!("{} members", banner.members) };
    let ready = ready(banner.model.as_deref(), "gateway", ready_after);
    let mut page = format!(
        "{fell_back}{BOLD}pomona {VERSION}{BOLD:#} · cluster \"{}\" · {} · {members} · {ready}",
        harmless(&banner.cluster),
        harmless(&banner.name),
    );
    let mut say = |name: &str, text: &str| page.push_str(&format!("\n  {name:<10} {text}"));
    say("chat", url);
    if let Some(link) = &banner.sign_in {
        say(
            "sign in",
            &format!("{link}     {DIM}one browser, within 10 minutes; `pomona web` makes another{DIM:#}"),
        );
    }
    say("OpenAI", &format!("{url}/v1     {DIM}key in {}{DIM:#}", short(&banner.key_file)));
    say("terminal", "pomona chat");
    if let Some(authority) = &banner.authority {
        say(
            "trust",
            &format!("{}     {DIM}for clients elsewhere: --authority, --cacert{DIM:#}", short(authority)),
        );
    }
    if let Some(via) = &banner.joined {
        say("gateway", &way(via));
    }
    if let Some(address) = banner.member_address {
        say("members", &format!("{address} (UDP)     {DIM}pomona nodes ls{DIM:#}"));
    }
    if let Some(token) = &banner.join_token {
        say("add a Mac", &format!("pomona node --join {token}"));
    }
    page
}

fn node_page(banner: &NodeBanner, ready_after: Duration) -> String {
    let ready = ready(banner.model.as_deref(), "node", ready_after);
    let mut page = format!(
        "{BOLD}pomona {VERSION}{BOLD:#} · joined cluster \"{}\" as {BOLD}{}{BOLD:#} · {ready}",
        harmless(&banner.cluster),
        harmless(&banner.name),
    );
    let mut say = |name: &str, text: &str| page.push_str(&format!("\n  {name:<10} {text}"));
    say("gateway", &way(&banner.gateway));
    say("members", &format!("{} (UDP)", banner.member_address));
    page
}

/// What is ready since when: the model if there is one, else the part that runs.
fn ready(model: Option<&str>, part: &str, after: Duration) -> String {
    let seconds = after.as_secs_f64();
    match model {
        Some(model) => format!("model {BOLD}{}{BOLD:#} ready in {seconds:.1} s", harmless(model)),
        None => format!("{part} ready in {seconds:.1} s"),
    }
}

fn way(via: &Via) -> String {
    let kind = via.path.as_str().to_uppercase();
    format!("{} over {kind} ({})", harmless(&via.name), harmless(&via.address))
}

/// The path with the home folder as `~`.
fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME");
    match home.as_ref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// Waits for the model, with a bar on the terminal's stderr when that takes long.
pub(crate) async fn until_loaded(handle: &Handle) -> Result<ModelCard, Cause> {
    let ready = handle.ready();
    tokio::pin!(ready);
    if let Ok(card) = tokio::time::timeout(PROGRESS_AFTER, &mut ready).await {
        return card;
    }
    let style = ProgressStyle::with_template("loading the model {bar:30} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        if let Some((done, total)) = handle.load_progress() {
            bar.set_length(total);
            bar.set_position(done);
        }
        if let Ok(card) = tokio::time::timeout(PROGRESS_EVERY, &mut ready).await {
            bar.finish_and_clear();
            return card;
        }
    }
}

/// Opens a page of the gateway where a person sits: on a terminal with a desktop. Failing is no error.
pub(crate) fn open_browser(url: &str) {
    let has_desktop = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if output::is_terminal() && has_desktop {
        let _ = open::that_detached(url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY_AFTER: Duration = Duration::from_millis(1234);

    fn gateway() -> GatewayBanner {
        GatewayBanner {
            url: "https://192.168.1.5:9999".to_owned(),
            sign_in: Some("https://192.168.1.5:9999/signin#code=abc".to_owned()),
            fell_back_from: None,
            cluster: "orchard".to_owned(),
            name: "studio".to_owned(),
            members: 1,
            model: Some("sprout".to_owned()),
            key_file: PathBuf::from("/k/key"),
            member_address: Some(SocketAddr::from(([0, 0, 0, 0], 9999))),
            join_token: Some("pom1-abc".to_owned()),
            authority: Some(PathBuf::from("/d/cluster/authority.pem")),
            joined: None,
        }
    }

    fn via() -> Via {
        Via { name: "studio".to_owned(), address: "192.168.1.5:9999".to_owned(), path: PathKind::Lan }
    }

    fn check(page: &str, expected: &str) {
        let page = anstream::adapter::strip_str(page).to_string();
        assert_eq!(page, expected.replace("VERSION", VERSION));
    }

    #[test]
    fn up_says_how_to_add_a_machine() {
        let expected = "\
pomona VERSION · cluster \"orchard\" · studio · 1 member · model sprout ready in 1.2 s
  chat       https://192.168.1.5:9999
  sign in    https://192.168.1.5:9999/signin#code=abc     one browser, within 10 minutes; `pomona web` makes another
  OpenAI     https://192.168.1.5:9999/v1     key in /k/key
  terminal   pomona chat
  trust      /d/cluster/authority.pem     for clients elsewhere: --authority, --cacert
  members    0.0.0.0:9999 (UDP)     pomona nodes ls
  add a Mac  pomona node --join pom1-abc";
        check(&gateway_page(&gateway(), READY_AFTER), expected);
    }

    #[test]
    fn a_gateway_that_joined_says_whose_cluster_it_is() {
        let banner = GatewayBanner {
            url: "http://127.0.0.1:10000".to_owned(),
            sign_in: None,
            fell_back_from: Some(9999),
            members: 3,
            model: None,
            member_address: None,
            join_token: None,
            authority: None,
            joined: Some(via()),
            ..gateway()
        };
        let expected = "\
port 9999 is in use; listening on 10000 instead
pomona VERSION · cluster \"orchard\" · studio · 3 members · gateway ready in 1.2 s
  chat       http://127.0.0.1:10000
  OpenAI     http://127.0.0.1:10000/v1     key in /k/key
  terminal   pomona chat
  gateway    studio over LAN (192.168.1.5:9999)";
        check(&gateway_page(&banner, READY_AFTER), expected);
    }

    #[test]
    fn a_node_says_whose_member_it_is() {
        let banner = NodeBanner {
            cluster: "orch\x1b[31mard".to_owned(),
            name: "mini".to_owned(),
            gateway: Via { path: PathKind::Wan, ..via() },
            model: Some("sprout".to_owned()),
            member_address: SocketAddr::from(([0, 0, 0, 0], 40_000)),
        };
        let expected = "\
pomona VERSION · joined cluster \"orch[31mard\" as mini · model sprout ready in 1.2 s
  gateway    studio over WAN (192.168.1.5:9999)
  members    0.0.0.0:40000 (UDP)";
        check(&node_page(&banner, READY_AFTER), expected);
    }
}
