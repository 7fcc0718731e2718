//! Encrypted gateways: the cluster's authority is trusted when it is given, and nobody else's.

use std::net::TcpListener;
use std::sync::Arc;

use pomona_client::{Client, ClientError, Endpoint, Given};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::canned::json;

/// A certificate authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Serves one connection over TLS with a certificate for `127.0.0.1`; gives its address.
async fn gateway(authority: &CertifiedIssuer<'static, KeyPair>) -> String {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let serve = async move {
        let (connection, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(connection).await else { return };
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(json("200 OK", r#"{"data":[]}"#).as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
    };
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || runtime.block_on(serve));
    url
}

fn client(url: &str, authority: Option<&[u8]>) -> Result<Client, ClientError> {
    let given = Given { urls: vec![url.to_owned()], key: None, authority: authority.map(<[u8]>::to_vec) };
    Client::new(Endpoint::discover(given, Given::default(), Given::default()).unwrap())
}

#[tokio::test]
async fn a_gateway_signed_by_the_authority_of_the_cluster_is_trusted() {
    let ours = authority();
    let url = gateway(&ours).await;
    let models = client(&url, Some(ours.pem().as_bytes())).unwrap().models().await;
    assert_eq!(models, Ok(Vec::new()));
}

#[tokio::test]
async fn a_gateway_signed_by_somebody_else_is_not_and_the_remedy_is_named() {
    let (ours, other) = (authority(), authority());
    let url = gateway(&other).await;
    let error = client(&url, Some(ours.pem().as_bytes())).unwrap().models().await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
    assert!(error.to_string().contains("--authority"), "{error}");
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused() {
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = client("https://127.0.0.1:1", Some(pem.as_bytes())).unwrap_err();
        assert!(!error.is_unavailable(), "{pem:?}: {error:?}");
    }
}
