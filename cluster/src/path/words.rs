//! The words of [`super::Path`]: its limits, what can happen to it, what it wants done, and how it shows itself.

use std::time::{Duration, Instant};

use pomona_protocol::PathKind;

/// Limits of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathLimits {
    /// How long the LAN is dialled alone before the WAN joins the race. RFC 8305 takes 250 ms: on a LAN a handshake
    /// takes a tenth of that, and a person does not notice the rest.
    pub head_start: Duration,
    /// How long a WAN link that opened first waits for a LAN dial under way.
    pub grace: Duration,
    /// Pause before the second dial in a row while offline, doubled for each further one.
    pub redial_base: Duration,
    /// Longest such pause, jitter not counted.
    pub redial_max: Duration,
    /// Pause before the first probe of the LAN while the WAN is in use, doubled for each further one.
    pub probe_base: Duration,
    /// Longest such pause, jitter not counted.
    pub probe_max: Duration,
    /// Least time between two dials of one path, whatever asks for them; bounds dials per minute.
    pub dial_gap: Duration,
    /// A dial that says nothing for this long counts as failed.
    pub dial_max: Duration,
    /// A link that lived shorter counts as a failed dial: else a peer that crashes when greeted is dialled without pause.
    pub lasting: Duration,
    /// Time over which losses of the LAN are counted.
    pub flap_window: Duration,
    /// After this many losses in the window the LAN has to stay up for `settle` before it is used again.
    pub flaps_max: u32,
    /// How long that is.
    pub settle: Duration,
    /// How long an old link is kept for the turns on it.
    pub leaving_max: Duration,
    /// Old links kept at once; the oldest is closed first.
    pub leaving_links_max: usize,
}

impl Default for PathLimits {
    fn default() -> Self {
        Self {
            head_start: Duration::from_millis(250),
            // Head start and grace together stay under 300 ms: what a start without any LAN may lose.
            grace: Duration::from_millis(40),
            redial_base: Duration::from_millis(100),
            redial_max: Duration::from_secs(5),
            probe_base: Duration::from_secs(1),
            // Interfaces that change are told at once; this is for a gateway that came up on the same LAN.
            probe_max: Duration::from_secs(60),
            dial_gap: Duration::from_millis(100),
            dial_max: Duration::from_secs(10),
            lasting: Duration::from_secs(5),
            flap_window: Duration::from_secs(60),
            flaps_max: 3,
            settle: Duration::from_secs(15),
            leaving_max: Duration::from_secs(30),
            leaving_links_max: 4,
        }
    }
}

/// Which kinds of addresses the peer is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Addresses on networks that this machine is on.
    pub lan: bool,
    /// Addresses that work from anywhere.
    pub wan: bool,
}

impl Addresses {
    pub(super) fn has(self, path: PathKind) -> bool {
        match path {
            PathKind::Lan => self.lan,
            PathKind::Wan => self.wan,
        }
    }
}

/// What can happen. Links are numbered by the shell, each number used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Start,
    /// A dial led to a greeted link.
    Opened {
        /// Over this path.
        path: PathKind,
        /// Its number.
        link: u64,
    },
    /// A dial led to nothing.
    Failed {
        /// Over this path.
        path: PathKind,
    },
    /// A link is gone.
    Lost {
        /// Which.
        link: u64,
    },
    /// The other side is silent on a link.
    Suspect {
        /// Which.
        link: u64,
    },
    /// The other side was heard on a link again.
    Cleared {
        /// Which.
        link: u64,
    },
    /// A round trip was measured.
    RoundTrip {
        /// Over which link.
        link: u64,
        /// How long it took.
        rtt: Duration,
    },
    /// This machine got or lost an address.
    InterfacesChanged,
    /// The peer is known by other addresses than before.
    AddressesChanged(Addresses),
    /// No turn uses an old link any more. To be said at once after `Use` when none uses it then.
    Empty {
        /// Which.
        link: u64,
    },
    /// Time has passed; see [`super::Path::next_tick`].
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Dial all addresses of a path; answered by `Opened` or `Failed`. It takes the place of an earlier dial of the same
    /// path.
    Dial {
        /// Which.
        path: PathKind,
        /// After this time.
        after: Duration,
    },
    /// Forget the dial of this path, whether it waits or is under way.
    Stop {
        /// Which.
        path: PathKind,
    },
    /// New turns and control go over this link; running turns attach over it.
    Use {
        /// Which.
        link: u64,
    },
    /// Close this link; nothing more is to be said of it.
    Close {
        /// Which.
        link: u64,
    },
}

/// How the peer is reached; what the indicator shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathView {
    /// LAN or WAN; `None` while offline.
    pub kind: Option<PathKind>,
    /// Since when.
    pub since: Instant,
    /// The last round trip of the link in use.
    pub rtt: Option<Duration>,
    /// How often LAN and WAN took turns.
    pub switches: u64,
}
