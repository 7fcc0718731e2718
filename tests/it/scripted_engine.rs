//! The test engine itself keeps the engine protocol, so that what it proves is worth something.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::said::{join_marks, pieces};
use pomona_protocol::{
    AnswerForm, EngineLoad, EngineReport, FrameDecoder, Message, ModelId, Open, Role, Said, Sampling, Task,
    TurnEvent, TurnId, TurnInput, TurnRequest, encode_frame,
};
use pomona_tests::script::{answer, token_id};
use pomona_tests::system;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::support;

struct Engine {
    child: Child,
    folder: TempDir,
}

impl Engine {
    fn start(script: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let child = Command::new(support::engine())
            .args(script.split_whitespace())
            .arg("--socket")
            .arg(folder.path().join("socket"))
            .args(["--model-dir", "x", "--model-id", "sprout", "--engine-json", "{\"a\": 1}"])
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, folder })
    }

    async fn open(&self, open: &Open) -> Result<UnixStream> {
        let path = self.folder.path().join("socket");
        let mut stream = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let mut bytes = BytesMut::new();
        encode_frame(open, &mut bytes, 1 << 20)?;
        stream.write_all(&bytes).await?;
        Ok(stream)
    }

    async fn turn(&self, request: TurnRequest) -> Result<Vec<TurnEvent>> {
        let mut stream = self.open(&Open::Turn { attempt: 1, request: Box::new(request) }).await?;
        let mut decoder = FrameDecoder::<TurnEvent>::new(EVENT_FRAME_BYTES_MAX);
        let mut events = Vec::new();
        while !events.last().is_some_and(TurnEvent::is_terminal) {
            match decoder.next_frame()? {
                Some(event) => events.push(event),
                None if stream.read_buf(decoder.buffer()).await? == 0 => break,
                None => {}
            }
        }
        Ok(events)
    }
}

fn request(words: &str, resume: Vec<u32>) -> TurnRequest {
    TurnRequest {
        turn: TurnId(1),
        model: ModelId::from("sprout"),
        input: TurnInput::Messages(vec![Message::text(Role::User, words)]),
        sampling: Sampling { seed: 5, ..Sampling::default() },
        task: Task::Generate,
        form: AnswerForm::default(),
        resume,
        deadline_ms: 0,
        asked_ms: 0,
        tells_prefill: false,
        trace: None,
    }
}

fn text(events: &[TurnEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        TurnEvent::Tokens { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[tokio::test]
async fn an_answer_follows_from_seed_and_index() -> Result<()> {
    let engine = Engine::start("tokens=9 chunk=2")?;
    let events = engine.turn(request("hello", Vec::new())).await?;
    ensure!(text(&events) == answer(5, 9), "{events:?}");
    let resume = (0..4).map(|index| token_id(5, index)).collect();
    let rest = engine.turn(request("hello", resume)).await?;
    ensure!(answer(5, 4) + &text(&rest) == answer(5, 9), "{rest:?}");
    Ok(())
}

#[tokio::test]
async fn thoughts_and_calls_follow_from_seed_and_index_too() -> Result<()> {
    let engine = Engine::start("tokens=3 chunk=2")?;
    let read = |events: &[TurnEvent]| {
        let (mut text, mut marks) = (String::new(), Vec::new());
        for event in events {
            if let TurnEvent::Tokens { text: more, marks: told, .. } = event {
                join_marks(&mut marks, text.len() as u32, told);
                text.push_str(more);
            }
        }
        (text, marks)
    };
    let events = engine.turn(request("thinks=1 calls=f,g", Vec::new())).await?;
    let (text, marks) = read(&events);
    let kinds: Vec<Said> = pieces(&text, &marks).map(|(kind, _)| kind.clone()).collect();
    let call = |index, name: &str| Said::Call { index, name: Some(name.to_owned()) };
    ensure!(kinds == [Said::Reasoning, Said::Text, call(0, "f"), call(1, "g")], "{kinds:?}");
    ensure!(text.ends_with("{\"seed\": 5}{\"seed\": 5}"), "{text}");
    for shown in 0..7 {
        let resume = (0..shown).map(|index| token_id(5, index)).collect();
        let rest = engine.turn(request("thinks=1 calls=f,g", resume)).await?;
        ensure!(text.ends_with(&read(&rest).0), "{rest:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_text_has_its_vector() -> Result<()> {
    let engine = Engine::start("")?;
    let task = Task::Embed { dimensions: Some(2) };
    let input = TurnInput::Text("abb".to_owned());
    let events = engine.turn(TurnRequest { task, input, ..request("", Vec::new()) }).await?;
    let Some(TurnEvent::Finished { embedding, .. }) = events.last() else {
        anyhow::bail!("{events:?}");
    };
    ensure!(*embedding == [2.0, 1.0], "{embedding:?}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_continuation_is_refused() -> Result<()> {
    let engine = Engine::start("")?;
    let events = engine.turn(request("hello", vec![1, 2])).await?;
    ensure!(matches!(events.as_slice(), [TurnEvent::Failed { .. }]), "{events:?}");
    Ok(())
}

#[tokio::test]
async fn it_exits_before_the_scripted_token() -> Result<()> {
    let mut engine = Engine::start("")?;
    let events = engine.turn(request("exit=3", Vec::new())).await?;
    ensure!(text(&events) == answer(5, 3), "{events:?}");
    ensure!(engine.child.wait().await?.code() == Some(101));
    Ok(())
}

#[tokio::test]
async fn a_watcher_hears_ready_and_then_load() -> Result<()> {
    let engine = Engine::start("load_ms=1500")?;
    let mut stream = engine.open(&Open::Watch).await?;
    let mut decoder = FrameDecoder::<EngineReport>::new(EVENT_FRAME_BYTES_MAX);
    let mut heard = Vec::new();
    while heard.last() != Some(&"load") {
        match decoder.next_frame()? {
            Some(EngineReport::Loading { .. }) => heard.push("loading"),
            Some(EngineReport::Ready { .. }) => heard.push("ready"),
            Some(EngineReport::Load(_)) => heard.push("load"),
            Some(EngineReport::Failed { cause }) => anyhow::bail!("failed: {cause}"),
            None => ensure!(stream.read_buf(decoder.buffer()).await? > 0, "closed"),
        }
    }
    heard.dedup();
    ensure!(heard == ["loading", "ready", "load"], "{heard:?}");
    Ok(())
}

/// Watches until a load satisfies `condition`.
async fn load_until(engine: &Engine, condition: impl Fn(&EngineLoad) -> bool) -> Result<EngineLoad> {
    let mut stream = engine.open(&Open::Watch).await?;
    let mut decoder = FrameDecoder::<EngineReport>::new(EVENT_FRAME_BYTES_MAX);
    loop {
        match decoder.next_frame()? {
            Some(EngineReport::Load(load)) if condition(&load) => return Ok(load),
            Some(_) => {}
            None => ensure!(stream.read_buf(decoder.buffer()).await? > 0, "closed"),
        }
    }
}

#[tokio::test]
async fn a_full_batch_lets_the_next_turn_wait_and_then_run() -> Result<()> {
    let engine = Engine::start("tokens=100 pace=50 batch=1 prefill_us=1000")?;
    let (one, two) = (engine.turn(request("one", Vec::new())), engine.turn(request("two", Vec::new())));
    let waits = load_until(&engine, |load| load.waiting == 1 && load.running == 1);
    let all = async { tokio::try_join!(one, two, waits) };
    let (one, two, load) = tokio::time::timeout(Duration::from_secs(60), all).await??;
    ensure!(load.samples.first().is_some_and(|sample| sample.micros == 20_000), "{load:?}");
    ensure!(text(&one) == answer(5, 100) && text(&two) == answer(5, 100), "{one:?} {two:?}");
    let idle = load_until(&engine, |load| load.running == 0).await?;
    ensure!(idle.waiting == 0 && idle.step_prefill_tokens == 0, "{idle:?}");
    Ok(())
}

#[tokio::test]
async fn it_tells_who_asks_how_far_a_prompt_is() -> Result<()> {
    let engine = Engine::start("tokens=2 prefill=3")?;
    let prefill = |events: &[TurnEvent]| -> Vec<(u32, u32)> {
        let told = events.iter().filter_map(|event| match event {
            TurnEvent::Prefill { done, total } => Some((*done, *total)),
            _ => None,
        });
        told.collect()
    };
    let asked = TurnRequest { tells_prefill: true, ..request("a b c d e f g h", Vec::new()) };
    ensure!(prefill(&engine.turn(asked).await?) == [(2, 8), (4, 8), (6, 8)]);
    ensure!(prefill(&engine.turn(request("a b c d", Vec::new())).await?).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_turn_that_leaves_frees_its_place_in_the_batch() -> Result<()> {
    let engine = Engine::start("tokens=100000 pace=50 batch=1")?;
    let held = engine.open(&Open::Turn { attempt: 1, request: Box::new(request("one", Vec::new())) }).await?;
    load_until(&engine, |load| load.running == 1).await?;
    drop(held);
    let next = engine.turn(request("tokens=3", Vec::new())).await?;
    ensure!(text(&next) == answer(5, 3), "{next:?}");
    Ok(())
}

#[tokio::test]
async fn it_ends_when_its_standard_input_closes() -> Result<()> {
    let mut engine = Engine::start("")?;
    let pid = engine.child.id().context("no process id")?;
    engine.open(&Open::Watch).await?;
    ensure!(system::is_alive(pid));
    drop(engine.child.stdin.take());
    tokio::time::timeout(Duration::from_secs(5), engine.child.wait()).await??;
    Ok(())
}
