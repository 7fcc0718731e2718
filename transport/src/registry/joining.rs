//! How the registry lets a machine in: the gateway that holds the authority by itself, all others by a token.

use std::net::SocketAddr;
use std::time::SystemTime;

use pomona_protocol::PeerRole;
use pomona_protocol::join::{JoinAnswer, JoinRefusal, JoinRequest, Membership};
use tracing::{error, info};

use super::admission::{Facts, judge};
use super::error::RegistryError;
use super::names::{check_name, free_name};
use super::record::{Member, Records, unix_ms};
use super::{REMOVED_MAX, Registry, State};
use crate::audit::{AuditLine, AuditWhat};
use crate::authority::{Authority, SignedMember};

impl Registry {
    /// Makes the machine that holds the authority a member of its own cluster, or notes its new certificate. Returns
    /// its name: the one that it has, since somebody may have renamed it; otherwise `name`, which may get a number.
    pub fn enroll(
        &self,
        signed: &SignedMember,
        role: PeerRole,
        name: &str,
        now: SystemTime,
    ) -> Result<String, RegistryError> {
        let name = check_name(name)?;
        let mut state = self.state();
        let mut next = state.records.clone();
        let known = next.member(&signed.node).filter(|known| known.is_present());
        let name = known.map_or_else(|| name.to_owned(), |known| known.name.clone());
        let member = member_of(&next, signed, role, &name, now);
        let name = member.name.clone();
        next.put(member);
        if next != state.records {
            self.store(&mut state, next)?;
        }
        Ok(name)
    }

    /// Decides over a first contact. `exporter` is the keying material of its connection. The answer to a machine
    /// that may come in spends one use of its token; a refusal spends none, and neither does a member that asks again
    /// with the token that it came with, because the answer got lost.
    pub fn admit(
        &self,
        request: &JoinRequest,
        exporter: &[u8; 32],
        remote: SocketAddr,
        authority: &Authority,
        now: SystemTime,
    ) -> JoinAnswer {
        let now_ms = unix_ms(now);
        let mut state = self.state();
        let line = |what| AuditLine::new(what, now).token(request.token).role(request.role).remote(remote);
        if let Some(wait) = state.joins.check(remote.ip(), now_ms) {
            let refusal = JoinRefusal::Throttled { retry_after_s: wait.seconds };
            if wait.is_first {
                state.note(&line(AuditWhat::JoinRefused).code(refusal.code()));
            }
            return JoinAnswer::Refused(refusal);
        }
        match self.let_in(&mut state, request, exporter, authority, now) {
            Ok(membership) => {
                info!(node = %membership.node, name = membership.name, %remote, "a machine joined");
                state.note(&line(AuditWhat::Joined).node(&membership.node).name(&membership.name));
                JoinAnswer::Welcome(Box::new(membership))
            }
            Err((refusal, code)) => {
                info!(code, %remote, "a machine may not join");
                state.joins.failed(remote.ip(), now_ms);
                state.note(&line(AuditWhat::JoinRefused).name(&request.name).code(code));
                JoinAnswer::Refused(refusal)
            }
        }
    }

    fn let_in(
        &self,
        state: &mut State,
        request: &JoinRequest,
        exporter: &[u8; 32],
        authority: &Authority,
        now: SystemTime,
    ) -> Result<Membership, (JoinRefusal, &'static str)> {
        let now_ms = unix_ms(now);
        let key = format!("{:016x}", request.token);
        let lifetime = self.parts.certificate_lifetime;
        let sign = || authority.sign(&request.signing_request, request.role, lifetime, now);
        let facts = Facts {
            token: state.records.tokens.get(&key),
            exporter,
            now_ms,
            version: &self.parts.version,
            came_before: &|| sign().is_ok_and(|signed| state.records.came_with(&signed.node, &key)),
        };
        let (_, name) = judge(request, &facts).map_err(|refusal| {
            let code = refusal.code();
            (refusal, code)
        })?;
        let invalid = |message: String| (JoinRefusal::Invalid { message }, "invalid");
        let signed = sign().map_err(|error| invalid(error.to_string()))?;
        let came_before = state.records.came_with(&signed.node, &key);
        let mut next = state.records.clone();
        next.tidy(now_ms);
        let mut member = member_of(&next, &signed, request.role, &name, now);
        member.token = Some(key.clone());
        check_room(&next, &member, self.parts.members_max).map_err(invalid)?;
        let membership = Membership {
            node: signed.node.clone(),
            name: member.name.clone(),
            cluster: authority.cluster().to_owned(),
            certificate: signed.certificate.to_vec(),
            authority: authority.certificate().to_vec(),
            gateways: state.gateways.clone(),
        };
        next.put(member);
        if let Some(token) = next.tokens.get_mut(&key).filter(|_| !came_before) {
            token.uses_left -= 1;
        }
        self.store(state, next).map_err(|error| {
            error!(%error, "a machine may not join because its membership cannot be stored");
            let message = "the gateway cannot store the membership (its log says why); try again".to_owned();
            (JoinRefusal::Invalid { message }, "storage")
        })?;
        Ok(membership)
    }
}

/// The record of a machine that comes in, or comes back with the same key.
fn member_of(
    records: &Records,
    signed: &SignedMember,
    role: PeerRole,
    name: &str,
    now: SystemTime,
) -> Member {
    let known = records.member(&signed.node).filter(|known| known.is_present());
    Member {
        node: signed.node.clone(),
        name: free_name(name, |name| records.is_name_taken(name, &signed.node)),
        role,
        joined_unix_ms: known.map_or_else(|| unix_ms(now), |known| known.joined_unix_ms),
        certificate_expires_unix_ms: unix_ms(signed.expires_at),
        removed_unix_ms: None,
        token: known.and_then(|known| known.token.clone()),
    }
}

fn check_room(records: &Records, new: &Member, members_max: u32) -> Result<(), String> {
    let present = records.present().filter(|member| member.node != new.node).count();
    if present >= members_max as usize {
        return Err(format!("the cluster has {present} members (cluster.members_max is {members_max})"));
    }
    let removed = records.members.len() - records.present().count();
    if removed > REMOVED_MAX {
        return Err(format!("{removed} removed members still have certificates (limit {REMOVED_MAX})"));
    }
    Ok(())
}
