//! Tells a repeated request from another one with the same idempotency key.

use pomona_protocol::{SessionCommand, TurnAsk};
use sha2::{Digest, Sha256};

/// The first eight bytes of SHA-256 over what is asked, the key itself left out. It is kept in logs, so it must not
/// change from one version of the program to the next.
pub(super) fn digest(command: &SessionCommand) -> u64 {
    let plain = |ask: &TurnAsk| TurnAsk { idempotency_key: None, ..ask.clone() };
    let command = match command {
        SessionCommand::Ask(ask) => SessionCommand::Ask(plain(ask)),
        SessionCommand::Edit { turn, ask } => SessionCommand::Edit { turn: *turn, ask: plain(ask) },
        SessionCommand::Regenerate { turn, ask } => {
            SessionCommand::Regenerate { turn: *turn, ask: plain(ask) }
        }
        _ => return 0,
    };
    let bytes = rmp_serde::to_vec_named(&command).unwrap_or_default();
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    hash.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{Message, Role};

    use super::*;

    fn ask(text: &str, key: &str) -> SessionCommand {
        let input = vec![Message::text(Role::User, text)];
        SessionCommand::Ask(TurnAsk { input, idempotency_key: Some(key.to_owned()), ..TurnAsk::default() })
    }

    #[test]
    fn the_key_does_not_count_and_the_question_does() {
        assert_eq!(digest(&ask("a", "1")), digest(&ask("a", "2")));
        assert_ne!(digest(&ask("a", "1")), digest(&ask("b", "1")));
    }
}
