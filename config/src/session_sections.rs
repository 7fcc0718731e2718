//! The sections of what lasts: the store, the sessions in it, and notices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where sessions and the audit lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `postgres://user@host/database` for several gateways; empty means a SQLite file in the data folder.
    pub url: Option<String>,
    /// Milliseconds over which writes of all sessions are gathered into one commit, 0 to 50; who waits for a commit is
    /// not kept waiting longer than that.
    pub commit_ms: u64,
    /// Writes that may wait for the disk, 64 to 1048576; turns pause beyond that.
    pub queue_max: u32,
    /// Milliseconds until something that the store does counts as failed, 100 to 600000.
    pub timeout_ms: u64,
    /// Days that a session is kept after its last event, 0 to 36500; 0 keeps them all.
    pub keep_days: u32,
    /// Days that single events of ended turns are kept, 0 to 36500; the conversation itself stays. 0 keeps them all.
    pub keep_events_days: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: None,
            commit_ms: 5,
            queue_max: 65_536,
            timeout_ms: 10_000,
            keep_days: 0,
            keep_events_days: 0,
        }
    }
}

/// Conversations that outlive connections and processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionConfig {
    /// Turns of one session that may wait for their predecessors, 0 to 10000.
    pub queue_max: u32,
    /// Turns of one session in all, 1 to 1000000.
    pub turns_max: u32,
    /// Clients attached to one session at once, 1 to 100000.
    pub clients_max: u32,
    /// Events that wait for one client before it is cut off, 16 to 1048576.
    pub client_buffer_events: u32,
    /// Sessions in memory at once, 1 to 10000000; more are refused until some are idle.
    pub resident_max: u32,
    /// Milliseconds without a client or a turn before a session leaves the memory, 0 to 86400000.
    pub idle_ms: u64,
    /// Milliseconds over which tokens for one browser are gathered, 0 to 1000.
    pub coalesce_ms: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            queue_max: 32,
            turns_max: 10_000,
            clients_max: 256,
            client_buffer_events: 1024,
            resident_max: 50_000,
            idle_ms: 60_000,
            coalesce_ms: 33,
        }
    }
}

/// Notices for admins: when they are made, and who else hears of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationsConfig {
    /// Where each new notice is sent by POST, `https://…` or `http://…`; empty means nowhere.
    pub webhook_url: Option<String>,
    /// Signs what is sent with HMAC-SHA256; empty means that it is not signed.
    pub webhook_secret: Option<String>,
    /// Whether that may be a private address: one of this machine or of a local network.
    pub webhook_private: bool,
    /// Milliseconds within which the same notice is counted and not made anew, 0 to 86400000.
    pub repeat_ms: u64,
    /// Free bytes below which a disk is low, 1048576 to 2^50; 0 means never.
    pub disk_bytes_min: u64,
    /// Milliseconds from which on a write of the store is slow, 10 to 600000; 0 means never.
    pub store_slow_ms: u64,
    /// Notices that are kept, 16 to 10000.
    pub kept_max: u32,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self {
            webhook_url: None,
            webhook_secret: None,
            webhook_private: false,
            repeat_ms: 600_000,
            disk_bytes_min: 4 << 30,
            store_slow_ms: 2_000,
            kept_max: 1_000,
        }
    }
}
