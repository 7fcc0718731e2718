//! Which way to a peer: LAN first, WAN as well. One machine per (dialler, peer), wrapped by the Link actor, which
//! dials, greets and closes as this says.
//!
//! The contract, which the tests hold:
//! - one link is in use, or none is open; a link in use is never closed;
//! - the LAN is dialled at once and the WAN joins after a head start, or when the LAN failed; the LAN wins ties;
//! - while the WAN is in use the LAN is probed, ever more rarely, and at once when interfaces change;
//! - when the other side is silent the other path is dialled at once, and the silent link is kept;
//! - a LAN that comes and goes must stay up for a while before it is used again;
//! - an old link closes when no turn uses it, or after a time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use pomona_protocol::PathKind;

mod dialler;
mod words;

use dialler::{Dialler, backoff};
pub use words::{Addresses, Effect, Input, PathLimits, PathView};

#[derive(Clone, Debug)]
struct Held {
    path: PathKind,
    opened_at: Instant,
    /// Since when it has been heard without a break.
    up_since: Instant,
    is_suspect: bool,
    rtt: Option<Duration>,
    /// It was in use; closes then.
    close_at: Option<Instant>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Path {
    limits: PathLimits,
    addresses: Addresses,
    started: bool,
    lan: Dialler,
    wan: Dialler,
    /// The LAN failed since the peer was last in reach, so the WAN need not wait for it.
    lan_failed: bool,
    links: BTreeMap<u64, Held>,
    in_use: Option<u64>,
    lan_losses: VecDeque<Instant>,
    kind_last: Option<PathKind>,
    view_kind: Option<PathKind>,
    since: Instant,
    switches: u64,
}

impl Path {
    /// A machine for a peer with these addresses; nothing happens before `Start`.
    pub fn new(limits: PathLimits, addresses: Addresses, now: Instant) -> Self {
        Self {
            limits,
            addresses,
            started: false,
            lan: Dialler::default(),
            wan: Dialler::default(),
            lan_failed: false,
            links: BTreeMap::new(),
            in_use: None,
            lan_losses: VecDeque::new(),
            kind_last: None,
            view_kind: None,
            since: now,
            switches: 0,
        }
    }

    /// How the peer is reached.
    pub fn view(&self) -> PathView {
        let rtt = self.in_use.and_then(|link| self.links.get(&link)?.rtt);
        PathView { kind: self.view_kind, since: self.since, rtt, switches: self.switches }
    }

    /// The link for new turns and control.
    pub fn in_use(&self) -> Option<u64> {
        self.in_use
    }

    /// When the next `Tick` matters; `None` when none does. An earlier or later one does no harm.
    pub fn next_tick(&self) -> Option<Instant> {
        let dials = [&self.lan, &self.wan].into_iter();
        let dials = dials.filter_map(|dialler| Some(dialler.begins_at()? + self.limits.dial_max));
        let closing = self.links.values().filter_map(|held| held.close_at);
        let spare = self.links.iter().filter(|(link, held)| Some(**link) != self.in_use && !held.is_suspect);
        let ready = spare.map(|(_, held)| match held.path {
            PathKind::Lan => held.up_since + self.limits.settle,
            PathKind::Wan => held.opened_at + self.limits.grace,
        });
        dials.chain(closing).chain(ready).min()
    }

    /// Takes one input. `jitter` in 0..1 spreads pauses between dials.
    pub fn handle(&mut self, input: Input, jitter: f64, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let before = self.mode();
        let is_urgent = self.take(input, now, &mut effects);
        self.choose(now, &mut effects);
        self.close_old(now, &mut effects);
        let is_urgent = is_urgent || self.mode() != before;
        self.plan(is_urgent, jitter, now, &mut effects);
        effects
    }

    /// Notes what happened; whether dials that wait should be looked at again.
    fn take(&mut self, input: Input, now: Instant, effects: &mut Vec<Effect>) -> bool {
        match input {
            Input::Start => self.started = true,
            Input::Opened { path, link } => self.on_opened(path, link, now, effects),
            Input::Failed { path } => return self.on_failed(path, now),
            Input::Lost { link } => self.on_lost(link, now),
            Input::Suspect { link } => {
                if let Some(held) = self.links.get_mut(&link) {
                    held.is_suspect = true;
                    self.forgive_after(link, now);
                }
            }
            Input::Cleared { link } => {
                if let Some(held) = self.links.get_mut(&link).filter(|held| held.is_suspect) {
                    (held.is_suspect, held.up_since) = (false, now);
                }
            }
            Input::RoundTrip { link, rtt } => {
                if let Some(held) = self.links.get_mut(&link) {
                    held.rtt = Some(rtt);
                }
            }
            Input::InterfacesChanged => {
                (self.lan.failures, self.wan.failures) = (0, 0);
                // At once, and anew: a dial under way may wait at an address that is gone.
                if self.wants(PathKind::Lan) {
                    self.lan.clear(now);
                    self.order(PathKind::Lan, Duration::ZERO, now, effects);
                }
                return true;
            }
            Input::AddressesChanged(addresses) => {
                self.addresses = addresses;
                (self.lan.failures, self.wan.failures) = (0, 0);
                return true;
            }
            Input::Empty { link } => {
                if Some(link) != self.in_use
                    && self.links.get(&link).is_some_and(|held| held.close_at.is_some())
                {
                    self.close(link, effects);
                }
            }
            Input::Tick => return self.expire_dials(now),
        }
        false
    }

    fn on_opened(&mut self, path: PathKind, link: u64, now: Instant, effects: &mut Vec<Effect>) {
        self.dialler(path).clear(now);
        // A spare link that was never used gives way to the newer one.
        let spare = self.links.iter().find(|(other, held)| {
            held.path == path && held.close_at.is_none() && Some(**other) != self.in_use
        });
        if let Some(spare) = spare.map(|(other, _)| *other) {
            self.close(spare, effects);
        }
        let held = Held { path, opened_at: now, up_since: now, is_suspect: false, rtt: None, close_at: None };
        self.links.insert(link, held);
    }

    fn on_failed(&mut self, path: PathKind, now: Instant) -> bool {
        let dialler = self.dialler(path);
        if dialler.clear(now) {
            dialler.failures = dialler.failures.saturating_add(1);
        }
        path == PathKind::Lan && !std::mem::replace(&mut self.lan_failed, true)
    }

    fn on_lost(&mut self, link: u64, now: Instant) {
        let lasted = self.forgive_after(link, now);
        let Some(held) = self.links.remove(&link) else { return };
        if !lasted {
            let dialler = self.dialler(held.path);
            dialler.failures = dialler.failures.saturating_add(1);
        }
    }

    /// A link that lasted proves that the peer can be had: what failed before counts no more.
    fn forgive_after(&mut self, link: u64, now: Instant) -> bool {
        let lasted = self
            .links
            .get(&link)
            .is_some_and(|held| now.saturating_duration_since(held.opened_at) >= self.limits.lasting);
        if lasted {
            (self.lan.failures, self.wan.failures) = (0, 0);
        }
        lasted
    }

    fn expire_dials(&mut self, now: Instant) -> bool {
        let limit = self.limits.dial_max;
        let expired = |dialler: &Dialler| dialler.begins_at().is_some_and(|at| at + limit <= now);
        let (lan, wan) = (expired(&self.lan), expired(&self.wan));
        let lan = lan && self.on_failed(PathKind::Lan, now);
        let wan = wan && self.on_failed(PathKind::Wan, now);
        lan || wan
    }

    /// Takes the best link into use.
    fn choose(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let best = self.best(now);
        if best == self.in_use {
            return;
        }
        if let Some(old) = self.in_use.and_then(|old| self.links.get_mut(&old)) {
            old.close_at = Some(now + self.limits.leaving_max);
        }
        self.in_use = best;
        let kind = best.and_then(|link| {
            let held = self.links.get_mut(&link)?;
            held.close_at = None;
            Some(held.path)
        });
        effects.extend(best.map(|link| Effect::Use { link }));
        self.note_kind(kind, now);
    }

    fn note_kind(&mut self, kind: Option<PathKind>, now: Instant) {
        if self.view_kind == Some(PathKind::Lan) && kind != Some(PathKind::Lan) {
            self.lan_losses.push_back(now);
            if self.lan_losses.len() > self.limits.flaps_max as usize {
                self.lan_losses.pop_front();
            }
        }
        if kind != self.view_kind {
            (self.view_kind, self.since) = (kind, now);
        }
        let Some(path) = kind else { return };
        self.lan_failed = false;
        if self.kind_last.replace(path).is_some_and(|last| last != path) {
            self.switches += 1;
        }
    }

    /// The link that should be in use. Only a silent one gives way to a WAN link; a LAN link takes over once it
    /// may.
    fn best(&self, now: Instant) -> Option<u64> {
        let newest = |path| {
            let healthy = self.links.iter().rev().filter(|(_, held)| held.path == path && !held.is_suspect);
            healthy.map(|(link, held)| (*link, held)).next()
        };
        let (lan, wan) = (newest(PathKind::Lan), newest(PathKind::Wan));
        let current = self.in_use.and_then(|link| Some((link, self.links.get(&link)?)));
        match (current, lan, wan) {
            (Some((link, held)), _, _) if held.path == PathKind::Lan && !held.is_suspect => Some(link),
            (_, Some((link, held)), None)
                if current.is_none_or(|(_, it)| it.is_suspect) || self.may_use(held, now) =>
            {
                Some(link)
            }
            (_, Some((link, held)), Some(_)) if self.may_use(held, now) => Some(link),
            (Some((link, held)), _, _) if !held.is_suspect => Some(link),
            (_, _, Some((_, held))) if current.is_none() && self.waits_for_lan(held, now) => None,
            (_, _, Some((link, _))) => Some(link),
            (Some((link, _)), _, None) => Some(link),
            // A silent link is better than none.
            (None, _, None) => self.links.keys().next_back().copied(),
        }
    }

    /// Whether a LAN link may take over from the WAN: not when the LAN came and went lately.
    fn may_use(&self, lan: &Held, now: Instant) -> bool {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) <= self.limits.flap_window;
        let losses = self.lan_losses.iter().filter(recent).count() as u32;
        losses < self.limits.flaps_max || now.saturating_duration_since(lan.up_since) >= self.limits.settle
    }

    /// Whether a WAN link that opened first leaves the LAN a moment more.
    fn waits_for_lan(&self, wan: &Held, now: Instant) -> bool {
        self.lan.is_under_way(now) && now.saturating_duration_since(wan.opened_at) < self.limits.grace
    }

    /// Closes what has served its time.
    fn close_old(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let in_use = self.in_use;
        let well = self.mode().and_then(|(path, is_suspect)| (!is_suspect).then_some(path));
        let mut leaving: Vec<(Instant, u64)> = Vec::new();
        let mut closing: Vec<u64> = Vec::new();
        for (link, held) in self.links.iter().filter(|(link, _)| Some(**link) != in_use) {
            match held.close_at {
                Some(at) if at <= now => closing.push(*link),
                Some(at) => leaving.push((at, *link)),
                None if well.is_some_and(|path| path == PathKind::Lan || path == held.path) => {
                    closing.push(*link)
                }
                None => {}
            }
        }
        leaving.sort();
        let surplus = leaving.len().saturating_sub(self.limits.leaving_links_max);
        closing.extend(leaving.into_iter().take(surplus).map(|(_, link)| link));
        for link in closing {
            self.close(link, effects);
        }
    }

    fn close(&mut self, link: u64, effects: &mut Vec<Effect>) {
        self.links.remove(&link);
        effects.push(Effect::Close { link });
    }

    /// Orders the dials that are wanted and stops those that are not.
    fn plan(&mut self, is_urgent: bool, jitter: f64, now: Instant, effects: &mut Vec<Effect>) {
        for path in [PathKind::Lan, PathKind::Wan] {
            match self.pause(path, jitter, now) {
                Some(pause) if is_urgent || !self.dialler(path).is_ordered() => {
                    self.order(path, pause, now, effects);
                }
                Some(_) => {}
                None => {
                    if self.dialler(path).clear(now) {
                        effects.push(Effect::Stop { path });
                    }
                }
            }
        }
    }

    fn order(&mut self, path: PathKind, pause: Duration, now: Instant, effects: &mut Vec<Effect>) {
        let gap = self.limits.dial_gap;
        if !self.wants(path) || self.dialler(path).is_under_way(now) {
            return;
        }
        if let Some(after) = self.dialler(path).order(pause, gap, now) {
            effects.push(Effect::Dial { path, after });
        }
    }

    /// Whether a new link over this path would help.
    fn wants(&self, path: PathKind) -> bool {
        let has_link = self.links.values().any(|held| held.path == path && !held.is_suspect);
        self.started
            && self.addresses.has(path)
            && !has_link
            && !(path == PathKind::Wan && self.mode() == Some((PathKind::Lan, false)))
    }

    /// How long to wait before the next dial of this path; `None` when none is wanted.
    fn pause(&mut self, path: PathKind, jitter: f64, now: Instant) -> Option<Duration> {
        if !self.wants(path) {
            return None;
        }
        let limits = self.limits;
        let redial = |failures: u32| match failures {
            0 => Duration::ZERO,
            failures => backoff(limits.redial_base, limits.redial_max, failures, jitter),
        };
        Some(match (path, self.mode()) {
            (PathKind::Lan, None) => redial(self.lan.failures),
            (PathKind::Lan, Some(_)) => {
                backoff(limits.probe_base, limits.probe_max, self.lan.failures + 1, jitter)
            }
            (PathKind::Wan, None) if !self.lan_failed && self.lan.is_under_way(now) => {
                redial(self.wan.failures).max(limits.head_start)
            }
            (PathKind::Wan, _) => redial(self.wan.failures),
        })
    }

    /// What is in use, and whether it is silent.
    fn mode(&self) -> Option<(PathKind, bool)> {
        let held = self.links.get(&self.in_use?)?;
        Some((held.path, held.is_suspect))
    }

    fn dialler(&mut self, path: PathKind) -> &mut Dialler {
        match path {
            PathKind::Lan => &mut self.lan,
            PathKind::Wan => &mut self.wan,
        }
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
