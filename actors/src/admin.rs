//! What an admin asks of the fleet, through [`Handle`]. The gateway's admin routes call it.

use std::time::SystemTime;

use pomona_protocol::{
    Cause, CreatedToken, ModelId, NewToken, NodeFigures, NodeState, NodeStatus, PeerRole, Placement,
    TokenStatus,
};
use pomona_transport::registry::{Member, RegistryError};

use crate::Handle;
use crate::api::AuthorityParts;
use crate::fleet::FleetMessage;
use crate::links::LinksMessage;
use crate::links::control::{ControlMessage, PinOrder, Rmp};

impl Handle {
    /// Every member that is known, this machine first.
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, Cause> {
        let mut nodes = self.ask_fleet(FleetMessage::Observe).await?;
        if let Some(authority) = &self.shared.authority {
            for member in authority.registry.members() {
                match nodes.iter_mut().find(|node| node.node == member.node) {
                    Some(node) => {
                        node.name = member.name;
                        node.role = member.role;
                        node.joined_unix_ms = member.joined_unix_ms;
                    }
                    None => nodes.push(never_seen(member)),
                }
            }
        }
        nodes.sort_by(|a, b| (!a.is_here, &a.name, &a.node).cmp(&(!b.is_here, &b.name, &b.node)));
        Ok(nodes)
    }

    /// The member with this id or name.
    pub async fn node(&self, node: &str) -> Result<NodeStatus, Cause> {
        let nodes = self.nodes().await?;
        let known = nodes.iter().map(|known| known.name.clone()).collect();
        let found = nodes.into_iter().find(|known| known.node.0 == node || known.name == node);
        found.ok_or_else(|| Cause::UnknownNode { node: node.to_owned(), known })
    }

    /// Has a member hand its turns over and take no new ones, or take some again.
    pub async fn drain_node(&self, node: &str, on: bool) -> Result<NodeStatus, Cause> {
        let node = self.node(node).await?.node.0;
        let told = self.ask_fleet(|reply| FleetMessage::Drain { node: node.clone(), on, reply }).await??;
        if told == self.shared.node {
            self.shared.set_node_draining(on);
        } else {
            // The member says so itself from then on, so that other gateways hear of it. This one keeps to it anyway.
            let order = |key, reply| ControlMessage::Drain(key, on, reply);
            if let Err(cause) = self.shared.peers.order(&told, order).await {
                tracing::warn!(node = %told, %cause, "a member could not be told to drain, or to stay");
            }
        }
        self.node(&node).await
    }

    /// Gives a member another name.
    pub async fn rename_node(&self, node: &str, name: &str) -> Result<NodeStatus, Cause> {
        let node = self.node(node).await?.node.0;
        let renamed = self.authority()?.registry.rename(&node, name, SystemTime::now()).map_err(refused)?;
        if renamed.node == self.shared.node {
            self.shared.set_name(renamed.name);
        }
        self.node(&node).await
    }

    /// Takes a member out of the cluster, at once and for good.
    pub async fn remove_node(&self, node: &str) -> Result<(), Cause> {
        let found = self.node(node).await?;
        if found.is_here {
            let message = format!("`{node}` is this gateway itself, which holds the cluster's authority");
            return Err(Cause::InvalidRequest { parameter: "node".to_owned(), message });
        }
        let removed = self.authority()?.registry.remove(&found.node.0, SystemTime::now()).map_err(refused)?;
        tracing::info!(node = %removed.node, name = removed.name, "a member was removed");
        self.shared.tell_links(LinksMessage::Remove(removed.node.clone()));
        self.shared.tell_fleet(FleetMessage::Remove { node: removed.node });
        Ok(())
    }

    /// Makes a token with which machines may join.
    pub async fn create_token(&self, token: NewToken) -> Result<CreatedToken, Cause> {
        let authority = self.authority()?;
        let wan = self.shared.wan_addresses.iter().cloned();
        let addresses: Vec<String> = self.shared.own_addresses().into_iter().chain(wan).collect();
        let fingerprint = authority.authority.fingerprint();
        let made = authority.registry.create_token(&token, &addresses, fingerprint, SystemTime::now());
        made.map(|(created, _)| created).map_err(refused)
    }

    /// Tokens that may still be used.
    pub async fn tokens(&self) -> Result<Vec<TokenStatus>, Cause> {
        Ok(self.authority()?.registry.tokens(SystemTime::now()))
    }

    /// Takes a token back; false when there is none with this id.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, Cause> {
        match self.authority()?.registry.revoke_token(id, SystemTime::now()) {
            Ok(()) => Ok(true),
            Err(RegistryError::UnknownToken { .. }) => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }

    /// Has a model loaded: on this member, or where it fits best.
    pub async fn load_model(&self, model: &ModelId, node: Option<&str>) -> Result<(), Cause> {
        let (model, node) = (model.clone(), self.id_of(node).await?);
        self.ask_fleet(|reply| FleetMessage::Load { model, node, reply }).await?
    }

    /// Every member with what a load of a model would do there.
    pub async fn placement(&self, model: &ModelId) -> Result<Placement, Cause> {
        let model = model.clone();
        self.ask_fleet(|reply| FleetMessage::Place { model, reply }).await?
    }

    /// Has a model's replica ended: on this member, or all of them.
    pub async fn unload_model(&self, model: &ModelId, node: Option<&str>) -> Result<(), Cause> {
        let (model, node) = (model.clone(), self.id_of(node).await?);
        self.ask_fleet(|reply| FleetMessage::Unload { model, node, reply }).await?
    }

    /// Has a member keep a model once it is loaded, or keep it no more; every member that has it, when none is named.
    pub async fn pin_model(&self, model: &ModelId, node: Option<&str>, on: bool) -> Result<(), Cause> {
        let nodes = match node {
            Some(node) => vec![self.node(node).await?],
            None => self.nodes().await?.into_iter().filter(|node| has_model(node, model)).collect(),
        };
        if nodes.is_empty() {
            return Err(Cause::UnknownModel { model: model.to_string(), known: Vec::new() });
        }
        for node in nodes {
            if !node.hosts {
                return Err(Cause::NotAHost { node: node.name });
            }
            let order = PinOrder { model: model.clone(), on };
            if node.is_here {
                self.shared.order_pin(order)?;
                continue;
            }
            let order = |key, reply| ControlMessage::Pin(key, Rmp::new(order), reply);
            self.shared.peers.order(&node.node, order).await?;
        }
        Ok(())
    }

    /// The id of a member that is given by id or name.
    async fn id_of(&self, node: Option<&str>) -> Result<Option<String>, Cause> {
        match node {
            Some(node) => Ok(Some(self.node(node).await?.node.0)),
            None => Ok(None),
        }
    }

    fn authority(&self) -> Result<&AuthorityParts, Cause> {
        let holder = || "the gateway that was started first".to_owned();
        self.shared.authority.as_deref().ok_or_else(|| Cause::NotTheAuthority { holder: holder() })
    }
}

/// Whether a member that is linked has a model on its disk or in its memory.
fn has_model(node: &NodeStatus, model: &ModelId) -> bool {
    node.state != NodeState::Offline
        && (node.models.iter().any(|offer| offer.model == *model)
            || node.replicas.iter().any(|replica| replica.model == model.0))
}

/// A member that has not been linked since this gateway's start.
fn never_seen(member: Member) -> NodeStatus {
    NodeStatus {
        node: member.node,
        name: member.name,
        role: member.role,
        state: NodeState::Offline,
        path: None,
        version: None,
        hosts: member.role == PeerRole::Node,
        is_here: false,
        seen_ms_ago: None,
        joined_unix_ms: member.joined_unix_ms,
        memory_bytes: 0,
        memory_bytes_used: 0,
        turns: 0,
        models: Vec::new(),
        replicas: Vec::new(),
        figures: NodeFigures::default(),
    }
}

fn refused(error: RegistryError) -> Cause {
    let message = error.to_string();
    match error {
        RegistryError::UnknownNode { given } => Cause::UnknownNode { node: given, known: Vec::new() },
        RegistryError::Store(_) | RegistryError::Random { .. } => Cause::Internal { message },
        RegistryError::OutOfRange { key, .. } => Cause::InvalidRequest { parameter: key.to_owned(), message },
        _ => Cause::InvalidRequest { parameter: "name".to_owned(), message },
    }
}
