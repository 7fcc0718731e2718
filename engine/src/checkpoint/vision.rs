//! The eyes of a model: the part of a Gemma 3 folder that turns pictures into rows (a SigLIP tower and a projector).
//!
//! Opened by [`VisionCheckpoint::open`] beside the decoder of the same folder; read by the CPU's tower.

use std::path::Path;

use super::json::{self, Object};
use super::quantisation::Quantisation;
use super::tensor::TensorView;
use super::weights;
use super::{DecoderConfig, LoadError};

/// What the tensors' names may begin with: the tower's, and the projector's.
const PREFIXES: [(&str, &str); 4] = [
    ("vision_tower.vision_model.", "multi_modal_projector."),
    ("vision_tower.", "multi_modal_projector."),
    ("model.vision_tower.vision_model.", "model.multi_modal_projector."),
    ("model.vision_tower.", "model.multi_modal_projector."),
];
const FIRST_TENSOR: &str = "embeddings.patch_embedding.weight";

/// What `config.json` says of the eyes.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// Pixels of a side.
    pub side: usize,
    /// Pixels of a patch's side; a divisor of `side`.
    pub patch: usize,
    /// Width of a patch's state.
    pub hidden: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Added to the variance in norms.
    pub norm_epsilon: f32,
    /// Rows that a picture becomes, a square that tiles the patches.
    pub places: usize,
    /// Width of a row: that of the decoder's stream.
    pub width: usize,
    /// Tokens before, in place of, and behind a picture.
    pub begin_id: u32,
    /// See above.
    pub place_id: u32,
    /// See above.
    pub end_id: u32,
}

/// The opened eyes; the weight files stay mapped as long as they live.
#[derive(Debug)]
pub struct VisionCheckpoint {
    /// What `config.json` says.
    pub config: VisionConfig,
    prefixes: (&'static str, &'static str),
    weights: weights::WeightFiles,
}

impl VisionCheckpoint {
    /// Opens the eyes of a folder; none if its model is blind or its files hold the text part only.
    pub fn open(folder: &Path, decoder: &DecoderConfig) -> Result<Option<VisionCheckpoint>, LoadError> {
        if crate::gguf::find(folder).is_some() {
            return Ok(None);
        }
        let json = json::read(&folder.join("config.json"))?;
        if json.text("model_type")? != Some("gemma3") {
            return Ok(None);
        }
        let Some(eyes) = json.object("vision_config")? else { return Ok(None) };
        let weights = weights::WeightFiles::open(folder, &Quantisation::default())?;
        let has_first = |(tower, _): &(&str, &str)| weights.has(&format!("{tower}{FIRST_TENSOR}"));
        let Some(prefixes) = PREFIXES.into_iter().find(has_first) else { return Ok(None) };
        let config = VisionConfig::from_json(&json, &eyes, decoder)?;
        let checkpoint = VisionCheckpoint { config, prefixes, weights };
        for (name, shape) in checkpoint.needs() {
            checkpoint.weights.check(&name, &shape)?;
            checkpoint.weights.tensor(&name)?;
        }
        Ok(Some(checkpoint))
    }

    /// A tensor of the tower by its name without a prefix.
    pub fn tower(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        self.weights.tensor(&format!("{}{name}", self.prefixes.0))
    }

    /// A tensor of the projector by its name without a prefix.
    pub fn projector(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        self.weights.tensor(&format!("{}{name}", self.prefixes.1))
    }

    /// Bytes of all tensors as they lie in the files.
    pub fn tensors_bytes(&self) -> u64 {
        let bytes =
            |(name, _): (String, _)| self.weights.tensor(&name).map_or(0, |tensor| tensor.bytes.len() as u64);
        self.needs().into_iter().map(bytes).sum()
    }

    /// All tensors, with their shapes.
    fn needs(&self) -> Vec<(String, Vec<usize>)> {
        let config = &self.config;
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        let mut needs = Vec::new();
        let mut tower = |name: &str, shape: &[usize]| {
            needs.push((format!("{}{name}", self.prefixes.0), shape.to_vec()));
        };
        tower(FIRST_TENSOR, &[hidden, 3, config.patch, config.patch]);
        tower("embeddings.patch_embedding.bias", &[hidden]);
        tower("embeddings.position_embedding.weight", &[config.patches(), hidden]);
        for layer in 0..config.layers {
            let name = |part: &str| format!("encoder.layers.{layer}.{part}");
            for norm in ["layer_norm1", "layer_norm2"] {
                tower(&name(&format!("{norm}.weight")), &[hidden]);
                tower(&name(&format!("{norm}.bias")), &[hidden]);
            }
            let matrices = [
                ("self_attn.q_proj", hidden, hidden),
                ("self_attn.k_proj", hidden, hidden),
                ("self_attn.v_proj", hidden, hidden),
                ("self_attn.out_proj", hidden, hidden),
                ("mlp.fc1", intermediate, hidden),
                ("mlp.fc2", hidden, intermediate),
            ];
            for (part, rows, columns) in matrices {
                tower(&name(&format!("{part}.weight")), &[rows, columns]);
                tower(&name(&format!("{part}.bias")), &[rows]);
            }
        }
        tower("post_layernorm.weight", &[hidden]);
        tower("post_layernorm.bias", &[hidden]);
        let projector = |name: &str| format!("{}{name}", self.prefixes.1);
        needs.push((projector("mm_input_projection_weight"), vec![hidden, config.width]));
        needs.push((projector("mm_soft_emb_norm.weight"), vec![hidden]));
        needs
    }
}

impl VisionConfig {
    fn from_json(json: &Object, eyes: &Object, decoder: &DecoderConfig) -> Result<VisionConfig, LoadError> {
        // Folders leave out what is as the makers have it.
        let count = |key: &str, limit: usize, usual: usize| Ok(eyes.count(key, 1..=limit)?.unwrap_or(usual));
        if let Some(other) = eyes.text("hidden_act")?.filter(|found| *found != "gelu_pytorch_tanh") {
            return Err(eyes.bad("hidden_act", other, "gelu_pytorch_tanh"));
        }
        let (side, patch) = (count("image_size", 8192, 896)?, count("patch_size", 1024, 14)?);
        let (hidden, heads) = (count("hidden_size", 1 << 16, 1152)?, count("num_attention_heads", 1024, 16)?);
        if !side.is_multiple_of(patch) {
            return Err(eyes.bad("patch_size", patch, format!("a divisor of image_size ({side})")));
        }
        if !hidden.is_multiple_of(heads) || !(hidden / heads).is_multiple_of(2) || hidden / heads > 1024 {
            let expected =
                format!("a divisor of hidden_size ({hidden}) that leaves an even width up to 1024");
            return Err(eyes.bad("num_attention_heads", heads, expected));
        }
        let places = json.count("mm_tokens_per_image", 1..=1 << 16)?.unwrap_or(256);
        let (across, grid) = (places.isqrt(), side / patch);
        if across * across != places || !grid.is_multiple_of(across) {
            let expected = format!("the square of a divisor of {grid} patches");
            return Err(json.bad("mm_tokens_per_image", places, expected));
        }
        let id = |key: &str, usual: usize| -> Result<u32, LoadError> {
            Ok(json.count(key, 0..=1 << 24)?.unwrap_or(usual) as u32)
        };
        Ok(VisionConfig {
            side,
            patch,
            hidden,
            intermediate: count("intermediate_size", 1 << 20, 4304)?,
            layers: count("num_hidden_layers", 1024, 27)?,
            heads,
            norm_epsilon: eyes.number("layer_norm_eps", 1e-20..=1.0)?.unwrap_or(1e-6) as f32,
            places,
            width: decoder.hidden,
            begin_id: id("boi_token_index", 255_999)?,
            place_id: id("image_token_index", 262_144)?,
            end_id: id("eoi_token_index", 256_000)?,
        })
    }

    /// Patches of a picture.
    pub fn patches(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// Width of a head.
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }
}
