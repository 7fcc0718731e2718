//! Pictures in the text of a prompt: the words that stand for them, and their places among the ids.
//!
//! A chat template writes one word where a picture is. It becomes the beginning of a picture, a word for each place,
//! and the end, as the model was trained; after tokenising, the places get the picture's own ids.

use pomona_protocol::limits::IMAGES_MAX;
use pomona_protocol::{Cause, Image, Message, Part};

use super::{Picture, VisionShape, decode, place_ids};
use crate::tokenizer::Tokenizer;

/// How a model is shown pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureWords {
    shape: VisionShape,
    begin: String,
    place: String,
    place_id: u32,
    end: String,
}

/// A picture in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Position of its first place.
    pub position: usize,
    /// What is shown.
    pub picture: Picture,
}

impl PictureWords {
    /// The words for these ids: before a picture, in its places, and behind it. None if the tokenizer lacks one.
    pub fn new(tokenizer: &Tokenizer, shape: VisionShape, ids: [u32; 3]) -> Option<PictureWords> {
        let [begin, place, end] = ids.map(|id| tokenizer.word_of(id));
        Some(PictureWords { shape, begin: begin?, place: place?, place_id: ids[1], end: end? })
    }

    /// The pictures of a conversation in order, decoded and scaled.
    pub fn pictures(&self, messages: &[Message]) -> Result<Vec<Picture>, Cause> {
        let parts = messages.iter().flat_map(|message| &message.parts);
        let images: Vec<&Image> =
            parts.filter_map(|part| if let Part::Image(image) = part { Some(image) } else { None }).collect();
        if images.len() > IMAGES_MAX {
            return Err(invalid(format!("{} pictures; at most {IMAGES_MAX} are taken", images.len())));
        }
        let decoded = images.into_iter().enumerate().map(|(number, image)| {
            decode(image, self.shape.side).map_err(|error| invalid(format!("picture {number}: {error}")))
        });
        decoded.collect()
    }

    /// A rendered conversation with room for so many pictures.
    pub fn spread(&self, rendered: &str, pictures: usize) -> Result<String, Cause> {
        let written = rendered.matches(&self.begin).count();
        if written != pictures || rendered.contains(&self.place) {
            let (begin, place) = (&self.begin, &self.place);
            return Err(invalid(format!(
                "the prompt has {written} marks `{begin}` for {pictures} pictures; text must contain neither it nor \
                 `{place}`"
            )));
        }
        let places = self.place.repeat(self.shape.places);
        let whole = format!("\n\n{}{places}{}\n\n", self.begin, self.end);
        Ok(rendered.replace(&self.begin, &whole))
    }

    /// Gives each picture's places their ids.
    pub fn place(&self, ids: &mut [u32], pictures: Vec<Picture>) -> Result<Vec<Shown>, Cause> {
        let mut shown = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let position = ids.iter().position(|id| *id == self.place_id);
            let places = position.and_then(|at| ids.get_mut(at..at + self.shape.places));
            let (Some(position), Some(places)) = (position, places) else {
                return Err(invalid("the tokenizer does not keep the places of pictures".to_owned()));
            };
            places.copy_from_slice(&place_ids(&picture, self.shape.places));
            shown.push(Shown { position, picture });
        }
        Ok(shown)
    }
}

fn invalid(message: String) -> Cause {
    Cause::InvalidRequest { parameter: "messages".to_owned(), message }
}
