//! Does faults to the world, and takes them back when their time is over.

use pomona_cluster::{membership, path};
use pomona_protocol::{Cause, PathKind};

use super::event::{Event, Process};
use super::faults::{Cut, Fault};
use super::network::{GATEWAY, NODE};
use super::world::World;

impl World {
    pub(crate) fn fault_begin(&mut self, fault: usize) {
        let what = self.shape.faults[fault].1.clone();
        *self.stats.faults.entry(what.kind()).or_insert(0) += 1;
        let ends_after = match what {
            Fault::Crash { node, down } => {
                self.node_dies(node);
                self.schedule(self.now + down, Event::NodeStart { node });
                None
            }
            Fault::EngineCrash { node } => {
                let model = self.nodes[node].replicas.keys().next().copied();
                if let Some(model) = model {
                    self.engine_dies(node, model, Cause::EngineLost { message: "killed".to_owned() });
                }
                None
            }
            Fault::Freeze { node, lasts } => {
                self.nodes[node].frozen += 1;
                self.refresh_node(node);
                self.schedule(self.now + lasts, Event::Wake { node });
                None
            }
            Fault::Wedge { node, lasts } => {
                self.nodes[node].wedged += 1;
                Some(lasts)
            }
            Fault::Stop { node, lasts } => {
                self.nodes[node].wedged += 1;
                self.nodes[node].mute += 1;
                Some(lasts)
            }
            Fault::Slow { node, factor, lasts } => {
                self.nodes[node].slow = factor;
                Some(lasts)
            }
            Fault::Partition { lasts, .. } => {
                self.partition(&what, true);
                Some(lasts)
            }
            Fault::Blackout { path, lasts } => {
                self.blackout(path, true);
                Some(lasts)
            }
            Fault::Interfaces { node } => {
                for gateway in 0..self.gateways.len() {
                    self.path_input(node, gateway, path::Input::InterfacesChanged);
                }
                None
            }
            Fault::GatewayCrash { gateway, down } => {
                self.gateway_dies(gateway);
                self.schedule(self.now + down, Event::GatewayStart { gateway });
                None
            }
            Fault::ClockStep { node, by_ms } => {
                self.nodes[node].clock_off_ms += by_ms;
                None
            }
            Fault::Drain { node, lasts } => {
                self.drain(node, true);
                Some(lasts)
            }
            Fault::Remove { node } => {
                self.remove(node);
                None
            }
        };
        if let Some(lasts) = ends_after {
            self.schedule(self.now + lasts, Event::FaultEnd { fault });
        }
    }

    pub(crate) fn fault_end(&mut self, fault: usize) {
        let what = self.shape.faults[fault].1.clone();
        match what {
            Fault::Wedge { node, .. } => self.nodes[node].wedged -= 1,
            Fault::Stop { node, .. } => {
                self.nodes[node].wedged -= 1;
                self.nodes[node].mute -= 1;
            }
            Fault::Slow { node, .. } => self.nodes[node].slow = 1,
            Fault::Partition { .. } => self.partition(&what, false),
            Fault::Drain { node, .. } => self.drain(node, false),
            Fault::Blackout { path, .. } => self.blackout(path, false),
            Fault::Crash { .. }
            | Fault::EngineCrash { .. }
            | Fault::Freeze { .. }
            | Fault::Interfaces { .. }
            | Fault::GatewayCrash { .. }
            | Fault::ClockStep { .. }
            | Fault::Remove { .. } => {}
        }
    }

    fn refresh_node(&mut self, node: usize) {
        for link in self.links_of(Process::Node(node)) {
            self.refresh_silence(link);
        }
    }

    fn blackout(&mut self, path: PathKind, is_cut: bool) {
        for node in 0..self.nodes.len() {
            for gateway in 0..self.gateways.len() {
                self.cut(node, gateway, path, &[NODE, GATEWAY], is_cut);
            }
        }
    }

    fn partition(&mut self, fault: &Fault, is_cut: bool) {
        let Fault::Partition { node, gateway, path, cut, .. } = *fault else { return };
        let ends: &[usize] = match cut {
            Cut::Both => &[NODE, GATEWAY],
            Cut::FromNode => &[GATEWAY],
            Cut::ToNode => &[NODE],
        };
        for other in 0..self.gateways.len() {
            for kind in [PathKind::Lan, PathKind::Wan] {
                if gateway.is_none_or(|gateway| gateway == other) && path.is_none_or(|path| path == kind) {
                    self.cut(node, other, kind, ends, is_cut);
                }
            }
        }
    }

    /// Drains a node as an admin does at the gateways, or as the node itself does when its lid is closed.
    fn drain(&mut self, node: usize, on: bool) {
        if node.is_multiple_of(2) {
            for gateway in 0..self.gateways.len() {
                let id = self.nodes[node].id.clone();
                self.tell_membership(gateway, membership::Input::Drain { node: id, on });
            }
        } else if self.nodes[node].is_alive {
            self.nodes[node].is_draining = on;
            self.report_all(node);
        }
    }

    fn remove(&mut self, node: usize) {
        self.nodes[node].is_removed = true;
        for gateway in 0..self.gateways.len() {
            let id = self.nodes[node].id.clone();
            self.tell_membership(gateway, membership::Input::Remove { node: id });
        }
        for link in self.links_of(Process::Node(node)) {
            let it = &self.links[&link];
            if it.ends[GATEWAY].is_open && self.gateways[it.gateway].is_alive {
                self.send(link, GATEWAY, super::network::Frame::Goodbye);
                self.lose_end(link, GATEWAY);
            }
        }
    }
}
