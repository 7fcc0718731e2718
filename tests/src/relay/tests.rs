//! The relay between plain sockets.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::line::{Fate, Line};
use super::{Cut, Relay, Way, Weather};

const ANY: &str = "127.0.0.1:0";

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(ANY).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn relay(target: &UdpSocket, weather: Weather) -> Relay {
    Relay::start(ANY.parse().unwrap(), target.local_addr().unwrap(), weather, 1).unwrap()
}

/// The next packet and who sent it.
fn take(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (bytes, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..bytes].to_vec(), from)
}

fn is_silent(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    let silent = socket.recv_from(&mut [0; 2048]).is_err();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    silent
}

#[test]
fn each_client_has_an_outer_address_and_gets_its_own_answers() {
    let (target, one, two) = (socket(), socket(), socket());
    let relay = relay(&target, Weather::default());
    one.send_to(b"one", relay.address()).unwrap();
    let (bytes, outer_one) = take(&target);
    assert_eq!(bytes, b"one");
    two.send_to(b"two", relay.address()).unwrap();
    let (bytes, outer_two) = take(&target);
    assert_eq!(bytes, b"two");
    assert_ne!(outer_one, outer_two);
    target.send_to(b"for two", outer_two).unwrap();
    target.send_to(b"for one", outer_one).unwrap();
    assert_eq!(take(&one), (b"for one".to_vec(), relay.address()));
    assert_eq!(take(&two), (b"for two".to_vec(), relay.address()));
}

#[test]
fn a_cut_stops_what_it_names_and_can_be_healed() {
    let (target, client) = (socket(), socket());
    let relay = relay(&target, Weather::default());
    client.send_to(b"hello", relay.address()).unwrap();
    let (_, outer) = take(&target);
    relay.cut(Cut::Up);
    client.send_to(b"lost", relay.address()).unwrap();
    assert!(is_silent(&target));
    target.send_to(b"still heard", outer).unwrap();
    assert_eq!(take(&client).0, b"still heard");
    relay.cut(Cut::Both);
    target.send_to(b"lost", outer).unwrap();
    assert!(is_silent(&client));
    relay.cut(Cut::Open);
    client.send_to(b"back", relay.address()).unwrap();
    assert_eq!(take(&target), (b"back".to_vec(), outer));
    assert_eq!(relay.counts().cut, 2);
}

#[test]
fn a_changed_address_is_seen_by_the_target_and_the_old_one_is_dead() {
    let (target, client) = (socket(), socket());
    let relay = relay(&target, Weather::default());
    client.send_to(b"before", relay.address()).unwrap();
    let (_, before) = take(&target);
    relay.change_addresses();
    client.send_to(b"after", relay.address()).unwrap();
    let (_, after) = take(&target);
    assert_ne!(before, after);
    target.send_to(b"nobody", before).unwrap();
    assert!(is_silent(&client));
    let other = socket();
    relay.retarget(other.local_addr().unwrap());
    client.send_to(b"moved", relay.address()).unwrap();
    assert_eq!(take(&other).0, b"moved");
}

#[test]
fn a_packet_is_not_early_and_jitter_keeps_the_order() {
    let (target, client) = (socket(), socket());
    let delay = Duration::from_millis(30);
    let weather = Weather { delay, jitter: delay, ..Weather::default() };
    let relay = relay(&target, weather);
    let sent = Instant::now();
    for number in 0..100u8 {
        client.send_to(&[number], relay.address()).unwrap();
    }
    for number in 0..100u8 {
        assert_eq!(take(&target).0, [number]);
    }
    assert!(sent.elapsed() >= delay);
}

/// What a line does with packets of 1000 bytes that come one each millisecond.
fn fates(weather: &Weather, seed: u64, count: u64) -> Vec<Option<Duration>> {
    let (mut line, start) = (Line::new(Way::Up, seed), Instant::now());
    let client = ANY.parse().unwrap();
    let packet = |number| match line.fate(weather, client, 1000, start + Duration::from_millis(number)) {
        Fate::At(at) => Some(at - start),
        _ => None,
    };
    (0..count).map(packet).collect()
}

#[test]
fn a_seed_loses_its_share_and_the_same_packets_again() {
    let weather = Weather::far(Duration::ZERO, 0.01);
    let lost = fates(&weather, 7, 100_000).iter().filter(|fate| fate.is_none()).count();
    assert!((900..1100).contains(&lost), "{lost} of 100000");
    assert_eq!(fates(&weather, 7, 1000), fates(&weather, 7, 1000));
    assert_ne!(fates(&weather, 7, 1000), fates(&weather, 8, 1000));
}

#[test]
fn a_rate_spreads_packets_and_a_full_queue_drops_them() {
    // 1000 bytes take 2 ms and come each millisecond: half of them get through.
    let weather = Weather { bytes_per_s: 500_000, queue_bytes: 10_000, ..Weather::default() };
    let fates = fates(&weather, 1, 1000);
    let arrived: Vec<Duration> = fates.iter().flatten().copied().collect();
    assert!((490..530).contains(&arrived.len()), "{}", arrived.len());
    let spread = arrived.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_micros(1999));
    assert!(spread, "{arrived:?}");
}

#[test]
fn a_relay_that_is_dropped_frees_its_port() {
    let target = socket();
    let address = relay(&target, Weather::default()).address();
    UdpSocket::bind(address).unwrap();
}
