//! Whole processes under faults. Each test is a rule; each starts its own `pomona`.
//!
//! `POMONA_TEST_FULL=1` takes the heavy counts, `POMONA_TEST_SEED` repeats a run of the random ones,
//! `POMONA_TEST_OTHER_BIN` names another version of the binary for the update of a fleet,
//! `POMONA_TEST_POSTGRES` a database server. Tests that need network
//! namespaces say so and pass where there are none.
#![expect(clippy::print_stdout, reason = "seeds and counts are printed for whoever repeats a failure")]

mod support;

mod scripted_engine;

mod shutdown;
mod startup;

mod choosing;
mod downloads;
mod failover;
mod faults;
mod leaving;
mod pace;
mod websocket;

mod response_crash;
mod session_crash;
mod session_gateways;
mod session_input;
mod session_order;
mod session_told;
mod spoken;

mod join;
mod survive;
mod update;
mod weights;

#[allow(dead_code, reason = "the tests of `weights`, whose file this is, play more tricks than these")]
#[path = "../../weights/tests/exchange/fake_hub.rs"]
mod fake_hub;
mod model_life;
mod pull;

mod dashboard;
mod fleet;
#[cfg(target_os = "linux")]
mod garbage;
mod lan_wan;

mod loadtest;

mod logs;
mod model_folders;
mod traces;

mod tui;
