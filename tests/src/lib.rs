//! Whole processes, real clients, real faults: what the integration tests and `xtask bench` share.
//!
//! Nothing here imports the crates under test but `protocol`: a cluster is what its processes say on the wire.

pub mod build;
pub mod script;

pub mod launch;
pub mod process;
pub mod system;

pub mod answer;
pub mod http;
pub mod socket;

pub use answer::Answer;
pub use http::Api;
pub use launch::Launch;
pub use process::{Ended, Pomona};
pub use socket::Socket;
