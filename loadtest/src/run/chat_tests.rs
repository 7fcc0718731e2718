//! Tests of `chat`: streams as gateways write them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::plan::Transport;
use crate::record::{Outcome, Record};
use crate::run::tally::{Clock, Left};

fn record(pieces: &[&[u8]]) -> Record {
    let mut tally = Tally::new(Clock(Instant::now()), Arc::default(), (0, 0), Transport::Sse, Duration::ZERO);
    let mut stream = ChatStream::default();
    let left = pieces.iter().try_for_each(|piece| stream.feed(piece, &mut tally));
    tally.into_record(left.map_or_else(|broken| Left::Broken(broken.code().to_owned()), |()| Left::AtEnd))
}

/// As our gateway writes it.
fn ours(texts: &[String]) -> String {
    let head = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"f","choices":["#;
    let tail = "],\"usage\":null}\n\n";
    let mut wire = format!(
        ": queued, 1 ahead\n\n: prefill\n\n{head}{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}},\"logprobs\":null,\"finish_reason\":null}}{tail}"
    );
    for text in texts {
        let text = serde_json::to_string(text).unwrap();
        wire += &format!(
            "{head}{{\"index\":0,\"delta\":{{\"content\":{text}}},\"logprobs\":null,\"finish_reason\":null}}{tail}"
        );
    }
    wire +=
        &format!("{head}{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"length\"}}{tail}");
    let count = texts.len();
    wire += &format!(
        "{head}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{count},\"total_tokens\":9,\"prompt_tokens_details\":{{\"cached_tokens\":4}}}}}}\n\n"
    );
    wire + "data: [DONE]\n\n"
}

#[test]
fn everything_that_our_gateway_says_is_read() {
    let texts = ["An", " apple", "\n", " \"a\\day\"", " ä"].map(str::to_owned);
    let record = record(&[ours(&texts).as_bytes()]);
    assert_eq!(record.outcome, Outcome::Finished("length".to_owned()));
    assert_eq!((record.tokens, record.usage_tokens, record.prompt_tokens), (5, Some(5), Some((9, 4))));
    assert_eq!(record.text_bytes, texts.concat().len() as u64);
    assert_eq!((record.gaps_us.len(), record.queue_us.is_some(), record.moves), (4, true, 0));
}

#[test]
fn other_gateways_write_the_same_with_blanks_and_other_fields() {
    let wire = "data: {\"id\": \"x\", \"choices\": [{\"index\": 0, \"delta\": {\"role\": \"assistant\", \"content\": \"\"}}]}\r\n\r\n\
                data: {\"id\": \"x\", \"choices\": [{\"index\": 0, \"delta\": {\"content\": \"a\"}, \"finish_reason\": null}]}\r\n\r\n\
                data: {\"id\": \"x\", \"choices\": [{\"index\": 0, \"delta\": {\"content\": \"b\"}, \"finish_reason\": null}]}\r\n\r\n\
                data: {\"id\": \"x\", \"choices\": [{\"index\": 0, \"delta\": {\"reasoning_content\": \"c\", \"content\": null}, \"finish_reason\": null}]}\r\n\r\n\
                data: {\"id\": \"x\", \"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}]}\r\n\r\n\
                data: [DONE]\r\n\r\n";
    let record = record(&[wire.as_bytes()]);
    assert_eq!((record.tokens, record.text_bytes), (3, 3));
    assert_eq!(record.outcome, Outcome::Finished("stop".to_owned()));
}

#[test]
fn moves_failures_and_second_ends_are_seen() {
    let resumed =
        "event: pomona.resumed\ndata: {\"index\":0,\"shown\":1,\"cause\":\"link_lost\",\"node\":\"n-1\"}\n\n";
    let moved = record(&[resumed.as_bytes(), ours(&["a".to_owned()]).as_bytes()]);
    assert_eq!((moved.moves, moved.node.as_deref()), (1, Some("n-1")));
    let failed = record(&[b"data: {\"error\":{\"code\":\"engine_lost\",\"message\":\"x\"}}\n\n"]);
    assert_eq!(failed.outcome, Outcome::Failed("engine_lost".to_owned()));
    let twice = record(&[ours(&[]).as_bytes(), b"data: [DONE]\n\n"]);
    assert_eq!(twice.disorder.extra_ends, 1);
    let garbled = record(&[b"data: {\"choices\":\n\n"]);
    assert_eq!(garbled.outcome, Outcome::Broken("garbled".to_owned()));
    let cut = ours(&["a".to_owned(), "b".to_owned()]);
    let cut = record(&[&cut.as_bytes()[..cut.find("\"length\"").unwrap()]]);
    assert_eq!(cut.outcome, Outcome::Broken("no_end".to_owned()));
}

proptest! {
    #[test]
    fn neither_cuts_nor_patterns_change_what_is_read(texts in prop::collection::vec(".{1,6}", 0..12), cut in 1usize..300) {
        let wire = ours(&texts);
        let pieces: Vec<&[u8]> = wire.as_bytes().chunks(cut).collect();
        let cut = record(&pieces);
        let all = texts.concat();
        prop_assert_eq!(cut.text_bytes, all.len() as u64);
        let alone = record(&[ours(&[all]).as_bytes()]);
        prop_assert_eq!(cut.text_hash, if texts.is_empty() { cut.text_hash } else { alone.text_hash });
        prop_assert_eq!(cut.outcome, Outcome::Finished("length".to_owned()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        record(&[b"data: ", &bytes, b"\n\n"]);
    }
}
