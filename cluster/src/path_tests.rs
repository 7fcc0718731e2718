//! The rules of the path machine as scripts; worlds of chance are beside them.

use super::*;

const BOTH: Addresses = Addresses { lan: true, wan: true };
const LAN: PathKind = PathKind::Lan;
const WAN: PathKind = PathKind::Wan;

fn words(effects: Vec<Effect>) -> String {
    let words = effects.into_iter().map(|effect| match effect {
        Effect::Dial { path, after } => format!("dial {} {}", path.as_str(), after.as_millis()),
        Effect::Stop { path } => format!("stop {}", path.as_str()),
        Effect::Use { link } => format!("use {link}"),
        Effect::Close { link } => format!("close {link}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn opened(path: PathKind, link: u64) -> Input {
    Input::Opened { path, link }
}

fn failed(path: PathKind) -> Input {
    Input::Failed { path }
}

/// Plays (millisecond, input) and compares what the machine says to each.
fn check(addresses: Addresses, script: &[(u64, Input, &str)]) -> PathView {
    let start = Instant::now();
    let mut path = Path::new(PathLimits::default(), addresses, start);
    for (ms, input, expected) in script {
        let effects = path.handle(*input, 0.0, start + Duration::from_millis(*ms));
        assert_eq!(words(effects), *expected, "{ms} ms: {input:?}");
    }
    path.view()
}

#[test]
fn the_lan_has_a_head_start_and_stops_the_wan_when_it_opens() {
    let view = check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (7, opened(LAN, 1), "use 1, stop wan"),
            (8, Input::Empty { link: 1 }, ""),
            (9, Input::RoundTrip { link: 1, rtt: Duration::from_millis(2) }, ""),
        ],
    );
    assert_eq!((view.kind, view.switches, view.rtt), (Some(LAN), 0, Some(Duration::from_millis(2))));
}

#[test]
fn the_wan_is_dialled_as_soon_as_the_lan_failed() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (20, failed(LAN), "dial lan 100, dial wan 0"),
            (60, opened(WAN, 1), "use 1"),
        ],
    );
}

#[test]
fn the_lan_wins_a_tie_within_the_grace() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (290, opened(WAN, 1), ""),
            (320, opened(LAN, 2), "use 2, close 1"),
        ],
    );
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (290, opened(WAN, 1), ""),
            (330, Input::Tick, "use 1"),
            (900, opened(LAN, 2), "use 2"),
            (901, Input::Empty { link: 1 }, "close 1"),
        ],
    );
}

#[test]
fn one_path_alone_is_dialled_at_once() {
    check(
        Addresses { lan: false, wan: true },
        &[(0, Input::Start, "dial wan 0"), (50, opened(WAN, 1), "use 1")],
    );
    check(
        Addresses { lan: true, wan: false },
        &[(0, Input::Start, "dial lan 0"), (5, failed(LAN), "dial lan 100")],
    );
    check(
        Addresses::default(),
        &[(0, Input::Start, ""), (9, Input::AddressesChanged(BOTH), "dial lan 0, dial wan 250")],
    );
}

#[test]
fn a_silent_lan_is_kept_while_the_wan_is_dialled_and_used() {
    let view = check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (5, opened(LAN, 1), "use 1, stop wan"),
            (9_000, Input::Suspect { link: 1 }, "dial lan 1000, dial wan 0"),
            (9_080, opened(WAN, 2), "use 2"),
            (9_500, Input::Cleared { link: 1 }, "use 1, stop lan"),
            (9_501, Input::Empty { link: 2 }, "close 2"),
        ],
    );
    assert_eq!((view.kind, view.switches), (Some(LAN), 2));
}

#[test]
fn a_suspicion_that_clears_costs_nothing() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (5, opened(LAN, 1), "use 1, stop wan"),
            (9_000, Input::Suspect { link: 1 }, "dial lan 1000, dial wan 0"),
            (9_020, Input::Cleared { link: 1 }, "stop lan, stop wan"),
            (9_030, opened(WAN, 2), "close 2"),
        ],
    );
}

#[test]
fn on_the_wan_the_lan_is_probed_ever_more_rarely_and_at_once_when_interfaces_change() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (20, failed(LAN), "dial lan 100, dial wan 0"),
            (60, opened(WAN, 1), "use 1"),
            (140, failed(LAN), "dial lan 4000"),
            (4_200, failed(LAN), "dial lan 8000"),
            (6_000, Input::InterfacesChanged, "dial lan 0"),
            (6_010, opened(LAN, 2), "use 2"),
            (6_011, Input::Empty { link: 1 }, "close 1"),
        ],
    );
}

#[test]
fn a_lost_link_is_dialled_again_at_once_when_it_had_lasted_and_later_when_not() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (5, opened(LAN, 1), "use 1, stop wan"),
            (60_000, Input::Lost { link: 1 }, "dial lan 0, dial wan 250"),
            (60_005, opened(LAN, 2), "use 2, stop wan"),
            (60_200, Input::Lost { link: 2 }, "dial lan 100, dial wan 0"),
        ],
    );
}

#[test]
fn an_old_link_that_still_lives_is_used_again_before_anything_is_dialled() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (20, failed(LAN), "dial lan 100, dial wan 0"),
            (60, opened(WAN, 1), "use 1"),
            (130, opened(LAN, 2), "use 2"),
            (7_000, Input::Lost { link: 2 }, "use 1, dial lan 1000"),
        ],
    );
}

#[test]
fn an_old_link_closes_after_its_time_even_with_turns_on_it() {
    check(
        BOTH,
        &[
            (0, Input::Start, "dial lan 0, dial wan 250"),
            (20, failed(LAN), "dial lan 100, dial wan 0"),
            (60, opened(WAN, 1), "use 1"),
            (130, opened(LAN, 2), "use 2"),
            (30_129, Input::Tick, ""),
            (30_130, Input::Tick, "close 1"),
        ],
    );
}

#[test]
fn a_flapping_lan_has_to_stay_up_before_it_is_used_again() {
    let flap =
        |ms, link| vec![(ms, Input::Suspect { link }, "use 2"), (ms + 100, Input::Cleared { link }, "use 1")];
    let mut script = vec![
        (0, Input::Start, "dial lan 0, dial wan 250"),
        (20, failed(LAN), "dial lan 100, dial wan 0"),
        (60, opened(WAN, 2), "use 2"),
        (130, opened(LAN, 1), "use 1"),
    ];
    for ms in [7_000, 8_000] {
        script.extend(flap(ms, 1).into_iter().map(|(ms, input, _)| (ms, input, "")));
    }
    let start = Instant::now();
    let mut path = Path::new(PathLimits::default(), BOTH, start);
    for (ms, input, _) in script {
        path.handle(input, 0.0, start + Duration::from_millis(ms));
    }
    let mut give = |ms, input| {
        path.handle(input, 0.0, start + Duration::from_millis(ms));
        path.in_use()
    };
    assert_eq!(give(9_000, Input::Suspect { link: 1 }), Some(2));
    assert_eq!(give(9_100, Input::Cleared { link: 1 }), Some(2), "three losses in a minute");
    assert_eq!(give(24_099, Input::Tick), Some(2));
    assert_eq!(give(24_100, Input::Tick), Some(1), "it stayed up for 15 s");
}

#[test]
fn a_dial_that_says_nothing_counts_as_failed() {
    check(
        Addresses { lan: true, wan: false },
        &[(0, Input::Start, "dial lan 0"), (9_999, Input::Tick, ""), (10_000, Input::Tick, "dial lan 100")],
    );
}

#[path = "path_random_tests.rs"]
mod random;
