//! What a channel sees of the outcome of a call: the only place that decides it.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use d1_facade::{Error, ErrorKind, Inconclusive, InvalidInput, Outcome, Receipt};
use serde_json::{Value, json};

use crate::store::{State, StoreError};
use crate::vault::VaultError;

// ANCHOR: outcome
/// Returns where a change stands after its call, and the status of the response.
///
/// Only a change that is known not to have been made may be made again. A refusal that is about the request itself is
/// final: the same request is refused again, and its repetition gets the same response without a call.
pub(crate) fn of_change(
    result: &Result<d1_facade::Response<Receipt>, Error>,
) -> (State, StatusCode) {
    let Err(error) = result else {
        return (State::Done, StatusCode::OK);
    };
    match error.outcome() {
        Outcome::NotSent | Outcome::Refused => match status(error) {
            final_status @ (StatusCode::NOT_FOUND
            | StatusCode::CONFLICT
            | StatusCode::UNPROCESSABLE_ENTITY) => (State::Refused, final_status),
            status => (State::NotDone, status),
        },
        // `Unknown`, and every outcome that this version of the service does not know: nothing proves that nothing was
        // changed.
        _ => (State::Sending, StatusCode::ACCEPTED),
    }
}

/// Returns the status for a call that was not made or was refused, or for a read that failed.
///
/// A 400, 403 or 404 that is not as D1 documents it may be that of a gateway or of a wrong address: it says nothing of
/// the card or of the request.
pub(crate) fn status(error: &Error) -> StatusCode {
    let documented = !error.causes().is_empty();
    match error.kind() {
        // The client has not sent it.
        ErrorKind::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::InvalidRequest if documented => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::UnknownCard => StatusCode::NOT_FOUND,
        // D1's 404 to a change has no code.
        ErrorKind::NotFound if documented => StatusCode::NOT_FOUND,
        // D1's 403: the state of the card, or of its holder, does not allow it.
        ErrorKind::Forbidden if documented => StatusCode::CONFLICT,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        // It can pass by itself: D1 cannot be reached, is too slow or fails, or a KMS throttles.
        _ if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
        // An operator has to correct keys or certificates, D1's response is not as documented, or this version of the
        // service does not know the kind.
        _ => StatusCode::BAD_GATEWAY,
    }
}
// ANCHOR_END: outcome

/// Returns whether a change that could not be reconciled for this reason can be, later.
pub(crate) fn may_be_reconciled_later(why: Inconclusive) -> bool {
    matches!(why, Inconclusive::TooEarly | Inconclusive::StillPending)
}

/// What a caller gets: a status, JSON, and when to repeat the request. It repeats nothing of the request: a card number
/// may be in the wrong place.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<Duration>,
}

impl Reply {
    /// Returns the reply that says where a change stands.
    pub(crate) fn of(state: State, status: StatusCode, correlation_id: &str) -> Self {
        let seconds = match state {
            State::Sending | State::NotDone => Some(5),
            State::Done | State::Refused | State::Unknown => None,
        };
        Self {
            status,
            body: json!({ "state": state, "correlationId": correlation_id }),
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    /// Returns the reply to a request that got no further. A conflict or a failure may have passed in a second.
    pub(crate) fn error(status: StatusCode, text: &str) -> Self {
        let passes = [StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
        Self {
            status,
            body: json!({ "error": text }),
            retry_after: passes.then_some(Duration::from_secs(1)),
        }
    }

    /// Returns the reply to a request that breaks a rule.
    pub(crate) fn invalid(rule: &str) -> Self {
        Self::error(StatusCode::UNPROCESSABLE_ENTITY, rule)
    }

    /// Returns the reply when the service fails. An earlier request with the same id may have been sent: nothing is
    /// said of it.
    pub(crate) fn unavailable() -> Self {
        let text = "the service cannot take the request now: repeat it with the same id";
        Self::error(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(after) = self.retry_after {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<InvalidInput> for Reply {
    fn from(error: InvalidInput) -> Self {
        Self::invalid(&error.to_string())
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::unavailable()
    }
}

impl From<VaultError> for Reply {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "the vault failed");
        Self::unavailable()
    }
}
