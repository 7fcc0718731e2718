//! The cookie of a browser that signed in: which key it stands for and since when, with an HMAC. Nothing is kept of it
//! here: it works as long as its key does, after a restart and at every gateway that knows the key. What was signed
//! out is remembered until it would have ended.
//!
//! `SameSite=Lax` keeps it from what other sites ask for; pages of the same host on another port are kept off by their
//! `Origin` ([`crate::hosts`]), and the name has the port, so that two gateways on one machine do not take each other's.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{COOKIE, HeaderMap};
use subtle::ConstantTimeEq;

use crate::hmac::hmac_sha256;
use crate::keys::{KeyId, KeyRing};

/// How long a browser that is not used stays signed in.
const LIFE: Duration = Duration::from_secs(14 * 86_400);
/// How old a cookie may be before its browser gets a new one.
const RENEWED_AFTER: Duration = Duration::from_secs(86_400);
/// Sign-outs that are remembered; the oldest are forgotten first.
const SIGNED_OUT_MAX: usize = 4096;
/// Version, key, second, random bytes.
const BODY_BYTES: usize = 1 + 8 + 8 + 8;
/// Body and HMAC-SHA256.
const COOKIE_BYTES: usize = BODY_BYTES + 32;
/// Another layout gets another number.
const VERSION: u8 = 1;

/// Its name at the gateway with this port.
pub(crate) fn name(port: u16) -> String {
    format!("pomona_{port}")
}

/// A new one.
pub(crate) fn make(secret: &[u8; 32], key: KeyId, now: SystemTime) -> Result<String, getrandom::Error> {
    let mut bytes = [0; COOKIE_BYTES];
    bytes[0] = VERSION;
    bytes[1..9].copy_from_slice(&key.0.to_be_bytes());
    bytes[9..17].copy_from_slice(&unix_s(now).to_be_bytes());
    getrandom::fill(&mut bytes[17..BODY_BYTES])?;
    let seal = hmac_sha256(secret, &[&bytes[..BODY_BYTES]]);
    bytes[BODY_BYTES..].copy_from_slice(&seal);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whom it stands for, if it is ours and still works.
pub(crate) fn check(keys: &KeyRing, value: &str, now: SystemTime) -> Option<KeyId> {
    let bytes = decode(value)?;
    let (key, since) = read(&bytes)?;
    let seal = hmac_sha256(&keys.cookie_secret(key)?, &[&bytes[..BODY_BYTES]]);
    let is_ours = bool::from(seal.ct_eq(&bytes[BODY_BYTES..]));
    (is_ours && is_within(since, now, LIFE)).then_some(key)
}

/// Whether its browser should get a new one.
pub(crate) fn is_to_renew(value: &str, now: SystemTime) -> bool {
    let since = decode(value).and_then(|bytes| read(&bytes)).map(|(_, since)| since);
    since.is_some_and(|since| !is_within(since, now, RENEWED_AFTER))
}

/// The one that a request shows.
pub(crate) fn shown<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

/// What sets it.
pub(crate) fn set(name: &str, value: &str, is_encrypted: bool) -> String {
    let secure = if is_encrypted { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", LIFE.as_secs())
}

/// What takes it away.
pub(crate) fn removed(name: &str) -> String {
    format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// Cookies whose browsers signed out.
#[derive(Default)]
pub(crate) struct SignedOut(Mutex<Vec<(u64, [u8; 8])>>);

impl SignedOut {
    /// Remembers one, whoever made it: the rest of the check is made elsewhere.
    pub(crate) fn add(&self, value: &str, now: SystemTime) {
        let Some(bytes) = decode(value) else { return };
        let Some((_, since)) = read(&bytes) else { return };
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.retain(|(since, _)| is_within(*since, now, LIFE));
        if out.len() == SIGNED_OUT_MAX {
            out.remove(0);
        }
        out.push((since, nonce(&bytes)));
    }

    /// Whether it was signed out.
    pub(crate) fn has(&self, value: &str) -> bool {
        let out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if out.is_empty() {
            return false;
        }
        decode(value).is_some_and(|bytes| out.iter().any(|(_, gone)| *gone == nonce(&bytes)))
    }
}

fn decode(value: &str) -> Option<[u8; COOKIE_BYTES]> {
    URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()
}

fn read(bytes: &[u8; COOKIE_BYTES]) -> Option<(KeyId, u64)> {
    let [VERSION, rest @ ..] = bytes else { return None };
    let (key, rest) = rest.split_first_chunk::<8>()?;
    let (since, _) = rest.split_first_chunk::<8>()?;
    Some((KeyId(u64::from_be_bytes(*key)), u64::from_be_bytes(*since)))
}

fn nonce(bytes: &[u8; COOKIE_BYTES]) -> [u8; 8] {
    let mut nonce = [0; 8];
    nonce.copy_from_slice(&bytes[17..BODY_BYTES]);
    nonce
}

fn unix_s(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A clock that was set back is no reason to turn somebody away.
fn is_within(since: u64, now: SystemTime, life: Duration) -> bool {
    unix_s(now).saturating_sub(since) < life.as_secs()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn it_stands_for_its_key_while_it_lasts() {
        let (keys, now) = (KeyRing::of(&["pom_a", "pom_b"]), SystemTime::now());
        let key = keys.find(b"pom_a").unwrap();
        let value = make(&keys.cookie_secret(key).unwrap(), key, now).unwrap();
        assert_eq!(check(&keys, &value, now), Some(key));
        assert_eq!(check(&keys, &value, now + LIFE), None, "it ends");
        assert_eq!(check(&KeyRing::of(&["pom_b"]), &value, now), None, "it ends with its key");
        assert!(!is_to_renew(&value, now) && is_to_renew(&value, now + RENEWED_AFTER));
    }

    #[test]
    fn no_changed_byte_is_taken() {
        let (keys, now) = (KeyRing::of(&["pom_a"]), SystemTime::now());
        let key = keys.find(b"pom_a").unwrap();
        let value = make(&keys.cookie_secret(key).unwrap(), key, now).unwrap();
        let bytes = decode(&value).unwrap();
        for at in 0..COOKIE_BYTES {
            let mut changed = bytes;
            changed[at] ^= 1;
            assert_eq!(check(&keys, &URL_SAFE_NO_PAD.encode(changed), now), None, "byte {at}");
        }
        for garbage in ["", "x", "a=b", &value[1..], &value.repeat(2)] {
            assert_eq!(check(&keys, garbage, now), None, "{garbage:?}");
        }
    }

    #[test]
    fn what_signed_out_stays_out_and_nothing_else() {
        let (keys, now) = (KeyRing::of(&["pom_a"]), SystemTime::now());
        let key = keys.find(b"pom_a").unwrap();
        let secret = keys.cookie_secret(key).unwrap();
        let [one, other] = [(); 2].map(|()| make(&secret, key, now).unwrap());
        let out = SignedOut::default();
        out.add("garbage", now);
        out.add(&one, now);
        assert!(out.has(&one) && !out.has(&other) && !out.has("garbage"));
    }

    #[test]
    fn it_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; pomona_99991=x;pomona_9999=yes"));
        assert_eq!(shown(&headers, &name(9999)), Some("yes"));
        assert_eq!(shown(&headers, &name(1)), None);
    }
}
