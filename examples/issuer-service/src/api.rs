//! What the channels of the bank call. No error repeats what was sent: a card number may be in the wrong place.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use axum::routing::{get, post};
use d1_facade::{CorrelationId, OperationPage};
use serde::Deserialize;

use crate::changes::{Order, is_id};
use crate::outcome::{self, Reply};
use crate::service::Service;

/// The header with the name of the channel. The gateway sets it, which has authenticated the channel.
pub const CHANNEL: &str = "x-channel";

/// The header with the id that a channel gives each change.
pub const REQUEST_ID: &str = "idempotency-key";

/// How long the body of an order may be, in bytes.
const BODY_LIMIT: usize = 4 * 1024;

/// Returns the routes of the channels.
pub(crate) fn router(service: Service) -> Router {
    let routes = Router::new()
        .route("/cards/{card}/operations", get(list))
        .route("/cards/{card}/{verb}", post(change))
        .route("/changes/{request_id}", get(look))
        .route("/health/live", get(|| async { StatusCode::NO_CONTENT }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics));
    service.serve(routes, BODY_LIMIT)
}

async fn change(
    State(service): State<Service>,
    Extension(correlation_id): Extension<CorrelationId>,
    Path((card, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Reply, Reply> {
    let id = header(&headers, REQUEST_ID);
    let request_id = in_channel(&headers, id)?;
    tracing::Span::current().record("request_id", &request_id);
    let verb = serde_json::from_value(verb.into()).map_err(|_| not_found())?;
    let body = if body.is_empty() {
        b"{}"
    } else {
        body.as_ref()
    };
    let details = serde_json::from_slice(body).map_err(|_| {
        Reply::invalid("the body must be an object of reasonCode, newCardId, state, each valid")
    })?;
    let order = Order {
        card: card.parse()?,
        verb,
        details,
    };
    let mut reply = service.make(request_id, &order, correlation_id).await?;
    reply.body["requestId"] = id.into();
    Ok(reply)
}

/// Says where a change stands.
async fn look(
    State(service): State<Service>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Reply, Reply> {
    let record = service.store.find(&in_channel(&headers, &id)?).await?;
    let record = record.ok_or_else(not_found)?;
    let mut reply = Reply::of(record.state, StatusCode::OK, &record.correlation_id);
    reply.body["requestId"] = id.into();
    Ok(reply)
}

#[derive(Deserialize)]
struct Part {
    offset: Option<u64>,
    limit: Option<u64>,
}

async fn list(
    State(service): State<Service>,
    Extension(correlation_id): Extension<CorrelationId>,
    Path(card): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<OperationPage>, Reply> {
    let Query(part) = part.map_err(|_| Reply::invalid("offset and limit must be whole numbers"))?;
    let card = service.d1.card(card.parse()?);
    let mut operations = card.operations().correlation_id(correlation_id);
    if let Some(offset) = part.offset {
        operations = operations.offset(offset);
    }
    if let Some(limit) = part.limit {
        operations = operations.limit(limit);
    }
    match operations.await {
        Ok(page) => Ok(Json(page.into_value())),
        Err(error) => {
            tracing::warn!(%error, kind = ?error.kind(), "a list failed");
            let mut reply = Reply::error(outcome::status(&error), error.advice());
            reply.retry_after = error.retry_after().or(reply.retry_after);
            Err(reply)
        }
    }
}

async fn ready(State(service): State<Service>) -> StatusCode {
    match service.is_ready().await {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Shows the metrics, those of the database as far as it answers.
async fn metrics(State(service): State<Service>) -> Result<String, StatusCode> {
    let counts = service.store.count().await.ok();
    let text = service.metrics.show(counts.as_deref());
    text.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns the name under which the service stores a change: two channels may give the same id.
fn in_channel(headers: &HeaderMap, id: &str) -> Result<String, Reply> {
    let channel = header(headers, CHANNEL);
    match is_id(channel) && is_id(id) {
        true => Ok(format!("{channel}/{id}")),
        false => {
            let rule = "must be 1 to 64 letters, digits, _, -, . and spaces, and no card number";
            Err(Reply::invalid(&format!(
                "{CHANNEL} and {REQUEST_ID} {rule}"
            )))
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn not_found() -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "there is no such change")
}
