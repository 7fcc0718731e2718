//! How many strangers may stand in the doorway at once. A handshake costs this side a signature and the other one a
//! packet, so their number is bounded, and addresses have to be proven once there are many.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Handshakes and greetings under way at once; at 0.3 ms each, more would wait for longer than their deadline.
pub const HANDSHAKES_MAX: u32 = 256;
/// The same from one address; a cluster behind one router comes back together.
pub const HANDSHAKES_PER_ADDRESS_MAX: u32 = 64;
/// Beyond this many, who comes has to show first that its address is its own. Below the limit per address, so that
/// nobody can use up another one's places from afar.
pub const HANDSHAKES_UNPROVEN_MAX: u32 = 32;

/// What to do with a stranger.
pub(crate) enum Entry {
    /// Shake hands; dropping the place makes room for another.
    Come(Place),
    /// Ask it to prove its address.
    Prove,
    /// Send it away.
    Full,
}

/// Counts those who are under way.
#[derive(Clone, Default)]
pub(crate) struct Doors {
    inside: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
}

/// A place in the doorway.
pub(crate) struct Place {
    doors: Doors,
    address: IpAddr,
}

impl Doors {
    /// Decides about one who knocks.
    pub(crate) fn knock(&self, address: IpAddr, is_proven: bool) -> Entry {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = inside.values().sum();
        let same = inside.get(&address).copied().unwrap_or(0);
        if all >= HANDSHAKES_UNPROVEN_MAX && !is_proven {
            return Entry::Prove;
        }
        if all >= HANDSHAKES_MAX || same >= HANDSHAKES_PER_ADDRESS_MAX {
            return Entry::Full;
        }
        *inside.entry(address).or_insert(0) += 1;
        Entry::Come(Place { doors: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.doors.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(inside.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from(last.to_be_bytes())
    }

    #[test]
    fn unproven_addresses_are_asked_for_proof_once_there_are_many() {
        let doors = Doors::default();
        let held: Vec<Entry> = (0..HANDSHAKES_UNPROVEN_MAX).map(|n| doors.knock(address(n), false)).collect();
        assert!(held.iter().all(|entry| matches!(entry, Entry::Come(_))));
        assert!(matches!(doors.knock(address(99), false), Entry::Prove));
        assert!(matches!(doors.knock(address(99), true), Entry::Come(_)));
        drop(held);
        assert!(matches!(doors.knock(address(99), false), Entry::Come(_)));
    }

    #[test]
    fn neither_one_address_nor_all_together_get_past_their_limit() {
        let doors = Doors::default();
        let mut held: Vec<Entry> =
            (0..HANDSHAKES_PER_ADDRESS_MAX).map(|_| doors.knock(address(1), true)).collect();
        assert!(matches!(doors.knock(address(1), true), Entry::Full));
        for n in HANDSHAKES_PER_ADDRESS_MAX..HANDSHAKES_MAX {
            held.push(doors.knock(address(n), true));
        }
        assert!(held.iter().all(|entry| matches!(entry, Entry::Come(_))));
        assert!(matches!(doors.knock(address(2), true), Entry::Full));
        drop(held);
        assert!(doors.inside.lock().unwrap().is_empty());
    }
}
