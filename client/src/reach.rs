//! Which of several gateways answers: the first one is tried, and the next one joins the race when that takes longer
//! than a head start or fails. The client asks it once and stays with the winner.

use std::io;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time;

use crate::endpoint::{Gateway, host};
use crate::error::shown;
use crate::{ClientError, client};

/// A LAN answers within milliseconds; who waits for a gateway elsewhere should not feel that one was tried.
const HEAD_START: Duration = Duration::from_millis(250);

/// Index of the gateway that takes connections first; the one with the index `shunned` is tried last. A single one is
/// not tried: its first request does that.
pub(crate) async fn first(gateways: &[Gateway], shunned: usize) -> Result<usize, ClientError> {
    if gateways.len() == 1 {
        return Ok(0);
    }
    let mut order: Vec<(usize, &Gateway)> = gateways.iter().enumerate().collect();
    order.sort_by_key(|(index, _)| *index == shunned);
    let mut waiting = order.into_iter();
    let mut tries = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        match waiting.next() {
            Some((index, gateway)) => tries.push(connect(index, gateway)),
            None if tries.is_empty() => {
                return Err(ClientError::NoneReachable { tried: failed.join("; ") });
            }
            None => {}
        }
        let head_start = if waiting.len() > 0 { HEAD_START } else { client::CONNECT_TIMEOUT };
        match time::timeout(head_start, tries.next()).await {
            Ok(Some(Ok(index))) => return Ok(index),
            Ok(Some(Err(message))) => failed.push(message),
            Ok(None) | Err(_) => {}
        }
    }
}

/// Opens a connection and closes it again: reaching the machine is what is asked here.
async fn connect(index: usize, gateway: &Gateway) -> Result<usize, String> {
    let port = gateway.url.port_or_known_default().unwrap_or_default();
    let connecting = TcpStream::connect((host(&gateway.url), port));
    let connected = time::timeout(client::CONNECT_TIMEOUT, connecting).await;
    let message = match connected {
        Ok(Ok(_)) => return Ok(index),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => "nobody listens".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    Err(format!("{}: {message}", shown(&gateway.url)))
}
