//! The requests: models, status, chat. One connection pool, one key, no retries; whoever asks decides.

use std::time::Duration;

use pomona_protocol::Status;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::chat::{StreamOptions, StreamedRequest, WireError};
use crate::error::shown;
use crate::models::ModelList;
use crate::{ChatRequest, ChatStream, ClientError, Endpoint, ModelInfo, Secret};

/// Loopback and LAN answer in milliseconds; a far gateway within a second or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Lists and status come from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that is no stream: thousands of models or replicas.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A gateway, ready to be asked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    key: Option<Secret>,
}

impl Client {
    /// Builds the connection pool; nothing is sent yet. Proxies of the environment are not used: gateways are
    /// near, and the key is meant for them alone.
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| ClientError::of_request(&endpoint.url, &error))?;
        Ok(Self { http, url: endpoint.url, key: endpoint.key })
    }

    /// The gateway that is asked.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The models that can be asked.
    pub async fn models(&self) -> Result<Vec<ModelInfo>, ClientError> {
        let list: ModelList = self.get("v1/models").await?;
        Ok(list.data)
    }

    /// What the gateway tells an admin about itself.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("admin/status").await
    }

    /// Asks and returns as soon as the turn is accepted.
    pub async fn chat_stream(&self, request: &ChatRequest) -> Result<ChatStream, ClientError> {
        let stream_options = StreamOptions { include_usage: true };
        let body = StreamedRequest { request, stream: true, stream_options };
        let response = self.send(self.request(Method::POST, "v1/chat/completions").json(&body)).await?;
        Ok(ChatStream::new(self.url.clone(), response))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(self.request(Method::GET, path).timeout(ANSWER_TIMEOUT)).await?;
        let bytes = self.read(response).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::Protocol { url: shown(&self.url), message: error.to_string() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(path);
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success becomes an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let sent = request.send().await;
        let response = sent.map_err(|error| ClientError::of_request(&self.url, &error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn refusal(&self, response: Response) -> ClientError {
        #[derive(Deserialize)]
        struct Refusal {
            error: WireError,
        }
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|text| text.parse().ok());
        let body = match self.read(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let refusal = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
        let message =
            refusal.as_ref().map_or_else(|_| format!("status {status}"), |error| error.message.clone());
        match (status, refusal) {
            (StatusCode::UNAUTHORIZED, _) => ClientError::Unauthorized { url: shown(&self.url), message },
            (_, Ok(error)) => {
                ClientError::Api { status: status.as_u16(), code: error.code(), message, retry_after_s }
            }
            (_, Err(_)) => ClientError::Protocol { url: shown(&self.url), message },
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| ClientError::of_body(&self.url, &error))?
        {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                let message = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(ClientError::Protocol { url: shown(&self.url), message });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
