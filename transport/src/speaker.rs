//! What a process says of itself in a greeting, and how much of that the other side takes.

use pomona_protocol::Hello;
use pomona_protocol::join::TOKEN_ADDRESSES_MAX;
use pomona_protocol::limits::NODE_NAME_BYTES_MAX;

use crate::greeting::AttemptError;

/// Longest address of a greeting, in bytes: a host name and a port.
const ADDRESS_BYTES_MAX: usize = 262;
/// Longest version of a greeting, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// What this process says of itself in a greeting, besides what its certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// What people call this machine, at most 64 bytes.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Drawn at each start of the process.
    pub boot: u64,
    /// Where this machine takes links, as `host:port`, at most 16; empty when it takes none.
    pub addresses: Vec<String>,
}

impl Speaker {
    /// Cut to what a greeting may hold: a host name of macOS may be longer than a node's name.
    pub(crate) fn fitted(mut self) -> Self {
        let cut = |text: &mut String, bytes: usize| {
            text.retain(|character| !character.is_control());
            text.truncate(text.floor_char_boundary(bytes));
        };
        cut(&mut self.name, NODE_NAME_BYTES_MAX);
        cut(&mut self.version, VERSION_BYTES_MAX);
        self.addresses.truncate(TOKEN_ADDRESSES_MAX);
        self
    }
}

/// Refuses what would break a table or a terminal.
pub(crate) fn check_texts(hello: &Hello) -> Result<(), AttemptError> {
    let too_large = |what: &str, size: usize, limit: usize| AttemptError::Malformed {
        message: format!("{what} of {size} (limit {limit})"),
    };
    let longest = hello.addresses.iter().map(String::len).max().unwrap_or(0);
    for (what, size, limit) in [
        ("a name of bytes", hello.name.len(), NODE_NAME_BYTES_MAX),
        ("a version of bytes", hello.version.len(), VERSION_BYTES_MAX),
        ("a list of addresses", hello.addresses.len(), TOKEN_ADDRESSES_MAX),
        ("an address of bytes", longest, ADDRESS_BYTES_MAX),
    ] {
        if size > limit {
            return Err(too_large(what, size, limit));
        }
    }
    // They are shown in terminals.
    let mut shown = [&hello.name, &hello.version].into_iter().chain(&hello.addresses);
    match shown.any(|text| text.contains(char::is_control)) {
        true => Err(AttemptError::Malformed { message: "control characters in a name".to_owned() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use pomona_protocol::limits::GREETING_FRAME_BYTES_MAX;
    use pomona_protocol::link::LINK_PROTOCOL;
    use pomona_protocol::{HelloAnswer, LinkPurpose, NodeId, PathKind, PeerRole, encode_frame};
    use proptest::prelude::*;

    use super::*;
    use crate::frames::decode;

    fn hello() -> Hello {
        Hello {
            protocol: LINK_PROTOCOL,
            version: "0.1.0".to_owned(),
            cluster: "orchard".to_owned(),
            node: NodeId::from("n-0123456789abcdef"),
            name: "pear".to_owned(),
            role: PeerRole::Node,
            boot: u64::MAX,
            purpose: LinkPurpose::Member,
            path: PathKind::Wan,
            control_key: 7,
            addresses: vec!["10.0.0.1:9999".to_owned()],
        }
    }

    #[test]
    fn texts_that_would_break_a_table_are_refused_and_our_own_are_cut() {
        assert_eq!(check_texts(&hello()), Ok(()));
        let long = "\u{e4}".repeat(33);
        for bad in [
            Hello { name: long.clone(), ..hello() },
            Hello { name: "a\x1b[2J".to_owned(), ..hello() },
            Hello { version: "1".repeat(65), ..hello() },
            Hello { addresses: vec![String::new(); 17], ..hello() },
            Hello { addresses: vec!["a".repeat(263)], ..hello() },
        ] {
            assert!(matches!(check_texts(&bad), Err(AttemptError::Malformed { .. })), "{bad:?}");
        }
        let addresses = vec!["a:1".to_owned(); 20];
        let speaker = Speaker { name: format!("\n{long}"), version: "1".repeat(99), boot: 1, addresses };
        let Speaker { name, version, addresses, .. } = speaker.fitted();
        assert_eq!((name.len(), version.len(), addresses.len()), (64, 64, 16));
        assert_eq!(check_texts(&Hello { name, version, addresses, ..hello() }), Ok(()));
    }

    proptest! {
        #[test]
        fn a_changed_greeting_is_read_or_refused_but_never_a_panic(
            changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8),
            cut in any::<usize>(),
        ) {
            let mut frame = BytesMut::new();
            encode_frame(&hello(), &mut frame, GREETING_FRAME_BYTES_MAX).unwrap();
            for (position, byte) in changes {
                let position = position % frame.len();
                frame[position] = byte;
            }
            for body in [&frame[4..], &frame[4..4 + cut % (frame.len() - 4)]] {
                if let Ok(hello) = decode::<Hello>(body) {
                    drop(check_texts(&hello));
                }
            }
        }

        #[test]
        fn garbage_is_no_greeting_and_no_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(hello) = decode::<Hello>(&body) {
                drop(check_texts(&hello));
            }
            drop(decode::<HelloAnswer>(&body));
        }
    }
}
