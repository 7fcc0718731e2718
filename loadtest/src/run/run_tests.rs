//! Tests of `run`, against gateways that say what a script wants.

#[path = "mock_tests.rs"]
mod mock;

use mock::{Mock, Says, chunk, end};

use super::*;
use crate::plan::{Behaviour, Chain, Prompt, Request, Transport};
use crate::record::Outcome;

fn request(transport: Transport, behaviour: Behaviour) -> Request {
    let prompt = Prompt { shared_words: 0, shared_group: 0, own_words: 3, own_seed: 1 };
    Request { think: Duration::ZERO, prompt, output_tokens: 4, sampler_seed: 7, transport, behaviour }
}

/// A plan of one chain for each request, a millisecond apart.
fn plan(requests: Vec<Request>) -> Plan {
    let chain = |(number, request)| Chain {
        at: Duration::from_millis(number),
        is_session: false,
        requests: vec![request],
    };
    let chains: Vec<Chain> = (0..).zip(requests).map(chain).collect();
    Plan { seed: 1, chains, length: Duration::from_millis(50) }
}

async fn settings(mock: &Mock) -> Settings {
    Settings {
        targets: vec![Arc::new(Target::find(&mock.url, Some("pom_test"), None).await.unwrap())],
        model: "m".to_owned(),
        in_flight_max: 100,
        request_limit: Duration::from_secs(20),
        checks: 0,
        scrapes: false,
        rest: Duration::ZERO,
        faults: Faults::default(),
    }
}

async fn ran(says: Says, plan: Plan, change: impl FnOnce(&mut Settings)) -> Ran {
    let mock = Mock::start(says).await;
    let mut settings = settings(&mock).await;
    change(&mut settings);
    run(plan, settings, Arc::default(), CancellationToken::new()).await.unwrap()
}

async fn one(says: Says, transport: Transport, behaviour: Behaviour) -> Record {
    let ran = ran(says, plan(vec![request(transport, behaviour)]), |_| ()).await;
    assert_eq!(ran.records.len(), 1);
    ran.records.into_iter().next().unwrap()
}

fn story() -> Says {
    let mut pieces: Vec<String> = ["a", "b", "c", "d"].map(chunk).to_vec();
    pieces.push(end(4));
    Says::Stream(pieces, Duration::from_millis(1), true)
}

fn finished() -> Outcome {
    Outcome::Finished("length".to_owned())
}

#[tokio::test]
async fn every_request_of_a_plan_is_asked_and_filed_once() {
    let requests = vec![request(Transport::Sse, Behaviour::Read); 20];
    let ran = ran(story(), plan(requests), |_| ()).await;
    let mut places: Vec<u32> = ran.records.iter().map(|record| record.chain).collect();
    places.sort_unstable();
    assert_eq!(places, (0..20).collect::<Vec<_>>());
    for record in &ran.records {
        assert_eq!((&record.outcome, record.tokens, record.usage_tokens), (&finished(), 4, Some(4)));
        assert_eq!((record.text_bytes, record.gaps_us.len()), (4, 3));
        let first = record.first_token.unwrap();
        let times = [record.intended, record.begun, record.sent, first, record.ended];
        assert!(times.is_sorted(), "{times:?}");
    }
    assert!(!ran.was_stopped && ran.dropped == 0);
}

#[tokio::test]
async fn a_whole_answer_has_the_text_of_a_streamed_one_and_no_first_token() {
    let body = r#"{"choices":[{"message":{"content":"abcd"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let whole = one(Says::Answer(200, body.to_owned()), Transport::Whole, Behaviour::Read).await;
    let streamed = one(story(), Transport::Sse, Behaviour::Read).await;
    assert_eq!((whole.outcome, whole.tokens, whole.text_hash), (finished(), 4, streamed.text_hash));
    assert_eq!(whole.first_token, None);
}

#[tokio::test]
async fn an_answer_without_its_end_is_broken_and_a_refusal_has_its_code() {
    let cut = Says::Stream(vec![chunk("a")], Duration::ZERO, false);
    let record = one(cut, Transport::Sse, Behaviour::Read).await;
    assert_eq!(record.outcome, Outcome::Broken("no_end".to_owned()));
    let short = Says::Stream(vec![chunk("a")], Duration::ZERO, true);
    let record = one(short, Transport::Sse, Behaviour::Read).await;
    assert_eq!(record.outcome, Outcome::Broken("no_end".to_owned()));
    let refused = Says::Answer(503, r#"{"error":{"code":"overloaded","message":"x"}}"#.to_owned());
    for transport in [Transport::Sse, Transport::Whole, Transport::WebSocket, Transport::Session] {
        let record = one(refused.clone(), transport, Behaviour::Read).await;
        assert_eq!(record.outcome, Outcome::Failed("overloaded".to_owned()), "{transport:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_or_says_nothing_is_told_apart() {
    let ran_out = ran(Says::Nothing, plan(vec![request(Transport::Sse, Behaviour::Read)]), |settings| {
        settings.request_limit = Duration::from_millis(50);
    });
    assert_eq!(ran_out.await.records[0].outcome, Outcome::Broken("timeout".to_owned()));
    let mock = Mock::start(Says::Nothing).await;
    let settings = settings(&mock).await;
    drop(mock);
    let plan = plan(vec![request(Transport::Sse, Behaviour::Read)]);
    let ran = run(plan, settings, Arc::default(), CancellationToken::new()).await.unwrap();
    assert_eq!(ran.records[0].outcome, Outcome::Broken("connect".to_owned()));
}

#[tokio::test]
async fn a_client_that_leaves_and_one_that_reads_slowly_behave_as_planned() {
    let record = one(story(), Transport::Sse, Behaviour::CancelAfter(2)).await;
    assert_eq!(record.outcome, Outcome::Cancelled);
    assert!((2..4).contains(&record.tokens), "{record:?}");
    let pause = Duration::from_millis(5);
    let record = one(story(), Transport::Sse, Behaviour::ReadSlowly(pause)).await;
    assert_eq!((record.outcome, record.tokens), (finished(), 4));
}

#[tokio::test]
async fn what_is_more_than_may_run_at_once_is_dropped_and_counted() {
    let requests = vec![request(Transport::Sse, Behaviour::Read); 5];
    let ran = ran(Says::Nothing, plan(requests), |settings| {
        settings.in_flight_max = 2;
        settings.request_limit = Duration::from_secs(3);
    })
    .await;
    assert_eq!((ran.records.len(), ran.dropped), (2, 3));
}

#[tokio::test]
async fn a_run_that_is_ended_early_keeps_what_was_seen() {
    let mock = Mock::start(Says::Nothing).await;
    let settings = settings(&mock).await;
    let mut plan = plan(vec![request(Transport::Sse, Behaviour::Read); 2]);
    plan.chains[1].at = Duration::from_secs(3600);
    plan.length = Duration::from_secs(3600);
    let stop = CancellationToken::new();
    let live = Arc::new(Live::default());
    let stopping = async {
        while live.seen().in_flight == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(run(plan, settings, Arc::clone(&live), stop.clone()), stopping);
    let ran = ran.unwrap();
    assert!(ran.was_stopped);
    assert_eq!((ran.records.len(), ran.plan.chains.len()), (1, 1));
    assert_eq!(ran.records[0].outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn disorder_on_a_websocket_is_seen_by_the_indices() {
    let token = |index: u32, text: &str| {
        format!("{{\"type\":\"token\",\"id\":\"ID\",\"index\":{index},\"count\":1,\"text\":\"{text}\"}}")
    };
    let end = r#"{"type":"finished","id":"ID","reason":"length","text":"","usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1}}}"#;
    let resumed = r#"{"type":"resumed","id":"ID","shown":1,"cause":"link_lost","node":"n-2"}"#;
    let said =
        [token(0, "a"), resumed.to_owned(), token(0, "a"), token(3, "d"), token(2, "c"), end.to_owned()];
    let record = one(Says::Messages(said.to_vec()), Transport::WebSocket, Behaviour::Read).await;
    assert_eq!((record.disorder.doubled, record.disorder.missing, record.disorder.misplaced), (1, 1, 1));
    assert_eq!((record.tokens, record.usage_tokens, record.prompt_tokens), (3, Some(4), Some((3, 1))));
    assert_eq!((record.moves, record.node.as_deref()), (1, Some("n-2")));
    let left =
        one(Says::Messages(vec![token(0, "a")]), Transport::WebSocket, Behaviour::CancelAfter(1)).await;
    assert_eq!(left.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn texts_are_asked_again_alone_and_compared_by_place() {
    let requests = vec![request(Transport::Sse, Behaviour::Read); 9];
    let ran = ran(story(), plan(requests), |settings| settings.checks = 3).await;
    assert_eq!(ran.reference.len(), 3);
    for again in &ran.reference {
        let before = ran.records.iter().find(|record| record.chain == again.chain).unwrap();
        assert_eq!(before.text_hash, again.text_hash);
    }
}
