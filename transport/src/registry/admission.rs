//! The rules of a first contact, in the order in which they are asked. Pure: clock, secret and certificates come from
//! [`super::Registry`], which also spends the token and writes the audit.

use pomona_protocol::PeerRole;
use pomona_protocol::join::{CLOCK_SKEW_MS_MAX, JoinRefusal, JoinRequest};
use pomona_protocol::link::LINK_PROTOCOL;

use super::names::check_name;
use super::record::TokenRecord;
use crate::join::proof;

/// What a request is judged by.
pub(super) struct Facts<'a> {
    /// The token that it names, if there is one.
    pub(super) token: Option<&'a TokenRecord>,
    /// Keying material of its connection.
    pub(super) exporter: &'a [u8; 32],
    /// The gateway's clock, in milliseconds since 1970.
    pub(super) now_ms: u64,
    /// Version of the gateway's program.
    pub(super) version: &'a str,
    /// Whether the machine became a member with this very token before; asked only when the token is used up.
    pub(super) came_before: &'a dyn Fn() -> bool,
}

/// The token and the name of a machine that may come in; the first rule that it breaks otherwise.
pub(super) fn judge<'a>(
    request: &JoinRequest,
    facts: &Facts<'a>,
) -> Result<(&'a TokenRecord, String), JoinRefusal> {
    check_protocol(request.protocol, facts.version)?;
    let token = check_proof(facts.token, facts.exporter, &request.proof)?;
    check_expiry(token, facts.now_ms)?;
    check_uses(token, facts.came_before)?;
    check_role(token.role, request.role)?;
    check_clock(request.now_unix_ms, facts.now_ms)?;
    let wanted = token.name.as_deref().unwrap_or(&request.name);
    let name = check_name(wanted).map_err(|error| JoinRefusal::Invalid { message: error.to_string() })?;
    Ok((token, name.to_owned()))
}

fn check_protocol(theirs: u32, version: &str) -> Result<(), JoinRefusal> {
    if theirs == LINK_PROTOCOL {
        return Ok(());
    }
    Err(JoinRefusal::Version { ours: LINK_PROTOCOL, version: version.to_owned(), theirs })
}

/// An unknown token costs the same as a wrong secret and looks the same.
fn check_proof<'a>(
    token: Option<&'a TokenRecord>,
    exporter: &[u8; 32],
    proof: &[u8],
) -> Result<&'a TokenRecord, JoinRefusal> {
    let nobody = [0; 32];
    let is_right = proof::verify(token.map_or(&nobody, |token| &token.secret_sha256.0), exporter, proof);
    token.filter(|_| is_right).ok_or(JoinRefusal::UnknownToken)
}

fn check_expiry(token: &TokenRecord, now_ms: u64) -> Result<(), JoinRefusal> {
    if now_ms < token.expires_unix_ms {
        return Ok(());
    }
    Err(JoinRefusal::Expired { ago_s: (now_ms - token.expires_unix_ms) / 1000 })
}

fn check_uses(token: &TokenRecord, came_before: &dyn Fn() -> bool) -> Result<(), JoinRefusal> {
    if token.uses_left > 0 || came_before() {
        return Ok(());
    }
    Err(JoinRefusal::Used { uses: token.uses })
}

fn check_role(token: PeerRole, asked: PeerRole) -> Result<(), JoinRefusal> {
    if token == asked {
        return Ok(());
    }
    Err(JoinRefusal::WrongRole { token: token.as_str().to_owned(), asked: asked.as_str().to_owned() })
}

fn check_clock(theirs_ms: u64, ours_ms: u64) -> Result<(), JoinRefusal> {
    let skew_ms = theirs_ms.abs_diff(ours_ms);
    if skew_ms <= CLOCK_SKEW_MS_MAX {
        return Ok(());
    }
    let direction = if theirs_ms > ours_ms { "ahead" } else { "behind" };
    Err(JoinRefusal::Clock {
        skew_s: skew_ms / 1000,
        limit_s: CLOCK_SKEW_MS_MAX / 1000,
        direction: direction.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::Digest32;
    use super::*;

    const EXPORTER: [u8; 32] = [5; 32];
    const NOW_MS: u64 = 1_000_000_000;

    fn token() -> TokenRecord {
        TokenRecord {
            secret_sha256: Digest32([3; 32]),
            role: PeerRole::Node,
            name: None,
            expires_unix_ms: NOW_MS + 1,
            uses: 2,
            uses_left: 1,
        }
    }

    fn request() -> JoinRequest {
        JoinRequest {
            protocol: LINK_PROTOCOL,
            version: "0".to_owned(),
            token: 1,
            proof: proof::make(&[3; 32], &EXPORTER).to_vec(),
            role: PeerRole::Node,
            name: "studio".to_owned(),
            signing_request: Vec::new(),
            now_unix_ms: NOW_MS,
        }
    }

    type Change = fn(&mut JoinRequest, &mut TokenRecord);

    fn code_of(change: Change) -> Result<String, &'static str> {
        let (mut request, mut token) = (request(), token());
        change(&mut request, &mut token);
        let facts = Facts {
            token: Some(&token),
            exporter: &EXPORTER,
            now_ms: NOW_MS,
            version: "1",
            came_before: &|| false,
        };
        judge(&request, &facts).map(|(_, name)| name).map_err(|refusal| refusal.code())
    }

    #[test]
    fn each_rule_refuses_what_breaks_it_and_the_earlier_rule_wins() {
        let cases: [(Change, Result<&str, &str>); 16] = [
            (|_, _| {}, Ok("studio")),
            (|_, token| token.name = Some("mini".to_owned()), Ok("mini")),
            (|request, _| request.now_unix_ms += CLOCK_SKEW_MS_MAX, Ok("studio")),
            (|request, _| request.protocol += 1, Err("version")),
            (|request, _| request.proof[31] ^= 1, Err("unknown_token")),
            (|request, _| request.proof.truncate(16), Err("unknown_token")),
            (|request, _| request.proof.clear(), Err("unknown_token")),
            (|_, token| token.secret_sha256.0[0] ^= 1, Err("unknown_token")),
            (|_, token| token.expires_unix_ms = NOW_MS, Err("expired")),
            (|_, token| token.uses_left = 0, Err("used")),
            (|request, _| request.role = PeerRole::Gateway, Err("wrong_role")),
            (|request, _| request.now_unix_ms += CLOCK_SKEW_MS_MAX + 1, Err("clock")),
            (|request, _| request.now_unix_ms = 0, Err("clock")),
            (|request, _| request.name = "\u{7}".to_owned(), Err("invalid")),
            (
                |request, token| (request.proof[0], token.expires_unix_ms) = (!request.proof[0], 0),
                Err("unknown_token"),
            ),
            (|request, token| (request.protocol, token.uses_left) = (0, 0), Err("version")),
        ];
        for (number, (change, expected)) in cases.into_iter().enumerate() {
            assert_eq!(code_of(change), expected.map(str::to_owned), "case {number}");
        }
    }

    #[test]
    fn an_unknown_token_is_refused_like_a_wrong_secret() {
        let facts =
            Facts { token: None, exporter: &EXPORTER, now_ms: NOW_MS, version: "1", came_before: &|| false };
        let mut request = request();
        request.proof = proof::make(&[0; 32], &EXPORTER).to_vec();
        assert_eq!(judge(&request, &facts).unwrap_err(), JoinRefusal::UnknownToken);
    }

    #[test]
    fn a_proof_of_another_connection_is_worth_nothing() {
        let token = token();
        let facts = Facts {
            token: Some(&token),
            exporter: &[6; 32],
            now_ms: NOW_MS,
            version: "1",
            came_before: &|| false,
        };
        assert_eq!(judge(&request(), &facts).unwrap_err(), JoinRefusal::UnknownToken);
    }

    #[test]
    fn a_refusal_says_by_how_much() {
        assert_eq!(
            check_clock(NOW_MS - 400_000, NOW_MS).unwrap_err(),
            JoinRefusal::Clock { skew_s: 400, limit_s: 300, direction: "behind".to_owned() }
        );
        let late = TokenRecord { expires_unix_ms: NOW_MS - 65_000, ..token() };
        assert_eq!(check_expiry(&late, NOW_MS).unwrap_err(), JoinRefusal::Expired { ago_s: 65 });
        let used = TokenRecord { uses_left: 0, ..token() };
        assert_eq!(check_uses(&used, &|| false).unwrap_err(), JoinRefusal::Used { uses: 2 });
        assert_eq!(check_uses(&used, &|| true), Ok(()));
    }
}
