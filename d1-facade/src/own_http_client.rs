//! Sends a request with the caller's `reqwest::Client`.
//!
//! It does not report what was written: only a connection that could not be made proves that a request was not sent.
//! Every other failure counts as written, so a change that fails this way is not retried and has an unknown outcome.
//! [`ClientBuilder::http_client`](crate::ClientBuilder::http_client) lists what else is lost.

use d1_transport::{Cause, Claim, Failure, HttpResponse, Limits, Written, read_body};
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

/// Sends a request once. Returns its response, and whether a redirect was followed.
pub(crate) async fn send(
    client: &reqwest::Client,
    request: reqwest::Request,
    claim: &Claim,
    limits: Limits,
) -> Result<(HttpResponse, bool), Failure> {
    claim.waive();
    let asked = request.url().clone();
    let sent = timeout_at(limits.deadline, client.execute(request)).await;
    let response = match sent {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failure(&error)),
        Err(_) => return Err(Failure::new(Written::Maybe, Cause::TimedOut)),
    };
    let redirected = *response.url() != asked;
    let (head, body) = http::Response::from(response).into_parts();
    let http = HttpResponse {
        status: head.status,
        headers: head.headers,
        body: read_body(body.map_err(|error| cause(&error)), &limits).await,
    };
    Ok((http, redirected))
}

/// Returns what an error of reqwest proves.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::new(Written::No, Cause::BadRequest);
    }
    let written = match error.is_connect() {
        true => Written::No,
        false => Written::Maybe,
    };
    Failure::new(written, cause(error))
}

/// Returns the cause of an error, by its type: its text may quote what a server sent.
fn cause(error: &reqwest::Error) -> Cause {
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => Cause::ConnectTimedOut,
        (true, false) => Cause::TimedOut,
        (false, true) => Cause::of_connecting(error),
        (false, false) => Cause::of(error),
    }
}
