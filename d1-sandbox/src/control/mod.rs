//! The control port: a JSON API to look into a sandbox and to make it misbehave, and a page that uses it.
//!
//! It is plain HTTP: requests must be for a host of its own, and those that change something must be JSON, which pages
//! of other origins cannot send. Where other machines can reach it, they need a token as well.

mod document;
mod guard;
mod metrics;

pub(crate) use guard::Guard;
use guard::{Refused, refused};

use crate::app::App;
use crate::clock::timestamp;
use crate::pan;
use crate::settings::card::{CardState, ConsumerState};
use crate::wire::fault::Fault;
use crate::wire::handshake::RefusedHandshake;
use crate::wire::record::RecordedRequest;
use crate::wire::spec::Call;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

const PAGE: &str = include_str!("page.html");

/// What the page may do: use what it came with, and talk to where it came from.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                           frame-ancestors 'none'";

/// How many operations and requests the state shows.
const SHOWN: usize = 100;

type Sandboxed = State<Arc<App>>;

/// Returns the service of the control port.
pub(crate) fn router(app: Arc<App>, guard: Guard) -> Router {
    let faults = get(faults).post(add_fault).delete(clear_faults);
    Router::new()
        .route("/", get(page))
        .route("/openapi.json", get(document::as_json))
        .route("/openapi.yaml", get(document::as_yaml))
        .route("/metrics", get(metrics))
        .route("/api/state", get(state))
        .route("/api/events", get(events))
        .route("/api/requests", get(requests).delete(clear_requests))
        .route("/api/handshakes", get(handshakes))
        .route("/api/faults", faults)
        .route("/api/faults/{id}", delete(remove_fault))
        .route("/api/cards/{id}", post(set_card))
        .route("/api/issuers/{issuer}/cards/{id}", post(set_card))
        .route("/api/tokens/revoke", post(revoke_tokens))
        .route("/api/clock", get(clock).post(set_clock))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), save))
        .layer(middleware::from_fn_with_state(
            Arc::new(guard),
            guard::check,
        ))
        .with_state(app)
}

/// Lets the state file have what a request changes before its response says so.
async fn save(State(app): Sandboxed, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.save().await;
    response
}

/// Reads a body; the error says what is wrong with it.
fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        // The error quotes names and values.
        let rule = pan::masked_text(&format!("body: {error}"));
        refused(StatusCode::BAD_REQUEST, &rule)
    })
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, PAGE).into_response()
}

async fn metrics(State(app): Sandboxed) -> Response {
    let headers = [(CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (headers, metrics::text(&app)).into_response()
}

async fn state(State(app): Sandboxed) -> Json<Value> {
    let (mut cards, mut timeline) = (Vec::new(), Vec::new());
    for (issuer, of_issuer) in app.all_cards() {
        cards.extend(of_issuer.snapshots().map(|card| {
            let mut json = json!(card);
            json["issuer"] = json!(issuer);
            json
        }));
        timeline.extend(of_issuer.timeline(SHOWN));
    }
    timeline.sort_by(|one, other| other["startTime"].as_str().cmp(&one["startTime"].as_str()));
    timeline.truncate(SHOWN);
    let requests = app.records.all();
    let latest: Vec<&RecordedRequest> = requests.iter().rev().take(SHOWN).collect();
    let handshakes = app.records.handshakes();
    let refused: Vec<&RefusedHandshake> = handshakes.iter().rev().take(SHOWN).collect();
    Json(json!({
        "baseUrl": app.base_url,
        "issuerId": app.access.issuer_id(),
        "mode": app.options.mode,
        "now": timestamp(app.clock.now()),
        "clockOffsetSeconds": app.clock.offset(),
        "tokenExchanges": app.authority.exchanges(),
        "cards": cards,
        "operations": timeline,
        "requests": latest,
        "handshakes": refused,
        "faults": fault_list(&app),
        "operationIds": Call::ALL.map(Call::operation_id),
    }))
}

fn fault_list(app: &App) -> Vec<Value> {
    let numbered = app.faults.all().into_iter();
    numbered
        .map(|(id, fault)| {
            let mut json = pan::masked_json(&json!(fault));
            json["id"] = json!(id);
            without_nulls(json)
        })
        .collect()
}

/// Removes the members of an object that have no value.
fn without_nulls(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// Returns server-sent events: each request, and each change of a card.
async fn events(State(app): Sandboxed) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(app.records.subscribe(), |mut events| async move {
        loop {
            match events.recv().await {
                Ok(event) => return Some((Ok(Event::default().data(event.to_string())), events)),
                // A slow subscriber has missed some: the state has them all.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn requests(State(app): Sandboxed) -> Json<Vec<RecordedRequest>> {
    Json(app.records.all())
}

async fn handshakes(State(app): Sandboxed) -> Json<Vec<RefusedHandshake>> {
    Json(app.records.handshakes())
}

async fn clear_requests(State(app): Sandboxed) -> StatusCode {
    app.records.clear();
    changed(&app)
}

async fn faults(State(app): Sandboxed) -> Json<Vec<Value>> {
    Json(fault_list(&app))
}

async fn add_fault(
    State(app): Sandboxed,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let fault: Fault = read(&body)?;
    let checked = fault.check();
    checked.map_err(|rule| refused(StatusCode::BAD_REQUEST, rule))?;
    let id = app.faults.push(fault);
    changed(&app);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn clear_faults(State(app): Sandboxed) -> StatusCode {
    app.faults.remove(None);
    changed(&app)
}

async fn remove_fault(State(app): Sandboxed, Path(id): Path<u64>) -> StatusCode {
    match app.faults.remove(Some(id)) {
        0 => StatusCode::NOT_FOUND,
        _ => changed(&app),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CardChange {
    state: Option<CardState>,
    consumer_state: Option<ConsumerState>,
}

/// The card of a path, by default that of the builder's issuer.
#[derive(Deserialize)]
struct CardPath {
    issuer: Option<String>,
    id: String,
}

async fn set_card(
    State(app): Sandboxed,
    Path(CardPath { issuer, id }): Path<CardPath>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let change: CardChange = read(&body)?;
    let issuer = issuer.as_deref().unwrap_or(app.access.issuer_id());
    let mut cards = app.cards(issuer);
    let is_known = cards
        .as_mut()
        .is_some_and(|cards| cards.set_states(&id, change.state, change.consumer_state));
    drop(cards);
    if !is_known {
        return Err(refused(StatusCode::NOT_FOUND, "there is no such card"));
    }
    Ok(changed(&app))
}

async fn revoke_tokens(State(app): Sandboxed) -> StatusCode {
    app.authority.revoke_all();
    changed(&app)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    offset_seconds: i64,
}

async fn clock(State(app): Sandboxed) -> Json<Value> {
    let seconds = app.clock.now().unix_timestamp();
    Json(json!({ "epochSeconds": seconds, "offsetSeconds": app.clock.offset() }))
}

async fn set_clock(State(app): Sandboxed, body: Bytes) -> Result<StatusCode, Refused> {
    let change: ClockChange = read(&body)?;
    app.clock.set_offset(change.offset_seconds);
    Ok(changed(&app))
}

/// Publishes that something else than a request has changed, and lets the state file have it.
fn changed(app: &App) -> StatusCode {
    app.changed();
    app.records.publish("control", || Value::Null);
    StatusCode::NO_CONTENT
}
