//! The numbers of QUIC, per kind of path and purpose, each with its reason. What an admin may choose comes from the
//! `link` section; the rest was measured on emulated paths or bounds memory.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pomona_config::{Congestion, LinkConfig};
use pomona_protocol::{LinkPurpose, PathKind};
use quinn::congestion::{BbrConfig, CubicConfig};
use quinn::{TransportConfig, VarInt};

/// First guess of the round trip on a LAN; quinn repeats a lost first packet after three times as long. The usual
/// guess of 333 ms would make one lost packet cost a second.
const LAN_RTT: Duration = Duration::from_millis(20);
/// The same for a WAN: over most real ones, so that nothing is repeated in vain.
const WAN_RTT: Duration = Duration::from_millis(100);
/// Bytes of one turn's stream that may be on their way: four of the largest event frames. A client that does not
/// read pins as much on this side, so a doubled window doubles what 4096 idle readers cost.
const TURN_STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes of one transfer's stream on their way: 100 ms at 640 Mbit/s. It counts for what the dialler reads: who wants
/// weights dials who has them.
const BULK_STREAM_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes of all streams of a LAN link that may wait to be read: bounds what one link can pin.
const LAN_WINDOW: u32 = 64 * 1024 * 1024;
/// The same on a WAN, where less arrives at once.
const WAN_WINDOW: u32 = 32 * 1024 * 1024;
/// Bytes sent and not yet acknowledged on a LAN, where the other side may stall for a while at full speed.
const LAN_SEND_WINDOW: u64 = 16 * 1024 * 1024;
/// The same on a WAN; more would sit in a slow uplink's queue and delay tokens.
const WAN_SEND_WINDOW: u64 = 8 * 1024 * 1024;
/// The same for transfers: 100 ms at 1.3 Gbit/s.
pub(crate) const BULK_SEND_WINDOW: u64 = 16 * 1024 * 1024;
/// Streams of one direction: nothing of ours opens any; HTTP/3 needs three, and newer versions may want some.
const UNI_STREAMS: u32 = 16;
/// Transfers on one bulk connection at once, `weights.transfers_max` at most.
pub(crate) const BULK_STREAMS: u32 = 256;
/// Streams that a node may open towards a gateway: the control stream, and some that are refused by name.
pub(crate) const NODE_STREAMS: u32 = 16;
/// Requests of one HTTP/3 client at once; more wait, as browsers expect.
pub(crate) const HTTP3_STREAMS: u32 = 128;
/// Bytes that one HTTP/3 client may have waiting to be read.
pub(crate) const HTTP3_WINDOW: u32 = 8 * 1024 * 1024;
/// Streams before somebody is known: the greeting's.
const STRANGER_STREAMS: u32 = 1;
/// Bytes before somebody is known: twice the largest greeting.
const STRANGER_WINDOW: u32 = 128 * 1024;
/// Silence after which the accepting side gives up by itself. QUIC takes the smaller value of both sides, and the
/// dialler knows the path; so this one counts for strangers and HTTP/3 alone, whose answers may think for long.
const ACCEPTED_IDLE: Duration = Duration::from_secs(60);

/// For a connection that is dialled.
pub(crate) fn dialled(link: &LinkConfig, path: PathKind, purpose: LinkPurpose) -> Arc<TransportConfig> {
    let mut config = common(link, path);
    let (keep_alive_ms, idle_ms) = match path {
        PathKind::Lan => (link.lan_keep_alive_ms, link.lan_idle_ms),
        PathKind::Wan => (link.wan_keep_alive_ms, link.wan_idle_ms),
    };
    config.keep_alive_interval(Some(Duration::from_millis(keep_alive_ms)));
    config.max_idle_timeout(idle(Duration::from_millis(idle_ms)));
    config.receive_window(VarInt::from_u32(window(path)));
    match purpose {
        LinkPurpose::Member => {
            config.stream_receive_window(VarInt::from_u32(TURN_STREAM_WINDOW));
            config.max_concurrent_bidi_streams(VarInt::from_u32(link.streams_max));
        }
        LinkPurpose::Bulk => {
            config.stream_receive_window(VarInt::from_u32(BULK_STREAM_WINDOW));
            config.max_concurrent_bidi_streams(VarInt::from_u32(BULK_STREAMS));
            config.send_window(BULK_SEND_WINDOW);
        }
    }
    Arc::new(config)
}

/// For a connection that arrives: who it is and over which path is not known yet, so it gets room for a greeting, and
/// more by [`crate::greeting`] afterwards. Keep-alives are the dialler's.
pub(crate) fn accepted(link: &LinkConfig, path: PathKind) -> Arc<TransportConfig> {
    let mut config = common(link, path);
    config.max_idle_timeout(idle(ACCEPTED_IDLE));
    config.stream_receive_window(VarInt::from_u32(TURN_STREAM_WINDOW));
    config.receive_window(VarInt::from_u32(STRANGER_WINDOW));
    config.max_concurrent_bidi_streams(VarInt::from_u32(STRANGER_STREAMS));
    Arc::new(config)
}

/// Bytes of all streams of a link.
pub(crate) fn window(path: PathKind) -> u32 {
    match path {
        PathKind::Lan => LAN_WINDOW,
        PathKind::Wan => WAN_WINDOW,
    }
}

/// What an address looks like, before its owner has said it.
pub(crate) fn likely_path(address: IpAddr) -> PathKind {
    let near = match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    };
    if near { PathKind::Lan } else { PathKind::Wan }
}

fn common(link: &LinkConfig, path: PathKind) -> TransportConfig {
    let mut config = TransportConfig::default();
    config.max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS));
    // Nothing of ours sends datagrams.
    config.datagram_receive_buffer_size(None);
    // Packets begin at 1200 bytes and grow to 1452 by probing, within a few round trips: VPNs and PPPoE carry less,
    // and jumbo packets were slower where they were tried.
    config.enable_segmentation_offload(link.segmentation_offload);
    match path {
        PathKind::Lan => {
            config.initial_rtt(LAN_RTT);
            config.send_window(LAN_SEND_WINDOW);
            // On a cable a lost packet means a full queue.
            config.congestion_controller_factory(Arc::new(CubicConfig::default()));
        }
        PathKind::Wan => {
            config.initial_rtt(WAN_RTT);
            config.send_window(WAN_SEND_WINDOW);
            match link.wan_congestion {
                Congestion::Cubic => config.congestion_controller_factory(Arc::new(CubicConfig::default())),
                // Holds 15 times the rate of Cubic at 1 % loss and 20 ms.
                Congestion::Bbr => config.congestion_controller_factory(Arc::new(BbrConfig::default())),
            };
        }
    }
    config
}

fn idle(timeout: Duration) -> Option<quinn::IdleTimeout> {
    // Only durations beyond 2^62 ms do not fit.
    quinn::IdleTimeout::try_from(timeout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_look_near_and_public_ones_far() {
        for (address, path) in [
            ("127.0.0.1", PathKind::Lan),
            ("192.168.1.7", PathKind::Lan),
            ("::ffff:10.0.0.1", PathKind::Lan),
            ("fe80::1", PathKind::Lan),
            ("fd00::1", PathKind::Lan),
            ("93.184.216.34", PathKind::Wan),
            ("2001:db8::1", PathKind::Wan),
        ] {
            assert_eq!(likely_path(address.parse().unwrap()), path, "{address}");
        }
    }
}
