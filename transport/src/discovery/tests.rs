//! What is said and understood; and, as root on Linux, a real search between two network namespaces.

use std::process::{Command, Stdio};

use super::*;

const OURS: [u8; 32] = [0xab; 32];

fn read_texts(texts: &[(&'static str, String)], addresses: &[&str], port: u16) -> Option<GatewayAddresses> {
    let text = |key: &str| texts.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str());
    read(text, addresses.iter().map(|address| address.parse().unwrap()), port, &OURS)
}

fn texts(fingerprint: [u8; 32], node: &str, name: &str) -> [(&'static str, String); 3] {
    texts_of(&fingerprint, &NodeId::from(node), name)
}

#[test]
fn what_a_gateway_tells_reads_back() {
    let told = texts(OURS, "n-0123456789abcdef", "Anna’s Mac");
    let addresses = ["192.0.2.7", "fe80::1", "2001:db8::7", "127.0.0.1", "192.0.2.7"];
    let gateway = read_texts(&told, &addresses, 9999).unwrap();
    assert_eq!(gateway.node, NodeId::from("n-0123456789abcdef"));
    assert_eq!(gateway.name, "Anna’s Mac");
    assert_eq!(gateway.lan, ["192.0.2.7:9999", "[2001:db8::7]:9999"]);
}

#[test]
fn others_and_nonsense_are_passed_over() {
    let right = texts(OURS, "n-0123456789abcdef", "studio");
    assert!(read_texts(&right, &["192.0.2.7"], 9999).is_some());
    assert_eq!(read_texts(&right, &["192.0.2.7"], 0), None);
    assert_eq!(read_texts(&right, &["fe80::1"], 9999), None);
    assert_eq!(read_texts(&right[..1], &["192.0.2.7"], 9999), None);
    for wrong in [
        texts([0; 32], "n-0123456789abcdef", "studio"),
        texts(OURS, "n-", "studio"),
        texts(OURS, "../../etc/passwd", "studio"),
        texts(OURS, "n-0123456789abcdef", "\u{1b}[2J"),
        texts(OURS, "n-0123456789abcdef", &"x".repeat(200)),
    ] {
        assert_eq!(read_texts(&wrong, &["192.0.2.7"], 9999), None, "{wrong:?}");
    }
}

#[test]
fn an_announcement_carries_what_was_asked_for() {
    let parts = parts("0.0.0.0");
    let service = service_of(&parts).unwrap();
    assert_eq!(service.get_type(), SERVICE);
    assert_eq!((service.get_port(), service.is_addr_auto()), (9999, true));
    assert_eq!(service.get_property_val_str("fp"), Some("abababababababab"));
    let service = service_of(&AnnounceParts { bind: IpAddr::from([192, 0, 2, 7]), ..parts }).unwrap();
    assert!(!service.is_addr_auto());
}

#[tokio::test]
async fn nothing_is_said_or_asked_on_loopback() {
    assert!(announce(&parts("127.0.0.1")).is_none());
    let bind = IpAddr::from([127, 0, 0, 1]);
    assert_eq!(browse(&OURS, bind, Duration::from_secs(600)).await, []);
}

fn parts(bind: &str) -> AnnounceParts {
    AnnounceParts {
        fingerprint: OURS,
        node: NodeId::from("n-0123456789abcdef"),
        name: "studio".to_owned(),
        bind: bind.parse().unwrap(),
        port: 9999,
    }
}

/// The part of each namespace in the test below; does nothing when run by itself.
#[tokio::test]
async fn a_machine_in_a_namespace_of_its_own_does_its_part() {
    match std::env::var("POMONA_TEST_DISCOVERY").as_deref() {
        Ok("announce") => {
            let announcement = announce(&parts("0.0.0.0"));
            println!("announced: {}", announcement.is_some());
            // Until the pipe of its parent closes.
            let wait = || std::io::read_to_string(std::io::stdin());
            tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
        }
        Ok("browse") => {
            let bind = IpAddr::from([0, 0, 0, 0]);
            let other = browse(&[1; 32], bind, Duration::from_secs(2)).await;
            let found = browse(&OURS, bind, Duration::from_secs(20)).await;
            println!("of another cluster: {other:?}");
            println!("found: {found:?}");
        }
        _ => {}
    }
}

#[test]
fn a_gateway_is_found_by_its_fingerprint_over_a_real_network() {
    let Some(network) = Network::make() else {
        println!("skipped: this needs root and `ip netns`");
        return;
    };
    let mut gateway = network.run(0, "announce").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let searched = network.run(1, "browse").output().unwrap();
    drop(gateway.stdin.take());
    gateway.wait().unwrap();
    let said = String::from_utf8_lossy(&searched.stdout);
    assert!(said.contains("of another cluster: []"), "{said}");
    assert!(said.contains(r#"lan: ["10.77.0.1:9999"]"#), "{said}");
    assert!(said.contains("n-0123456789abcdef") && said.contains("studio"), "{said}");
}

/// Two namespaces with a wire between them.
struct Network {
    names: [String; 2],
}

impl Network {
    fn make() -> Option<Self> {
        let names = ["a", "b"].map(|side| format!("pomona-mdns-{}-{side}", std::process::id()));
        let network = Self { names };
        let [one, other] = &network.names;
        let mut steps = vec![
            format!("netns add {one}"),
            format!("netns add {other}"),
            format!("-n {one} link add wire type veth peer name wire netns {other}"),
        ];
        for (number, name) in network.names.iter().enumerate() {
            steps.push(format!("-n {name} addr add 10.77.0.{}/24 dev wire", number + 1));
            steps.push(format!("-n {name} link set lo up"));
            steps.push(format!("-n {name} link set wire up"));
        }
        steps.iter().all(|step| ip(step)).then_some(network)
    }

    fn run(&self, side: usize, part: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[side]]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture"]);
        command.arg("discovery::tests::a_machine_in_a_namespace_of_its_own_does_its_part");
        command.env("POMONA_TEST_DISCOVERY", part);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

fn ip(step: &str) -> bool {
    let run = Command::new("ip").args(step.split(' ')).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}
