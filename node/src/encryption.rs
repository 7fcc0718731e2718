//! Where the certificate for clients comes from, and the HTTP/3 that goes with it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use pomona_actors::AuthorityParts;
use pomona_config::{Config, TlsConfig, TlsMode};
use pomona_gateway::{AcmeParts, HttpService, ServerCertificate, TlsSource};
use pomona_transport::http3::{Http3Connection, Http3Limits, serve_http3};
use pomona_transport::local_addresses;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::member::Member;

/// What browsers accept of a private authority, with a margin: Apple's limit is 825 days.
const LIFETIME: Duration = Duration::from_secs(397 * 24 * 3600);
/// Between two looks at whether the certificate is to be renewed.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// The source that the configuration asks for.
pub(crate) fn source(config: &Config, member: &Member, address: SocketAddr) -> anyhow::Result<TlsSource> {
    let tls = &config.tls;
    let is_private = config.gateway.bind.is_loopback() || config.gateway.insecure;
    let mode = match (tls.mode, &member.authority) {
        (TlsMode::Auto, _) if is_private => TlsMode::Off,
        (TlsMode::Auto, Some(_)) => TlsMode::Authority,
        (TlsMode::Auto, None) => TlsMode::Off,
        (mode, _) => mode,
    };
    let given = |key: &str, path: &Option<_>| {
        path.clone().ok_or_else(|| {
            Exit::Configuration.because(anyhow!("tls.mode = files needs tls.{key}: a file in PEM"))
        })
    };
    match mode {
        TlsMode::Auto | TlsMode::Off => Ok(TlsSource::Off),
        TlsMode::Files => Ok(TlsSource::Files {
            certificate: given("certificate", &tls.certificate)?,
            key: given("key", &tls.key)?,
        }),
        TlsMode::Acme => acme(tls, &member.folder),
        TlsMode::Authority => {
            let authority = member.authority.as_ref().ok_or_else(|| {
                Exit::Configuration.because(anyhow!(
                    "tls.mode = authority works on the gateway that holds the cluster's authority; use files or acme here"
                ))
            })?;
            Ok(TlsSource::Held(signed(authority, tls, address)?))
        }
    }
}

fn acme(tls: &TlsConfig, folder: &Path) -> anyhow::Result<TlsSource> {
    if tls.names.is_empty() {
        let error = anyhow!("tls.mode = acme needs tls.names: the public names of this gateway");
        return Err(Exit::Configuration.because(error));
    }
    Ok(TlsSource::Acme(AcmeParts {
        folder: folder.join("acme"),
        names: tls.names.clone(),
        directory: tls.acme_directory.clone(),
        contact: tls.acme_contact.clone(),
        root: tls.acme_root.clone(),
    }))
}

fn signed(
    authority: &AuthorityParts,
    tls: &TlsConfig,
    address: SocketAddr,
) -> anyhow::Result<Arc<ServerCertificate>> {
    let made = sign(authority, tls, address)?;
    Ok(Arc::new(
        ServerCertificate::new(made.chain, made.key).context("the cluster's own certificate is of no use")?,
    ))
}

fn sign(
    authority: &AuthorityParts,
    tls: &TlsConfig,
    address: SocketAddr,
) -> anyhow::Result<pomona_transport::ServerCertificate> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let bare = host.split('.').next().unwrap_or_default().to_owned();
    let own = ["localhost".to_owned(), format!("{bare}.local"), bare, host];
    let mut names: Vec<String> = own.into_iter().chain(tls.names.iter().cloned()).collect();
    names.retain(|name| !name.is_empty() && name != ".local");
    names.sort();
    names.dedup();
    let local = local_addresses(address.ip(), address.port()).into_iter().map(|address| address.ip());
    let mut addresses: Vec<IpAddr> = local.chain([IpAddr::from([127, 0, 0, 1])]).collect();
    addresses.sort();
    addresses.dedup();
    let signed = authority.authority.sign_server(&names, &addresses, LIFETIME, SystemTime::now());
    signed.map_err(|error| Exit::Unavailable.because(error))
}

/// Replaces a certificate of the cluster's own authority at two thirds of its life, for ever.
pub(crate) async fn keep(
    authority: Arc<AuthorityParts>,
    tls: TlsConfig,
    address: SocketAddr,
    certificate: Arc<ServerCertificate>,
) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if certificate.renew_at().is_some_and(|at| SystemTime::now() < at) {
            continue;
        }
        let renewed =
            sign(&authority, &tls, address).and_then(|made| Ok(certificate.replace(made.chain, made.key)?));
        if let Err(error) = renewed {
            tracing::warn!(error = format!("{error:#}"), "the certificate for clients was not renewed");
        }
    }
}

/// Serves HTTP/3 connections until `shutdown`, and the running requests after it.
pub(crate) async fn serve(
    mut arrived: mpsc::Receiver<Http3Connection>,
    service: HttpService,
    local: SocketAddr,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(connection) = arrived.recv() => {
                let (service, shutdown) = (service.clone(), shutdown.clone());
                connections.spawn(async move {
                    let remote = connection.remote();
                    let served = match service.connect(remote, local).await {
                        Ok(http) => http,
                        Err(error) => return tracing::debug!(%remote, %error, "an HTTP/3 connection is turned away"),
                    };
                    let ended = serve_http3(connection, served, Http3Limits::default(), shutdown.cancelled()).await;
                    if let Err(error) = ended {
                        tracing::debug!(%remote, %error, "an HTTP/3 connection ended");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            () = shutdown.cancelled() => break,
        }
    }
    while connections.join_next().await.is_some() {}
}
