//! Worlds of chance: whatever links do, the contract of a path holds.

use proptest::prelude::*;

use super::*;

/// A shell and a world: dials succeed while their path is up, links over a path that goes down are lost or silent.
struct World {
    path: Path,
    start: Instant,
    ms: u64,
    up: [bool; 2],
    /// (begins, path) of ordered dials.
    dials: BTreeMap<&'static str, (u64, PathKind)>,
    open: BTreeMap<u64, PathKind>,
    silent: Vec<u64>,
    links: u64,
    begun: Vec<(u64, PathKind)>,
}

impl World {
    fn new(addresses: Addresses) -> Self {
        let start = Instant::now();
        let path = Path::new(PathLimits::default(), addresses, start);
        let mut world = Self {
            path,
            start,
            ms: 0,
            up: [true, true],
            dials: BTreeMap::new(),
            open: BTreeMap::new(),
            silent: Vec::new(),
            links: 0,
            begun: Vec::new(),
        };
        world.give(Input::Start);
        world
    }

    fn is_up(&self, path: PathKind) -> bool {
        self.up[usize::from(path == WAN)]
    }

    fn give(&mut self, input: Input) {
        let jitter = (self.ms % 10) as f64 / 10.0;
        let effects = self.path.handle(input, jitter, self.start + Duration::from_millis(self.ms));
        for effect in effects {
            match effect {
                Effect::Dial { path, after } => {
                    self.dials.insert(path.as_str(), (self.ms + after.as_millis() as u64, path));
                }
                Effect::Stop { path } => {
                    assert!(self.dials.remove(path.as_str()).is_some(), "stopped a dial that nobody ordered");
                }
                Effect::Use { link } => {
                    assert!(self.open.contains_key(&link), "uses a link that is not open")
                }
                Effect::Close { link } => {
                    assert_ne!(self.path.in_use(), Some(link), "closed a link in use");
                    assert!(self.open.remove(&link).is_some(), "closed a link that is not open");
                }
            }
        }
        if let Some(link) = self.path.in_use() {
            assert!(self.open.contains_key(&link), "uses a link that is gone");
        } else if self.open.is_empty() {
            assert!(!self.dials.is_empty(), "offline and not dialling at {} ms", self.ms);
        }
        assert!(self.open.len() <= 3 + PathLimits::default().leaving_links_max, "{:?}", self.open);
    }

    fn advance(&mut self, step_ms: u64) {
        self.ms += step_ms;
        let due: Vec<PathKind> =
            self.dials.values().filter(|(at, _)| at + 8 <= self.ms).map(|(_, path)| *path).collect();
        for path in due {
            let Some((at, _)) = self.dials.remove(path.as_str()) else { continue };
            self.begun.push((at, path));
            if self.is_up(path) {
                self.links += 1;
                self.open.insert(self.links, path);
                self.give(Input::Opened { path, link: self.links });
            } else {
                self.give(Input::Failed { path });
            }
        }
        for link in self.open.keys().copied().collect::<Vec<_>>() {
            let Some(path) = self.open.get(&link).copied() else { continue };
            match (self.is_up(path), self.silent.contains(&link)) {
                (false, false) => {
                    self.silent.push(link);
                    self.give(Input::Suspect { link });
                }
                (false, true) if self.ms.is_multiple_of(3) => {
                    self.open.remove(&link);
                    self.give(Input::Lost { link });
                }
                (true, true) => {
                    self.silent.retain(|other| *other != link);
                    self.give(Input::Cleared { link });
                }
                _ => {}
            }
        }
        if self.path.next_tick().is_some_and(|at| at <= self.start + Duration::from_millis(self.ms)) {
            self.give(Input::Tick);
        }
    }
}

proptest! {
    #[test]
    fn every_world_keeps_the_contract_and_ends_on_the_lan(
        steps in prop::collection::vec((0u8..10, 1u64..2_000), 1..150),
    ) {
        let mut world = World::new(BOTH);
        for (kind, ms) in steps {
            match kind {
                0 => world.up[0] = !world.up[0],
                1 => world.up[1] = !world.up[1],
                2 => world.give(Input::InterfacesChanged),
                3 => {
                    let old: Vec<u64> = world.open.keys().copied().filter(|l| Some(*l) != world.path.in_use()).collect();
                    for link in old {
                        world.give(Input::Empty { link });
                    }
                }
                4 => if let Some(link) = world.path.in_use() { world.give(Input::RoundTrip { link, rtt: Duration::from_millis(ms) }) },
                5 => if let Some((link, _)) = world.open.pop_first() { world.give(Input::Lost { link }) },
                6 => world.give(Input::AddressesChanged(Addresses { lan: ms % 3 != 0, wan: ms % 2 != 0 || ms % 3 == 0 })),
                _ => {}
            }
            for _ in 0..ms.min(200) {
                world.advance(10);
            }
        }
        world.give(Input::AddressesChanged(BOTH));
        world.up = [true, true];
        // Whatever was, the longest probe pause and the settling are over then.
        for _ in 0..10_000 {
            world.advance(10);
        }
        prop_assert_eq!(world.path.view().kind, Some(LAN));
        prop_assert!(world.open.len() == 1, "old links stay open: {:?}", world.open);
    }

    #[test]
    fn dials_per_minute_are_bounded(changes in prop::collection::vec(0u8..4, 0..300)) {
        let mut world = World::new(BOTH);
        for kind in &changes {
            match kind {
                0 => world.up[0] = !world.up[0],
                1 => world.up[1] = !world.up[1],
                _ => {}
            }
            world.give(Input::InterfacesChanged);
            world.advance(u64::from(*kind) * 40 + 20);
        }
        let gap_ms = PathLimits::default().dial_gap.as_millis() as u64;
        for path in [LAN, WAN] {
            let begun: Vec<u64> = world.begun.iter().filter(|(_, p)| *p == path).map(|(at, _)| *at).collect();
            prop_assert!(begun.windows(2).all(|pair| pair[1] - pair[0] >= gap_ms), "{begun:?}");
        }
    }
}

#[test]
fn a_dead_peer_is_dialled_a_dozen_times_a_minute() {
    let mut world = World::new(BOTH);
    world.up = [false, false];
    for _ in 0..60_000 {
        world.advance(1);
    }
    let before = world.begun.len();
    for _ in 0..60_000 {
        world.advance(1);
    }
    let dials = world.begun.len() - before;
    assert!((18..=26).contains(&dials), "{dials} dials over two paths in a minute");
}
