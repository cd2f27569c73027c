//! The control port: a JSON API to look into a sandbox and to make it misbehave, and a page that uses it.
//!
//! It is plain HTTP on loopback, and answers nobody else: requests must be for a loopback host, and
//! those that change something must be JSON, which pages of other origins cannot send.

use crate::app::App;
use crate::card::{CardState, ConsumerState};
use crate::faults::Fault;
use crate::settings::{Mode, StartError};
use crate::{operations, pan, request, server, spec};
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_FRAME_OPTIONS};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

const PAGE: &str = include_str!("control/page.html");

/// What the page may do: use what it came with, and talk to where it came from.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                           frame-ancestors 'none'";

/// How many operations and requests the state shows.
const SHOWN: usize = 100;

/// A control port that is open. It closes when dropped.
pub(crate) struct Control {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What does not change about a sandbox.
pub(crate) struct About {
    pub(crate) base_url: String,
    pub(crate) issuer: String,
    pub(crate) mode: Mode,
}

#[derive(Clone)]
struct Controlled {
    app: Arc<App>,
    about: Arc<About>,
}

/// Opens the control port.
pub(crate) fn start(
    app: Arc<App>,
    about: About,
    port: u16,
    read_timeout: Duration,
) -> Result<Control, StartError> {
    let (server, address) = server::listen(Ipv4Addr::LOCALHOST.into(), port, read_timeout)?;
    let about = Arc::new(about);
    let router = router(Controlled { app, about });
    let task = tokio::spawn(async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::warn!(%error, "the control port has closed");
        }
    });
    Ok(Control {
        url: format!("http://{address}"),
        task,
    })
}

fn router(controlled: Controlled) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/openapi.json", get(openapi))
        .route("/metrics", get(metrics))
        .route("/api/state", get(state))
        .route("/api/events", get(events))
        .route("/api/requests", get(requests).delete(forget_requests))
        .route(
            "/api/faults",
            get(faults).post(add_fault).delete(clear_faults),
        )
        .route("/api/faults/{id}", delete(remove_fault))
        .route("/api/cards/{id}", post(set_card))
        .route("/api/issuers/{issuer}/cards/{id}", post(set_card_of))
        .route("/api/tokens/revoke", post(revoke_tokens))
        .route("/api/clock", get(clock).post(set_clock))
        .layer(middleware::from_fn(from_here_alone))
        .with_state(controlled)
}

/// Refuses what a page of another origin, or a name that was made to point here, could send.
async fn from_here_alone(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    if !matches!(name, Some("localhost" | "127.0.0.1" | "[::1]")) {
        return refusal(
            StatusCode::FORBIDDEN,
            "the control port is for loopback hosts",
        );
    }
    let is_json = request::content_type(request.headers()).as_deref() == Some("application/json");
    if request.method() == Method::POST && !is_json {
        let rule = "the content type must be application/json";
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, rule);
    }
    next.run(request).await
}

fn refusal(status: StatusCode, rule: &str) -> Response {
    (status, Json(json!({ "error": rule }))).into_response()
}

/// Reads a body, and says what is wrong with it.
fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, String> {
    // The error quotes names and values.
    serde_json::from_slice(body).map_err(|error| pan::masked_text(&format!("body: {error}")))
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, PAGE).into_response()
}

async fn openapi(State(controlled): State<Controlled>) -> Response {
    match controlled.app.spec.document() {
        Ok(document) => Json(document).into_response(),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

async fn state(State(controlled): State<Controlled>) -> Json<Value> {
    let Controlled { app, about } = &controlled;
    let (mut cards, mut timeline) = (Vec::new(), Vec::new());
    for issuer in app.worlds.keys() {
        let Some(world) = app.world(issuer) else {
            continue;
        };
        let ids = world.card_ids();
        let snapshots = ids.iter().filter_map(|id| world.snapshot(id));
        cards.extend(snapshots.map(|card| {
            json!({
                "issuer": issuer,
                "id": card.id,
                "state": state_name(card.state == CardState::Active),
                "suspendedBy": card.suspended_by,
                "consumer": card.consumer,
                "consumerState": state_name(card.consumer_state == ConsumerState::Active),
                "product": card.product,
                "lastFour": card.last_four,
                "operations": card.operations,
            })
        }));
        timeline.extend(world.timeline(SHOWN));
    }
    timeline.sort_by(|one, other| other["startTime"].as_str().cmp(&one["startTime"].as_str()));
    timeline.truncate(SHOWN);
    let requests = app.records.all();
    let recent: Vec<Value> = requests
        .iter()
        .rev()
        .take(SHOWN)
        .map(|r| r.to_json())
        .collect();
    Json(json!({
        "baseUrl": about.base_url,
        "issuerId": about.issuer,
        "mode": match about.mode { Mode::V1 => "v1", Mode::Migrated => "migrated" },
        "now": operations::timestamp(app.clock.now()),
        "clockOffsetSeconds": app.clock.offset(),
        "tokenExchanges": app.authority.exchanges(),
        "cards": cards,
        "operations": timeline,
        "requests": recent,
        "faults": fault_list(app),
        "operationIds": spec::Call::ALL.map(spec::Call::operation_id),
    }))
}

fn state_name(active: bool) -> &'static str {
    if active { "ACTIVE" } else { "INACTIVE" }
}

fn fault_list(app: &App) -> Vec<Value> {
    let numbered = app.faults.all().into_iter();
    numbered
        .map(|(id, fault)| {
            let fault = serde_json::to_value(&fault).unwrap_or_default();
            let mut json = pan::masked_json(&fault);
            json["id"] = json!(id);
            json
        })
        .collect()
}

/// Server-sent events: each request, and each change of a card.
async fn events(
    State(controlled): State<Controlled>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let listener = controlled.app.records.listen();
    let events = stream::unfold(listener, |mut listener| async move {
        loop {
            match listener.recv().await {
                Ok(event) => return Some((Ok(Event::default().data(event.to_string())), listener)),
                // Who was too slow has missed some: the state has them all.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn requests(State(controlled): State<Controlled>) -> Json<Value> {
    let requests = controlled.app.records.all();
    Json(requests.iter().map(|r| r.to_json()).collect())
}

async fn forget_requests(State(controlled): State<Controlled>) -> StatusCode {
    controlled.app.records.clear();
    changed(&controlled.app)
}

async fn faults(State(controlled): State<Controlled>) -> Json<Value> {
    Json(fault_list(&controlled.app).into())
}

async fn add_fault(State(controlled): State<Controlled>, body: Bytes) -> Response {
    let fault: Fault = match read(&body) {
        Ok(fault) => fault,
        Err(rule) => return refusal(StatusCode::BAD_REQUEST, &rule),
    };
    if let Err(rule) = fault.check() {
        return refusal(StatusCode::BAD_REQUEST, rule);
    }
    let id = controlled.app.faults.push(fault);
    changed(&controlled.app);
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

async fn clear_faults(State(controlled): State<Controlled>) -> StatusCode {
    controlled.app.faults.remove(None);
    changed(&controlled.app)
}

async fn remove_fault(State(controlled): State<Controlled>, Path(id): Path<u64>) -> StatusCode {
    match controlled.app.faults.remove(Some(id)) {
        0 => StatusCode::NOT_FOUND,
        _ => changed(&controlled.app),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CardChange {
    state: Option<StateName>,
    consumer_state: Option<StateName>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StateName {
    Active,
    Inactive,
}

async fn set_card(
    State(controlled): State<Controlled>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let issuer = controlled.about.issuer.clone();
    set_card_of(State(controlled), Path((issuer, id)), body).await
}

async fn set_card_of(
    State(controlled): State<Controlled>,
    Path((issuer, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let change: CardChange = match read(&body) {
        Ok(change) => change,
        Err(rule) => return refusal(StatusCode::BAD_REQUEST, &rule),
    };
    let world = controlled.app.world(&issuer);
    let Some(mut world) = world.filter(|world| world.snapshot(&id).is_some()) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such card");
    };
    match change.state {
        Some(StateName::Active) => world.set_card_state(&id, CardState::Active),
        Some(StateName::Inactive) => world.set_card_state(&id, CardState::Inactive),
        None => true,
    };
    match change.consumer_state {
        Some(StateName::Active) => world.set_consumer_state(&id, ConsumerState::Active),
        Some(StateName::Inactive) => world.set_consumer_state(&id, ConsumerState::Inactive),
        None => true,
    };
    drop(world);
    changed(&controlled.app).into_response()
}

async fn revoke_tokens(State(controlled): State<Controlled>) -> StatusCode {
    controlled.app.authority.revoke_all();
    changed(&controlled.app)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    offset_seconds: i64,
}

async fn clock(State(controlled): State<Controlled>) -> Json<Value> {
    let clock = &controlled.app.clock;
    let seconds = clock.now().unix_timestamp();
    Json(json!({ "epochSeconds": seconds, "offsetSeconds": clock.offset() }))
}

async fn set_clock(State(controlled): State<Controlled>, body: Bytes) -> Response {
    match read::<ClockChange>(&body) {
        Ok(change) => {
            controlled.app.clock.set_offset(change.offset_seconds);
            changed(&controlled.app).into_response()
        }
        Err(rule) => refusal(StatusCode::BAD_REQUEST, &rule),
    }
}

/// Tells the listeners that something else than a request has changed.
fn changed(app: &App) -> StatusCode {
    app.records.tell("control", || Value::Null);
    StatusCode::NO_CONTENT
}

/// The counts in the text format of Prometheus.
async fn metrics(State(controlled): State<Controlled>) -> Response {
    let app = &controlled.app;
    let mut text = String::from(
        "# HELP d1_sandbox_requests_total Requests, by operation and status; 0 is no answer.\n\
         # TYPE d1_sandbox_requests_total counter\n",
    );
    for ((operation, status), count) in app.records.counts() {
        let labels = format!("operation=\"{operation}\",status=\"{status}\"");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "d1_sandbox_requests_total{{{labels}}} {count}");
    }
    let mut metric = |name: &str, kind: &str, help: &str, value: usize| {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    };
    let exchanges = app.authority.exchanges();
    metric(
        "d1_sandbox_tokens_total",
        "counter",
        "Access tokens handed out.",
        exchanges,
    );
    let issuers = app.worlds.keys().filter_map(|issuer| app.world(issuer));
    let cards = issuers.map(|world| world.card_ids().len()).sum();
    metric("d1_sandbox_cards", "gauge", "Cards that there are.", cards);
    let faults = app.faults.len();
    metric(
        "d1_sandbox_faults",
        "gauge",
        "Faults that wait for a call.",
        faults,
    );
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; version=0.0.4"),
    );
    response
}
