//! Whether and how much a model thinks before it answers.

use pomona_protocol::Effort;
use serde::Deserialize;

use crate::errors::ApiError;
use crate::form::shown;

/// Words for the template of a model; what is not known is ignored.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct TemplateWords {
    /// Whether the model thinks first.
    pub(crate) enable_thinking: Option<bool>,
    /// The same, in other words.
    pub(crate) thinking: Option<bool>,
}

pomona_protocol::only_from_objects!(TemplateWords);

/// An effort by OpenAI's words. `none` means not to think; the words between ours mean the next one.
pub(crate) fn check_effort(
    param: &str,
    word: Option<&str>,
) -> Result<(Option<bool>, Option<Effort>), ApiError> {
    match word {
        None => Ok((None, None)),
        Some("none") => Ok((Some(false), None)),
        Some("minimal" | "low") => Ok((None, Some(Effort::Low))),
        Some("medium") => Ok((None, Some(Effort::Medium))),
        Some("high" | "xhigh") => Ok((None, Some(Effort::High))),
        Some(other) => {
            let other = shown(other);
            let message = format!("{param} is `{other}`; known are none, minimal, low, medium and high");
            Err(ApiError::invalid(param, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_have_names() {
        let effort = |word| check_effort("p", Some(word)).unwrap();
        assert_eq!(check_effort("p", None).unwrap(), (None, None));
        assert_eq!(effort("none"), (Some(false), None));
        assert_eq!(effort("minimal"), (None, Some(Effort::Low)));
        assert_eq!(effort("xhigh"), (None, Some(Effort::High)));
        assert!(check_effort("p", Some("much")).unwrap_err().message().contains("`much`"));
    }
}
