//! Exchanges an assertion for an access token at D1's token endpoint.
//!
//! This module decides when a second assertion is sent by D1's clock, and what of a response must be there to be a
//! token.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use d1_generated::{constants, types};
use d1_transport::Claim;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::assertion::AssertionPolicy;
use super::signer::CurrentSigner;
use super::token::{AccessToken, LONGEST_LIFETIME, TokenSource};
use crate::call::{
    ApiCall, CompleteResponse, Dispatched, RequestParts, Transport, dispatched, telemetry,
};
use crate::error::{Error, ErrorKind, Fault, InvalidInput, Outcome, ResponseFault};
use crate::json;
use crate::redact::{Redactor, Secret, mask};
use crate::values::{ApiOperation, CorrelationId};

/// By how many seconds D1's clock must differ from what was assumed for a second assertion to be sent.
const NEW_OFFSET: u64 = 60;

/// The client's own [`TokenSource`]: signs an assertion and exchanges it for a token, over the client's
/// connections.
///
/// Each [`fetch`](TokenSource::fetch) is one exchange (`POST /authz/v1/oauth2/token`). Where D1 refuses an assertion and
/// its clock differs from this machine's, a second assertion is signed by D1's clock. An exchange takes as long as the
/// client's [`timeout`](crate::ClientBuilder::timeout) at most, with the time that the signatures take.
///
/// [`ClientBuilder::wrap_token_source`](crate::ClientBuilder::wrap_token_source) passes it to a source of your own, and
/// has an example.
pub struct TokenExchange {
    transport: Arc<Transport>,
    headers: HeaderMap,
    /// The issuer id, or the aggregator id.
    subject: String,
    policy: AssertionPolicy,
    signer: CurrentSigner,
    /// How many seconds this machine's clock is ahead of D1's, as far as D1 has shown.
    clock_offset: AtomicI64,
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("host", &self.transport.base_url())
            .field("signer", &self.signer.get())
            .finish_non_exhaustive()
    }
}

impl TokenSource for TokenExchange {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        // The exchange serves many calls, so it has a correlation id of its own.
        let correlation_id = CorrelationId::random();
        let operation = ApiOperation::GetToken;
        let span = telemetry::span(operation, self.transport.host(), &correlation_id);
        let result = self
            .send_by_d1s_clock(&correlation_id)
            .instrument(span.clone())
            .await;
        match &result {
            Ok(token) => {
                let seconds = token.lifetime().as_secs();
                span.in_scope(|| tracing::debug!("the token is valid for {seconds} s"));
                telemetry::record(&span, Some(200), 1, None);
            }
            Err(e) => telemetry::record(&span, e.status(), e.attempts(), Some(e)),
        }
        result
    }
}

impl TokenExchange {
    pub(crate) fn new(
        transport: Arc<Transport>,
        headers: HeaderMap,
        subject: String,
        policy: AssertionPolicy,
        signer: CurrentSigner,
    ) -> Self {
        Self {
            transport,
            headers,
            subject,
            policy,
            signer,
            clock_offset: AtomicI64::new(0),
        }
    }

    /// Sends an assertion; if D1 refuses it and its clock is not what was assumed, sends another by D1's
    /// clock. The difference is kept until D1 refuses an assertion again: this machine's clock may be corrected.
    async fn send_by_d1s_clock(&self, id: &CorrelationId) -> Result<AccessToken, Error> {
        let of_exchange = |e: Error, sent| e.of_token_exchange(id, sent);
        let deadline = Instant::now() + self.transport.timeout();
        let error = match self.send(id, deadline).await {
            Ok(token) => return Ok(token),
            Err(error) => of_exchange(error, 1),
        };
        let refused = matches!(error.status(), Some(400 | 401));
        let Some(measured) = error.measured_clock_offset().filter(|_| refused) else {
            return Err(error);
        };
        let assumed = self.clock_offset.swap(measured, Ordering::Relaxed);
        if assumed.abs_diff(measured) <= NEW_OFFSET {
            return Err(error);
        }
        tracing::warn!(
            offset = measured,
            "this machine's clock is not what it was to D1's; an assertion by D1's"
        );
        #[cfg(feature = "metrics")]
        self.transport.count_retry(ApiOperation::GetToken);
        self.send(id, deadline).await.map_err(|e| of_exchange(e, 2))
    }

    /// Returns the time by D1's clock, as far as it is known, in seconds since 1970.
    fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let offset = self.clock_offset.load(Ordering::Relaxed);
        let now = now.unwrap_or_default().as_secs();
        now.saturating_add_signed(offset.saturating_neg())
    }

    /// Sends one assertion, which is signed before the deadline, and reads the token of the response.
    async fn send(
        &self,
        correlation_id: &CorrelationId,
        deadline: Instant,
    ) -> Result<AccessToken, Error> {
        let (host, signer) = (self.transport.base_url(), self.signer.get());
        let signed = self.policy.sign(&signer, &self.subject, host, self.now());
        let assertion = timeout_at(deadline, signed).await.unwrap_or_else(|_| {
            let late = Error::new(ApiOperation::GetToken, ErrorKind::Timeout, Outcome::NotSent);
            Err(late.with_fault(Fault::SIGNER_TOO_LATE))
        })?;
        let call = GetToken {
            body: types::TokenRequest {
                assertion: assertion.to_string(),
                grant_type: constants::TOKEN_REQUEST_GRANT_TYPE_DEFAULT.to_owned(),
            },
        };
        let parts = RequestParts {
            authorization: None,
            headers: self.headers.clone(),
            query: Vec::new(),
            deadline,
            floor: Duration::ZERO,
            secrets: call.secrets(),
            claim: Claim::new(),
        };
        let ended = self.transport.exchange(&call, correlation_id, parts).await;
        if self.transport.is_dry_run() {
            return dry_run_token();
        }
        let response = ended?;
        access_token(response.status(), response.into_body())
    }
}

/// The token source of a dry run whose client has one of its own: nothing is asked for a token.
pub(super) struct NoTokens;

impl TokenSource for NoTokens {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        dry_run_token()
    }
}

/// Makes the token with which the calls of a dry run are prepared. D1 does not accept it.
fn dry_run_token() -> Result<AccessToken, Error> {
    AccessToken::new("dry-run", LONGEST_LIFETIME).map_err(Error::token_unavailable)
}

/// How long a token is used where the response has no lifetime that is a number above zero. D1 refuses a token that
/// ends earlier (401), and the client then obtains another one.
const UNSTATED_LIFETIME: Duration = Duration::from_secs(60);

/// Reads the response of the token endpoint. Only the token itself must be there.
pub(crate) fn access_token(
    status: StatusCode,
    response: Map<String, Value>,
) -> Result<AccessToken, Error> {
    let kind = ErrorKind::TokenUnavailable;
    let unreadable = || {
        Error::new(ApiOperation::GetToken, kind, Outcome::NotSent)
            .with_status(status)
            .with_fault(Fault::NO_TOKEN)
    };
    let (response, misfits) = json::read(response).ok_or_else(unreadable)?;
    let types::TokenResponse {
        access_token,
        expires_in,
        scope,
        token_type: _, // Bearer, whatever it says.
        extra: _,
    } = response;
    // Not `unwrap_or_default`: a response without a token must not become an empty token.
    let secret = access_token.ok_or_else(unreadable)?;
    AccessToken::new(secret, lifetime(expires_in))
        .map(|token| {
            // A server that repeats the token in its scope must not get it shown.
            let mut redactor = Redactor::default();
            redactor.hold(token.secret());
            let shown = |scope| mask(&redactor.clean_text(scope)).into_owned();
            token.with_scope(scope.or_else(|| scopes(misfits)).map(shown))
        })
        .map_err(|e| unreadable().with_source(e))
}

/// Returns the lifetime of a token that was stated in seconds.
fn lifetime(expires_in: Option<f64>) -> Duration {
    // The cast rounds down, and makes zero of what is negative or no number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    match expires_in.unwrap_or_default() as u64 {
        0 => UNSTATED_LIFETIME,
        seconds => Duration::from_secs(seconds).min(LONGEST_LIFETIME),
    }
}

/// Returns the scopes of a response that has a list of them.
fn scopes(mut misfits: Map<String, Value>) -> Option<String> {
    let Some(Value::Array(scopes)) = misfits.remove("scope") else {
        return None;
    };
    let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

/// The exchange as the generated client sends it. The assertion is wiped when it is dropped.
struct GetToken {
    body: types::TokenRequest,
}

impl Drop for GetToken {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.body.assertion);
    }
}

impl ApiCall for GetToken {
    type Value = Map<String, Value>;

    fn operation(&self) -> ApiOperation {
        ApiOperation::GetToken
    }

    fn secrets(&self) -> Redactor {
        let mut redactor = Redactor::default();
        redactor.hold(Secret::new(self.body.assertion.as_str()));
        redactor
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Result<Dispatched<'a>, InvalidInput> {
        // A random correlation id is valid here too; should it not be, the call goes without.
        let id = correlation_id.as_str().parse().ok();
        Ok(dispatched(async move {
            client.get_token(id.as_ref(), &self.body).await
        }))
    }

    fn read(&self, response: &CompleteResponse<'_>) -> Result<Self::Value, ResponseFault> {
        response.json_object()
    }
}
