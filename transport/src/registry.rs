//! What the gateway that holds the authority remembers on disk: members, join tokens, and the audit of both. The
//! gateway's admin calls and the first contacts of new machines end here; who is reachable is no concern of it.
//!
//! Every change is on disk before its caller hears of it, and a change that cannot be written did not happen. Calls
//! write to the disk and wait for it: make them where blocking is allowed. Time is an argument.

mod admission;
mod error;
mod joining;
mod names;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod throttle;
mod tokens;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pomona_protocol::join::GatewayAddresses;
use pomona_protocol::{LinkRefusal, NodeId};
use tracing::error;

pub use self::error::{RegistryError, RenewError};
pub use self::names::{NameError, check_name};
pub use self::record::Member;
pub use self::store::{REGISTRY_BYTES_MAX, StoreError};
pub use self::throttle::{TRIES_MAX, TRIES_PER_ADDRESS_MAX, TRY_WINDOW_MS};
pub use self::tokens::{TOKEN_TTL_S_MAX, TOKEN_USES_MAX, TOKENS_MAX};

use self::record::{FORMAT, Records, unix_ms};
use self::throttle::Throttle;
use crate::audit::{AuditLine, AuditLog, AuditWhat};
use crate::authority::{Authority, SignedMember};

/// Removed members that are remembered until their certificates end; more are not let in before some have ended.
pub const REMOVED_MAX: usize = 10_000;

/// What a registry is made of.
#[derive(Clone, Debug)]
pub struct RegistryParts {
    /// Where `registry.json` and `audit.jsonl` live. It has to exist.
    pub folder: PathBuf,
    /// Members at once (`cluster.members_max`).
    pub members_max: u32,
    /// How long a member's certificate lasts (`cluster.certificate_hours`).
    pub certificate_lifetime: Duration,
    /// Version of this program, for those that are too old or too new.
    pub version: String,
}

/// The registry. Share it by `Arc`.
#[derive(Debug)]
pub struct Registry {
    parts: RegistryParts,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    records: Records,
    audit: AuditLog,
    joins: Throttle,
    links: Throttle,
    gateways: Vec<GatewayAddresses>,
}

impl Registry {
    /// Reads the registry of this folder, or begins one.
    pub fn open(parts: RegistryParts) -> Result<Self, RegistryError> {
        let path = parts.folder.join(store::REGISTRY_FILE);
        let records: Records = store::load(&path)?.unwrap_or_default();
        check_format(&records, &path)?;
        let audit = AuditLog::open(&parts.folder)
            .map_err(|source| StoreError::Write { path: parts.folder.join("audit.jsonl"), source })?;
        let (joins, links) = (Throttle::default(), Throttle::default());
        let state = State { records, audit, joins, links, gateways: Vec::new() };
        Ok(Self { parts, state: Mutex::new(state) })
    }

    /// Where new members are told to dial from now on.
    pub fn set_gateways(&self, gateways: Vec<GatewayAddresses>) {
        self.state().gateways = gateways;
    }

    /// A member's next certificate. The request has to be made with the key that it joined with.
    pub fn renew(
        &self,
        node: &NodeId,
        signing_request: &[u8],
        authority: &Authority,
        now: SystemTime,
    ) -> Result<SignedMember, RenewError> {
        let mut state = self.state();
        let signed = self.renew_in(&mut state, node, signing_request, authority, now);
        let line = match &signed {
            Ok(_) => AuditLine::new(AuditWhat::Renewed, now).node(node),
            Err(error) => AuditLine::new(AuditWhat::RenewRefused, now).node(node).code(error.code()),
        };
        state.note(&line);
        signed
    }

    fn renew_in(
        &self,
        state: &mut State,
        node: &NodeId,
        signing_request: &[u8],
        authority: &Authority,
        now: SystemTime,
    ) -> Result<SignedMember, RenewError> {
        let mut next = state.records.clone();
        let member = next.members.iter_mut().find(|member| member.node == *node);
        let member = member.ok_or_else(|| RenewError::NoMember { node: node.clone() })?;
        if !member.is_present() {
            return Err(RenewError::Removed { node: node.clone() });
        }
        let lifetime = self.parts.certificate_lifetime;
        let signed = authority.sign(signing_request, member.role, lifetime, now)?;
        if signed.node != *node {
            return Err(RenewError::OtherKey { node: node.clone(), other: signed.node });
        }
        member.certificate_expires_unix_ms = unix_ms(signed.expires_at);
        self.store(state, next)?;
        Ok(signed)
    }

    /// Calls a member, given by id or name, differently. Returns it as it is now.
    pub fn rename(&self, id_or_name: &str, name: &str, now: SystemTime) -> Result<Member, RegistryError> {
        let name = check_name(name)?;
        let mut state = self.state();
        let mut member = state.present(id_or_name)?;
        if state.records.is_name_taken(name, &member.node) {
            return Err(RegistryError::NameTaken { name: name.to_owned() });
        }
        member.name = name.to_owned();
        let mut next = state.records.clone();
        next.put(member.clone());
        self.store(&mut state, next)?;
        state.note(&AuditLine::new(AuditWhat::Renamed, now).node(&member.node).name(name));
        Ok(member)
    }

    /// Removes a member, given by id or name: from now on it is in [`Registry::revoked`]. Closing its links is the
    /// caller's part.
    pub fn remove(&self, id_or_name: &str, now: SystemTime) -> Result<Member, RegistryError> {
        let mut state = self.state();
        let mut member = state.present(id_or_name)?;
        member.removed_unix_ms = Some(unix_ms(now));
        let mut next = state.records.clone();
        next.put(member.clone());
        self.store(&mut state, next)?;
        state.note(&AuditLine::new(AuditWhat::Removed, now).node(&member.node).name(&member.name));
        Ok(member)
    }

    /// Everyone who is a member, in the order of joining.
    pub fn members(&self) -> Vec<Member> {
        self.state().records.present().cloned().collect()
    }

    /// The member with this id or name.
    pub fn member(&self, id_or_name: &str) -> Option<Member> {
        self.state().records.find(id_or_name).cloned()
    }

    /// Removed members whose certificates may still count.
    pub fn revoked(&self) -> Vec<NodeId> {
        let state = self.state();
        let removed = state.records.members.iter().filter(|member| !member.is_present());
        removed.map(|member| member.node.clone()).collect()
    }

    /// Notes in the audit that a connection between members was refused; `node` is whose certificate it showed. Beyond
    /// [`TRIES_PER_ADDRESS_MAX`] lines per address and window it stays silent.
    pub fn link_refused(
        &self,
        node: Option<&NodeId>,
        remote: SocketAddr,
        refusal: &LinkRefusal,
        now: SystemTime,
    ) {
        let mut state = self.state();
        if state.links.check(remote.ip(), unix_ms(now)).is_some() {
            return;
        }
        state.links.failed(remote.ip(), unix_ms(now));
        let line = AuditLine::new(AuditWhat::LinkRefused, now).remote(remote).code(refusal.code());
        let line = node.map_or_else(|| line.clone(), |node| line.clone().node(node));
        state.note(&line);
    }

    /// Replaces the records on disk, then in memory.
    fn store(&self, state: &mut State, next: Records) -> Result<(), StoreError> {
        store::save(&self.parts.folder, &next)?;
        state.records = next;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves the old records or the new ones, as a crash does.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A change that is done is not undone because its line cannot be written; the log says so instead.
    fn note(&mut self, line: &AuditLine) {
        if let Err(error) = self.audit.append(line) {
            error!(%error, ?line, "the audit cannot be written");
        }
    }

    fn present(&self, id_or_name: &str) -> Result<Member, RegistryError> {
        let unknown = || RegistryError::UnknownNode { given: id_or_name.chars().take(64).collect() };
        self.records.find(id_or_name).cloned().ok_or_else(unknown)
    }
}

fn check_format(records: &Records, path: &Path) -> Result<(), StoreError> {
    if records.format == FORMAT {
        return Ok(());
    }
    let message = format!("its format is {} and this version of pomona knows {FORMAT}", records.format);
    Err(StoreError::Damaged { path: path.to_owned(), message })
}
