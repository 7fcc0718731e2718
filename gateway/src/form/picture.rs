//! Pictures in messages: data in the request alone, of known types and sizes. What their headers promise is the
//! engine's to check, which decodes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pomona_protocol::limits::{IMAGE_BYTES_MAX, IMAGES_MAX};
use pomona_protocol::{Image, Message, Part, Role};

use crate::errors::ApiError;
use crate::form::shown;

/// What can be decoded.
const TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// A picture in the address of an `image_url`. `param` is where that stands.
pub(crate) fn from_address(param: &str, address: &str) -> Result<Image, ApiError> {
    let Some(data) = address.strip_prefix("data:") else {
        let scheme = address.split_once(':').map_or("none", |(scheme, _)| scheme);
        let message = format!(
            "{param} is an address (scheme `{}`); pictures are not fetched, send the file itself as \
             `data:image/png;base64,…`",
            shown(scheme)
        );
        return Err(ApiError::unsupported("image_not_fetched", param, message));
    };
    let (head, base64) = data.split_once(',').unwrap_or((data, ""));
    let mut words = head.split(';').map(str::trim);
    let media_type = words.next().unwrap_or_default();
    if !words.any(|word| word.eq_ignore_ascii_case("base64")) {
        return Err(invalid(param, "is no base64 data; write `data:image/png;base64,…`"));
    }
    from_base64(param, media_type, base64.to_owned())
}

/// A picture by its type and its file in base64.
pub(crate) fn from_base64(param: &str, media_type: &str, base64: String) -> Result<Image, ApiError> {
    let lower = media_type.to_ascii_lowercase();
    let media_type = if lower == "image/jpg" { "image/jpeg" } else { lower.as_str() };
    if !TYPES.contains(&media_type) {
        let message = format!("{param} is of type `{}`; known are {}", shown(media_type), TYPES.join(", "));
        return Err(ApiError::unsupported("image_type_not_supported", param, message));
    }
    // Four letters hold three bytes: what is too long is not decoded.
    let bytes = base64.len() / 4 * 3;
    if bytes > IMAGE_BYTES_MAX + 2 {
        return Err(invalid(param, &format!("has {bytes} bytes; at most {IMAGE_BYTES_MAX} are allowed")));
    }
    let file = STANDARD.decode(&base64).map_err(|error| invalid(param, &format!("is no base64: {error}")))?;
    if file.len() > IMAGE_BYTES_MAX {
        let bytes = file.len();
        return Err(invalid(param, &format!("has {bytes} bytes; at most {IMAGE_BYTES_MAX} are allowed")));
    }
    // The bytes decide: clients often name the wrong one of the known types.
    let media_type =
        type_of(&file).ok_or_else(|| invalid(param, "is no png, jpeg, webp or gif by its first bytes"))?;
    Ok(Image { media_type: media_type.to_owned(), base64 })
}

fn type_of(file: &[u8]) -> Option<&'static str> {
    match file {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

fn invalid(param: &str, says: &str) -> ApiError {
    ApiError::new(hyper::StatusCode::BAD_REQUEST, "invalid_image", format!("{param} {says}"))
        .with_param(param)
}

/// All pictures of a conversation together; those who speak may be given some.
pub(crate) fn check_pictures(param: &str, messages: &[Message]) -> Result<(), ApiError> {
    let is_picture = |part: &&Part| matches!(part, Part::Image(_));
    let of = |message: &Message| message.parts.iter().filter(is_picture).count();
    let all: usize = messages.iter().map(of).sum();
    if all > IMAGES_MAX {
        let message = format!("{param} has {all} pictures; at most {IMAGES_MAX} are allowed");
        return Err(ApiError::invalid(param, message));
    }
    let speaks = |message: &Message| matches!(message.role, Role::User | Role::Tool);
    if let Some(other) = messages.iter().find(|message| !speaks(message) && of(message) > 0) {
        let role = other.role.as_str();
        let message = format!("{param} has a picture of the role `{role}`; users and tools show pictures");
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png() -> String {
        STANDARD.encode([0x89, b'P', b'N', b'G', 13, 10, 26, 10])
    }

    #[test]
    fn a_picture_comes_as_data_and_its_bytes_decide() {
        let image = from_address("p", &format!("data:image/png;base64,{}", png())).unwrap();
        assert_eq!(image, Image { media_type: "image/png".to_owned(), base64: png() });
        let named = from_address("p", &format!("data:IMAGE/JPG;x=1;base64,{}", png())).unwrap();
        assert_eq!(named.media_type, "image/png");
    }

    #[test]
    fn what_is_no_picture_is_named_and_never_fetched() {
        let long = format!("data:image/png;base64,{}", "A".repeat(IMAGE_BYTES_MAX / 3 * 4 + 400));
        for (address, code, says) in [
            ("https://example.com/secret.png", "image_not_fetched", "scheme `https`"),
            ("file:///etc/passwd", "image_not_fetched", "scheme `file`"),
            ("", "image_not_fetched", "scheme `none`"),
            ("data:", "invalid_image", "no base64 data"),
            ("data:image/png,abc", "invalid_image", "no base64 data"),
            ("data:image/png;base64,@@@", "invalid_image", "no base64: "),
            ("data:image/png;base64,", "invalid_image", "first bytes"),
            ("data:image/png;base64,AAAA", "invalid_image", "first bytes"),
            ("data:image/svg+xml;base64,AAAA", "image_type_not_supported", "svg"),
            ("data:text/html;base64,AAAA", "image_type_not_supported", "text/html"),
            (long.as_str(), "invalid_image", "at most 8388608"),
        ] {
            let error = from_address("p", address).unwrap_err();
            assert_eq!(error.code(), code, "{address:.40}");
            assert!(error.message().contains(says), "{}", error.message());
            assert!(!error.message().contains("secret") && !error.message().contains("passwd"));
        }
    }

    #[test]
    fn pictures_are_counted_and_shown_by_users_and_tools() {
        let image = from_base64("p", "image/png", png()).unwrap();
        let with = |role, count| Message { role, parts: vec![Part::Image(image.clone()); count] };
        assert!(check_pictures("m", &[with(Role::User, 8), with(Role::Tool, 8)]).is_ok());
        let error = check_pictures("m", &[with(Role::User, 9), with(Role::User, 8)]).unwrap_err();
        assert!(error.message().contains("17 pictures"));
        assert!(check_pictures("m", &[with(Role::System, 1)]).unwrap_err().message().contains("system"));
    }
}
