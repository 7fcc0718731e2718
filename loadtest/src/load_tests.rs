//! That the same load and seed give the same plan for ever, that each knob turns one thing, and what is refused.

use super::*;

fn load(toml: &str) -> Load {
    toml::from_str(toml).unwrap()
}

fn requests(plan: &Plan) -> impl Iterator<Item = &Request> {
    plan.chains.iter().flat_map(|chain| &chain.requests)
}

const RICH: &str = r#"
arrival = "poisson:50"
duration_s = 60
prompt_words = "lognormal:80,0.8,1-2000"
output_tokens = "uniform:16-256"
shared_words = 200
shared_groups = 4
transports = "sse:60,whole:10,websocket:20,session:10"
cancels = 0.1
slow_readers = 0.05
slow_read_ms = 30
"#;

/// FNV-1a of the plan's JSON: changes when anything in it does.
fn fingerprint(plan: &Plan) -> u64 {
    let json = serde_json::to_vec(plan).unwrap();
    json.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn a_seed_means_the_same_plan_for_ever() {
    let load = load(RICH);
    assert_eq!(load.plan(42), load.plan(42));
    assert_ne!(load.plan(42), load.plan(43));
    let sessions = Load {
        turns: Some(Lengths::Fixed(3)),
        think_ms: "normal:800,200".parse().unwrap(),
        ..Load::default()
    };
    let seen = [fingerprint(&load.plan(42)), fingerprint(&sessions.plan(7))];
    // Written once. When they change, seeds of old reports no longer mean what they did.
    assert_eq!(seen, [11_836_374_072_470_391_852, 11_533_567_331_081_750_643]);
}

#[test]
fn a_plan_has_the_shares_and_lengths_that_were_asked() {
    let plan = load(RICH).plan(1);
    let count = plan.chains.len();
    assert!((2_700..3_300).contains(&count), "{count}");
    let share = |is: &dyn Fn(&Request) -> bool| {
        requests(&plan).filter(|request| is(request)).count() as f64 / count as f64
    };
    assert!((0.08..0.12).contains(&share(&|r| matches!(r.behaviour, Behaviour::CancelAfter(_)))));
    assert!(
        (0.035..0.065).contains(&share(&|r| r.behaviour == Behaviour::ReadSlowly(Duration::from_millis(30))))
    );
    assert!((0.56..0.64).contains(&share(&|r| r.transport == Transport::Sse)));
    for group in 0..4 {
        assert!((0.2..0.3).contains(&share(&|r| r.prompt.shared_group == group)));
    }
    for request in requests(&plan) {
        assert!((16..=256).contains(&request.output_tokens) && request.prompt.own_words >= 1);
        assert_eq!(request.prompt.shared_words, 200);
        if let Behaviour::CancelAfter(tokens) = request.behaviour {
            assert!((1..request.output_tokens).contains(&tokens));
        }
    }
    assert!(
        plan.chains
            .iter()
            .all(|chain| chain.is_session == (chain.requests[0].transport == Transport::Session))
    );
    let mut seeds: Vec<u64> = requests(&plan).map(|request| request.prompt.own_seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), count, "prompts differ");
}

#[test]
fn one_knob_leaves_all_else_as_it_was() {
    let without = load(RICH);
    let with = Load { cancels: 0.5, slow_readers: 0.0, ..without.clone() };
    let (without, with) = (without.plan(9), with.plan(9));
    let rest = |plan: &Plan| -> Vec<_> {
        let strip = |chain: &Chain| (chain.at, chain.requests[0].prompt, chain.requests[0].transport);
        plan.chains.iter().map(strip).collect()
    };
    assert_eq!(rest(&without), rest(&with));
}

#[test]
fn people_in_sessions_think_between_turns() {
    let plan =
        load("arrival = \"constant:1\"\nduration_s = 50\nturns = \"uniform:2-4\"\nthink_ms = 700").plan(3);
    assert_eq!(plan.chains.len(), 50);
    for chain in &plan.chains {
        assert!(chain.is_session && (2..=4).contains(&chain.requests.len()));
        assert_eq!(chain.requests[0].think, Duration::ZERO);
        assert!(chain.requests[1..].iter().all(|request| request.think == Duration::from_millis(700)));
    }
    assert_eq!(plan.length, Duration::from_secs(50));
}

#[test]
fn a_closed_loop_has_a_chain_for_each_client() {
    let plan = load("arrival = \"closed:8\"\nduration_s = 2").plan(3);
    assert_eq!(plan.chains.len(), 8);
    assert!(plan.chains.iter().all(|chain| chain.requests.len() == 200 && chain.at < CLIENTS_SPREAD));
    let few = load("arrival = \"closed:8\"\nduration_s = 2\nrequests = 20").plan(3);
    assert_eq!(
        few.chains.iter().map(|chain| chain.requests.len()).collect::<Vec<_>>(),
        [3, 3, 3, 3, 2, 2, 2, 2]
    );
    let thinking = load("arrival = \"closed:4\"\nthink_ms = 2000\nturns = 5").plan(3);
    assert_eq!(thinking.chains[3].at, Duration::from_millis(1_500));
    assert!(thinking.chains.iter().all(|chain| chain.requests.len() == 5));
    let huge = load("arrival = \"closed:100000\"\nduration_s = 1000").plan(3);
    assert!(requests(&huge).count() <= REQUESTS_MAX);
}

#[test]
fn a_number_of_requests_ends_the_plan() {
    let plan = load("arrival = \"constant:10\"\nduration_s = 60\nrequests = 25").plan(1);
    assert_eq!((plan.chains.len(), plan.length), (25, Duration::from_millis(2_400)));
    let turns = load("arrival = \"constant:10\"\nduration_s = 60\nrequests = 25\nturns = 10").plan(1);
    assert_eq!(turns.chains.iter().map(|chain| chain.requests.len()).collect::<Vec<_>>(), [10, 10, 5]);
    let more = load("arrival = \"constant:10\"\nduration_s = 1\nrequests = 25").plan(1);
    assert_eq!((more.chains.len(), more.length), (10, Duration::from_secs(1)));
}

#[test]
fn a_replay_takes_times_and_lengths_from_the_trace() {
    let lines = trace::parse(
        "{\"at_ms\":0,\"prompt_words\":10,\"output_tokens\":5,\"session\":\"a\"}\n\
         {\"at_ms\":500,\"prompt_words\":20,\"output_tokens\":6}\n\
         {\"at_ms\":900,\"prompt_words\":30,\"output_tokens\":7,\"session\":\"a\",\"think_ms\":80}\n",
    )
    .unwrap();
    let load = Load { shared_words: 12, cancels: 1.0, ..Load::default() };
    let plan = load.replay(&lines, 1.0, 5);
    let seen: Vec<Vec<(u32, u32)>> = plan
        .chains
        .iter()
        .map(|chain| chain.requests.iter().map(|r| (r.prompt.own_words, r.output_tokens)).collect())
        .collect();
    assert_eq!(seen, [vec![(10, 5), (30, 7)], vec![(20, 6)]]);
    assert_eq!(plan.chains[0].requests[1].think, Duration::from_millis(80));
    assert_eq!(plan.length, Duration::from_millis(60_080));
    for request in requests(&plan) {
        assert!(
            matches!(request.behaviour, Behaviour::CancelAfter(tokens) if tokens < request.output_tokens)
        );
        assert_eq!(request.prompt.shared_words, 12);
    }
    assert_eq!(plan, load.replay(&lines, 1.0, 5));
    assert_eq!(load.replay(&lines, 2.0, 5).chains[1].at, Duration::from_millis(250));
}

#[test]
fn a_load_that_cannot_be_run_is_named() {
    for (toml, message) in [
        ("duration_s = 0", "duration_s of the load is 0, not more than 0 and at most 86400"),
        ("duration_s = nan", "duration_s of the load is NaN"),
        ("requests = 0", "requests of the load is 0, not at least 1"),
        ("shared_groups = 0", "shared_groups of the load is 0, not at least 1"),
        ("cancels = 1.5", "cancels of the load is 1.5, not a share from 0 to 1"),
        ("cancels = 0.6\nslow_readers = 0.6", "cancels + slow_readers of the load is 1.2"),
        (
            "arrival = \"poisson:5000\"\nduration_s = 600",
            "the load has about 3000000 requests, at most 1000000",
        ),
    ] {
        let error = load(toml).check().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(Load::default().check(), Ok(()));
    assert_eq!(load(RICH).check(), Ok(()));
    let unknown = toml::from_str::<Load>("rate = 3").unwrap_err().to_string();
    assert!(unknown.contains("unknown field `rate`") && unknown.contains("`arrival`"), "{unknown}");
    let wrong = toml::from_str::<Load>("prompt_words = \"long\"").unwrap_err().to_string();
    assert!(wrong.contains("lengths `long`"), "{wrong}");
}

#[test]
fn a_load_says_itself_in_a_line() {
    assert_eq!(Load::default().to_string(), "poisson:2 for 30 s, prompts 64 words, answers 64 tokens");
    assert_eq!(
        load(RICH).to_string(),
        "poisson:50 for 60 s, prompts lognormal:80,0.8,1-2000 words, answers uniform:16-256 tokens, \
         200 shared words in 4 groups, over sse:60,whole:10,websocket:20,session:10, 10 % cancel, 5 % read slowly"
    );
    let level = Load::default().at_level(7.5);
    assert_eq!((level.rate(), level.duration_s), (Some(7.5), 30.0));
}

#[test]
fn a_reworded_plan_differs_in_its_words_alone() {
    let plan = Load { shared_words: 9, shared_groups: 2, ..Load::default() }.plan(3);
    let other = plan.clone().reworded(1);
    assert_eq!(plan.clone().reworded(0), plan);
    assert_eq!(other.clone().reworded(1), plan, "nothing but the words was changed");
    let prompts =
        |plan: &Plan| -> Vec<_> { plan.chains.iter().map(|chain| chain.requests[0].prompt).collect() };
    for (one, two) in prompts(&plan).into_iter().zip(prompts(&other)) {
        assert!(one.own_seed != two.own_seed && one.shared_group != two.shared_group, "{one:?} {two:?}");
    }
}
