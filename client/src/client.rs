//! The requests: models, status, chat; those of an admin stand in `admin`. One connection pool and no retries of
//! what a gateway may have seen; whoever asks decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
use crate::{ChatRequest, ChatStream, ClientError, Endpoint, Gateway, ModelInfo, reach, trust};

/// Loopback and LAN answer in milliseconds; a far gateway within a second or two.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Lists and status come from memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that is no stream: thousands of models or replicas.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// No index: the next request finds out which gateway answers.
const NONE_YET: usize = usize::MAX;

/// A cluster, ready to be asked at one of its gateways. Cheap to clone; the clones ask the same gateway.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    gateways: Arc<[Gateway]>,
    /// Index of the gateway that answered, or [`NONE_YET`].
    chosen: Arc<AtomicUsize>,
    /// Index of the gateway that let its client down last and is tried last, or [`NONE_YET`].
    shunned: Arc<AtomicUsize>,
    /// Some gateway said something.
    heard: Arc<AtomicBool>,
}

impl Client {
    /// Builds the connection pool; nothing is sent yet. Proxies of the environment are not used: gateways are
    /// near, and the key is meant for them alone.
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let Endpoint { gateways, authority } = endpoint;
        let first = gateways.first().ok_or(ClientError::NoGateway)?;
        let is_encrypted = gateways.iter().any(|gateway| gateway.url.scheme() == "https");
        let trusted = if is_encrypted { authority } else { None };
        let http = trust::pool(is_encrypted, trusted.as_deref(), &first.url, || {
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none()).no_proxy()
        })?;
        let [chosen, shunned] = [(); 2].map(|()| Arc::new(AtomicUsize::new(NONE_YET)));
        Ok(Self { http, gateways: gateways.into(), chosen, shunned, heard: Arc::default() })
    }

    /// The gateway that is asked; while none was, the one that is tried first.
    pub fn url(&self) -> &Url {
        let index = self.chosen.load(Ordering::Relaxed);
        &self.gateways.get(index).unwrap_or(&self.gateways[0]).url
    }

    /// The models that can be asked.
    pub async fn models(&self) -> Result<Vec<ModelInfo>, ClientError> {
        let list: ModelList = self.get(&["v1", "models"]).await?;
        Ok(list.data)
    }

    /// What the gateway tells an admin about itself.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(&["admin", "status"]).await
    }

    /// Asks and returns as soon as the turn is accepted.
    pub async fn chat_stream(&self, request: &ChatRequest) -> Result<ChatStream, ClientError> {
        let stream_options = StreamOptions { include_usage: true };
        let body = StreamedRequest { request, stream: true, stream_options };
        let path = ["v1", "chat", "completions"];
        let response = self.send(Method::POST, &path, |request| request.json(&body)).await?;
        Ok(ChatStream::new(self.url().clone(), response))
    }

    /// Asks for something that is told in JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.fetch(Method::GET, path, |request| request).await
    }

    /// Asks with what `fill` adds to the request, and reads the JSON of the answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.send(method, path, |request| fill(request).timeout(ANSWER_TIMEOUT)).await?;
        self.decode(response, ANSWER_BYTES_MAX).await
    }

    /// Reads the JSON of an answer of at most `bytes_max` bytes.
    pub(crate) async fn decode<T: DeserializeOwned>(
        &self,
        response: Response,
        bytes_max: usize,
    ) -> Result<T, ClientError> {
        let bytes = self.read(response, bytes_max).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(error.to_string()))
    }

    /// What answers is no gateway, or one that speaks otherwise.
    pub(crate) fn broken(&self, message: String) -> ClientError {
        ClientError::Protocol { url: shown(self.url()), message }
    }

    /// Asks for something whose answer is only that it was done.
    pub(crate) async fn tell(
        &self,
        method: Method,
        path: &[&str],
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<(), ClientError> {
        self.send(method, path, |request| fill(request).timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    /// Sends a request; an answer that is no success becomes an error. A gateway that takes no connection any more
    /// has seen nothing of the request, so another one may get it.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &[&str],
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, ClientError> {
        let was_chosen = self.chosen.load(Ordering::Relaxed) != NONE_YET;
        let mut sent = fill(self.request(&method, path).await?).send().await;
        if sent.as_ref().is_err_and(reqwest::Error::is_connect) && self.gateways.len() > 1 {
            self.chosen.store(NONE_YET, Ordering::Relaxed);
            if was_chosen {
                sent = fill(self.request(&method, path).await?).send().await;
            }
        }
        let response = sent.map_err(|error| ClientError::of_request(self.url(), &error))?;
        self.heard.store(true, Ordering::Relaxed);
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn request(&self, method: &Method, path: &[&str]) -> Result<RequestBuilder, ClientError> {
        let gateway = self.gateway().await?;
        let mut url = gateway.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        let request = self.http.request(method.clone(), url);
        Ok(match &gateway.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        })
    }

    /// Whether it makes sense to try again after this error: not where no gateway ever was.
    pub(crate) fn may_return(&self, error: &ClientError) -> bool {
        !error.is_nobody() || self.heard.load(Ordering::Relaxed)
    }

    /// The gateway that was asked let its client down: the next request tries the others first.
    pub(crate) fn look_elsewhere(&self) {
        let index = self.chosen.swap(NONE_YET, Ordering::Relaxed);
        if index != NONE_YET {
            self.shunned.store(index, Ordering::Relaxed);
        }
    }

    async fn gateway(&self) -> Result<&Gateway, ClientError> {
        if let Some(gateway) = self.gateways.get(self.chosen.load(Ordering::Relaxed)) {
            return Ok(gateway);
        }
        let index = reach::first(&self.gateways, self.shunned.load(Ordering::Relaxed)).await?;
        self.chosen.store(index, Ordering::Relaxed);
        Ok(&self.gateways[index])
    }

    async fn refusal(&self, response: Response) -> ClientError {
        #[derive(Deserialize)]
        struct Refusal {
            error: WireError,
        }
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|text| text.parse().ok());
        let body = match self.read(response, ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let refusal = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
        let message =
            refusal.as_ref().map_or_else(|_| format!("status {status}"), |error| error.message.clone());
        match (status, refusal) {
            (StatusCode::UNAUTHORIZED, _) => ClientError::Unauthorized { url: shown(self.url()), message },
            (_, Ok(error)) => {
                ClientError::Api { status: status.as_u16(), code: error.code(), message, retry_after_s }
            }
            (_, Err(_)) => ClientError::Protocol { url: shown(self.url()), message },
        }
    }

    /// The body of an answer of at most `bytes_max` bytes.
    pub(crate) async fn read(
        &self,
        mut response: Response,
        bytes_max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| ClientError::of_body(self.url(), &error))?
        {
            if bytes.len() + chunk.len() > bytes_max {
                return Err(self.broken(format!("the answer is longer than {bytes_max} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
