//! What the channels of the bank call. No error repeats what was sent: a card number may be in the wrong place.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use d1_facade::{CorrelationId, InvalidInput};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::changes::{Answer, Changes, Details, Order, OrderError, Verb};
use crate::outcome;
use crate::store::StoreError;
use crate::telemetry::{self, Metrics};

/// The header with the id that a channel gives each change.
pub const REQUEST_ID: &str = "idempotency-key";

/// When an order may be repeated that the service itself could not take, in seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long the body of an order may be, in bytes.
const BODY_LIMIT: usize = 4 * 1024;

/// Returns the routes of the channels.
pub fn router(changes: Changes, metrics: Metrics) -> Router {
    Router::new()
        .route("/cards/{card}/operations", get(list))
        .route("/cards/{card}/{verb}", post(change))
        .route("/changes/{request_id}", get(look))
        .route("/health/live", get(|| async { StatusCode::NO_CONTENT }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(telemetry::show))
        .layer(axum::middleware::from_fn_with_state(
            metrics.clone(),
            telemetry::observe,
        ))
        .layer(Extension(metrics))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(changes)
}

/// An error of the service itself, or one that it explains.
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry = matches!(
            self.0,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT
        );
        let body = Json(json!({ "error": self.1 }));
        with_retry_after((self.0, body).into_response(), retry.then_some(RETRY_AFTER))
    }
}

impl From<InvalidInput> for Problem {
    fn from(error: InvalidInput) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        // An earlier request with the same id may have been sent: nothing is said of it here.
        let text = "the store is not available: repeat the request with the same id";
        Self(StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let status = match error {
            OrderError::Store(error) => return error.into(),
            OrderError::OtherRequest | OrderError::NotARenewal | OrderError::Details => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            OrderError::CardBusy => StatusCode::CONFLICT,
        };
        Self(status, error.to_string())
    }
}

async fn change(
    State(changes): State<Changes>,
    Extension(correlation_id): Extension<CorrelationId>,
    Path((card, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let request_id = request_id.filter(|id| is_request_id(id)).ok_or_else(|| {
        let rule = "must be 1 to 64 letters, digits, _ and -, and no number of 13 to 19 digits";
        let rule = format!("{REQUEST_ID} {rule}");
        Problem(StatusCode::UNPROCESSABLE_ENTITY, rule)
    })?;
    tracing::Span::current().record("request_id", request_id);
    let verb: Verb = serde_json::from_value(verb.into())
        .map_err(|_| Problem(StatusCode::NOT_FOUND, "there is no such change".to_owned()))?;
    let details = match body.as_ref() {
        b"" => Details::default(),
        body => serde_json::from_slice(body).map_err(|_| {
            let rule = "the body must be an object of reasonCode, newCardId, state, each valid";
            Problem(StatusCode::UNPROCESSABLE_ENTITY, rule.to_owned())
        })?,
    };
    let order = Order {
        card: card.parse()?,
        verb,
        details,
    };
    let answer = changes.make(request_id, &order, &correlation_id).await?;
    Ok(shown(request_id, &answer))
}

/// Says where a change stands.
async fn look(
    State(changes): State<Changes>,
    Path(request_id): Path<String>,
) -> Result<Response, Problem> {
    let record = changes.store.find(&request_id).await?;
    let unknown = || Problem(StatusCode::NOT_FOUND, "there is no such change".to_owned());
    let record = record.ok_or_else(unknown)?;
    let answer = Answer::of(record.state, StatusCode::OK, record.correlation_id);
    Ok(shown(&request_id, &answer))
}

#[derive(Deserialize)]
struct Part {
    offset: Option<u64>,
    limit: Option<u64>,
}

async fn list(
    State(changes): State<Changes>,
    Extension(correlation_id): Extension<CorrelationId>,
    Path(card): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Problem> {
    let Ok(Query(part)) = part else {
        let rule = "offset and limit must be whole numbers".to_owned();
        return Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, rule));
    };
    let card = changes.d1.card(card.parse()?);
    let sent_as = correlation_id.clone();
    let mut operations = card.operations().correlation_id(correlation_id);
    if let Some(offset) = part.offset {
        operations = operations.offset(offset);
    }
    if let Some(limit) = part.limit {
        operations = operations.limit(limit);
    }
    match operations.await {
        Ok(page) => {
            let operations = page.operations().iter();
            let operations: Vec<_> = operations.map(|operation| operation.to_json()).collect();
            let remaining = page.remaining_operations();
            let body = json!({ "operations": operations, "remainingOperations": remaining });
            Ok(Json(body).into_response())
        }
        Err(error) => {
            let correlation_id = sent_as.as_str();
            tracing::warn!(correlation_id, %error, kind = ?error.kind(), "a list failed");
            let status = outcome::status(error.kind(), !error.causes().is_empty());
            let problem = Problem(status, error.advice().to_owned());
            Ok(with_retry_after(
                problem.into_response(),
                error.retry_after(),
            ))
        }
    }
}

/// Says whether the service can take orders. That D1 is down is no reason to take the instance out: the others would
/// be as well.
async fn ready(State(changes): State<Changes>) -> StatusCode {
    match !changes.tasks.is_closed() && changes.store.is_ready().await {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn shown(request_id: &str, answer: &Answer) -> Response {
    let mut body = json!({
        "requestId": request_id,
        "state": answer.state,
        "correlationId": answer.correlation_id,
    });
    if let (Some(advice), Value::Object(fields)) = (&answer.advice, &mut body) {
        fields.insert("advice".to_owned(), advice.as_str().into());
    }
    let response = (answer.status, Json(body)).into_response();
    with_retry_after(response, answer.retry_after)
}

fn with_retry_after(mut response: Response, after: Option<Duration>) -> Response {
    if let Some(after) = after {
        let seconds = HeaderValue::from(after.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn is_request_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&id.len()) && id.bytes().all(is_allowed) && !looks_like_card_number(id)
}

/// Returns whether an id is, or has between its separators, a number as long as a card number.
fn looks_like_card_number(id: &str) -> bool {
    let is_one = |part: &str| {
        (13..=19).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    id.split(['_', '-']).any(is_one) || is_one(&id.replace(['_', '-'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_no_card_number() {
        for id in [
            "order-1",
            "9b2f4c1de0a84d6f8a31c57f0e4b2d19",
            "20261126_0001",
        ] {
            assert!(is_request_id(id), "{id}");
        }
        for id in [
            "",
            "4111111111111111",
            "4111-1111-1111-1111",
            "a-4111111111111_b",
        ] {
            assert!(!is_request_id(id), "{id}");
        }
    }
}
