//! HTTP/3 through the socket that members use.

use std::time::SystemTime;

use pomona_protocol::PeerRole;

use super::*;
use crate::authority::Authority;
use crate::endpoint::{Endpoint, EndpointParts, Incoming};
use crate::identity::Identity;
use crate::revocation::RevocationList;
use crate::speaker::Speaker;

#[tokio::test]
async fn clients_come_in_by_the_socket_of_the_links() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path(), "orchard").unwrap();
    let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
    let identity = Identity::self_signed_by(&authority, folder.path(), PeerRole::Gateway, day, now).unwrap();
    let speaker =
        Speaker { name: "gate".to_owned(), version: "0".to_owned(), boot: 1, addresses: Vec::new() };
    let endpoint = Endpoint::bind(EndpointParts {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        identity,
        speaker,
        link: pomona_config::LinkConfig::default(),
        members_max: 4,
        revoked: RevocationList::default(),
        on_refused: None,
    })
    .await
    .unwrap();
    let (certificate, key, config) = trust();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let shown = rustls::sign::CertifiedKey::new(vec![certificate], key);
    endpoint.offer_http3(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    let address = endpoint.local_addr().unwrap();
    let accepting = endpoint.clone();
    let _served = spawn(async move {
        let Some(Incoming::Http3(connection)) = accepting.accept().await else { panic!("no client") };
        let service = service_fn(|request| async { Ok(ECHO(request).await) });
        let never = std::future::pending();
        serve_http3(connection, service, Http3Limits::default(), never).await
    });
    let connection = dialler(config).connect(address, "localhost").unwrap().await.unwrap();
    let (_driver, mut client) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
    let mut stream = client.send_request(post("/echo")).await.unwrap();
    let body = Bytes::from(vec![5; 1_000_000]);
    stream.send_data(body.clone()).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::OK);
    assert_eq!(rest(&mut stream).await, body);
    endpoint.close().await;
}
