//! A certificate from Pebble, the ACME server that Let's Encrypt tests its clients with.
//!
//! Not run by default, since Pebble is a program of its own (Debian: `pebble`):
//! `POMONA_PEBBLE=/usr/bin cargo test -p pomona-gateway --test it acme -- --ignored`

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pomona_gateway::{AcmeParts, TlsSource};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{KEY, PATIENCE, Server};
use crate::tls::TlsClient;

const NAME: &str = "gateway.example";

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// The server, and the name server that leads every name to this machine. Both end with it.
struct Pebble {
    folder: tempfile::TempDir,
    directory: u16,
    management: u16,
    /// Where it looks for the gateway.
    gateway: u16,
    children: Vec<Child>,
}

impl Pebble {
    async fn start() -> Self {
        let binaries = std::env::var("POMONA_PEBBLE").expect("POMONA_PEBBLE is the folder of pebble");
        let binaries = Path::new(&binaries);
        let folder = tempfile::tempdir().unwrap();
        let [directory, management, gateway, dns, dns_management] = free_ports();
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("own.pem"), own.cert.pem()).unwrap();
        fs::write(path("own.key"), own.signing_key.serialize_pem()).unwrap();
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("own.pem"), "privateKey": path("own.key"),
            "httpPort": 1, "tlsPort": gateway, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        fs::write(path("config.json"), config.to_string()).unwrap();
        let run = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pebble starts")
        };
        let names = run(Command::new(binaries.join("pebble-challtestsrv"))
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")]));
        let server = run(Command::new(binaries.join("pebble"))
            .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
            .arg("-config")
            .arg(path("config.json"))
            .env("PEBBLE_VA_NOSLEEP", "1"));
        let pebble = Self { folder, directory, management, gateway, children: vec![names, server] };
        let asked = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", directory)).await.is_err() {
            assert!(asked.elapsed() < PATIENCE, "pebble does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pebble
    }

    fn source(&self, folder: &Path) -> TlsSource {
        TlsSource::Acme(AcmeParts {
            folder: folder.to_owned(),
            names: vec![NAME.to_uppercase()],
            directory: Some(format!("https://127.0.0.1:{}/dir", self.directory)),
            contact: Some("owner@example.org".to_owned()),
            root: Some(self.own_certificate()),
        })
    }

    async fn gateway(&self, folder: &Path) -> Server {
        let port = self.gateway;
        Server::encrypted(self.source(folder), |config| config.gateway.port = port, |_| {}).await
    }

    fn own_certificate(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    fn stop(&mut self) {
        for mut child in self.children.drain(..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What it signs with, which it makes anew at each start.
    async fn root(&self) -> CertificateDer<'static> {
        let own = CertificateDer::from_pem_file(self.own_certificate()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], self.management));
        let page = get(&own, "127.0.0.1", address, "/roots/0").await.unwrap();
        CertificateDer::from_pem_slice(page.as_bytes()).unwrap()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A page, from a server whose certificate is trusted and fits.
async fn get(
    trusts: &CertificateDer<'static>,
    name: &str,
    address: SocketAddr,
    path: &str,
) -> std::io::Result<String> {
    let mut stream = TlsClient::of(trusts, name).connect(address).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {name}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    Ok(page)
}

async fn until_served(root: &CertificateDer<'static>, server: &Server) {
    let asked = Instant::now();
    loop {
        match get(root, NAME, server.address, "/v1/models").await {
            Ok(page) => return assert!(page.starts_with("HTTP/1.1 200"), "{page}"),
            Err(error) => assert!(asked.elapsed() < 2 * PATIENCE, "no certificate: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program pebble"]
async fn a_certificate_is_ordered_kept_and_taken_up_again() {
    let mut pebble = Pebble::start().await;
    let root = pebble.root().await;
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("acme");
    let server = pebble.gateway(&kept).await;
    until_served(&root, &server).await;
    let metrics = get(&root, NAME, server.address, "/metrics").await.unwrap();
    assert!(!metrics.contains("{outcome=\"acme\"} 0\n"), "the server looked by tls-alpn-01");
    for file in fs::read_dir(&kept).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 2, "an account and a certificate");
    drop(server);
    let source = pebble.source(&kept);
    pebble.stop();
    let server = Server::encrypted(source, |_| {}, |_| {}).await;
    get(&root, NAME, server.address, "/v1/models").await.expect("no server is needed for what was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program pebble"]
async fn an_aged_certificate_is_served_until_its_successor_comes() {
    let aged = || {
        let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
        let now = time::OffsetDateTime::now_utc();
        (params.not_before, params.not_after) =
            (now - time::Duration::days(80), now + time::Duration::days(10));
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{}\n{}", key.serialize_pem(), certificate.pem());
        fs::write(folder.path().join("server.pem"), text).unwrap();
        (folder, certificate.der().clone())
    };
    let mut pebble = Pebble::start().await;
    let root = pebble.root().await;
    let (folder, _) = aged();
    let server = pebble.gateway(folder.path()).await;
    until_served(&root, &server).await;
    drop(server);
    let (folder, old) = aged();
    let source = pebble.source(folder.path());
    pebble.stop();
    let server = Server::encrypted(source, |_| {}, |_| {}).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    get(&old, NAME, server.address, "/v1/models").await.expect("a failed order changes nothing");
}
