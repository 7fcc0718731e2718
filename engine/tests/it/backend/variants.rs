//! Fixtures with a little changed: what must change the results, and what must not.

use std::collections::BTreeMap;

use pomona_engine::checkpoint::{Checkpoint, LoadError};
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{bits, cases, folder, load, one_shot};

/// Type, shape and bytes of each tensor.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// A fixture in memory.
struct Model {
    config: Value,
    tensors: Tensors,
}

impl Model {
    fn of(fixture: &str) -> Model {
        let config = std::fs::read(folder(fixture).join("config.json")).unwrap();
        let file = std::fs::read(folder(fixture).join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        let owned = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        let tensors = tensors.tensors().into_iter().map(owned).collect();
        Model { config: serde_json::from_slice(&config).unwrap(), tensors }
    }

    fn rename(&mut self, from: &str, to: &str) {
        let rename = |name: String| match name.strip_prefix(from) {
            Some(rest) => format!("{to}{rest}"),
            None => name,
        };
        self.tensors =
            std::mem::take(&mut self.tensors).into_iter().map(|(name, t)| (rename(name), t)).collect();
    }

    /// Opens it out of a folder that is gone afterwards; what was opened stays mapped.
    fn open(&self) -> Result<Checkpoint, LoadError> {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("config.json"), self.config.to_string()).unwrap();
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
        Checkpoint::open(folder.path())
    }

    /// Logits behind the fixture's longest prompt.
    fn logits(&self, fixture: &str) -> Vec<f32> {
        let checkpoint = self.open().unwrap();
        let options = CpuOptions { threads: 1, kv_blocks: 8, ..CpuOptions::default() };
        one_shot(&mut CpuBackend::load(&checkpoint, options).unwrap(), &longest(fixture))
    }
}

fn longest(fixture: &str) -> Vec<u32> {
    cases(fixture).pop().unwrap().prompt_ids
}

/// A value by the keys that lead to it.
fn at<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(value, |value, key| &mut value[key])
}

#[test]
fn every_setting_of_a_family_changes_its_fixture() {
    let full = json!(["full_attention", "full_attention", "full_attention"]);
    let settings = [
        ("gemma2", "attn_logit_softcapping", json!(null)),
        ("gemma2", "final_logit_softcapping", json!(null)),
        ("gemma2", "query_pre_attn_scalar", json!(20)),
        ("gemma2", "sliding_window", json!(10)),
        ("gemma2", "layer_types", full.clone()),
        ("gemma2", "hidden_activation", json!("silu")),
        ("gemma3", "query_pre_attn_scalar", json!(20)),
        ("gemma3", "sliding_window", json!(10)),
        ("gemma3", "layer_types", full),
        ("gemma3", "rope_parameters.full_attention.factor", json!(7)),
        ("gemma3", "rope_parameters.sliding_attention.rope_theta", json!(9000)),
        ("phi3-short", "sliding_window", json!(38)),
        ("phi3-short", "max_position_embeddings", json!(257)),
        ("phi3-short", "rope_parameters.short_factor", json!([1, 1, 1, 1, 1, 1])),
        ("phi3-long", "rope_parameters.long_factor", json!([1, 1, 1, 1, 1, 1, 1, 1])),
        ("phi3-long", "rope_parameters.attention_factor", json!(1.0)),
        ("qwen3-moe", "norm_topk_prob", json!(false)),
        ("qwen3-moe", "num_experts_per_tok", json!(3)),
        ("qwen3-moe-all", "norm_topk_prob", json!(true)),
        ("qwen3-moe-all", "rope_parameters.factor", json!(3.0)),
        ("qwen3-moe-all", "rope_parameters.attention_factor", json!(1.0)),
        ("gpt-oss", "sliding_window", json!(10)),
        ("gpt-oss", "swiglu_limit", json!(7.0)),
        ("gpt-oss", "swiglu_alpha", json!(1.0)),
        ("gpt-oss", "rope_parameters.truncate", json!(true)),
        ("gpt-oss", "rope_parameters.beta_slow", json!(2.0)),
    ];
    for (fixture, path, value) in settings {
        let mut model = Model::of(fixture);
        *at(&mut model.config, path) = value.clone();
        let distance = distance(&model.logits(fixture), &expected(fixture));
        assert!(distance > 2e-3, "{fixture} with {path} = {value} is off by {distance} only");
    }
}

/// What the reference says of that prompt.
fn expected(fixture: &str) -> Vec<f32> {
    cases(fixture).pop().unwrap().logits
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn sinks_take_part_in_the_softmax() {
    let mut model = Model::of("gpt-oss");
    let sinks = model.tensors.iter_mut().filter(|(name, _)| name.ends_with("sinks"));
    sinks.for_each(|(_, tensor)| tensor.2.fill(0));
    assert!(distance(&model.logits("gpt-oss"), &expected("gpt-oss")) > 2e-3);
}

/// The bits of a fixture as it is.
fn bits_of(fixture: &str) -> Vec<u32> {
    bits(&one_shot(&mut load(fixture, 1, None), &longest(fixture)))
}

#[test]
fn the_text_part_of_a_model_that_sees_images_gives_the_same_bits() {
    for prefix in ["language_model.model.", "model.language_model."] {
        let mut model = Model::of("gemma3");
        let text = model.config.take();
        model.config = json!({"model_type": "gemma3", "text_config": text, "vision_config": {}});
        model.rename("model.", prefix);
        assert!(bits(&model.logits("gemma3")) == bits_of("gemma3"), "{prefix}");
    }
}

/// Replaces the experts' own tensors of each layer by stacks of them.
fn stack(model: &mut Model, projection: &str, to: &str) {
    for layer in 0..3 {
        let name = |expert: usize| format!("model.layers.{layer}.mlp.experts.{expert}.{projection}.weight");
        let experts: Vec<_> = (0..).map_while(|expert| model.tensors.remove(&name(expert))).collect();
        let Some((dtype, shape, _)) = experts.first() else { continue };
        let stack = (*dtype, [&[experts.len()], shape.as_slice()].concat());
        let bytes = experts.iter().flat_map(|expert| expert.2.clone()).collect();
        model.tensors.insert(format!("model.layers.{layer}.mlp.{to}"), (stack.0, stack.1, bytes));
    }
}

#[test]
fn stacked_experts_give_the_same_bits() {
    let mut model = Model::of("qwen3-moe");
    for projection in ["gate_proj", "up_proj", "down_proj"] {
        stack(&mut model, projection, &format!("switch_mlp.{projection}.weight"));
    }
    assert!(bits(&model.logits("qwen3-moe")) == bits_of("qwen3-moe"));
}

#[test]
fn settings_in_their_older_places_give_the_same_bits() {
    for fixture in ["phi3-short", "phi3-long", "gpt-oss"] {
        let mut model = Model::of(fixture);
        let mut settings = model.config["rope_parameters"].take();
        model.config["rope_theta"] = settings["rope_theta"].take();
        settings["type"] = settings["rope_type"].take();
        model.config["rope_scaling"] = settings;
        assert!(bits(&model.logits(fixture)) == bits_of(fixture), "{fixture}");
    }
    let mut model = Model::of("gemma3");
    let mut settings = model.config["rope_parameters"].take();
    model.config["rope_scaling"] = json!({"rope_type": "linear", "factor": 8.0});
    model.config["rope_theta"] = settings["full_attention"]["rope_theta"].take();
    model.config["rope_local_base_freq"] = settings["sliding_attention"]["rope_theta"].take();
    assert!(bits(&model.logits("gemma3")) == bits_of("gemma3"));
}

#[test]
fn a_damaged_mixture_is_refused_with_the_tensor() {
    let experts = "model.layers.1.mlp.experts";
    let refusal = |damage: &dyn Fn(&mut Tensors)| {
        let mut model = Model::of("gpt-oss-mxfp4");
        damage(&mut model.tensors);
        model.open().expect_err("a damaged model").to_string()
    };
    let missing = ["gate_up_proj_scales", "down_proj_bias"].map(|name| format!("{experts}.{name}"));
    for name in missing.into_iter().chain(["model.layers.0.self_attn.sinks".to_owned()]) {
        let message = refusal(&|tensors| drop(tensors.remove(&name)));
        assert!(message.contains(&name) && message.contains("missing"), "{message}");
    }
    let blocks = format!("{experts}.gate_up_proj_blocks");
    let reshaped = refusal(&|tensors| tensors.get_mut(&blocks).unwrap().1 = vec![5, 32, 4, 16]);
    assert!(reshaped.contains(&blocks) && reshaped.contains("expected [5, 64, 2, 16]"), "{reshaped}");
    let scales = format!("{experts}.down_proj_scales");
    let retyped = refusal(&|tensors| tensors.get_mut(&scales).unwrap().0 = Dtype::I8);
    assert!(retyped.contains(&scales) && retyped.contains("U8"), "{retyped}");
}
