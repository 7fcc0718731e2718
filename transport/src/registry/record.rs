//! What the registry writes down. [`super::Registry`] changes it; the file holds exactly this.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pomona_protocol::{NodeId, PeerRole, TokenStatus};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::names::is_same_name;

/// The way in which the file is laid out. A higher number than ours is damage to us.
pub(super) const FORMAT: u32 = 1;
/// How long an expired or used token is kept, in milliseconds, so that its holder learns what is wrong with it.
pub(super) const TOKEN_KEPT_MS: u64 = 24 * 3600 * 1000;

/// A member, present or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// What its certificate lets it do.
    pub role: PeerRole,
    /// When it joined, in milliseconds since 1970.
    pub joined_unix_ms: u64,
    /// When its certificate ends, in milliseconds since 1970.
    pub certificate_expires_unix_ms: u64,
    /// When it was removed, in milliseconds since 1970; `None` while it is a member.
    pub removed_unix_ms: Option<u64>,
    /// The token that it joined with last, in 16 hex digits; `None` for the machine that holds the authority.
    #[serde(default)]
    pub token: Option<String>,
}

impl Member {
    /// Whether it was not removed.
    pub fn is_present(&self) -> bool {
        self.removed_unix_ms.is_none()
    }
}

/// A join token. What is stored of its secret opens nothing but a first contact, and only until it is used or expires;
/// still the file is for its owner alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenRecord {
    pub(super) secret_sha256: Digest32,
    pub(super) role: PeerRole,
    pub(super) name: Option<String>,
    pub(super) expires_unix_ms: u64,
    pub(super) uses: u32,
    pub(super) uses_left: u32,
}

impl TokenRecord {
    pub(super) fn is_usable(&self, now_ms: u64) -> bool {
        self.uses_left > 0 && now_ms < self.expires_unix_ms
    }

    pub(super) fn status(&self, id: u64) -> TokenStatus {
        TokenStatus {
            id: format!("{id:016x}"),
            role: self.role,
            name: self.name.clone(),
            expires_unix_ms: self.expires_unix_ms,
            uses_left: self.uses_left,
        }
    }
}

/// 32 bytes, as 64 hex digits in the file, and not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Digest32(pub(super) [u8; 32]);

impl std::fmt::Debug for Digest32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Serialize for Digest32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for Digest32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        let is_hex = hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex {
            return Err(serde::de::Error::custom("a digest is not 64 hex digits"));
        }
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(serde::de::Error::custom)?;
        }
        Ok(Self(bytes))
    }
}

/// Everything in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Records {
    pub(super) format: u32,
    /// By id, in 16 hex digits.
    pub(super) tokens: BTreeMap<String, TokenRecord>,
    pub(super) members: Vec<Member>,
}

impl Default for Records {
    fn default() -> Self {
        Self { format: FORMAT, tokens: BTreeMap::new(), members: Vec::new() }
    }
}

impl Records {
    pub(super) fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.node == *node)
    }

    pub(super) fn present(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_present())
    }

    /// The member that is called so, or whose id this is.
    pub(super) fn find(&self, id_or_name: &str) -> Option<&Member> {
        let by_id = self.present().find(|member| member.node.0 == id_or_name);
        by_id.or_else(|| self.present().find(|member| is_same_name(&member.name, id_or_name)))
    }

    /// Whether another member than `node` is called so.
    pub(super) fn is_name_taken(&self, name: &str, node: &NodeId) -> bool {
        self.present().any(|member| member.node != *node && is_same_name(&member.name, name))
    }

    /// Whether this member joined with this token before: its answer got lost, and it asks again.
    pub(super) fn came_with(&self, node: &NodeId, token: &str) -> bool {
        self.member(node).is_some_and(|member| member.is_present() && member.token.as_deref() == Some(token))
    }

    pub(super) fn put(&mut self, member: Member) {
        match self.members.iter_mut().find(|known| known.node == member.node) {
            Some(known) => *known = member,
            None => self.members.push(member),
        }
    }

    /// Forgets what nobody asks for any more: tokens a day after their end, and removed members whose certificate
    /// has ended by itself.
    pub(super) fn tidy(&mut self, now_ms: u64) {
        self.tokens.retain(|_, token| now_ms < token.expires_unix_ms.saturating_add(TOKEN_KEPT_MS));
        self.members.retain(|member| member.is_present() || now_ms < member.certificate_expires_unix_ms);
    }
}

/// Milliseconds since 1970; 0 before it.
pub(super) fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since: Duration| since.as_millis() as u64)
}
