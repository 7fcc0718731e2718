//! Join tokens: made, listed, taken back. The part of [`Registry`] that admins use most.

use std::time::SystemTime;

use pomona_protocol::join::{TOKEN_ADDRESSES_MAX, TOKEN_CHARACTERS_MAX};
use pomona_protocol::{CreatedToken, JoinToken, NewToken, TokenStatus};

use super::Registry;
use super::error::RegistryError;
use super::names::check_name;
use super::record::{Digest32, Records, TokenRecord, unix_ms};
use crate::audit::{AuditLine, AuditWhat};
use crate::join::proof;

/// Tokens that are kept at once, expired and used ones of the last day included (those make room when needed).
pub const TOKENS_MAX: usize = 256;
/// Longest life of a token, in seconds: 30 days.
pub const TOKEN_TTL_S_MAX: u64 = 2_592_000;
/// Machines that one token may let in.
pub const TOKEN_USES_MAX: u32 = 1000;

impl Registry {
    /// Makes a token. `addresses` (host:port, nearest first; those beyond [`TOKEN_ADDRESSES_MAX`] are left out) and the
    /// authority's `fingerprint` go into it. What is returned is the only copy of its secret.
    pub fn create_token(
        &self,
        wish: &NewToken,
        addresses: &[String],
        fingerprint: [u8; 32],
        now: SystemTime,
    ) -> Result<(CreatedToken, JoinToken), RegistryError> {
        check_range("ttl_s", wish.ttl_s, TOKEN_TTL_S_MAX)?;
        check_range("uses", wish.uses.into(), TOKEN_USES_MAX.into())?;
        let name = wish.name.as_deref().map(check_name).transpose()?.map(str::to_owned);
        let token = draw(addresses, fingerprint)?;
        let text = token.to_string();
        if text.len() > TOKEN_CHARACTERS_MAX {
            return Err(RegistryError::TokenTooLong { characters: text.len(), limit: TOKEN_CHARACTERS_MAX });
        }
        let now_ms = unix_ms(now);
        let record = TokenRecord {
            secret_sha256: Digest32(proof::digest_of(&token.secret)),
            role: wish.role,
            name,
            expires_unix_ms: now_ms.saturating_add(wish.ttl_s * 1000),
            uses: wish.uses,
            uses_left: wish.uses,
        };
        let created = CreatedToken {
            token: text,
            id: format!("{:016x}", token.id),
            expires_unix_ms: record.expires_unix_ms,
            addresses: token.addresses.clone(),
        };
        let line = AuditLine::new(AuditWhat::TokenCreated, now).token(token.id).role(wish.role);
        let line = record.name.iter().fold(line, |line, name| line.name(name));
        let mut state = self.state();
        let mut next = state.records.clone();
        next.tidy(now_ms);
        make_room(&mut next, now_ms)?;
        next.tokens.insert(created.id.clone(), record);
        self.store(&mut state, next)?;
        state.note(&line);
        Ok((created, token))
    }

    /// Tokens that may still be used.
    pub fn tokens(&self, now: SystemTime) -> Vec<TokenStatus> {
        let (state, now_ms) = (self.state(), unix_ms(now));
        let usable = state.records.tokens.iter().filter(|(_, token)| token.is_usable(now_ms));
        usable.filter_map(|(id, token)| Some(token.status(parse_id(id)?))).collect()
    }

    /// Takes a token back; `id` is 16 hex digits. Members that joined with it stay.
    pub fn revoke_token(&self, id: &str, now: SystemTime) -> Result<(), RegistryError> {
        let unknown = || RegistryError::UnknownToken { given: id.chars().take(64).collect() };
        let number = parse_id(id).ok_or_else(unknown)?;
        let mut state = self.state();
        let mut next = state.records.clone();
        next.tokens.remove(&format!("{number:016x}")).ok_or_else(unknown)?;
        self.store(&mut state, next)?;
        state.note(&AuditLine::new(AuditWhat::TokenRevoked, now).token(number));
        Ok(())
    }
}

fn check_range(key: &'static str, value: u64, limit: u64) -> Result<(), RegistryError> {
    if (1..=limit).contains(&value) { Ok(()) } else { Err(RegistryError::OutOfRange { key, value, limit }) }
}

fn draw(addresses: &[String], fingerprint: [u8; 32]) -> Result<JoinToken, RegistryError> {
    let random = |error: getrandom::Error| RegistryError::Random { message: error.to_string() };
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(random)?;
    let id = getrandom::u64().map_err(random)?;
    let addresses = addresses.iter().take(TOKEN_ADDRESSES_MAX).cloned().collect();
    Ok(JoinToken { addresses, fingerprint, id, secret })
}

/// Used and expired tokens make room first, the oldest before the others.
fn make_room(records: &mut Records, now_ms: u64) -> Result<(), RegistryError> {
    if records.tokens.len() < TOKENS_MAX {
        return Ok(());
    }
    let over = records.tokens.iter().filter(|(_, token)| !token.is_usable(now_ms));
    let oldest = over.min_by_key(|(_, token)| token.expires_unix_ms).map(|(id, _)| id.clone());
    let oldest = oldest.ok_or(RegistryError::TooManyTokens)?;
    records.tokens.remove(&oldest);
    Ok(())
}

fn parse_id(text: &str) -> Option<u64> {
    let is_id = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}
