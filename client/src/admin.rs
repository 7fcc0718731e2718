//! What an admin asks of a gateway: members, tokens, and which model is loaded where. A gateway that cannot do it
//! itself says who can; that comes back as [`ClientError::Api`].

use pomona_protocol::{CreatedToken, NewToken, NodeStatus, Notice, NoticeId, TokenStatus};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::{Client, ClientError};

/// `{"name": …}` of a renaming.
#[derive(Serialize)]
struct NewName<'a> {
    name: &'a str,
}

/// `{"node": …}` of loading and unloading; without a node the cluster decides.
#[derive(Serialize)]
struct Where<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<NodeStatus>,
}

#[derive(Deserialize)]
struct Notices {
    notifications: Vec<Notice>,
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<TokenStatus>,
}

/// A link that signs one browser in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignInLink {
    /// Path on the gateway that was asked; the code in it works once.
    pub path: String,
    /// Seconds for which it works.
    pub expires_in_s: u64,
}

impl Client {
    /// Every member that the gateway knows, itself included.
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, ClientError> {
        let answer: Nodes = self.get(&["admin", "nodes"]).await?;
        Ok(answer.nodes)
    }

    /// One member, by id or name.
    pub async fn node(&self, node: &str) -> Result<NodeStatus, ClientError> {
        self.get(&["admin", "nodes", segment("node", node)?]).await
    }

    /// Lets a member finish or hand over its turns and take no new ones.
    pub async fn drain(&self, node: &str) -> Result<NodeStatus, ClientError> {
        self.fetch(Method::POST, &["admin", "nodes", segment("node", node)?, "drain"], |request| request)
            .await
    }

    /// Lets a member take turns again.
    pub async fn undrain(&self, node: &str) -> Result<NodeStatus, ClientError> {
        self.fetch(Method::POST, &["admin", "nodes", segment("node", node)?, "undrain"], |request| request)
            .await
    }

    /// Gives a member another name.
    pub async fn rename(&self, node: &str, name: &str) -> Result<NodeStatus, ClientError> {
        let body = NewName { name };
        self.fetch(Method::POST, &["admin", "nodes", segment("node", node)?, "rename"], |request| {
            request.json(&body)
        })
        .await
    }

    /// Removes a member; its certificate is worth nothing from then on.
    pub async fn remove(&self, node: &str) -> Result<(), ClientError> {
        self.tell(Method::DELETE, &["admin", "nodes", segment("node", node)?], |request| request).await
    }

    /// Makes a token for machines that are to join. It is told this once.
    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken, ClientError> {
        self.fetch(Method::POST, &["admin", "tokens"], |request| request.json(token)).await
    }

    /// Makes a link that signs one browser in with this client's key. It is told this once.
    pub async fn sign_in_link(&self) -> Result<SignInLink, ClientError> {
        self.fetch(Method::POST, &["v3", "sign-in", "link"], |request| request).await
    }

    /// The tokens that may still be used.
    pub async fn tokens(&self) -> Result<Vec<TokenStatus>, ClientError> {
        let answer: Tokens = self.get(&["admin", "tokens"]).await?;
        Ok(answer.tokens)
    }

    /// Takes a token back; who joined with it stays a member.
    pub async fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        self.tell(Method::DELETE, &["admin", "tokens", segment("token", id)?], |request| request).await
    }

    /// Asks for a replica of a model, on `node` or where the cluster finds room. Returns once that was taken on.
    pub async fn load_model(&self, model: &str, node: Option<&str>) -> Result<(), ClientError> {
        let path = ["admin", "models", segment("model", model)?, "load"];
        self.tell(Method::POST, &path, |request| request.json(&Where { node })).await
    }

    /// Asks for the replicas of a model to go, on `node` or everywhere. Returns once that was taken on.
    pub async fn unload_model(&self, model: &str, node: Option<&str>) -> Result<(), ClientError> {
        let path = ["admin", "models", segment("model", model)?, "unload"];
        self.tell(Method::POST, &path, |request| request.json(&Where { node })).await
    }

    /// Has a model stay once it is loaded, or stay no more, on `node` or wherever it lies.
    pub async fn pin_model(&self, model: &str, node: Option<&str>, on: bool) -> Result<(), ClientError> {
        let path = ["admin", "models", segment("model", model)?, if on { "pin" } else { "unpin" }];
        self.tell(Method::POST, &path, |request| request.json(&Where { node })).await
    }

    /// Notices, the newest first; only those that nobody has acknowledged when `open` is true.
    pub async fn notices(&self, limit: u32, open: bool) -> Result<Vec<Notice>, ClientError> {
        let query = [("limit", limit.to_string()), ("open", open.to_string())];
        let answer: Notices =
            self.fetch(Method::GET, &["admin", "notifications"], |request| request.query(&query)).await?;
        Ok(answer.notifications)
    }

    /// Says that somebody has seen to a notice.
    pub async fn acknowledge(&self, id: NoticeId) -> Result<Notice, ClientError> {
        self.fetch(Method::POST, &["admin", "notifications", &id.to_string(), "ack"], |request| request).await
    }
}

/// A name as a part of a path. Those that a path understands otherwise would ask for something else.
pub(crate) fn segment<'a>(what: &'static str, name: &'a str) -> Result<&'a str, ClientError> {
    match name.trim() {
        "" | "." | ".." => Err(ClientError::InvalidName { what, name: name.to_owned() }),
        name => Ok(name),
    }
}
