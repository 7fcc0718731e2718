//! The fields that say how tokens are chosen, shared by every request that starts a turn, and their ranges.
//!
//! Numbers are read wide (`i64`, `f64`), so that one out of range is refused by name and not as a type error.

use std::collections::BTreeMap;

use pomona_protocol::Sampling;
use pomona_protocol::limits::{LOGIT_BIAS_MAX, STOP_STRING_BYTES_MAX, STOP_STRINGS_MAX};
use serde::Deserialize;

use crate::errors::ApiError;

/// One text or several.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(crate) enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What a streamed answer also carries.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct StreamOptions {
    /// Sends the tokens used in a last chunk.
    pub(crate) include_usage: Option<bool>,
}

pomona_protocol::only_from_objects!(StreamOptions);

/// Declares a request body: its own fields, then the shared ones, and `choosing()` which takes the latter.
macro_rules! request_body {
    ($(#[$meta:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(serde::Deserialize, utoipa::ToSchema)]
        pub(crate) struct $name {
            $($own)*
            /// Answers token by token, as server-sent events.
            pub(crate) stream: Option<bool>,
            /// What the stream also carries.
            pub(crate) stream_options: Option<crate::openai::sampling::StreamOptions>,
            /// How many answers; each draws from the seed after the one before.
            #[schema(minimum = 1)]
            pub(crate) n: Option<i64>,
            /// 0 to 2; 0 takes the likeliest token.
            #[schema(minimum = 0, maximum = 2)]
            pub(crate) temperature: Option<f64>,
            /// Above 0, to 1: the likeliest tokens with at least this mass.
            #[schema(exclusive_minimum = 0, maximum = 1)]
            pub(crate) top_p: Option<f64>,
            /// The likeliest tokens, by number; 0 and -1 mean all.
            #[schema(minimum = -1)]
            pub(crate) top_k: Option<i64>,
            /// 0 to 1: drops tokens less likely than this share of the likeliest.
            #[schema(minimum = 0, maximum = 1)]
            pub(crate) min_p: Option<f64>,
            /// Above 0, to 10; 1 changes nothing.
            #[schema(exclusive_minimum = 0, maximum = 10)]
            pub(crate) repetition_penalty: Option<f64>,
            /// -2 to 2: taken once from tokens that stand in the answer.
            #[schema(minimum = -2, maximum = 2)]
            pub(crate) presence_penalty: Option<f64>,
            /// -2 to 2: taken from a token for each time it stands in the answer.
            #[schema(minimum = -2, maximum = 2)]
            pub(crate) frequency_penalty: Option<f64>,
            /// Added to the logits of tokens, -100 to 100 each, by token id.
            pub(crate) logit_bias: Option<std::collections::BTreeMap<String, f64>>,
            /// The same seed gives the same answer.
            pub(crate) seed: Option<i64>,
            /// Texts that end the answer.
            pub(crate) stop: Option<crate::openai::sampling::Stop>,
            /// Longest answer, in tokens.
            #[schema(minimum = 1)]
            pub(crate) max_tokens: Option<i64>,
            /// Goes on past the end of text; for benchmarks.
            pub(crate) ignore_eos: Option<bool>,
        }

        impl $name {
            /// Takes the shared fields out.
            pub(crate) fn choosing(&mut self) -> crate::openai::sampling::Choosing {
                crate::openai::sampling::Choosing {
                    temperature: self.temperature,
                    top_p: self.top_p,
                    top_k: self.top_k,
                    min_p: self.min_p,
                    repetition_penalty: self.repetition_penalty,
                    presence_penalty: self.presence_penalty,
                    frequency_penalty: self.frequency_penalty,
                    logit_bias: self.logit_bias.take(),
                    seed: self.seed,
                    stop: self.stop.take(),
                    max_tokens: ("max_tokens", self.max_tokens),
                    ignore_eos: self.ignore_eos,
                }
            }
        }
    };
}
pub(crate) use request_body;

/// The shared fields as they came.
pub(crate) struct Choosing {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<i64>,
    pub(crate) min_p: Option<f64>,
    pub(crate) repetition_penalty: Option<f64>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) logit_bias: Option<BTreeMap<String, f64>>,
    pub(crate) seed: Option<i64>,
    pub(crate) stop: Option<Stop>,
    /// With the name by which the client gave it.
    pub(crate) max_tokens: (&'static str, Option<i64>),
    pub(crate) ignore_eos: Option<bool>,
}

impl Choosing {
    /// Checks every range. `seed` is used when the client gave none.
    pub(crate) fn check(self, logprobs: Option<u8>, seed: u64) -> Result<Sampling, ApiError> {
        let (max_tokens_name, max_tokens) = self.max_tokens;
        let top_k = self.top_k.map(|top_k| if top_k == -1 { 0 } else { top_k });
        Ok(Sampling {
            temperature: real("temperature", self.temperature, 0.0, 2.0)?,
            top_p: above_zero("top_p", self.top_p, 1.0)?,
            top_k: whole("top_k", top_k, 0)?,
            min_p: real("min_p", self.min_p, 0.0, 1.0)?,
            repetition_penalty: above_zero("repetition_penalty", self.repetition_penalty, 10.0)?,
            presence_penalty: real("presence_penalty", self.presence_penalty, -2.0, 2.0)?.unwrap_or(0.0),
            frequency_penalty: real("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?.unwrap_or(0.0),
            logit_bias: check_logit_bias(self.logit_bias.unwrap_or_default())?,
            logprobs,
            stop: check_stop(self.stop)?,
            max_tokens: whole(max_tokens_name, max_tokens, 1)?,
            ignore_eos: self.ignore_eos.unwrap_or(false),
            seed: self.seed.map_or(seed, i64::cast_unsigned),
        })
    }
}

fn real(name: &str, value: Option<f64>, low: f64, high: f64) -> Result<Option<f32>, ApiError> {
    match value {
        Some(value) if !(low..=high).contains(&value) => {
            Err(ApiError::invalid(name, format!("{name} is {value}; the range is {low} to {high}")))
        }
        value => Ok(value.map(|value| value as f32)),
    }
}

fn above_zero(name: &str, value: Option<f64>, high: f64) -> Result<Option<f32>, ApiError> {
    match value {
        // The smallest `f64` would become an `f32` of 0.
        Some(value) if !(value as f32 > 0.0 && value <= high) => {
            Err(ApiError::invalid(name, format!("{name} is {value}; the range is above 0, to {high}")))
        }
        value => Ok(value.map(|value| value as f32)),
    }
}

/// A whole number from `low` up.
pub(crate) fn whole(name: &str, value: Option<i64>, low: u32) -> Result<Option<u32>, ApiError> {
    let checked = value.map(|value| u32::try_from(value).ok().filter(|&value| value >= low));
    match (value, checked) {
        (Some(value), Some(None)) => {
            let high = u32::MAX;
            Err(ApiError::invalid(name, format!("{name} is {value}; the range is {low} to {high}")))
        }
        (_, checked) => Ok(checked.flatten()),
    }
}

fn check_logit_bias(bias: BTreeMap<String, f64>) -> Result<BTreeMap<u32, f32>, ApiError> {
    let refuse = |message| Err(ApiError::invalid("logit_bias", message));
    if bias.len() > LOGIT_BIAS_MAX {
        return refuse(format!(
            "logit_bias has {} entries; at most {LOGIT_BIAS_MAX} are allowed",
            bias.len()
        ));
    }
    let mut checked = BTreeMap::new();
    for (token, bias) in bias {
        let Ok(id) = token.parse::<u32>() else {
            let token: String = token.chars().take(40).collect();
            return refuse(format!("logit_bias has the key `{token}`; keys are token ids"));
        };
        if !(-100.0..=100.0).contains(&bias) {
            return refuse(format!("logit_bias of token {id} is {bias}; the range is -100 to 100"));
        }
        checked.insert(id, bias as f32);
    }
    Ok(checked)
}

fn check_stop(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let refuse = |message| Err(ApiError::invalid("stop", message));
    let stop = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
    };
    if stop.len() > STOP_STRINGS_MAX {
        return refuse(format!("stop has {} texts; at most {STOP_STRINGS_MAX} are allowed", stop.len()));
    }
    if let Some(bytes) =
        stop.iter().map(String::len).find(|bytes| !(1..=STOP_STRING_BYTES_MAX).contains(bytes))
    {
        return refuse(format!(
            "stop has a text of {bytes} bytes; the range is 1 to {STOP_STRING_BYTES_MAX}"
        ));
    }
    Ok(stop)
}
