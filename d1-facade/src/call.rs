//! Makes one call: validate what the caller added, wait for a token, send, and once more if D1
//! refuses the token.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use d1_transport::{Claim, Written};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::api_operation::ApiOperation;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Outcome};
use crate::http_client::LONGEST_TIMEOUT;
use crate::limiter::{Limiter, Permit};
use crate::options::{CallOptions, check_query, extra_headers};
use crate::redact::{Redactor, mask_id};
use crate::response::Response;
use crate::retry::{self, Attempt};
use crate::telemetry;
use crate::text::{CardId, CorrelationId};
use crate::transport::{ApiCall, Sending};

/// How much of a call's time must be left when a change is sent again, or gets a stream of an HTTP/2 connection after
/// waiting for one: with less, it would most likely end with an unknown outcome. At most a quarter of the whole.
const SEND_FLOOR: Duration = Duration::from_secs(1);

/// What all sendings of one call of the service have in common, even where it becomes two requests.
pub(crate) struct Progress {
    correlation_id: CorrelationId,
    deadline: Instant,
    send_floor: Duration,
    /// How often a request went out.
    sent: u32,
    first_sent_at: Option<Instant>,
    /// The outcome of the change by the attempts that have ended.
    earlier: Outcome,
    /// The claim to the body of the request that is under way.
    under_way: Option<Claim>,
    /// The change that is reported where its future is dropped.
    watched: Option<(ApiOperation, CardId)>,
}

impl Progress {
    pub(crate) fn begin(core: &Core, options: &CallOptions) -> Self {
        let timeout = options.timeout.unwrap_or(core.transport.timeout());
        let timeout = timeout.min(LONGEST_TIMEOUT);
        Self {
            correlation_id: options
                .correlation_id
                .clone()
                .unwrap_or_else(CorrelationId::random),
            deadline: Instant::now() + timeout,
            send_floor: SEND_FLOOR.min(timeout / 4),
            sent: 0,
            first_sent_at: None,
            earlier: Outcome::NotSent,
            under_way: None,
            watched: None,
        }
    }

    /// Begins a change of `card`. Where its future is dropped before [`end`](Self::end), a warning is logged.
    pub(crate) fn begin_change(
        core: &Core,
        options: &CallOptions,
        operation: ApiOperation,
        card: &CardId,
    ) -> Self {
        let mut progress = Self::begin(core, options);
        progress.watched = Some((operation, card.clone()));
        progress
    }

    /// Ends a change: its caller gets its result.
    pub(crate) fn end(&mut self) {
        self.watched = None;
    }

    /// Returns the outcome of the change if nothing more is done. A request that was not written yet never will be.
    fn give_up(&mut self) -> Outcome {
        match self.under_way.take().map(|claim| claim.withdraw()) {
            Some(Written::Maybe) => Outcome::Unknown,
            Some(Written::No) | None => self.earlier,
        }
    }

    /// When the first request went out.
    pub(crate) fn first_sent_at(&self) -> Instant {
        self.first_sent_at.unwrap_or_else(Instant::now)
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some((operation, card)) = self.watched.take() else {
            return;
        };
        let outcome = self.give_up();
        tracing::warn!(
            d1.operation = operation.operation_id(),
            d1.card = %mask_id(card.as_str()),
            d1.correlation_id = self.correlation_id.as_str(),
            %outcome,
            "the future of a change was dropped before it ended",
        );
    }
}

/// Makes `call`, in a span of its own.
pub(crate) async fn make<C: ApiCall>(
    core: &Core,
    call: &C,
    options: &CallOptions,
) -> Result<Response<C::Value>, Error> {
    make_in(core, call, options, &mut Progress::begin(core, options)).await
}

/// Makes `call` as one more request of the call of the service that `progress` is about.
pub(crate) async fn make_in<C: ApiCall>(
    core: &Core,
    call: &C,
    options: &CallOptions,
    progress: &mut Progress,
) -> Result<Response<C::Value>, Error> {
    let host = core.transport.host();
    let span = telemetry::span(call.operation(), host, &progress.correlation_id);
    let result = {
        // Pinned first: a span that is put around the future itself moves all of it once more.
        let sending = pin!(until_cancelled(core, call, options, progress));
        sending.instrument(span.clone()).await
    };
    let result = result.map_err(|e| e.with_call(&progress.correlation_id, progress.sent));
    match &result {
        Ok(response) => {
            let status = response.http_status();
            telemetry::record(&span, Some(status), response.attempts(), None);
        }
        Err(e) => telemetry::record(&span, e.status(), e.attempts(), Some(e)),
    }
    result
}

/// Makes `call` until the caller's signal cancels it.
async fn until_cancelled<C: ApiCall>(
    core: &Core,
    call: &C,
    options: &CallOptions,
    progress: &mut Progress,
) -> Result<Response<C::Value>, Error> {
    let Some(signal) = options.cancel_on.clone() else {
        return attempt(core, call, options, progress).await;
    };
    // Where the signal came before the call, nothing is sent.
    if signal.clone().now_or_never().is_none() {
        let attempt = pin!(attempt(core, call, options, progress));
        if let Either::Left((result, _)) = select(attempt, signal).await {
            return result;
        }
    }
    let outcome = progress.give_up();
    Err(Error::new(call.operation(), ErrorKind::Cancelled, outcome))
}

async fn attempt<C: ApiCall>(
    core: &Core,
    call: &C,
    options: &CallOptions,
    progress: &mut Progress,
) -> Result<Response<C::Value>, Error> {
    let operation = call.operation();
    let invalid = |e| Error::invalid_input_of(operation, e);
    let headers = extra_headers(&options.headers).map_err(invalid)?;
    check_query(&options.query).map_err(invalid)?;
    let policy = options.retry.as_ref().unwrap_or(&core.retry);
    progress.earlier = Outcome::NotSent;
    let mut sender = Sender {
        core,
        call,
        headers,
        query: &options.query,
        limiters: &options.limiters,
        redactor: call.secrets(),
        progress,
    };
    let mut token_was_refused = false;
    let mut failures = 0;
    loop {
        let (error, another_token) = match sender.send_once().await {
            Ok(answer) => return Ok(answer),
            Err(failed) => {
                let earlier = sender.progress.earlier;
                (failed.error.after(operation, earlier), failed.another_token)
            }
        };
        if operation.changes_card() {
            sender.progress.earlier = error.outcome();
        }
        sender.progress.under_way = None;
        // D1 refused the token, so it did nothing: another token may do.
        if another_token && !token_was_refused {
            token_was_refused = true;
            tracing::debug!("the access token was refused; once more with a new one");
            continue;
        }
        failures += 1;
        let repeat = options.repeat_if_unknown;
        if !retry::is_harmless(&error, operation.changes_card(), repeat) {
            return Err(error);
        }
        match policy.pause(&Attempt::new(&error, failures)) {
            Some(pause) if pause < sender.time_to_send() => {
                tracing::debug!(error.kind = %error.kind(), ?pause, "the call is made again");
                tokio::time::sleep(pause).await;
            }
            _ => return Err(error),
        }
    }
}

/// A request with everything that its attempts have in common.
struct Sender<'a, C> {
    core: &'a Core,
    call: &'a C,
    headers: HeaderMap,
    query: &'a [(String, String)],
    limiters: &'a [Arc<dyn Limiter>],
    /// What the attempts so far have sent: a refused token is one that a later answer may hold.
    redactor: Redactor,
    progress: &'a mut Progress,
}

/// An attempt that failed.
struct Failed {
    error: Error,
    /// Whether D1 refused the token, and another one may do.
    another_token: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            error,
            another_token: false,
        }
    }
}

impl<C: ApiCall> Sender<'_, C> {
    /// How much time must be left for the call to be sent.
    fn floor(&self) -> Duration {
        match self.call.operation().changes_card() {
            true => self.progress.send_floor,
            false => Duration::ZERO,
        }
    }

    /// Returns the time that is left before the call can no longer be sent.
    fn time_to_send(&self) -> Duration {
        // Nothing but the first sending itself waits before it.
        let floor = match self.progress.sent {
            0 => Duration::ZERO,
            _ => self.floor(),
        };
        self.progress.remaining().saturating_sub(floor)
    }

    /// Sends the call when its limiters permit it, and reports to them how it went.
    async fn send_once(&mut self) -> Result<Response<C::Value>, Failed> {
        let permits = self.acquire().await?;
        let result = self.send_with_token().await;
        for permit in permits {
            match &result {
                Ok(_) => permit.succeeded(self.call.operation()),
                Err(failed) => permit.failed(&failed.error),
            }
        }
        result
    }

    /// Waits for a permit of each limiter: those of the call, then those of the client, which others wait for as well.
    async fn acquire(&self) -> Result<Vec<Box<dyn Permit>>, Error> {
        let mut permits = Vec::new();
        for limiter in self.limiters.iter().chain(&self.core.limiters) {
            let permit = timeout_at(self.progress.deadline, limiter.acquire()).await;
            permits.push(permit.map_err(|_| self.out_of_time())?);
        }
        Ok(permits)
    }

    fn out_of_time(&self) -> Error {
        Error::new(self.call.operation(), ErrorKind::Timeout, Outcome::NotSent)
    }

    /// Waits for a token and sends the call; a token that is refused is forgotten.
    async fn send_with_token(&mut self) -> Result<Response<C::Value>, Failed> {
        let inner = self.core;
        let token = match inner.tokens.fresh() {
            Some(token) => token,
            None => {
                let token = inner.tokens.get(self.progress.remaining());
                let token = timeout_at(self.progress.deadline, token).await;
                token.map_err(|_| self.out_of_time())??
            }
        };
        if self.time_to_send().is_zero() {
            return Err(self.out_of_time().into());
        }
        self.redactor.hold(token.token().secret());
        let claim = Claim::new();
        let sending = Sending {
            authorization: Some(token.token().authorization()),
            headers: self.headers.clone(),
            query: self.query.to_vec(),
            deadline: self.progress.deadline,
            floor: self.floor(),
            secrets: self.redactor.clone(),
            claim: claim.clone(),
        };
        self.progress.sent += 1;
        self.progress.under_way = Some(claim);
        self.progress.first_sent_at.get_or_insert_with(Instant::now);
        let id = &self.progress.correlation_id;
        let result = inner.transport.send(self.call, id, sending).await;
        match result {
            Ok(http) => Ok(Response::new(http, id.clone(), self.progress.sent)),
            Err(error) => Err(Failed {
                another_token: error.kind() == ErrorKind::TokenRejected
                    && inner.tokens.invalidate(&token),
                error,
            }),
        }
    }
}
