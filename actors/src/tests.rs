//! The shells with scripted engines on Unix sockets, and with real links on loopback where another machine is due.

mod bench;
mod control;
mod engine;
mod engines;
mod hosting;
mod hosting_refusals;
mod moves;
mod orchard;
mod paths;
mod replicas;
mod session_ends;
mod session_models;
mod sessions;
mod turns;
mod watch;
