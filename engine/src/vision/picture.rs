//! Decoding and scaling of what clients send, within limits that hold before any pixel is unpacked.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use pomona_protocol::Image;
use pomona_protocol::limits::IMAGE_BYTES_MAX;

/// Longest side of a picture, in pixels; cameras stay below.
const SIDE_MAX: u32 = 16_384;
/// Memory for decoding one picture, in bytes: 64 megapixels of 4 bytes.
const DECODED_BYTES_MAX: u64 = 256 << 20;

/// Why a picture cannot be shown to a model.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// It is no base64.
    #[error("the picture is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// The file is too large.
    #[error("the picture has {found} bytes; at most {IMAGE_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes of the file.
        found: usize,
    },
    /// It is no picture that can be read, or too large a one.
    #[error(
        "the picture cannot be read: {0}; PNG, JPEG, WebP and GIF up to {SIDE_MAX} pixels a side are understood"
    )]
    Unreadable(String),
}

/// A square picture, three bytes a pixel, row after row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    side: usize,
    bytes: Vec<u8>,
}

/// Reads a picture and scales it to a square, as the models that take squares were trained: both sides on their own.
pub fn decode(image: &Image, side: usize) -> Result<Picture, PictureError> {
    if image.base64.len() > IMAGE_BYTES_MAX.div_ceil(3) * 4 {
        return Err(PictureError::TooLong { found: image.base64.len() / 4 * 3 });
    }
    let file = STANDARD.decode(image.base64.as_bytes())?;
    if file.len() > IMAGE_BYTES_MAX {
        return Err(PictureError::TooLong { found: file.len() });
    }
    let whole = read(&file).map_err(|error| PictureError::Unreadable(error.to_string()))?;
    let side_pixels = u32::try_from(side).unwrap_or(SIDE_MAX);
    let square = image::imageops::resize(&whole.to_rgb8(), side_pixels, side_pixels, FilterType::Triangle);
    Ok(Picture { side, bytes: square.into_raw() })
}

/// The picture in a file, turned as its camera was held.
fn read(file: &[u8]) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_MAX), Some(SIDE_MAX));
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let turned = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(turned);
    Ok(picture)
}

impl Picture {
    /// A picture of one colour.
    pub fn plain(side: usize, colour: [u8; 3]) -> Picture {
        Picture { side, bytes: colour.repeat(side * side) }
    }

    /// Three bytes for each pixel, row after row.
    pub fn from_rgb(side: usize, bytes: Vec<u8>) -> Option<Picture> {
        (bytes.len() == 3 * side * side).then_some(Picture { side, bytes })
    }

    /// Pixels of a side.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Three bytes for each pixel, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The numbers of the pixel at a place, from -1 to 1.
    pub(crate) fn pixel(&self, row: usize, column: usize) -> [f32; 3] {
        let at = 3 * (row * self.side + column);
        let number = |byte: u8| f32::from(byte) / 127.5 - 1.0;
        [number(self.bytes[at]), number(self.bytes[at + 1]), number(self.bytes[at + 2])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(file: &[u8]) -> Image {
        Image { media_type: "image/png".to_owned(), base64: STANDARD.encode(file) }
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let picture = image::RgbImage::from_fn(width, height, |x, _| image::Rgb([x as u8, 128, 255]));
        picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
        file.into_inner()
    }

    #[test]
    fn a_picture_is_scaled_to_a_square() {
        let picture = decode(&image(&png(20, 10)), 8).unwrap();
        assert_eq!((picture.side(), picture.bytes().len()), (8, 192));
        assert_eq!(picture.pixel(0, 0)[2], 1.0);
        assert!(picture.pixel(3, 0)[0] < picture.pixel(3, 7)[0]);
    }

    #[test]
    fn what_is_no_picture_is_refused_by_name() {
        let refused = |image: &Image| decode(image, 8).unwrap_err().to_string();
        assert!(refused(&image(b"hello")).contains("cannot be read"));
        assert!(refused(&image(&png(20, 10)[..60])).contains("cannot be read"));
        let odd = Image { base64: "!!!!".to_owned(), ..image(b"") };
        assert!(refused(&odd).contains("not base64"));
        let long = Image { base64: "A".repeat(IMAGE_BYTES_MAX * 2), ..image(b"") };
        assert!(refused(&long).contains("bytes"));
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused_before_it_is_unpacked() {
        let mut bomb = png(20, 10);
        bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        assert!(decode(&image(&bomb), 8).unwrap_err().to_string().contains("cannot be read"));
    }
}
