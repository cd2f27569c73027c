//! The life of a call, from top to bottom: validate, token, limiter, send, classify, send again?, report.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use http::HeaderMap;
use tokio::time::{sleep, timeout_at};
use tracing::{Instrument as _, Span};

use super::core::Core;
use super::decide::{Effect, Evidence, History, Next};
use super::limiter::Permit;
use super::options::{CallOptions, check_query, extra_headers};
use super::progress::Progress;
use super::telemetry;
use super::transport::{ApiCall, Failed, RequestParts};
use crate::auth::CachedToken;
use crate::error::{Error, ErrorKind};
use crate::redact::Redactor;
use crate::response::Response;

/// Runs a call that consists of a single run.
pub(crate) async fn run_once<C: ApiCall>(
    core: &Core,
    call: &C,
    options: &CallOptions,
) -> Result<Response<C::Value>, Error> {
    let mut progress = Progress::begin(core, options);
    run(core, call, options, &mut progress).await
}

/// Runs `call` to its end, in a span of its own. Where it is not the first call for `progress`, it is one more of the
/// same call of the service.
pub(crate) async fn run<C: ApiCall>(
    core: &Core,
    call: &C,
    options: &CallOptions,
    progress: &mut Progress,
) -> Result<Response<C::Value>, Error> {
    let host = core.transport.host();
    let span = telemetry::span(call.operation(), host, &progress.correlation_id);
    let ended = {
        // Pinned first: a span that is put around the future itself moves all of it once more.
        let requests = pin!(async {
            let mut requests = Requests::validate(core, call, options, progress)?;
            loop {
                match requests.send_request().await {
                    Ok(response) => return Ok(response),
                    Err(failed) => requests.wait_to_send_again(failed).await?,
                }
            }
        });
        let ended = select(requests, options.cancelled());
        match ended.instrument(span.clone()).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(((), _)) => None,
        }
    };
    let result = ended.unwrap_or_else(|| Err(cancelled(call, progress)));
    report(&span, progress, result)
}

/// The requests of a call, with all that they have in common.
struct Requests<'a, C> {
    core: &'a Core,
    call: &'a C,
    headers: HeaderMap,
    options: &'a CallOptions,
    /// What the requests so far have sent: a refused token is one that a later response may hold.
    redactor: Redactor,
    progress: &'a mut Progress,
    /// How many requests have failed, without the one whose token was refused.
    failures: u32,
}

impl<'a, C: ApiCall> Requests<'a, C> {
    /// Checks what the caller has added to the call. A call that was cancelled before it began sends nothing.
    fn validate(
        core: &'a Core,
        call: &'a C,
        options: &'a CallOptions,
        progress: &'a mut Progress,
    ) -> Result<Self, Error> {
        let operation = call.operation();
        let invalid = |e| Error::invalid_input_of(operation, e);
        call.check().map_err(invalid)?;
        let headers = extra_headers(&options.headers).map_err(invalid)?;
        check_query(operation, &options.query).map_err(invalid)?;
        if options.is_cancelled() {
            return Err(cancelled(call, progress));
        }
        let effect = match operation.changes_card() {
            true => Effect::Changes,
            false => Effect::Reads,
        };
        progress.history = History::new(effect, options.retry_if_unknown);
        Ok(Self {
            core,
            call,
            headers,
            options,
            redactor: call.secrets(),
            progress,
            failures: 0,
        })
    }

    /// Sends one request when there is a token and its limiters permit it, and tells the limiters how it ended.
    async fn send_request(&mut self) -> Result<Response<C::Value>, Failed> {
        // Before the permits: requests that held theirs while they waited for the same token would go out at once.
        let token = self.obtain_token().await;
        let permits = self.acquire_permits().await?;
        // It may have been replaced since then. One that is used up at once is still the one for this request.
        let newer = (!permits.is_empty()).then(|| self.core.tokens.fresh());
        let token = newer.flatten().map_or(token, Ok);
        let result = async {
            let token = token?;
            let parts = self.parts(&token)?;
            let id = &self.progress.correlation_id;
            let ended = self.core.transport.exchange(self.call, id, parts).await;
            self.classify(ended, &token)
        }
        .await;
        match &result {
            Ok(_) => {
                let operation = self.call.operation();
                permits.into_iter().for_each(|p| p.succeeded(operation));
            }
            Err(failed) => permits.into_iter().for_each(|p| p.failed(&failed.error)),
        }
        result
    }

    /// Waits for a permit of each limiter: those of the call, then those of the client, which other calls want as well.
    async fn acquire_permits(&self) -> Result<Vec<Box<dyn Permit>>, Failed> {
        let mut permits = Vec::new();
        for limiter in self.options.limiters.iter().chain(&self.core.limiters) {
            match timeout_at(self.progress.deadline, limiter.acquire()).await {
                Ok(permit) => permits.push(permit),
                Err(_) => {
                    let failed = self.out_of_time();
                    permits.into_iter().for_each(|p| p.failed(&failed.error));
                    return Err(failed);
                }
            }
        }
        Ok(permits)
    }

    /// Waits for a token.
    async fn obtain_token(&self) -> Result<Arc<CachedToken>, Failed> {
        let tokens = &self.core.tokens;
        if let Some(token) = tokens.fresh() {
            return Ok(token);
        }
        let token = tokens.get(self.progress.remaining());
        let token = timeout_at(self.progress.deadline, token).await;
        let token = token.map_err(|_| self.out_of_time())?;
        token.map_err(|error| Failed::new(Evidence::NoToken, |_| error))
    }

    /// Returns what the next request adds to the call, unless there is too little time left for it.
    fn parts(&mut self, token: &CachedToken) -> Result<RequestParts, Failed> {
        let operation = self.call.operation();
        if self.progress.time_to_send(operation).is_zero() {
            return Err(self.out_of_time());
        }
        self.redactor.hold(token.token().secret());
        let claim = self.progress.begin_request();
        #[cfg(feature = "metrics")]
        if self.progress.sent > 1 {
            self.core.transport.count_retry(operation);
        }
        Ok(RequestParts {
            authorization: Some(token.token().authorization()),
            headers: self.headers.clone(),
            query: self.options.query.clone(),
            deadline: self.progress.deadline,
            floor: self.progress.floor(operation),
            secrets: self.redactor.clone(),
            claim,
        })
    }

    /// Says what the end of a request means for the call. A token that was refused is not used again.
    fn classify(
        &self,
        ended: Result<http::Response<C::Value>, Failed>,
        token: &Arc<CachedToken>,
    ) -> Result<Response<C::Value>, Failed> {
        match ended {
            Ok(http) => {
                let id = self.progress.correlation_id.clone();
                Ok(Response::new(http, id, self.progress.sent))
            }
            Err(mut failed) => {
                if let Evidence::TokenRefused { has_another } = &mut failed.evidence {
                    *has_another = self.core.tokens.invalidate(token);
                }
                Err(failed)
            }
        }
    }

    /// Decides whether the call is sent again, and waits until then. Where it is not, returns its error.
    async fn wait_to_send_again(&mut self, failed: Failed) -> Result<(), Error> {
        let operation = self.call.operation();
        let next = self.progress.request_failed(failed.evidence);
        let outcome = self.progress.history.outcome();
        let error = failed.error.with_outcome(operation, outcome);
        match next {
            Next::End => Err(error),
            Next::AnotherToken => {
                tracing::debug!("the access token was refused; once more with a new one");
                Ok(())
            }
            Next::AskPolicy => {
                self.failures += 1;
                let policy = self.options.retry.as_ref().unwrap_or(&self.core.retry);
                let delay = policy.delay(&error, self.failures);
                let time = self.progress.time_to_send(operation);
                let Some(delay) = delay.filter(|delay| *delay < time) else {
                    return Err(error);
                };
                tracing::debug!(error.kind = %error.kind(), ?delay, "the call is made again");
                sleep(delay).await;
                Ok(())
            }
        }
    }

    fn out_of_time(&self) -> Failed {
        Failed::new(Evidence::NotWritten, |outcome| {
            Error::new(self.call.operation(), ErrorKind::Timeout, outcome)
        })
    }
}

/// Withdraws what was not written yet, and returns the error of a call that the caller has cancelled.
fn cancelled<C: ApiCall>(call: &C, progress: &mut Progress) -> Error {
    let outcome = progress.give_up();
    Error::new(call.operation(), ErrorKind::Cancelled, outcome)
}

/// Reports how the call went: to its caller, and in its span.
fn report<T>(
    span: &Span,
    progress: &Progress,
    result: Result<Response<T>, Error>,
) -> Result<Response<T>, Error> {
    let result = result.map_err(|e| e.with_call(&progress.correlation_id, progress.sent));
    match &result {
        Ok(response) => {
            let status = response.http_status();
            telemetry::record(span, Some(status), response.attempts(), None);
        }
        Err(e) => telemetry::record(span, e.status(), e.attempts(), Some(e)),
    }
    result
}
