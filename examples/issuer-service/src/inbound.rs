//! What D1 calls: *Get Card Credentials*, for a renewal that brings none, and *Notify Card Operations*.
//!
//! Both are served over mutual TLS alone. The paths are not documented for V1 as firmly as D1's own: the notifications
//! of V2 have another one, and their bodies may have more fields. Both paths are served, every field but the known ones
//! is ignored, and none of the known ones is required.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use d1_facade::{CardId, OperationId};
use serde_json::{Map, Value, json};

use crate::changes::is_id;
use crate::outcome::Reply;
use crate::service::Service;
use crate::telemetry::AUDIT;

/// How long the body of a notification may be, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Returns the routes of D1.
pub(crate) fn router(service: Service) -> Router {
    let routes = Router::new()
        .route(
            "/cms/api/v1/issuers/{issuer}/cards/{card}/credentials",
            get(credentials),
        )
        .route(
            "/notifications/d1/v1/issuers/{issuer}/cards/{card}/notifications",
            post(notification),
        )
        .route(
            "/notifications/d1/v2/issuers/{issuer}/cards",
            post(notification),
        );
    service.serve(routes, BODY_LIMIT)
}

// ANCHOR: credentials
/// *Get Card Credentials*: PAN and expiry of a card, encrypted to D1's key. D1 may ask again where the vault does not
/// answer.
async fn credentials(
    State(service): State<Service>,
    Path((issuer, card)): Path<(String, String)>,
) -> Result<Response, Reply> {
    let unknown = || Reply::error(StatusCode::NOT_FOUND, "there is no such card");
    let is_ours = service.d1.issuer().as_str() == issuer;
    let card: Option<CardId> = card.parse().ok().filter(|_| is_ours);
    let card = card.ok_or_else(unknown)?;
    let found = service.vault.credentials(&card).await?;
    let key = service.d1.encryption_key()?;
    let encrypted = key.encrypt(&found.ok_or_else(unknown)?).map_err(|error| {
        tracing::error!(%error, "credentials cannot be encrypted");
        Reply::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the credentials cannot be encrypted",
        )
    })?;
    tracing::info!(target: AUDIT, %card, kid = key.kid(), "the credentials of a card were given to D1");
    let body = Json(json!({ "encryptedData": encrypted.as_str() }));
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}
// ANCHOR_END: credentials

// ANCHOR: notification
/// *Notify Card Operations*: stored once, and only then taken. D1 sends it again otherwise.
async fn notification(
    State(service): State<Service>,
    Path(path): Path<BTreeMap<String, String>>,
    body: Bytes,
) -> Result<StatusCode, Reply> {
    let known: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|_| Reply::error(StatusCode::BAD_REQUEST, "the body must be an object"))?;
    let text = |name: &str| known.get(name).and_then(Value::as_str);
    // V1 has the card in its path, V2 in the body.
    let Some(card) = path.get("card").map(String::as_str).or(text("cardId")) else {
        return Err(Reply::error(StatusCode::BAD_REQUEST, "there is no card"));
    };
    let is_ours = path.get("issuer").map(String::as_str) == Some(service.d1.issuer().as_str());
    if !is_ours || card.parse::<CardId>().is_err() {
        return Err(Reply::error(StatusCode::NOT_FOUND, "there is no such card"));
    }
    let id = text("operationId").filter(|id| id.parse::<OperationId>().is_ok());
    let name = |name: &str| text(name).filter(|name| is_id(name));
    let (operation, status) = (name("operation"), name("status"));
    let is_new = service.store.notified(card, id, operation, status).await?;
    tracing::info!(
        operation_id = id,
        operation,
        status,
        is_new,
        "D1 has notified of an operation"
    );
    Ok(StatusCode::NO_CONTENT)
}
// ANCHOR_END: notification
