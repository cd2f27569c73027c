//! What D1 calls: *Get Card Credentials*, for a renewal that brings none, and *Notify Card Operations*.
//!
//! Both are served over mutual TLS alone. The paths are not documented for V1 as firmly as D1's own: the notifications
//! of V2 have another one, and their bodies may have more fields. Both paths are served, every field but the known ones
//! is ignored, and none of the known ones is required.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use d1_facade::{CardId, EncryptionKey, IssuerId};
use serde::Deserialize;
use serde_json::json;

use crate::store::Store;
use crate::telemetry::{self, Metrics};
use crate::vault::{Vault, may_hold_card_number};

/// How long the body of a notification may be, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What answers D1. Clones share everything.
#[derive(Clone)]
pub struct Inbound {
    /// The issuer whose cards these are.
    pub issuer: IssuerId,
    /// D1's public key.
    pub key: EncryptionKey,
    /// The card numbers.
    pub vault: Arc<dyn Vault>,
    /// The database.
    pub store: Store,
}

/// Returns the routes of D1.
pub fn router(inbound: Inbound, metrics: Metrics) -> Router {
    Router::new()
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
            post(notification_v2),
        )
        .layer(middleware::from_fn_with_state(metrics, telemetry::observe))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(inbound)
}

// ANCHOR: credentials
/// *Get Card Credentials*: PAN and expiry of a card, encrypted to D1's key.
async fn credentials(
    State(inbound): State<Inbound>,
    Path((issuer, card)): Path<(String, String)>,
) -> Response {
    let is_ours = inbound.issuer.as_str() == issuer;
    let card: Option<CardId> = card.parse().ok().filter(|_| is_ours);
    let Some(credentials) = card.and_then(|card| inbound.vault.credentials(&card)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match inbound.key.encrypt(&credentials) {
        Ok(data) => {
            let body = Json(json!({ "encryptedData": data.as_str() }));
            ([(header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "credentials cannot be encrypted");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
// ANCHOR_END: credentials

/// What is known of the body of a notification.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Notification {
    card_id: Option<String>,
    operation_id: Option<String>,
    operation: Option<String>,
    status: Option<String>,
}

// ANCHOR: notification
/// *Notify Card Operations*: stored once, and only then taken. D1 sends it again otherwise.
async fn notification(
    State(inbound): State<Inbound>,
    Path((issuer, card)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    if inbound.issuer.as_str() != issuer || card.parse::<CardId>().is_err() {
        return StatusCode::NOT_FOUND;
    }
    let Ok(known) = serde_json::from_slice::<Notification>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let text = |text: &Option<String>| {
        text.as_deref()
            .filter(|text| is_name(text))
            .map(str::to_owned)
    };
    let name = |known: &Option<String>| text(known).filter(|name| !may_hold_card_number(name));
    let (id, operation, status) = (
        text(&known.operation_id),
        name(&known.operation),
        name(&known.status),
    );
    let store = &inbound.store;
    match store
        .notified(
            &card,
            id.as_deref(),
            operation.as_deref(),
            status.as_deref(),
        )
        .await
    {
        Ok(is_new) => {
            tracing::info!(operation, status, is_new, "D1 has notified of an operation");
            StatusCode::NO_CONTENT
        }
        Err(error) => {
            tracing::error!(%error, "a notification was not stored");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
// ANCHOR_END: notification

/// The same on the path of V2, where the card is in the body.
async fn notification_v2(
    inbound: State<Inbound>,
    Path(issuer): Path<String>,
    body: Bytes,
) -> StatusCode {
    let known: Notification = serde_json::from_slice(&body).unwrap_or_default();
    match known.card_id {
        Some(card) => notification(inbound, Path((issuer, card)), body).await,
        None => StatusCode::BAD_REQUEST,
    }
}

/// Returns whether a text is an id or a name of D1, and not something longer that may hold a card number.
fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}
