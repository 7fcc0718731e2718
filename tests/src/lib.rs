//! Whole processes, real clients, real faults: what the integration tests and `xtask bench` share.
//!
//! Nothing here imports the crates under test but `protocol`: a cluster is what its processes say on the wire.

pub mod build;
pub mod random;
pub mod script;
pub mod spoken;

pub mod launch;
pub mod process;
pub mod system;

pub mod answer;
pub mod http;
pub mod socket;

pub mod session_socket;
pub mod sessions;

pub mod load;

pub mod netns;
pub mod relay;

pub mod cluster;

pub use answer::Answer;
pub use cluster::Cluster;
pub use http::Api;
pub use launch::Launch;
pub use process::{Ended, Pomona};
pub use session_socket::SessionSocket;
pub use socket::Socket;
