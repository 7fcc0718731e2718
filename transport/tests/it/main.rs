//! Members on loopback: real sockets, real certificates, one process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod fake;
mod faults;
mod greetings;
mod orchard;
mod refusals;
mod streams;
