//! `pomona embed`: vectors for texts, one line of numbers each, or one JSON object.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::anyhow;
use pomona_client::EmbedRequest;
use serde_json::json;

use crate::cli::{EmbedArgs, Global};
use crate::exit::Exit;
use crate::output;

/// Embeds the texts of the command line, or the lines of a pipe.
pub(super) fn run(args: EmbedArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let input = match args.text.is_empty() {
        false => args.text,
        true if io::stdin().is_terminal() => Vec::new(),
        true => super::chat::read_stdin()?.lines().map(str::to_owned).collect(),
    };
    let input: Vec<String> = input.into_iter().filter(|text| !text.trim().is_empty()).collect();
    if input.is_empty() {
        let message = "no text: give some as arguments, or one per line through a pipe";
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    let client = super::connect(global)?;
    let embedded = super::small_runtime()?.block_on(async {
        let model = match args.model {
            Some(model) => model,
            None => super::chat::first_model(&client).await?,
        };
        let request = EmbedRequest { model, input, dimensions: args.dimensions };
        let embeddings = client.embed(&request).await?;
        anyhow::Ok((request.model, embeddings))
    });
    let (model, embeddings) = embedded?;
    if global.json {
        let vectors: Vec<&[f32]> = embeddings.data.iter().map(|each| each.embedding.as_slice()).collect();
        let usage = embeddings.usage;
        output::json(&json!({"model": model, "embeddings": vectors, "usage": usage}))?;
        return Ok(Exit::Ok.into());
    }
    for each in &embeddings.data {
        let numbers: Vec<String> = each.embedding.iter().map(f32::to_string).collect();
        output::line(&numbers.join(" "))?;
    }
    Ok(Exit::Ok.into())
}
