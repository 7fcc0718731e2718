//! The ractor shells: each actor receives, asks `cluster` what to do, and does it.
//!
//! ```text
//! Root
//! ├── Router            keeps the time of the desk, where turns ask
//! │                     "which replica?"                         (cluster::admission)
//! ├── Downloads         pulls models from a hub                  (cluster::downloads)
//! ├── Models
//! │   └── Model         one per replica: owns an engine process  (cluster::{health, restart})
//! └── Clients
//!     └── Client        one per connection
//!         └── Turn      one per running turn                     (cluster::turn)
//!             └── attempt   a task that pumps one stream         (cluster::ledger)
//! ```
//! Commands go through mailboxes, few and small; tokens go from the attempt to the client through a bounded
//! channel, beside all mailboxes.

mod admin;
pub mod api;
pub mod observer;
mod rules;

mod root;
mod shared;

mod attempt;
mod client;
mod dashboard;
mod desk;
mod route;
mod router;
mod turn;

mod fleet;
mod insight;
mod links;
mod logs;

mod downloads;
mod engine_link;
mod engine_process;
mod engines;
mod hosting;
mod hub;
mod model;
mod models;
mod removal;
mod speed;
mod weights;

mod sessions;

mod watch;

mod counts;
mod owned;
mod trace;
mod watched;

#[cfg(test)]
mod tests;

pub use api::{AuthorityParts, Client, Handle, MeshParts, OnGateways, Parts, StartError, System, TurnStream};
pub use downloads::{DownloadRefused, HubSource, NewDownload};
pub use hub::{HubFailure, HubRefused};
pub use insight::Insight;
pub use logs::{LogCursors, LogSource};
pub use observer::{Observation, Observer, Unobserved};
pub use removal::RemoveRefused;
pub use rules::Rules;
pub use sessions::{SessionStream, Sessions};
pub use shared::LocalModel;
pub use trace::{Span, SpanRecord, SpanValue, is_drawn};
pub use watch::FleetFeed;
pub use watched::{LONG_POLL, LongPolls};
