//! `pomona web`: a browser that is signed in.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::banner;
use crate::cli::{Global, WebArgs};
use crate::exit::Exit;
use crate::output::{self, harmless};

/// Makes a link, prints it, and opens it where a person sits.
pub(super) fn run(args: WebArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let link = super::small_runtime()?.block_on(client.sign_in_link())?;
    let url = client.url().join(&link.path).context("the gateway's link is no address")?;
    if global.json {
        output::json(&json!({ "url": url.as_str(), "expires_in_s": link.expires_in_s }))?;
    } else {
        output::line(&harmless(url.as_str()))?;
        output::remark(&format!("signs one browser in, within {} minutes", link.expires_in_s / 60));
    }
    if !args.no_open && !global.json {
        banner::open_browser(url.as_str());
    }
    Ok(Exit::Ok.into())
}
