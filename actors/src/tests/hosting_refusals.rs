//! What a machine refuses on its links, and what it never keeps for others: the link lives on, and memory has limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pomona_protocol::limits::{EVENT_FRAME_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};
use pomona_protocol::{Cause, Open, TurnEvent, encode_frame};
use pomona_transport::Link;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::bench::{PATIENCE, parts, replica};
use super::orchard::{Asked, Orchard, attach, cut, turn};
use crate::shared::Shared;

/// Long enough for bytes that have room to be on their way.
const MOMENT: Duration = Duration::from_millis(500);

async fn is_refused(asked: &mut Asked) -> bool {
    matches!(asked.next().await, Some(TurnEvent::Failed { cause: Cause::Protocol { .. } }))
        && asked.next().await.is_none()
}

/// A turn still goes over this link.
async fn check_alive(orchard: &Orchard, link: &Link) {
    let mut asked = Asked::of(link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..1).await;
    assert_eq!(asked.up_to(1).await, [0]);
    drop(asked);
    running.until_left().await;
}

fn frame(open: &Open) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode_frame(open, &mut bytes, REQUEST_FRAME_BYTES_MAX).unwrap();
    bytes
}

#[tokio::test]
async fn a_node_may_not_send_turns() {
    let mut orchard = Orchard::plant().await;
    let (at_node, at_gateway) = orchard.link().await;
    let mut parts = parts(&orchard.folder.path().join("gateway"));
    parts.hosts = false;
    orchard.serve(Arc::new(Shared::new(&parts)), at_gateway);
    for open in [turn(1, 0), attach(1, 0), Open::Watch] {
        let mut asked = Asked::of(&at_node, &open).await;
        assert!(is_refused(&mut asked).await, "{open:?}");
    }
    assert!(!at_node.is_closed());
}

#[tokio::test]
async fn garbage_and_frames_that_are_too_large_are_refused_and_the_link_lives() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let garbage: [&[u8]; 4] = [
        b"\x00\x00\x00\x03\xc1\xc1\xc1",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x00",
    ];
    for bytes in garbage {
        let mut asked = Asked::raw(&link, bytes).await;
        assert!(is_refused(&mut asked).await, "{bytes:?}");
    }
    let mut watch = Asked::of(&link, &Open::Watch).await;
    assert!(is_refused(&mut watch).await);
    check_alive(&orchard, &link).await;
}

#[tokio::test]
async fn an_open_that_is_cut_off_anywhere_ends_its_stream_and_the_link_lives() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let whole = frame(&turn(1, 3));
    for length in (0..whole.len()).step_by(7) {
        let mut asked = Asked::raw(&link, &whole[..length]).await;
        assert_eq!(asked.next().await, None, "{length} bytes");
    }
    assert!(orchard.engine.is_alone().await);
    check_alive(&orchard, &link).await;
}

#[tokio::test]
async fn an_open_that_never_becomes_whole_is_given_up() {
    let mut orchard = Orchard::with(|parts| parts.link.greeting_ms = 20).await;
    let link = orchard.hosted().await;
    let whole = frame(&turn(1, 0));
    let mut asked = Asked::unfinished(&link, &whole[..whole.len() - 1]).await;
    assert_eq!(asked.next().await, None);
    check_alive(&orchard, &link).await;
}

#[tokio::test]
async fn a_turn_for_a_model_that_is_not_here_is_refused_as_one_that_others_may_have() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    orchard.shared.engines.remove(&replica(&orchard.shared.node.0));
    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let Some(TurnEvent::Failed { cause }) = asked.next().await else { panic!("no refusal") };
    assert!(cause.is_retryable(), "{cause}");
    assert!(!link.is_closed());
}

/// Tokens as an engine without end would say them, until nobody takes more for a moment. Gives the bytes that were
/// taken.
async fn flood(running: &mut super::engine::Running, bytes_max: usize) -> usize {
    let (mut taken, mut index) = (0, 0);
    loop {
        let event = TurnEvent::Tokens {
            first: index,
            ids: vec![1000 + index],
            text: "x".repeat(8 * 1024),
            logprobs: Vec::new(),
            marks: Vec::new(),
        };
        let mut bytes = BytesMut::new();
        encode_frame(&event, &mut bytes, EVENT_FRAME_BYTES_MAX).unwrap();
        index += 1;
        while !bytes.is_empty() {
            match timeout(MOMENT, running.stream.write_buf(&mut bytes)).await {
                Ok(written) => taken += written.unwrap(),
                Err(_) => return taken,
            }
        }
        assert!(taken < bytes_max, "{taken} bytes and no end");
    }
}

#[tokio::test]
async fn a_gateway_that_never_reads_stops_its_engine_and_is_held_no_more_than_the_limit_for() {
    let held = 64 * 1024;
    let mut orchard = Orchard::with(|parts| parts.fleet.held_bytes_max = held).await;
    let link = orchard.hosted().await;
    let _unread = Asked::of(&link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..0).await;
    // A window of the stream, what is unsent at the node, and what the two sockets take.
    let taken = flood(&mut running, 4 << 20).await;
    assert!(taken > 64 * 1024, "{taken} bytes");
    // Of all these the node still holds the last ones.
    let mut late = Asked::of(&link, &attach(1, 0)).await;
    let cause = late.next().await;
    assert_eq!(cause, Some(TurnEvent::Failed { cause: Cause::TurnNotHeld }));
    // Others are served.
    let request =
        pomona_protocol::TurnRequest { turn: pomona_protocol::TurnId(8), ..super::bench::request() };
    let mut other = Asked::of(&link, &Open::Turn { attempt: 1, request: Box::new(request) }).await;
    let mut second = orchard.engine.next().await;
    second.start(0..2).await;
    assert_eq!(other.up_to(2).await, [0, 1]);
    cut(&link);
    timeout(PATIENCE, link.closed()).await.unwrap();
}

#[tokio::test]
async fn an_orphan_that_says_more_than_is_held_is_never_given_with_a_hole() {
    let mut orchard = Orchard::with(|parts| parts.fleet.held_bytes_max = 4096).await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..1).await;
    asked.up_to(1).await;
    cut(&link);
    running.tokens(1..1000).await;
    let link = orchard.hosted().await;
    let mut late = Asked::of(&link, &attach(1, 1)).await;
    // Either it came before all was said, and hears all of it, or it hears that this is gone.
    match late.next().await {
        Some(TurnEvent::Failed { cause }) => assert_eq!(cause, Cause::TurnNotHeld),
        Some(TurnEvent::Tokens { first, .. }) => {
            assert_eq!(first, 1);
            assert!(late.up_to(1000).await.into_iter().eq(2..1000));
        }
        other => panic!("{other:?}"),
    }
}
