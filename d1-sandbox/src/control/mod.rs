//! The control port: a JSON API to look into a sandbox and to make it misbehave, and a page that uses it.
//!
//! It is plain HTTP on loopback: requests must be for a loopback host, and those that change something must be
//! JSON, which pages of other origins cannot send.

mod metrics;

use crate::app::App;
use crate::clock::timestamp;
use crate::pan;
use crate::settings::Mode;
use crate::settings::card::{CardState, ConsumerState};
use crate::wire::fault::Fault;
use crate::wire::record::RecordedRequest;
use crate::wire::request::content_type;
use crate::wire::spec::Call;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use axum_server::Server;
use axum_server::accept::NoDelayAcceptor;
use futures_util::stream::{self, Stream};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_FRAME_OPTIONS};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

const PAGE: &str = include_str!("page.html");

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

/// What does not change about a sandbox.
pub(crate) struct About {
    pub(crate) base_url: String,
    pub(crate) issuer: String,
    pub(crate) mode: Mode,
}

impl Control {
    /// Serves the control API on a port that is bound.
    pub(crate) fn open(
        server: Server<SocketAddr, NoDelayAcceptor>,
        address: SocketAddr,
        app: Arc<App>,
        about: About,
    ) -> Self {
        let service = router(Controlled(app, Arc::new(about))).into_make_service();
        let task = tokio::spawn(async move {
            if let Err(error) = server.serve(service).await {
                tracing::warn!(%error, "the control port has closed");
            }
        });
        let url = format!("http://{address}");
        Self { url, task }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Controlled(Arc<App>, Arc<About>);

type Controls = State<Controlled>;

/// A refusal: its status, and what is wrong.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn router(controlled: Controlled) -> Router {
    let faults = get(faults).post(add_fault).delete(clear_faults);
    Router::new()
        .route("/", get(page))
        .route("/openapi.json", get(openapi))
        .route("/metrics", get(metrics))
        .route("/api/state", get(state))
        .route("/api/events", get(events))
        .route("/api/requests", get(requests).delete(clear_requests))
        .route("/api/faults", faults)
        .route("/api/faults/{id}", delete(remove_fault))
        .route("/api/cards/{id}", post(set_card))
        .route("/api/issuers/{issuer}/cards/{id}", post(set_card_of))
        .route("/api/tokens/revoke", post(revoke_tokens))
        .route("/api/clock", get(clock).post(set_clock))
        .layer(middleware::from_fn(require_loopback))
        .with_state(controlled)
}

/// Refuses what a page of another origin, or a name that was made to point here, could send.
async fn require_loopback(request: Request, next: Next) -> Result<Response, Refused> {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    if !matches!(name, Some("localhost" | "127.0.0.1" | "[::1]")) {
        let rule = "the control port is for loopback hosts";
        return Err(Refused(StatusCode::FORBIDDEN, rule.to_owned()));
    }
    let is_json = content_type(request.headers()).as_deref() == Some("application/json");
    if request.method() == Method::POST && !is_json {
        let rule = "the content type must be application/json";
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, rule.to_owned()));
    }
    Ok(next.run(request).await)
}

fn bad_request(rule: &str) -> Refused {
    Refused(StatusCode::BAD_REQUEST, rule.to_owned())
}

/// Reads a body; the error says what is wrong with it.
fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, Refused> {
    // The error quotes names and values.
    serde_json::from_slice(body)
        .map_err(|error| bad_request(&pan::masked_text(&format!("body: {error}"))))
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, PAGE).into_response()
}

async fn openapi(State(Controlled(app, _)): Controls) -> Result<Json<Value>, Refused> {
    let document = app.spec.document();
    document
        .map(Json)
        .map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error))
}

async fn metrics(State(Controlled(app, _)): Controls) -> Response {
    let headers = [(CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (headers, metrics::text(&app)).into_response()
}

async fn state(State(Controlled(app, about)): Controls) -> Json<Value> {
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
    Json(json!({
        "baseUrl": about.base_url,
        "issuerId": about.issuer,
        "mode": match about.mode { Mode::V1 => "v1", Mode::Migrated => "migrated" },
        "now": timestamp(app.clock.now()),
        "clockOffsetSeconds": app.clock.offset(),
        "tokenExchanges": app.authority.exchanges(),
        "cards": cards,
        "operations": timeline,
        "requests": latest,
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
            json
        })
        .collect()
}

/// Returns server-sent events: each request, and each change of a card.
async fn events(
    State(Controlled(app, _)): Controls,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
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

async fn requests(State(Controlled(app, _)): Controls) -> Json<Vec<RecordedRequest>> {
    Json(app.records.all())
}

async fn clear_requests(State(Controlled(app, _)): Controls) -> StatusCode {
    app.records.clear();
    changed(&app)
}

async fn faults(State(Controlled(app, _)): Controls) -> Json<Vec<Value>> {
    Json(fault_list(&app))
}

async fn add_fault(
    State(Controlled(app, _)): Controls,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let fault: Fault = read(&body)?;
    fault.check().map_err(bad_request)?;
    let id = app.faults.push(fault);
    changed(&app);
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn clear_faults(State(Controlled(app, _)): Controls) -> StatusCode {
    app.faults.remove(None);
    changed(&app)
}

async fn remove_fault(State(Controlled(app, _)): Controls, Path(id): Path<u64>) -> StatusCode {
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

async fn set_card(
    State(controlled): Controls,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let issuer = controlled.1.issuer.clone();
    set_card_of(State(controlled), Path((issuer, id)), body).await
}

async fn set_card_of(
    State(Controlled(app, _)): Controls,
    Path((issuer, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let change: CardChange = read(&body)?;
    let unknown = || Refused(StatusCode::NOT_FOUND, "there is no such card".to_owned());
    let mut cards = app.cards(&issuer).ok_or_else(unknown)?;
    cards.snapshot(&id).ok_or_else(unknown)?;
    if let Some(state) = change.state {
        cards.set_card_state(&id, state);
    }
    if let Some(state) = change.consumer_state {
        cards.set_consumer_state(&id, state);
    }
    drop(cards);
    Ok(changed(&app))
}

async fn revoke_tokens(State(Controlled(app, _)): Controls) -> StatusCode {
    app.authority.revoke_all();
    changed(&app)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    offset_seconds: i64,
}

async fn clock(State(Controlled(app, _)): Controls) -> Json<Value> {
    let seconds = app.clock.now().unix_timestamp();
    Json(json!({ "epochSeconds": seconds, "offsetSeconds": app.clock.offset() }))
}

async fn set_clock(
    State(Controlled(app, _)): Controls,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let change: ClockChange = read(&body)?;
    app.clock.set_offset(change.offset_seconds);
    Ok(changed(&app))
}

/// Publishes that something else than a request has changed.
fn changed(app: &App) -> StatusCode {
    app.records.publish("control", || Value::Null);
    StatusCode::NO_CONTENT
}
