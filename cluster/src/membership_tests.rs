//! The rules of membership as scripts.

use pomona_protocol::{ModelOffer, ReplicaLoad, ReplicaState};

use super::*;

const LIMITS: MembershipLimits = MembershipLimits {
    lan_suspect: Duration::from_millis(750),
    wan_suspect: Duration::from_millis(3000),
    tick_gap_max: Duration::from_millis(400),
    members_max: 4,
};

fn replica(node: &str) -> ReplicaId {
    ReplicaId { node: NodeId::from(node), model: ModelId::from("m"), incarnation: 1 }
}

fn offers(nodes: &[&str], state: ReplicaState) -> Vec<ReplicaReport> {
    let report = |node: &&str| ReplicaReport {
        replica: replica(node),
        state,
        card: None,
        memory_bytes: 10,
        is_pinned: false,
        idle_ms: 0,
        restarts: 0,
        engine_pid: None,
        error: None,
        load: ReplicaLoad::default(),
        figures: Default::default(),
    };
    nodes.iter().map(report).collect()
}

/// A report of a node that offers the replicas of these nodes.
fn report(node: &str, boot: u64, seq: u64, nodes: &[&str]) -> NodeReport {
    NodeReport {
        node: NodeId::from(node),
        name: node.to_owned(),
        boot,
        seq,
        version: "1".to_owned(),
        hosts: true,
        draining: false,
        memory_bytes: 100,
        models: Vec::new(),
        replicas: offers(nodes, ReplicaState::Ready),
        store: 0,
        figures: Default::default(),
    }
}

struct Bench {
    membership: Membership,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { membership: Membership::new(LIMITS), now: Instant::now() }
    }

    /// The effects in short, without loads.
    fn give(&mut self, input: Input) -> String {
        let effects = self.membership.handle(input, self.now);
        let words = effects.iter().filter_map(|effect| match effect {
            Effect::ReplicaUp { replica, via, load, is_draining, .. } => {
                let suspect = if load.is_suspect { "?" } else { "" };
                let draining = if *is_draining { "!" } else { "" };
                Some(format!("+{}@{via}{suspect}{draining}", replica.node))
            }
            Effect::ReplicaVia { replica, via } => Some(format!("{}@{via}", replica.node)),
            Effect::ReplicaDown { replica } => Some(format!("-{}", replica.node)),
            Effect::ReplicaLoad { .. } => None,
            Effect::ReplicaSuspect { replica } => Some(format!("{}?", replica.node)),
            Effect::ReplicaCleared { replica } => Some(format!("{}.", replica.node)),
            Effect::ReplicaDraining { replica, on } => Some(format!("{}!{on}", replica.node)),
            Effect::NodeSuspect { node, .. } => Some(format!("suspect {node}")),
            Effect::NodeCleared { node } => Some(format!("cleared {node}")),
            Effect::NodeDraining { node } => Some(format!("draining {node}")),
            Effect::NodeUndrained { node } => Some(format!("undrained {node}")),
            Effect::ModelsChanged { models } => Some(format!("models {}", models.len())),
            Effect::MemberRefused { node, .. } => Some(format!("refused {node}")),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn link(&mut self, node: &str, boot: u64, path: PathKind) -> String {
        self.give(Input::LinkUp { node: NodeId::from(node), name: node.to_owned(), boot, path })
    }

    fn down(&mut self, node: &str, boot: u64) -> String {
        self.give(Input::LinkDown { node: NodeId::from(node), boot })
    }

    fn report(&mut self, node: &str, boot: u64, seq: u64, nodes: &[&str]) -> String {
        self.give(Input::Report(Box::new(report(node, boot, seq, nodes))))
    }

    /// Ticks each 250 ms for so long.
    fn wait(&mut self, ms: u64) -> String {
        let said = (0..ms / 250).map(|_| {
            self.now += Duration::from_millis(250);
            self.give(Input::Tick)
        });
        said.filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn state(&self, node: &str) -> &'static str {
        let node = NodeId::from(node);
        self.membership
            .members()
            .find(|member| *member.node == node)
            .map_or("unknown", |m| m.state().as_str())
    }
}

#[test]
fn a_replica_is_up_while_its_node_is_linked_and_says_so() {
    let mut bench = Bench::new();
    assert_eq!(bench.link("a", 1, PathKind::Lan), "");
    assert_eq!(bench.report("a", 1, 1, &["a"]), "+a@a, models 1");
    assert_eq!(bench.report("a", 1, 2, &["a"]), "");
    assert_eq!(bench.report("a", 1, 3, &[]), "-a, models 0");
    bench.report("a", 1, 4, &["a"]);
    assert_eq!(bench.down("a", 1), "-a, models 0");
    assert_eq!(bench.state("a"), "offline");
}

#[test]
fn only_a_ready_replica_is_up() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    for (seq, state) in [(2, ReplicaState::Loading), (4, ReplicaState::Restarting), (6, ReplicaState::Failed)]
    {
        let replicas = offers(&["a"], state);
        let report = NodeReport { replicas, ..report("a", 1, seq, &[]) };
        assert_eq!(bench.give(Input::Report(Box::new(report))), "-a", "{state:?}");
        assert_eq!(bench.report("a", 1, seq + 1, &["a"]), "+a@a", "{state:?}");
    }
}

#[test]
fn late_repeated_and_foreign_reports_change_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.report("a", 1, 1, &["a"]), "");
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 5, &["a"]);
    for (boot, seq) in [(1, 5), (1, 4), (0, 9), (2, 9)] {
        assert_eq!(bench.report("a", boot, seq, &[]), "", "{boot} {seq}");
    }
    bench.down("a", 1);
    assert_eq!(bench.report("a", 1, 6, &["a"]), "");
}

#[test]
fn what_was_reported_over_an_earlier_link_does_not_count() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    bench.down("a", 1);
    assert_eq!(bench.link("a", 1, PathKind::Wan), "models 1");
    assert_eq!(bench.report("a", 1, 2, &["a"]), "+a@a");
}

#[test]
fn a_node_that_started_anew_replaces_the_old_one() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 90, &["a"]);
    assert_eq!(bench.link("a", 2, PathKind::Lan), "-a, models 0");
    assert_eq!(bench.report("a", 2, 1, &["a"]), "+a@a, models 1");
    assert_eq!(bench.down("a", 1), "");
    assert_eq!(bench.down("a", 2), "-a, models 0");
}

#[test]
fn a_silent_node_is_suspect_until_it_is_heard() {
    for (path, limit_ms) in [(PathKind::Lan, 750), (PathKind::Wan, 3000)] {
        let mut bench = Bench::new();
        bench.link("a", 1, path);
        bench.report("a", 1, 1, &["a"]);
        assert_eq!(bench.wait(limit_ms), "", "{path:?}");
        assert_eq!(bench.wait(250), "suspect a, a?", "{path:?}");
        assert_eq!(bench.wait(9000), "", "{path:?}");
        assert_eq!(bench.state("a"), "suspect");
        assert_eq!(bench.report("a", 1, 2, &["a"]), "cleared a, a.");
        assert_eq!(bench.state("a"), "alive");
    }
}

#[test]
fn an_engine_that_stands_still_makes_its_replica_suspect() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    let said = |seq, is_suspect| {
        let mut report = report("a", 1, seq, &["a"]);
        report.replicas[0].load.is_suspect = is_suspect;
        Input::Report(Box::new(report))
    };
    assert_eq!(bench.give(said(1, true)), "+a@a?, models 1");
    assert_eq!(bench.give(said(2, false)), "a.");
    assert_eq!(bench.give(said(3, true)), "a?");
    assert_eq!(bench.state("a"), "alive");
}

#[test]
fn a_gateway_that_stood_still_itself_suspects_nobody_for_that() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    bench.wait(250);
    bench.now += Duration::from_secs(60);
    assert_eq!(bench.give(Input::Tick), "");
    assert_eq!(bench.wait(750), "");
    assert_eq!(bench.wait(250), "suspect a, a?");
}

#[test]
fn the_gateways_own_node_is_never_suspect() {
    let mut bench = Bench::new();
    bench.give(Input::Local { node: NodeId::from("a"), name: "a".to_owned(), boot: 1 });
    assert_eq!(bench.report("a", 1, 1, &["a"]), "+a@a, models 1");
    assert_eq!(bench.wait(60_000), "");
    assert_eq!(bench.state("a"), "alive");
}

#[test]
fn the_straight_way_is_used_and_another_one_when_it_is_gone() {
    let mut bench = Bench::new();
    bench.link("g", 1, PathKind::Lan);
    assert_eq!(bench.report("g", 1, 1, &["a"]), "+a@g, models 1");
    bench.link("a", 7, PathKind::Wan);
    assert_eq!(bench.report("a", 7, 1, &["a"]), "a@a");
    assert_eq!(bench.down("a", 7), "a@g");
    bench.link("a", 7, PathKind::Wan);
    assert_eq!(bench.report("a", 7, 2, &["a"]), "a@a");
    assert_eq!(bench.wait(1000), "suspect g");
    assert_eq!(bench.down("g", 1), "cleared g");
    assert_eq!(bench.membership.via(&replica("a")), Some(&NodeId::from("a")));
}

#[test]
fn a_way_that_is_heard_is_better_than_a_straight_one_that_is_silent() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    bench.link("g", 1, PathKind::Wan);
    bench.report("g", 1, 1, &["a"]);
    assert_eq!(bench.wait(1000), "suspect a, a@g");
    assert_eq!(bench.report("a", 1, 2, &["a"]), "cleared a, a@a");
}

#[test]
fn only_replicas_that_are_reached_straight_are_offered_on() {
    let mut bench = Bench::new();
    bench.link("g", 1, PathKind::Lan);
    bench.report("g", 1, 1, &["a", "b"]);
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    let direct: Vec<_> = bench.membership.direct_replicas().into_iter().map(|r| r.replica).collect();
    assert_eq!(direct, [replica("a")]);
}

#[test]
fn a_drain_is_the_nodes_own_or_an_admins_and_outlives_a_restart() {
    let mut bench = Bench::new();
    let drain = |on| Input::Drain { node: NodeId::from("a"), on };
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    assert_eq!(bench.give(drain(true)), "draining a, a!true");
    assert_eq!(bench.give(drain(true)), "");
    assert_eq!(bench.link("a", 2, PathKind::Lan), "-a, models 0");
    assert_eq!(bench.report("a", 2, 1, &["a"]), "+a@a!, models 1");
    assert_eq!(bench.state("a"), "draining");
    let own = NodeReport { draining: true, ..report("a", 2, 2, &["a"]) };
    assert_eq!(bench.give(Input::Report(Box::new(own))), "");
    assert_eq!(bench.give(drain(false)), "");
    assert_eq!(bench.report("a", 2, 3, &["a"]), "undrained a, a!false");
}

#[test]
fn a_node_that_is_over_the_limit_takes_the_place_of_one_that_is_gone() {
    let mut bench = Bench::new();
    for node in ["a", "b", "c", "d"] {
        bench.link(node, 1, PathKind::Lan);
    }
    assert_eq!(bench.link("e", 1, PathKind::Lan), "refused e");
    bench.down("b", 1);
    assert_eq!(bench.link("e", 1, PathKind::Lan), "");
    assert_eq!((bench.state("b"), bench.state("e")), ("unknown", "alive"));
}

#[test]
fn a_removed_member_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    bench.report("a", 1, 1, &["a"]);
    assert_eq!(bench.give(Input::Remove { node: NodeId::from("a") }), "-a, models 0");
    let Membership { members, offers, up, models, .. } = &bench.membership;
    assert!(members.is_empty() && offers.is_empty() && up.is_empty() && models.is_empty());
}

#[test]
fn models_on_disk_count_unless_their_node_hosts_none() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    let offer = ModelOffer { model: ModelId::from("x"), memory_bytes: 1, digest: String::new(), card: None };
    let with = |seq, hosts| {
        let report = NodeReport { models: vec![offer.clone()], hosts, ..report("a", 1, seq, &[]) };
        Input::Report(Box::new(report))
    };
    assert_eq!(bench.give(with(1, false)), "");
    assert_eq!(bench.give(with(2, true)), "models 1");
}

#[test]
fn a_round_trip_reaches_the_next_load() {
    let mut bench = Bench::new();
    bench.link("a", 1, PathKind::Lan);
    let (node, rtt) = (NodeId::from("a"), Duration::from_millis(7));
    bench.give(Input::PathChanged { node, path: PathKind::Wan, rtt });
    let effects = bench.membership.handle(Input::Report(Box::new(report("a", 1, 1, &["a"]))), bench.now);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::ReplicaLoad { rtt: seen, .. } if *seen == rtt))
    );
}

#[path = "membership_random_tests.rs"]
mod random;
