//! What a call adds to its request, and who sends it.
//!
//! progenitor makes the requests of the spec and reads the responses that the spec describes. D1's real responses may
//! differ: an error without a JSON body, a page of a firewall. So [`CallContext`] goes with each call: it adds what
//! the spec does not know, and can send the request itself and keep the whole response.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::ResponseBuilderExt as _;

use crate::generated::{Client, types};

/// Sends a request and keeps its response.
pub type SendRequest = Box<dyn Fn(reqwest::Request) -> Sending + Send + Sync>;

/// The future of a [`SendRequest`].
pub type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What one call adds to its request, and who sends it. Make one for each call.
#[derive(Clone, Default)]
pub struct CallContext(Arc<RequestOverrides>);

/// What one call adds to its request, and who sends it.
#[derive(Default)]
pub struct RequestOverrides {
    /// The value of the `Authorization` header. It is marked sensitive before it is used.
    pub authorization: Option<HeaderValue>,
    /// Headers beyond those of the spec.
    pub headers: HeaderMap,
    /// Query parameters beyond those of the spec.
    pub query: Vec<(String, String)>,
    /// Sends the request in place of the client's `reqwest::Client`. The generated client then reads an empty
    /// response, and what it makes of it means nothing.
    pub send: Option<SendRequest>,
}

impl CallContext {
    /// Makes the context of one call.
    #[must_use]
    pub fn new(overrides: RequestOverrides) -> Self {
        Self(Arc::new(overrides))
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers hold a token.
        f.debug_struct("CallContext").finish_non_exhaustive()
    }
}

impl Client {
    /// Sends a request that the spec does not have, with all that the context adds to it. `path` begins with a slash and
    /// is percent-encoded.
    pub async fn send_raw(
        &self,
        method: &str,
        path: &str,
        correlation_id: &types::CardCorrelationId,
        body: Option<&serde_json::Value>,
    ) -> Result<(), Error<types::ErrorBody>> {
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| Error::InvalidRequest("no method of HTTP".to_owned()))?;
        let request = self
            .client()
            .request(method, format!("{}{path}", self.baseurl()))
            .header(header::ACCEPT, "application/json")
            .header("x-correlation-id", correlation_id.as_str());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let info = OperationInfo {
            operation_id: "raw",
        };
        let mut request = request.build()?;
        self.pre::<types::ErrorBody>(&mut request, &info).await?;
        self.exec(request, &info).await?;
        Ok(())
    }
}

impl ClientHooks<CallContext> for Client {
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _info: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let overrides = &self.inner().0;
        if !overrides.query.is_empty() {
            request
                .url_mut()
                .query_pairs_mut()
                .extend_pairs(overrides.query.iter());
        }
        let headers = request.headers_mut();
        for (name, value) in &overrides.headers {
            headers.append(name, value.clone());
        }
        // Last, so that nothing above can stand in its place.
        match overrides.authorization.clone() {
            Some(mut value) => {
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            None => {
                headers.remove(header::AUTHORIZATION);
            }
        }
        Ok(())
    }

    async fn exec(
        &self,
        request: reqwest::Request,
        _info: &OperationInfo,
    ) -> reqwest::Result<reqwest::Response> {
        match &self.inner().0.send {
            Some(send) => {
                // Without an address of its own, the response would have one parsed for it.
                let url = request.url().clone();
                send(request).await;
                let empty = http::Response::builder().url(url).body(Bytes::new());
                Ok(empty.unwrap_or_default().into())
            }
            None => self.client().execute(request).await,
        }
    }
}
