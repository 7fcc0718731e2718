//! Pictures in a prompt: from the bytes that a client sent to rows that stand among those of the tokens.
//!
//! A picture is decoded and scaled here ([`picture`]), turned into rows by a [`Tower`], and stands in the prompt as a
//! fixed number of places. Each place has an id of its own above all token ids, made from the picture's bytes
//! ([`place_ids`]): so two prompts share KV only where they show the same picture, and nothing else needs to know.

mod picture;
mod prompt;

use sha2::{Digest, Sha256};

use crate::backend::BackendError;

pub use picture::{Picture, PictureError, decode};
pub use prompt::{PictureWords, Shown};

/// Ids from here on are places of pictures; no vocabulary reaches this far.
pub const FIRST_PLACE: u32 = 1 << 31;

/// What a model does with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisionShape {
    /// Pixels of the sides of the square that pictures are scaled to.
    pub side: usize,
    /// Places that a picture takes in the prompt.
    pub places: usize,
    /// Numbers of a row, the width of the decoder's stream.
    pub width: usize,
}

/// Turns pictures into rows. Lives on the thread of its backend.
pub trait Tower {
    /// Fixed facts about the model.
    fn shape(&self) -> VisionShape;

    /// The rows of a picture: `places` of `width` numbers. The same bits for the same picture.
    fn look(&mut self, picture: &Picture) -> Result<Vec<f32>, BackendError>;
}

/// The ids of a picture's places: 31 bits of SHA-256 over its pixels and the place's number.
pub fn place_ids(picture: &Picture, places: usize) -> Vec<u32> {
    let pixels = Sha256::digest(picture.bytes());
    let id = |place: usize| {
        let hash: [u8; 32] =
            Sha256::new().chain_update(pixels).chain_update(place.to_le_bytes()).finalize().into();
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) | FIRST_PLACE
    };
    (0..places).map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_a_picture_are_its_own() {
        let [one, other] = [7, 8].map(|grey| Picture::plain(2, [grey; 3]));
        let ids = place_ids(&one, 5);
        assert_eq!(ids, place_ids(&one, 5));
        assert!(ids.iter().all(|id| *id >= FIRST_PLACE));
        assert!(ids.iter().zip(place_ids(&other, 5)).all(|(one, other)| *one != other));
    }
}
