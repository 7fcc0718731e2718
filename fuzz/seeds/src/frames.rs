//! What peers and engines send: one frame of each kind.

use std::io;

use bytes::BytesMut;
use pomona_protocol::fleet::{PathKind, PeerRole};
use pomona_protocol::join::{GatewayAddresses, JoinAnswer, JoinRefusal, JoinRequest, Membership};
use pomona_protocol::*;
use serde::Serialize;

use crate::write;

pub(crate) fn write_all() -> io::Result<()> {
    let node = NodeId::from("n-0123456789abcdef");
    let request = TurnRequest {
        turn: TurnId(7),
        model: ModelId::from("pear"),
        input: TurnInput::Messages(vec![Message::text(Role::User, "hello")]),
        sampling: Sampling { temperature: Some(0.7), stop: vec!["end".to_owned()], ..Sampling::default() },
        task: Task::Generate,
        form: AnswerForm::default(),
        resume: vec![1, 2, 3],
        deadline_ms: 1000,
        asked_ms: 0,
        tells_prefill: true,
        trace: None,
    };
    frame("open_frame", 0, &Open::Turn { attempt: 1, request: Box::new(request) })?;
    frame("open_frame", 1, &Open::Attach { turn: TurnId(7), attempt: 1, from: 3 })?;
    let (digest, model) = ("ab".repeat(32), ModelId::from("pear"));
    frame(
        "open_frame",
        2,
        &Open::Blob(BlobRequest::Range { digest: digest.clone(), file: 0, offset: 1, length: 2 }),
    )?;
    frame("open_frame", 3, &Open::Blob(BlobRequest::Manifest { model: model.clone() }))?;
    frame("open_frame", 4, &Open::Watch)?;

    let top = TopLogprob { id: 5, bytes: b"he".to_vec(), logprob: -0.5 };
    let logprobs = vec![TokenLogprob { chosen: top.clone(), top: vec![top] }];
    let usage = Usage { prompt_tokens: 3, cached_tokens: 1, completion_tokens: 2, ..Usage::default() };
    let cause = Cause::UnknownModel { model: "pear".to_owned(), known: vec!["plum".to_owned()] };
    frame("event_frame", 0, &TurnEvent::Tokens { first: 0, ids: vec![5], text: "he".to_owned(), marks: Vec::new(), logprobs })?;
    frame("event_frame", 1, &TurnEvent::Resumed { shown: 2, cause: "gone".to_owned(), node: node.clone() })?;
    let finished = TurnEvent::Finished {
        reason: FinishReason::Stop,
        text: "!".to_owned(),
        marks: vec![said::Mark { at: 0, kind: said::Said::Reasoning }],
        usage,
        stop: Some("end".to_owned()),
        embedding: vec![0.5],
    };
    frame("event_frame", 2, &finished)?;
    frame("event_frame", 3, &TurnEvent::Failed { cause: cause.clone() })?;
    frame("event_frame", 4, &TurnEvent::Prefill { done: 512, total: 2048 })?;

    let samples = vec![StepSample { micros: 1, sequences: 2, tokens: 3 }];
    frame("report_frame", 0, &EngineReport::Load(EngineLoad { samples, ..EngineLoad::default() }))?;
    frame("report_frame", 1, &EngineReport::Loading { bytes_done: 1, bytes_total: 2 })?;
    frame("report_frame", 2, &EngineReport::Failed { cause: cause.clone() })?;

    let hello = Hello {
        protocol: 1,
        version: "0.1.0".to_owned(),
        cluster: "orchard".to_owned(),
        node: node.clone(),
        name: "pear".to_owned(),
        role: PeerRole::Node,
        boot: 7,
        purpose: LinkPurpose::Member,
        path: PathKind::Lan,
        control_key: 9,
        addresses: vec!["10.0.0.1:9999".to_owned()],
    };
    frame("greeting", 0, &hello)?;
    frame("greeting", 1, &HelloAnswer::Welcome(hello))?;
    frame("greeting", 2, &HelloAnswer::Refused(LinkRefusal::Full { open: 1, limit: 1 }))?;

    let join = JoinRequest {
        protocol: 1,
        version: "0.1.0".to_owned(),
        token: 7,
        proof: vec![1; 4],
        role: PeerRole::Node,
        name: "pear".to_owned(),
        signing_request: vec![0x30, 3],
        now_unix_ms: 1,
    };
    let lan = vec!["10.0.0.1:9999".to_owned()];
    let membership = Membership {
        node: node.clone(),
        name: "pear".to_owned(),
        cluster: "orchard".to_owned(),
        certificate: vec![1],
        authority: vec![2],
        gateways: vec![GatewayAddresses { node, name: "plum".to_owned(), lan, wan: Vec::new() }],
    };
    frame("join_frames", 0, &join)?;
    frame("join_frames", 1, &JoinAnswer::Welcome(Box::new(membership)))?;
    frame("join_frames", 2, &JoinAnswer::Refused(JoinRefusal::Expired { ago_s: 3 }))?;

    let file = BlobFile { path: "a/b.safetensors".to_owned(), bytes: 9, digest };
    frame("blob_frames", 0, &BlobAnswer::Manifest(BlobManifest { files: vec![file] }))?;
    frame("blob_frames", 1, &BlobAnswer::Bytes { length: 9 })?;
    frame("blob_frames", 2, &BlobAnswer::Refused(cause))?;
    write_tokens()
}

/// Join tokens: one as its bytes, one as people see it.
fn write_tokens() -> io::Result<()> {
    // The MessagePack of a token; the target puts the prefix and the checksum around it.
    let mut token = vec![1, 0x94, 0x91, 0xa6];
    token.extend_from_slice(b"h.io:1\xc4\x20");
    token.extend_from_slice(&[7; 32]);
    token.extend_from_slice(&[9, 0xc4, 0x10]);
    token.extend_from_slice(&[8; 16]);
    write("join_token", "seed-0", &token)?;
    let text: JoinToken =
        JoinToken { addresses: vec!["h.io:1".to_owned()], fingerprint: [7; 32], id: 9, secret: [8; 16] };
    write("join_token", "seed-1", format!("\0{text}").as_bytes())
}

/// The frame's body behind the byte that says: this is one frame, in pieces of 8 bytes.
fn frame<T: Serialize>(target: &str, index: usize, value: &T) -> io::Result<()> {
    let mut frame = BytesMut::new();
    encode_frame(value, &mut frame, usize::MAX).map_err(io::Error::other)?;
    write(target, &format!("seed-{index}"), &[&[15], &frame[4..]].concat())
}
