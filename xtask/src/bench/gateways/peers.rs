//! The gateways of others, each with the configuration that serves one upstream with streams.

pub(super) mod litellm;
pub(super) mod proxies;
pub(super) mod routers;
