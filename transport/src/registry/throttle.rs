//! How many wrong tries a stranger has. Pure: the time is an argument. [`super::Registry`] asks before it looks at a
//! request and tells how it went.
//!
//! A secret of 128 bits is not guessed; this keeps the audit readable and the disk quiet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// Failed tries of one address within a window. A person who mistypes gets through; a script does not.
pub const TRIES_PER_ADDRESS_MAX: u32 = 10;
/// Failed tries of all addresses within a window. Four times this makes an audit file turn over in a day.
pub const TRIES_MAX: u32 = 200;
/// How long a failed try counts, in milliseconds from the first one.
pub const TRY_WINDOW_MS: u64 = 60_000;
/// Addresses that are remembered at once; beyond that, the one that began first is forgotten.
const ADDRESSES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    since_ms: u64,
    failed: u32,
    told: bool,
}

impl Tries {
    fn is_over(&self, now_ms: u64) -> bool {
        // A clock that was set back ends the window too; otherwise it could last for years.
        now_ms < self.since_ms || now_ms - self.since_ms >= TRY_WINDOW_MS
    }

    fn add(&mut self, now_ms: u64) {
        if self.is_over(now_ms) {
            *self = Self { since_ms: now_ms, failed: 0, told: false };
        }
        self.failed = self.failed.saturating_add(1);
    }
}

/// A try that is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// How long, in whole seconds, at least 1.
    pub(super) seconds: u32,
    /// Whether it is the first such answer to this address within the window; only that one is worth a line.
    pub(super) is_first: bool,
}

/// Counts failed tries.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: BTreeMap<IpAddr, Tries>,
    all: Tries,
}

impl Throttle {
    /// Whether `address` has to wait.
    pub(super) fn check(&mut self, address: IpAddr, now_ms: u64) -> Option<Wait> {
        let all = (self.all.failed >= TRIES_MAX && !self.all.is_over(now_ms)).then_some(&mut self.all);
        let own = self
            .addresses
            .get_mut(&network(address))
            .filter(|own| own.failed >= TRIES_PER_ADDRESS_MAX && !own.is_over(now_ms));
        let tries = own.or(all)?;
        let is_first = !std::mem::replace(&mut tries.told, true);
        let left_ms = (tries.since_ms + TRY_WINDOW_MS).saturating_sub(now_ms);
        Some(Wait { seconds: left_ms.div_ceil(1000).max(1) as u32, is_first })
    }

    /// A try from `address` failed.
    pub(super) fn failed(&mut self, address: IpAddr, now_ms: u64) {
        self.all.add(now_ms);
        let network = network(address);
        if !self.addresses.contains_key(&network) && self.addresses.len() >= ADDRESSES_MAX {
            self.make_room(now_ms);
        }
        self.addresses.entry(network).or_default().add(now_ms);
    }

    fn make_room(&mut self, now_ms: u64) {
        self.addresses.retain(|_, tries| !tries.is_over(now_ms));
        if self.addresses.len() < ADDRESSES_MAX {
            return;
        }
        let oldest =
            self.addresses.iter().min_by_key(|(_, tries)| tries.since_ms).map(|(address, _)| *address);
        if let Some(oldest) = oldest {
            self.addresses.remove(&oldest);
        }
    }
}

/// What counts as one stranger: an IPv4 address, or the 64 bits of an IPv6 address that one household gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_waits_after_its_failed_tries_and_others_do_not() {
        let (mut throttle, stranger) = (Throttle::default(), address("10.0.0.9"));
        for now_ms in 0..u64::from(TRIES_PER_ADDRESS_MAX) {
            assert_eq!(throttle.check(stranger, now_ms), None);
            throttle.failed(stranger, now_ms);
        }
        assert_eq!(throttle.check(stranger, 500), Some(Wait { seconds: 60, is_first: true }));
        assert_eq!(throttle.check(stranger, 59_500), Some(Wait { seconds: 1, is_first: false }));
        assert_eq!(throttle.check(address("::ffff:10.0.0.9"), 59_500).map(|wait| wait.seconds), Some(1));
        assert_eq!(throttle.check(address("10.0.0.10"), 500), None);
        assert_eq!(throttle.check(stranger, TRY_WINDOW_MS), None);
    }

    #[test]
    fn neighbours_of_one_ipv6_network_share_their_tries() {
        let mut throttle = Throttle::default();
        for host in 0..TRIES_PER_ADDRESS_MAX {
            throttle.failed(address(&format!("2001:db8::{host:x}")), 0);
        }
        assert!(throttle.check(address("2001:db8::ffff"), 1).is_some());
        assert!(throttle.check(address("2001:db8:0:1::1"), 1).is_none());
    }

    #[test]
    fn many_addresses_together_wait_as_well_and_take_no_more_room() {
        let mut throttle = Throttle::default();
        for host in 0..(ADDRESSES_MAX as u32 * 2) {
            throttle.failed(IpAddr::from((0x0a00_0000 + host).to_be_bytes()), u64::from(host) / 1000);
        }
        assert_eq!(throttle.addresses.len(), ADDRESSES_MAX);
        assert!(throttle.check(address("192.168.1.1"), 10).is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_wait() {
        let (mut throttle, stranger) = (Throttle::default(), address("10.0.0.9"));
        for _ in 0..TRIES_PER_ADDRESS_MAX {
            throttle.failed(stranger, 1_000_000_000);
        }
        assert_eq!(throttle.check(stranger, 5), None);
    }
}
