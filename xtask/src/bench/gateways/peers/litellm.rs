//! LiteLLM's proxy, one worker, without a database. It does not start without a key.

use std::process::Command;

use anyhow::Result;

use super::super::peer::{KEY, Peer, Place, Source};

pub(in super::super) const LITELLM: Peer = Peer {
    name: "litellm",
    source: Source::Python { requirement: "litellm[proxy]==1.106.2", program: "litellm" },
    start: litellm,
};

fn litellm(place: &Place) -> Result<Command> {
    let upstream = place.upstream;
    let text = format!(
        "model_list:
  - model_name: sprout
    litellm_params:
      model: openai/sprout
      api_base: http://{upstream}/v1
      api_key: none
general_settings:
  master_key: {KEY}
litellm_settings:
  telemetry: false
  num_retries: 0
"
    );
    let config = place.write("litellm.yaml", &text)?;
    let mut command = place.command();
    command
        .arg("--config")
        .arg(config)
        .args(["--host", "127.0.0.1", "--port", &place.port.to_string(), "--num_workers", "1"])
        // Its list of prices is otherwise fetched at every start.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_LOG", "ERROR");
    Ok(command)
}
