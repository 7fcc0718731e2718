//! Two hosts that talk, do not, and talk again.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Lan, available};
use crate::relay::{Relay, Weather};

fn lan() -> Option<Lan> {
    match available() {
        None => Some(Lan::new(&["one", "two"]).unwrap()),
        Some(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn bind(lan: &Lan, host: &str) -> UdpSocket {
    let socket = lan.socket(host, (Ipv4Addr::UNSPECIFIED, 7777).into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket
}

/// Whether a packet arrives within some tries; who sent it.
fn hears(from: &UdpSocket, to: &UdpSocket, address: impl Into<SocketAddr>, tries: u32) -> Option<SocketAddr> {
    let address = address.into();
    // What waited for a way may arrive in a burst.
    while to.recv_from(&mut [0; 16]).is_ok() {}
    (0..tries).find_map(|_| {
        // Without a way the system says so at once.
        let _ = from.send_to(b"hello", address);
        to.recv_from(&mut [0; 16]).ok().map(|(_, from)| from)
    })
}

#[test]
fn two_hosts_hear_each_other_until_they_are_cut_and_after_they_are_healed() {
    let Some(lan) = lan() else { return };
    let (one, two) = (bind(&lan, "one"), bind(&lan, "two"));
    let two_at = (lan.address("two").unwrap(), 7777);
    assert!(hears(&one, &two, two_at, 20).is_some());
    for pull in [Lan::cut, Lan::unplug] {
        pull(&lan, "one").unwrap();
        assert_eq!(hears(&one, &two, two_at, 3), None);
        lan.heal("one").unwrap();
        assert!(hears(&one, &two, two_at, 50).is_some());
    }
    let before = two_at;
    let after = lan.change_address("two").unwrap();
    assert_ne!(after, before.0);
    assert_eq!(hears(&one, &two, before, 2), None);
    assert!(hears(&one, &two, (after, 7777), 50).is_some());
}

#[test]
fn the_second_cable_leads_to_the_relay_and_to_nobody_else() {
    let Some(lan) = lan() else { return };
    let (one, two) = (bind(&lan, "one"), bind(&lan, "two"));
    let wan_of_one = (lan.wan_address("one").unwrap(), 7777);
    assert_eq!(hears(&two, &one, wan_of_one, 2), None, "a way around the relay");
    let relay = Relay::start((lan.internet(), 0).into(), wan_of_one.into(), Weather::default(), 1).unwrap();
    assert!(hears(&two, &one, relay.address(), 20).is_some());
    lan.cut("two").unwrap();
    assert!(hears(&two, &one, relay.address(), 20).is_some(), "the LAN has nothing to do with it");
    lan.unplug_wan("two").unwrap();
    assert_eq!(hears(&two, &one, relay.address(), 2), None);
    lan.heal_wan("two").unwrap();
    assert!(hears(&two, &one, relay.address(), 50).is_some());
}

#[test]
fn nothing_is_left_behind_after_a_panic() {
    if available().is_some() {
        return;
    }
    let names = std::panic::catch_unwind(|| {
        let lan = Lan::new(&["gone"]).unwrap();
        std::panic::panic_any(lan.prefix.clone());
    });
    let prefix = *names.unwrap_err().downcast::<String>().unwrap();
    let listed = |words: &[&str]| {
        let output = std::process::Command::new("ip").args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(!listed(&["netns", "list"]).contains(&prefix));
    assert!(!listed(&["link", "show"]).contains(&prefix));
}
