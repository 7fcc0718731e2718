//! Every way in which asking a gateway fails, with what to do about it where something can be done.

use std::error::Error;
use std::io;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No address was given and no gateway runs here.
    #[error("no gateway runs on this machine; start it with `pomona up`, or name one with --url")]
    NoGateway,
    /// The address makes no sense.
    #[error("{url} cannot be asked: {reason}")]
    InvalidUrl {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody listens there.
    #[error("no gateway answers at {url}; start it with `pomona up`")]
    Refused {
        /// Where.
        url: String,
    },
    /// The network does not lead there, or not in time.
    #[error("the gateway at {url} cannot be reached: {message}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system said.
        message: String,
    },
    /// There are several addresses and nobody answers at any.
    #[error("no gateway can be reached: {tried}")]
    NoneReachable {
        /// Each address with what happened there.
        tried: String,
    },
    /// Its certificate comes from an authority that nobody here knows, or is for another name.
    #[error(
        "the certificate of {url} is not trusted ({message}); give the authority of the cluster with --authority"
    )]
    Untrusted {
        /// Where.
        url: String,
        /// What is wrong with it.
        message: String,
    },
    /// The file with the authority is none.
    #[error("this is no certificate of an authority in PEM: {message}")]
    InvalidAuthority {
        /// What was seen.
        message: String,
    },
    /// A name that cannot be part of an address.
    #[error("`{name}` is no name of a {what}")]
    InvalidName {
        /// `node` for instance.
        what: &'static str,
        /// As it was given.
        name: String,
    },
    /// The key is missing or wrong.
    #[error(
        "the gateway at {url} refused the key ({message}); give the right one with --key-file or POMONA_KEY"
    )]
    Unauthorized {
        /// Where.
        url: String,
        /// What the gateway said.
        message: String,
    },
    /// The gateway understood and refused, or failed.
    #[error("{message} ({code})")]
    Api {
        /// HTTP status; 0 for an error within a stream.
        status: u16,
        /// Stable name of the error, `overloaded` for instance.
        code: String,
        /// For people.
        message: String,
        /// Seconds after which a retry makes sense, when the gateway said so.
        retry_after_s: Option<u32>,
    },
    /// What came is no answer of a gateway.
    #[error("what answers at {url} does not speak as a gateway does: {message}")]
    Protocol {
        /// Where.
        url: String,
        /// What was seen.
        message: String,
    },
    /// The answer broke off.
    #[error("the connection to {url} was lost before the answer was complete: {message}")]
    Lost {
        /// Where.
        url: String,
        /// What was seen.
        message: String,
    },
    /// Somebody deleted the session that was listened to.
    #[error(
        "the session {session} was deleted{}; its log is gone",
        by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default()
    )]
    SessionDeleted {
        /// Which.
        session: String,
        /// Whose key, when that was said.
        by: Option<String>,
    },
    /// Without random numbers no key for a request can be made.
    #[error("the system gives no random numbers: {message}")]
    NoRandom {
        /// What the system said.
        message: String,
    },
    /// The answer stood still.
    #[error("the gateway at {url} was silent for {waited_s} s")]
    Silent {
        /// Where.
        url: String,
        /// How long, in seconds.
        waited_s: u64,
    },
}

impl ClientError {
    /// Whether the cause is that no gateway can be used at all, rather than what was asked.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::NoGateway
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::NoneReachable { .. }
            | Self::Silent { .. } => true,
            Self::Api { status, code, .. } => {
                *status == 503 || code == "shutting_down" || code == "model_unavailable"
            }
            Self::InvalidUrl { .. }
            | Self::Untrusted { .. }
            | Self::InvalidAuthority { .. }
            | Self::InvalidName { .. }
            | Self::Unauthorized { .. }
            | Self::Protocol { .. }
            | Self::SessionDeleted { .. }
            | Self::NoRandom { .. }
            | Self::Lost { .. } => false,
        }
    }

    /// Whether the gateway or the way to it failed, rather than what was asked: the same request may do better later,
    /// or at another gateway.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::NoneReachable { .. }
            | Self::Silent { .. }
            | Self::Lost { .. } => true,
            Self::Api { status, code, .. } => matches!(status, 502..=504) || code == "shutting_down",
            _ => false,
        }
    }

    /// Whether nobody takes a connection.
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NoneReachable { .. })
    }

    /// What a failed request means.
    pub(crate) fn of_request(url: &reqwest::Url, error: &reqwest::Error) -> Self {
        let url = shown(url);
        if has_refusal(error) {
            Self::Refused { url }
        } else if is_distrust(error) {
            Self::Untrusted { url, message: root(error) }
        } else if error.is_timeout() {
            Self::Unreachable { url, message: "no answer in time".to_owned() }
        } else {
            Self::Unreachable { url, message: root(error) }
        }
    }

    /// What a failure within the body of an answer means.
    pub(crate) fn of_body(url: &reqwest::Url, error: &reqwest::Error) -> Self {
        Self::Lost { url: shown(url), message: root(error) }
    }
}

/// The address without the slash that only a program needs.
pub(crate) fn shown(url: &reqwest::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether the certificate was the problem. The layers between wrap the error of TLS in errors of I/O, whose
/// `source` steps over what they wrap.
fn is_distrust(error: &reqwest::Error) -> bool {
    causes(error).any(|mut cause| {
        while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            cause = inner;
        }
        matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
    })
}

fn has_refusal(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

/// The innermost cause: what the system said, without the layers that passed it on.
fn root(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source())
}
