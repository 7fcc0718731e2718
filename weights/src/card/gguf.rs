//! What a GGUF file says of itself. The quantisation stands in its name, as everybody writes it; its metadata are
//! read by the engine when it loads the file, and the engine's card stands above this one.

use std::path::Path;

/// Names of quantisations, the longer of two that begin alike first.
const QUANTISATIONS: &[&str] = &[
    "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M", "IQ4_NL",
    "IQ4_XS", "Q2_K_S", "Q2_K_L", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q3_K", "Q4_K_S", "Q4_K_M", "Q4_K_L",
    "Q4_K", "Q4_0", "Q4_1", "Q5_K_S", "Q5_K_M", "Q5_K_L", "Q5_K", "Q5_0", "Q5_1", "Q6_K_L", "Q6_K", "Q8_0",
    "MXFP4", "BF16", "F16", "F32",
];

/// The quantisation in a file's name.
pub(super) fn quantisation(path: &Path) -> Option<String> {
    let name = path.file_stem()?.to_str()?.to_ascii_uppercase();
    let found = QUANTISATIONS.iter().find(|known| {
        // `F16` is not meant in `BF16`, nor `Q4_K` in `IQ4_K`.
        name.match_indices(**known).any(|(at, _)| {
            let before = name[..at].chars().next_back();
            let after = name[at + known.len()..].chars().next();
            before.is_none_or(|c| !c.is_ascii_alphanumeric())
                && after.is_none_or(|c| !c.is_ascii_alphanumeric())
        })
    })?;
    Some((*found).to_owned())
}
