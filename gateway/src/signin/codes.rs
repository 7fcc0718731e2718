//! One-time codes: each signs one browser in, for a while. In memory alone, so none outlives the gateway.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::keys::KeyId;

/// How long a code works.
pub(crate) const LIFE: Duration = Duration::from_secs(600);
/// Codes that work at once; one more takes the place of the oldest.
const CODES_MAX: usize = 32;
/// Random bytes of a code.
const CODE_BYTES: usize = 18;

struct Code {
    text: String,
    key: KeyId,
    ends: Instant,
}

/// Those that still work, the oldest first.
#[derive(Default)]
pub(crate) struct Codes(Mutex<Vec<Code>>);

impl Codes {
    /// A new one, for whoever has this key.
    pub(crate) fn make(&self, key: KeyId, now: Instant) -> Result<String, getrandom::Error> {
        let mut bytes = [0; CODE_BYTES];
        getrandom::fill(&mut bytes)?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|code| code.ends > now);
        if codes.len() == CODES_MAX {
            codes.remove(0);
        }
        codes.push(Code { text: text.clone(), key, ends: now + LIFE });
        Ok(text)
    }

    /// Whom it signs in; works once.
    pub(crate) fn take(&self, shown: &str, now: Instant) -> Option<KeyId> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|code| code.ends > now);
        let found = codes.iter().position(|code| code.text.as_bytes().ct_eq(shown.as_bytes()).into())?;
        Some(codes.remove(found).key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_and_for_a_while() {
        let (codes, now) = (Codes::default(), Instant::now());
        let code = codes.make(KeyId(7), now).unwrap();
        assert_eq!(code.len(), 24);
        assert_eq!(codes.take("", now), None);
        assert_eq!(codes.take(&code[1..], now), None);
        assert_eq!(codes.take(&code, now), Some(KeyId(7)));
        assert_eq!(codes.take(&code, now), None);
        let old = codes.make(KeyId(7), now).unwrap();
        assert_eq!(codes.take(&old, now + LIFE), None);
    }

    #[test]
    fn of_too_many_the_oldest_goes() {
        let (codes, now) = (Codes::default(), Instant::now());
        let made: Vec<String> = (0..=CODES_MAX).map(|_| codes.make(KeyId(1), now).unwrap()).collect();
        assert_eq!(codes.take(&made[0], now), None);
        assert!(made[1..].iter().all(|code| codes.take(code, now).is_some()));
    }
}
