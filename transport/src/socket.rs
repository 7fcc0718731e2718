//! The UDP socket, and what lets a restarted process end its old connections. Used by `endpoint` alone.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use socket2::{Domain, Protocol, Socket, Type};

use crate::identity::Identity;

/// Bytes that the system holds in each direction while the network thread is busy: 30 ms at 1 Gbit/s. The system may
/// grant less (`net.core.rmem_max`).
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Pause between two resets: after a restart each of 1000 members gets one within two seconds, and strangers cannot
/// make this side send more than a few kilobytes per second.
const RESET_PAUSE: Duration = Duration::from_millis(2);

/// Opens a socket that is nobody else's.
pub(crate) fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // Both families, so that one port serves everyone.
        socket.set_only_v6(false)?;
    }
    // Smaller buffers cost speed, not correctness.
    drop(socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES));
    drop(socket.set_send_buffer_size(SOCKET_BUFFER_BYTES));
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Keys that outlive the process: a restarted one recognises packets of its old connections and ends them at once,
/// where its peers would wait for the idle timeout otherwise. Both keys are needed.
pub(crate) fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, identity.secret());
    let reset_key = hmac::sign(&secret, b"pomona stateless reset");
    let ids = hmac::sign(&secret, b"pomona connection ids");
    let ids_key = ids.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset_key.as_ref())));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids_key)));
    config.min_reset_interval(RESET_PAUSE);
    config
}
