//! How a machine becomes a member: the token that a person carries over, and the two frames of the first contact.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{NodeId, PeerRole};

const PREFIX: &str = "pom1-";
const CHECKSUM_BYTES: usize = 4;
/// Longest token that is looked at, in characters.
pub const TOKEN_CHARACTERS_MAX: usize = 2048;
/// Addresses in one token.
pub const TOKEN_ADDRESSES_MAX: usize = 16;
/// Clocks may differ by this much, in milliseconds, before certificates become a riddle.
pub const CLOCK_SKEW_MS_MAX: u64 = 5 * 60 * 1000;

/// What a person carries from a gateway to a new machine, shown as `pom1-…`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Where the gateway takes first contacts, as `host:port`, LAN addresses first. Empty: found by mDNS.
    pub addresses: Vec<String>,
    /// SHA-256 of the authority's public key (its SPKI in DER).
    #[serde(with = "bytes")]
    pub fingerprint: [u8; 32],
    /// Names the token, so that the secret is compared with one other and never searched for.
    pub id: u64,
    /// What only the two sides know.
    #[serde(with = "bytes")]
    pub secret: [u8; 16],
}

/// Bytes as MessagePack's own kind, half as long as a list of numbers: people copy tokens.
mod bytes {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        struct Exactly<const N: usize>;

        impl<const N: usize> Visitor<'_> for Exactly<N> {
            type Value = [u8; N];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }

        from.deserialize_bytes(Exactly::<N>)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({:016x} at {:?})", self.id, self.addresses)
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = rmp_serde::to_vec(self).map_err(|_| fmt::Error)?;
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", BASE64.encode(bytes))
    }
}

/// Why a text is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin like one.
    #[error(
        "a join token begins with `{PREFIX}`; this begins with `{start}`; make one with `pomona token create`"
    )]
    Prefix {
        /// Its first characters.
        start: String,
    },
    /// It is longer than any token.
    #[error("this is {characters} characters long; a join token has at most {TOKEN_CHARACTERS_MAX}")]
    TooLong {
        /// How long it is.
        characters: usize,
    },
    /// It was cut or mistyped.
    #[error("this join token was cut or mistyped (its checksum does not match); copy it whole")]
    Damaged,
    /// It is made differently.
    #[error("this join token is not of a kind that this version of pomona knows: {message}")]
    Unknown {
        /// What the decoder said.
        message: String,
    },
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > TOKEN_CHARACTERS_MAX {
            return Err(TokenError::TooLong { characters: text.chars().count() });
        }
        let body = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| TokenError::Prefix { start: text.chars().take(8).collect() })?;
        let bytes = BASE64.decode(body).map_err(|_| TokenError::Damaged)?;
        let (bytes, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TokenError::Damaged)?;
        if checksum(bytes) != *sum {
            return Err(TokenError::Damaged);
        }
        let token: Self = rmp_serde::from_slice(bytes)
            .map_err(|error| TokenError::Unknown { message: error.to_string() })?;
        if token.addresses.len() > TOKEN_ADDRESSES_MAX {
            let message = format!("{} addresses (limit {TOKEN_ADDRESSES_MAX})", token.addresses.len());
            return Err(TokenError::Unknown { message });
        }
        Ok(token)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|index| digest[index])
}

/// The first frame of a first contact; says that the caller knows the secret and asks for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// [`crate::link::LINK_PROTOCOL`] of the caller.
    pub protocol: u32,
    /// Version of its program.
    pub version: String,
    /// Id of its token.
    pub token: u64,
    /// HMAC-SHA-256 of this connection's exported keying material under the SHA-256 of the secret: it proves the secret
    /// to this server alone.
    pub proof: Vec<u8>,
    /// What it wants to be.
    pub role: PeerRole,
    /// What people are to call it.
    pub name: String,
    /// Its certificate signing request, in DER. The key stays where it was made.
    pub signing_request: Vec<u8>,
    /// Its clock, in milliseconds since 1970.
    pub now_unix_ms: u64,
}

/// The answer to a [`JoinRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinAnswer {
    /// It is a member now.
    Welcome(Box<Membership>),
    /// It is not.
    Refused(JoinRefusal),
}

/// What a member needs to come back by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its id from now on.
    pub node: NodeId,
    /// Its name; the token may have fixed another one than it asked for.
    pub name: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Its certificate, in DER.
    pub certificate: Vec<u8>,
    /// The authority's certificate, in DER.
    pub authority: Vec<u8>,
    /// Gateways to dial.
    pub gateways: Vec<GatewayAddresses>,
}

/// Where a gateway takes member links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayAddresses {
    /// Its id.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Addresses on its local networks, as `host:port`.
    pub lan: Vec<String>,
    /// Addresses that work from anywhere, as `host:port`.
    pub wan: Vec<String>,
}

/// Why a machine does not become a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum JoinRefusal {
    /// No such token, or not this secret: the two look alike from outside.
    #[error("the gateway does not know this token; it was revoked, or made by another gateway")]
    UnknownToken,
    /// Too late.
    #[error("this token expired {ago_s} s ago; make a new one with `pomona token create`")]
    Expired {
        /// Since when, in seconds.
        ago_s: u64,
    },
    /// Too often.
    #[error(
        "this token was used already ({uses} of {uses} times); make a new one with `pomona token create`"
    )]
    Used {
        /// How often it could be used.
        uses: u32,
    },
    /// For something else.
    #[error("this token is for a {token} and this machine asks to be a {asked}")]
    WrongRole {
        /// What the token is for.
        token: String,
        /// What was asked for.
        asked: String,
    },
    /// Certificates would not be valid yet, or any more.
    #[error(
        "the clocks differ by {skew_s} s (limit {limit_s} s): this machine's is {direction}; set the clock and try again"
    )]
    Clock {
        /// By how much, in seconds.
        skew_s: u64,
        /// How much they may.
        limit_s: u64,
        /// `ahead` or `behind`.
        direction: String,
    },
    /// Their wires differ.
    #[error(
        "the gateway runs pomona {version} (link protocol {ours}) and this machine speaks {theirs}; update the older one"
    )]
    Version {
        /// What the gateway speaks.
        ours: u32,
        /// Version of its program.
        version: String,
        /// What the machine speaks.
        theirs: u32,
    },
    /// The signing request or the name is not acceptable.
    #[error("{message}")]
    Invalid {
        /// Names the value and what is allowed.
        message: String,
    },
    /// Too many wrong tries.
    #[error("too many failed tries; wait {retry_after_s} s")]
    Throttled {
        /// How long.
        retry_after_s: u32,
    },
}

impl JoinRefusal {
    /// The stable name, in logs and in the audit.
    pub fn code(&self) -> &'static str {
        match self {
            JoinRefusal::UnknownToken => "unknown_token",
            JoinRefusal::Expired { .. } => "expired",
            JoinRefusal::Used { .. } => "used",
            JoinRefusal::WrongRole { .. } => "wrong_role",
            JoinRefusal::Clock { .. } => "clock",
            JoinRefusal::Version { .. } => "version",
            JoinRefusal::Invalid { .. } => "invalid",
            JoinRefusal::Throttled { .. } => "throttled",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            addresses: vec!["192.168.1.7:9999".to_owned(), "mac.example.org:9999".to_owned()],
            fingerprint: [7; 32],
            id: 0xfeed,
            secret: [9; 16],
        }
    }

    #[test]
    fn a_token_reads_back_as_it_was_shown() {
        assert_eq!(format!(" {}\n", token()).parse(), Ok(token()));
    }

    #[test]
    fn a_token_does_not_show_its_secret_in_logs() {
        assert_eq!(
            format!("{:?}", token()),
            "JoinToken(000000000000feed at [\"192.168.1.7:9999\", \"mac.example.org:9999\"])"
        );
    }

    #[test]
    fn every_cut_or_changed_token_is_refused() {
        let text = token().to_string();
        for end in 0..text.len() {
            assert!(text[..end].parse::<JoinToken>().is_err(), "{}", &text[..end]);
        }
        for position in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<JoinToken>().is_err(), "{changed}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_token_and_no_panic(text in ".{0,200}") {
            let with_prefix = format!("{PREFIX}{text}");
            let garbage = [text.parse::<JoinToken>(), with_prefix.parse()];
            prop_assert!(garbage.iter().all(Result::is_err));
        }
    }
}
