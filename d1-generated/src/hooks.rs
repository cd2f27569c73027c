//! What a call adds to its request, and what it keeps of its answer.
//!
//! progenitor turns an answer into a type and drops the rest: the status of an error without a JSON
//! body, for one. [`CallContext`] rides along with each call, so that whoever makes the call gets at
//! the whole [`Answer`], whatever the generated code makes of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::ResponseBuilderExt as _;
use zeroize::Zeroizing;

use crate::generated::Client;

/// What one call adds to its request, and where its answer is kept.
///
/// Make one for each call. Clones share the answer.
#[derive(Clone)]
pub struct CallContext(Arc<Shared>);

struct Shared {
    additions: Additions,
    answer: Mutex<Option<Answer>>,
}

/// What is added to a request.
#[derive(Default)]
pub struct Additions {
    /// The value of the `Authorization` header. It is marked sensitive before it is used.
    pub authorization: Option<HeaderValue>,
    /// Headers beyond those of the spec.
    pub headers: HeaderMap,
    /// Query parameters beyond those of the spec.
    pub query: Vec<(String, String)>,
    /// How long the request may take, from the first byte sent to the last one received.
    pub timeout: Option<Duration>,
    /// The longest answer that is read, in bytes.
    pub body_limit: usize,
    /// Removes from the answer what must not be kept of it, before anything reads it.
    pub redact: Option<Redact>,
}

/// Changes an answer before anything reads it.
pub type Redact = Arc<dyn Fn(&mut Answer) + Send + Sync>;

/// An HTTP answer as it came.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// Whether it came from another address than the one that was asked: a redirect was followed.
    pub redirected: bool,
    /// The body, or why it could not be read. The memory of it is zeroized with its last clone.
    pub body: Result<Bytes, BodyFault>,
}

/// Why the body of an answer could not be read.
#[derive(Debug)]
pub enum BodyFault {
    /// It is longer than [`Additions::body_limit`], or says so.
    TooLarge,
    /// The connection failed while it was read.
    Transport(reqwest::Error),
}

impl CallContext {
    /// A context for one call.
    #[must_use]
    pub fn new(additions: Additions) -> Self {
        Self(Arc::new(Shared {
            additions,
            answer: Mutex::default(),
        }))
    }

    /// Takes the answer, where there was one.
    #[must_use]
    pub fn take_answer(&self) -> Option<Answer> {
        self.0
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn keep(&self, answer: Answer) {
        let kept = self.0.answer.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and answers hold tokens and whatever a server sends.
        f.debug_struct("CallContext").finish_non_exhaustive()
    }
}

impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Additions")
            .field("timeout", &self.timeout)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl ClientHooks<CallContext> for Client {
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _info: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let additions = &self.inner().0.additions;
        if !additions.query.is_empty() {
            request
                .url_mut()
                .query_pairs_mut()
                .extend_pairs(additions.query.iter());
        }
        let headers = request.headers_mut();
        for (name, value) in &additions.headers {
            headers.append(name, value.clone());
        }
        // Last, so that nothing above can stand in its place.
        match additions.authorization.clone() {
            Some(mut value) => {
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            None => {
                headers.remove(header::AUTHORIZATION);
            }
        }
        *request.timeout_mut() = additions.timeout;
        Ok(())
    }

    async fn exec(
        &self,
        request: reqwest::Request,
        _info: &OperationInfo,
    ) -> reqwest::Result<reqwest::Response> {
        let context = self.inner();
        let asked = request.url().clone();
        let mut response = self.client().execute(request).await?;
        let status = response.status();
        let redirected = *response.url() != asked;
        let headers = std::mem::take(response.headers_mut());
        let body = read(&mut response, context.0.additions.body_limit).await;

        let mut answer = Answer {
            status,
            headers,
            redirected,
            body,
        };
        if let Some(redact) = &context.0.additions.redact {
            redact(&mut answer);
        }
        let body = answer.body.as_ref().ok();
        let kept = body.filter(|body| !body.is_empty()).cloned();
        context.keep(answer);
        // What is read to its end is as good as an answer without a body.
        Ok(kept.map_or(response, |body| replay(status, asked, body)))
    }
}

/// The answer once more, for the generated code to read.
fn replay(status: StatusCode, url: reqwest::Url, body: Bytes) -> reqwest::Response {
    // Without an address of its own, one would be parsed for it.
    let mut replay = match http::Response::builder().url(url).body(body.clone()) {
        Ok(replay) => replay,
        Err(_) => http::Response::new(body),
    };
    *replay.status_mut() = status;
    replay.into()
}

/// How much memory is taken on a server's word alone.
const LARGEST_AT_ONCE: usize = 1024 * 1024;

/// Reads a body of at most `limit` bytes.
async fn read(response: &mut reqwest::Response, limit: usize) -> Result<Bytes, BodyFault> {
    let claimed = response.content_length().unwrap_or(0);
    if usize::try_from(claimed).map_or(true, |length| length > limit) {
        return Err(BodyFault::TooLarge);
    }
    // A vector that outgrows its memory leaves a copy behind, so it starts at its full size where
    // the server says what that is, and old copies are wiped where it does not.
    let claimed = usize::try_from(claimed).unwrap_or(0).min(LARGEST_AT_ONCE);
    let mut body = Zeroizing::new(Vec::with_capacity(claimed));
    while let Some(chunk) = response.chunk().await.map_err(BodyFault::Transport)? {
        let length = body.len() + chunk.len();
        if length > limit {
            return Err(BodyFault::TooLarge);
        }
        if length > body.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity((length * 2).min(limit)));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
    match body.is_empty() {
        true => Ok(Bytes::new()),
        false => Ok(Bytes::from_owner(body)),
    }
}
