//! What tensors are called: a table for each group of families, with the forms that conversions gave them.
//!
//! A new family mostly shares a table. Read by `names.rs`.

/// The names of a family.
#[derive(Debug, PartialEq)]
pub(in crate::checkpoint) struct Naming {
    /// Before attention, after it, before the feed-forward part, after it.
    pub(super) norms: [&'static str; 4],
    /// q, k, v.
    pub(super) attention: [Part; 3],
    /// gate, up, down of dense layers.
    pub(super) dense: [Part; 3],
    pub(super) router: &'static str,
    /// gate, up, down of experts, in each of the forms that there are.
    pub(super) experts: &'static [[ExpertPart; 3]],
}

/// A tensor, or some of its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) rows: Rows,
}

/// The tensor for a matrix of an expert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ExpertPart {
    pub(super) part: Part,
    pub(super) form: Form,
}

/// Which rows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rows {
    All,
    /// Of q, k and v below each other.
    Query,
    Key,
    Value,
    /// Of gate and up below each other.
    FirstHalf,
    SecondHalf,
    /// Of gate and up by turns.
    Even,
    Odd,
}

/// How the matrices of all experts lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// A tensor for each, with `{}` for the number in its name; `.weight` and `.bias`.
    Each,
    /// One tensor for all; `.weight` and `.bias`.
    Stack,
    /// One tensor for all; no ending, and `_bias`.
    BareStack,
    /// The same, a row for each input.
    BareColumns,
    /// `_blocks`, `_scales` and `_bias`.
    Mxfp4,
}

pub(super) const fn all(name: &'static str) -> Part {
    Part { name, rows: Rows::All }
}

const fn experts(form: Form, names: [&'static str; 3], rows: [Rows; 2]) -> [ExpertPart; 3] {
    [
        ExpertPart { part: Part { name: names[0], rows: rows[0] }, form },
        ExpertPart { part: Part { name: names[1], rows: rows[1] }, form },
        ExpertPart { part: all(names[2]), form },
    ]
}

const FUSED: [&str; 3] = ["mlp.experts.gate_up_proj", "mlp.experts.gate_up_proj", "mlp.experts.down_proj"];
const STACKED: [&str; 3] = ["mlp.experts.gate_proj", "mlp.experts.up_proj", "mlp.experts.down_proj"];
const SWITCHED: [&str; 3] =
    ["mlp.switch_mlp.gate_proj", "mlp.switch_mlp.up_proj", "mlp.switch_mlp.down_proj"];
const NUMBERED: [&str; 3] =
    ["mlp.experts.{}.gate_proj", "mlp.experts.{}.up_proj", "mlp.experts.{}.down_proj"];
const ALL_ROWS: [Rows; 2] = [Rows::All, Rows::All];

/// Llama and everything like it.
pub(in crate::checkpoint) const PLAIN: Naming = Naming {
    norms: ["input_layernorm", "", "post_attention_layernorm", ""],
    attention: [all("self_attn.q_proj"), all("self_attn.k_proj"), all("self_attn.v_proj")],
    dense: [all("mlp.gate_proj"), all("mlp.up_proj"), all("mlp.down_proj")],
    router: "",
    experts: &[],
};

/// Gemma 2 and 3.
pub(in crate::checkpoint) const GEMMA: Naming = Naming {
    norms: [
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ],
    ..PLAIN
};

/// Phi 3 and 4.
pub(in crate::checkpoint) const PHI3: Naming = Naming {
    attention: [
        Part { name: "self_attn.qkv_proj", rows: Rows::Query },
        Part { name: "self_attn.qkv_proj", rows: Rows::Key },
        Part { name: "self_attn.qkv_proj", rows: Rows::Value },
    ],
    dense: [
        Part { name: "mlp.gate_up_proj", rows: Rows::FirstHalf },
        Part { name: "mlp.gate_up_proj", rows: Rows::SecondHalf },
        all("mlp.down_proj"),
    ],
    ..PLAIN
};

/// Qwen 3 with experts: as its makers publish it, as MLX has it, and as newer libraries stack it.
pub(in crate::checkpoint) const QWEN3_MOE: Naming = Naming {
    router: "mlp.gate",
    experts: &[
        experts(Form::Each, NUMBERED, ALL_ROWS),
        experts(Form::Stack, SWITCHED, ALL_ROWS),
        experts(Form::BareStack, FUSED, [Rows::FirstHalf, Rows::SecondHalf]),
    ],
    ..PLAIN
};

/// gpt-oss: as its makers publish it, widened, and as MLX has it.
pub(in crate::checkpoint) const GPT_OSS: Naming = Naming {
    router: "mlp.router",
    experts: &[
        experts(Form::Mxfp4, FUSED, [Rows::Even, Rows::Odd]),
        experts(Form::BareColumns, FUSED, [Rows::Even, Rows::Odd]),
        experts(Form::Stack, STACKED, ALL_ROWS),
    ],
    ..PLAIN
};
