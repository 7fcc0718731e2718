//! From a role to a place: the choice among the names that a model's tensors may have.
//!
//! Made once for a folder by [`Checkpoint`](super::super::Checkpoint), asked by [`Inventory`](super::Inventory).

use super::naming::{ExpertPart, Form, Naming, Part, Rows, all};
use super::place::MXFP4_NUMBERS;
use super::{Encoding, Norm, Projection, Role, TensorPlace};
use crate::checkpoint::DecoderConfig;
use crate::checkpoint::config::FeedForward;

/// What precedes the names of a model's tensors, and the name of its head.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    model: &'static str,
    head: &'static str,
}

/// Text models; the text part of models that see images, in three forms; and bare models without a head.
const PREFIXES: [Prefix; 4] = [
    Prefix { model: "model.", head: "lm_head.weight" },
    Prefix { model: "language_model.model.", head: "language_model.lm_head.weight" },
    Prefix { model: "model.language_model.", head: "lm_head.weight" },
    Prefix { model: "", head: "lm_head.weight" },
];

/// The names that one model's files use.
#[derive(Clone, Copy, Debug)]
pub(in crate::checkpoint) struct Names {
    naming: &'static Naming,
    prefix: Prefix,
    /// None if the family has no experts.
    experts: Option<[ExpertPart; 3]>,
}

impl Names {
    /// Takes the first prefix under which there is an embedding and the first form in which there are experts, or
    /// else the usual ones, which are then found missing.
    pub(in crate::checkpoint) fn pick(config: &DecoderConfig, exists: impl Fn(&str) -> bool) -> Names {
        let has_embedding = |prefix: &&Prefix| exists(&format!("{}embed_tokens.weight", prefix.model));
        let prefix = *PREFIXES.iter().find(has_embedding).unwrap_or(&PREFIXES[0]);
        let mixture =
            config.layers.iter().position(|layer| matches!(layer.feed_forward, FeedForward::Experts(_)));
        let layer = format!("{}layers.{}.", prefix.model, mixture.unwrap_or(0));
        let naming = config.naming;
        let has_experts = |form: &&[ExpertPart; 3]| exists(&expert_name(&layer, form[2], 0));
        let experts = naming.experts.iter().find(has_experts).or(naming.experts.first()).copied();
        Names { naming, prefix, experts }
    }

    /// Where the tensor of a role lies, if its shape is as given; none for experts of a family without any.
    pub(super) fn place(&self, config: &DecoderConfig, role: Role, shape: &[usize]) -> Option<TensorPlace> {
        let model = self.prefix.model;
        let in_layer = |layer: usize, name: &str| format!("{model}layers.{layer}.{name}");
        let (layer, projection, is_bias) = match role {
            Role::Embedding => return Some(whole(format!("{model}embed_tokens.weight"), shape)),
            Role::FinalNorm => return Some(whole(format!("{model}norm.weight"), shape)),
            Role::Head => return Some(whole(self.prefix.head.to_owned(), shape)),
            Role::Norm { layer, norm } => {
                return Some(whole(in_layer(layer, &format!("{}.weight", self.norm(norm))), shape));
            }
            Role::Sinks { layer } => return Some(whole(in_layer(layer, "self_attn.sinks"), shape)),
            Role::Weight { layer, projection } => (layer, projection, false),
            Role::Bias { layer, projection } => (layer, projection, true),
        };
        let (part, expert) = match projection {
            Projection::ExpertGate(expert) => (self.experts?[0], expert),
            Projection::ExpertUp(expert) => (self.experts?[1], expert),
            Projection::ExpertDown(expert) => (self.experts?[2], expert),
            _ => {
                let part = self.part(projection);
                let ending = if is_bias { ".bias" } else { ".weight" };
                return Some(part.place(config, in_layer(layer, part.name) + ending, shape));
            }
        };
        let count = match config.layers[layer].feed_forward {
            FeedForward::Experts(experts) => experts.experts,
            FeedForward::Dense(_) => return None,
        };
        Some(expert_place(config, &in_layer(layer, ""), part, (expert, count), is_bias, shape))
    }

    fn norm(&self, norm: Norm) -> &'static str {
        let [before_attention, after_attention, before_feed_forward, after_feed_forward] = self.naming.norms;
        match norm {
            Norm::BeforeAttention => before_attention,
            Norm::AfterAttention => after_attention,
            Norm::BeforeFeedForward => before_feed_forward,
            Norm::AfterFeedForward => after_feed_forward,
            Norm::Query => "self_attn.q_norm",
            Norm::Key => "self_attn.k_norm",
        }
    }

    /// The part for a matrix that is no expert's.
    fn part(&self, projection: Projection) -> Part {
        use Projection::*;
        match projection {
            Query => self.naming.attention[0],
            Key => self.naming.attention[1],
            Value => self.naming.attention[2],
            AttentionOutput => all("self_attn.o_proj"),
            Gate | ExpertGate(_) => self.naming.dense[0],
            Up | ExpertUp(_) => self.naming.dense[1],
            Down | ExpertDown(_) => self.naming.dense[2],
            Router => all(self.naming.router),
        }
    }
}

fn whole(name: String, shape: &[usize]) -> TensorPlace {
    let shape = shape.to_vec();
    TensorPlace { name, shape, index: None, first_row: 0, row_step: 1, encoding: Encoding::Rows }
}

impl Part {
    /// The place of these rows in a tensor of the given name; `shape` is that of the rows.
    fn place(self, config: &DecoderConfig, name: String, shape: &[usize]) -> TensorPlace {
        let rows = shape[0];
        let (query, kv) = (config.query_width(), config.kv_width());
        let (first_row, row_step, all_rows) = match self.rows {
            Rows::All => (0, 1, rows),
            Rows::Query => (0, 1, query + 2 * kv),
            Rows::Key => (query, 1, query + 2 * kv),
            Rows::Value => (query + kv, 1, query + 2 * kv),
            Rows::FirstHalf => (0, 1, 2 * rows),
            Rows::SecondHalf => (rows, 1, 2 * rows),
            Rows::Even => (0, 2, 2 * rows),
            Rows::Odd => (1, 2, 2 * rows),
        };
        let mut shape = shape.to_vec();
        shape[0] = all_rows;
        TensorPlace { name, shape, index: None, first_row, row_step, encoding: Encoding::Rows }
    }
}

/// The name of an expert's weights.
fn expert_name(layer: &str, part: ExpertPart, expert: usize) -> String {
    let name = part.part.name;
    match part.form {
        Form::Each => format!("{layer}{}.weight", name.replace("{}", &expert.to_string())),
        Form::Stack => format!("{layer}{name}.weight"),
        Form::BareStack | Form::BareColumns => format!("{layer}{name}"),
        Form::Mxfp4 => format!("{layer}{name}_blocks"),
    }
}

/// The place of one matrix, or its bias, of expert `number` of `count`.
fn expert_place(
    config: &DecoderConfig,
    layer: &str,
    part: ExpertPart,
    (number, count): (usize, usize),
    is_bias: bool,
    shape: &[usize],
) -> TensorPlace {
    let name = match (is_bias, part.form) {
        (false, _) => expert_name(layer, part, number),
        (true, Form::Each) => format!("{layer}{}.bias", part.part.name.replace("{}", &number.to_string())),
        (true, Form::Stack) => format!("{layer}{}.bias", part.part.name),
        (true, _) => format!("{layer}{}_bias", part.part.name),
    };
    let mut place = part.part.place(config, name, shape);
    if part.form != Form::Each {
        place.index = Some(number);
    }
    if !is_bias && part.form == Form::BareColumns {
        place.shape.reverse();
        place.encoding = Encoding::Columns;
    }
    if !is_bias && part.form == Form::Mxfp4 {
        let columns = place.shape[1];
        place.shape = vec![place.shape[0], columns.div_ceil(MXFP4_NUMBERS), MXFP4_NUMBERS / 2];
        place.encoding = Encoding::Mxfp4 { scales: format!("{layer}{}_scales", part.part.name) };
    }
    if place.index.is_some() {
        place.shape.insert(0, count);
    }
    place
}
