//! What one run is made of, drawn from its seed: how many gateways, nodes, models and turns, how fast and how far apart
//! they are, and when faults strike. Most runs are small, so that many are looked at; some are as large as a fleet gets.

use super::faults::{Fault, draw_fault};
use super::random::Random;

/// One millisecond in the simulator's unit of time, a microsecond.
pub(crate) const MS: u64 = 1000;
/// One second.
pub(crate) const S: u64 = 1000 * MS;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Gateways, 1 to 3.
    pub(crate) gateways: usize,
    /// Nodes, 1 to 50.
    pub(crate) nodes: Vec<NodeShape>,
    /// Bytes that a replica of each model takes.
    pub(crate) models: Vec<u64>,
    /// Replicas wanted of each model; `None`: loaded when a turn asks for it.
    pub(crate) wanted: Vec<Option<u32>>,
    /// Turns, by the time of their arrival.
    pub(crate) turns: Vec<TurnShape>,
    /// Faults, by time.
    pub(crate) faults: Vec<(u64, Fault)>,
    /// No fault strikes or lasts after this.
    pub(crate) calm_at: u64,
    /// Whether turns have so little time or room that some may fail.
    pub(crate) is_tight: bool,
    /// Longest life of a turn.
    pub(crate) turn_max: u64,
    /// How long a node holds a turn whose link was lost.
    pub(crate) orphan_grace: u64,
    /// Turns that may wait at a gateway.
    pub(crate) queue_max: u32,
    /// Control messages that come late or twice, per mille.
    pub(crate) control_chaos: u64,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct NodeShape {
    /// Bytes that models may take.
    pub(crate) memory: u64,
    /// Sequences in a batch.
    pub(crate) slots: u32,
    /// Time of one step.
    pub(crate) step: u64,
    /// One-way delay over the LAN; `None` when the node is elsewhere.
    pub(crate) lan: Option<u64>,
    /// One-way delay over the WAN; `None` when only the LAN leads there.
    pub(crate) wan: Option<u64>,
}

/// One turn.
#[derive(Clone, Debug)]
pub(crate) struct TurnShape {
    /// When it arrives.
    pub(crate) at: u64,
    /// At which gateway.
    pub(crate) gateway: usize,
    /// For which model.
    pub(crate) model: usize,
    /// Tokens of its answer.
    pub(crate) tokens: u32,
    /// Tokens of its prompt.
    pub(crate) prompt: u32,
    /// When its client goes away, if it does.
    pub(crate) cancel_at: Option<u64>,
}

impl Shape {
    /// The run of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (gateways, nodes, turns) = match random.range(0, 1000) {
            0..680 => (random.range(1, 3), random.range(1, 6), random.range(3, 40)),
            680..950 => (random.range(1, 4), random.range(4, 16), random.range(40, 160)),
            950..985 => (random.range(1, 4), random.range(15, 51), random.range(160, 600)),
            _ => (3, 50, 1000),
        };
        let span = random.range(4, 12) * S;
        let calm_at = span + random.range(1, 6) * S;
        let models: Vec<u64> = (0..random.range(1, 4)).map(|_| random.range(2, 9)).collect();
        let mut nodes: Vec<NodeShape> = (0..nodes).map(|_| draw_node(&mut random)).collect();
        // The first node can hold every model and is never removed, so that each turn can end well.
        nodes[0].memory = nodes[0].memory.max(models.iter().sum());
        let turns = draw_turns(&mut random, turns, gateways as usize, models.len(), span);
        let most = nodes.len() as u64 + 1;
        let wanted =
            models.iter().map(|_| random.chance(700).then(|| random.range(1, most) as u32)).collect();
        // The slowest node alone, one sequence at a time, and all of the work done twice.
        let slowest = nodes.iter().map(|node| node.step).max().unwrap_or(0);
        let work: u64 = turns.iter().map(|turn| u64::from(turn.tokens) + 6).sum::<u64>() * slowest;
        let is_tight = random.chance(250);
        let tight_max = random.range(2, 10) * S;
        let mut shape = Self {
            gateways: gateways as usize,
            nodes,
            models,
            wanted,
            turns,
            faults: Vec::new(),
            calm_at,
            is_tight,
            turn_max: if is_tight { tight_max } else { calm_at + 60 * S + 2 * work },
            orphan_grace: random.range(1, 6) * S,
            queue_max: if is_tight { 20 } else { 2_000 },
            control_chaos: [0, 20, 200][random.index(3)],
        };
        // Some runs are quiet, so that a machine that fails without any fault is seen as such.
        let density = [0, 1, 2, 4, 8][random.index(5)];
        let count = density * (2 + shape.nodes.len() as u64 / 2);
        for _ in 0..count {
            let at = random.range(200 * MS, calm_at - 500 * MS);
            let fault = draw_fault(&mut random, &shape, calm_at - at);
            shape.faults.push((at, fault));
        }
        shape.faults.sort_by_key(|(at, _)| *at);
        shape
    }
}

fn draw_node(random: &mut Random) -> NodeShape {
    let lan = random.chance(800).then(|| random.range(200, 1_500));
    let wan = (lan.is_none() || random.chance(700)).then(|| random.range(10 * MS, 60 * MS));
    NodeShape {
        memory: random.range(8, 20),
        slots: random.range(1, 9) as u32,
        step: random.range(5 * MS, 40 * MS),
        lan,
        wan,
    }
}

fn draw_turns(random: &mut Random, count: u64, gateways: usize, models: usize, span: u64) -> Vec<TurnShape> {
    let mut turns: Vec<TurnShape> = (0..count)
        .map(|_| {
            let at = random.range(300 * MS, span);
            TurnShape {
                at,
                gateway: random.index(gateways),
                model: random.index(models),
                tokens: random.range(1, 64) as u32,
                prompt: random.range(5, 400) as u32,
                cancel_at: random.chance(60).then(|| at + random.range(0, 2 * S)),
            }
        })
        .collect();
    turns.sort_by_key(|turn| turn.at);
    turns
}
