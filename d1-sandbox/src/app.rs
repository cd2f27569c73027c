//! Takes one request through routing, authorization, validation and the rules to an answer.

use crate::auth::Authority;
use crate::card::CardState;
use crate::clock::Clock;
use crate::config::{Builder, ErrorBodies, IssuerStub, StartError, SuccessStyle};
use crate::faults::FaultQueue;
use crate::issuer::{self, Endpoint};
use crate::jwe::Decrypter;
use crate::keys::{KeyPair, PublicKey};
use crate::record::{RecordedRequest, Records};
use crate::refusal::Refusal;
use crate::renewal::Renewal;
use crate::reply::Reply;
use crate::request::{self, RawRequest, ValidRequest};
use crate::spec::{Call, Found, Route, Spec};
use crate::state::{Motive, World};
use http::request::Parts;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The path parameter values that a route found.
type PathValues<'p> = [(&'p str, Option<String>)];

/// One sandbox without its network.
pub(crate) struct App {
    pub(crate) spec: Arc<Spec>,
    pub(crate) authority: Authority,
    pub(crate) decrypter: Decrypter,
    pub(crate) faults: FaultQueue,
    pub(crate) records: Records,
    pub(crate) world: Mutex<World>,
    pub(crate) success_style: SuccessStyle,
    pub(crate) error_bodies: ErrorBodies,
    pub(crate) issuer: Option<Endpoint>,
    pub(crate) clock: Arc<Clock>,
}

impl App {
    /// A sandbox as it is configured, with the keys of its issuer and of D1.
    pub(crate) fn new(
        settings: &Builder,
        spec: Arc<Spec>,
        signing_key: PublicKey,
        encryption_key: &KeyPair,
    ) -> Result<Self, StartError> {
        let subject = settings.aggregator.as_ref().unwrap_or(&settings.issuer);
        let clock = Arc::new(Clock::new(settings.seed));
        // A part of the time will do where chance need not be the same in every run.
        let random = u64::from(clock.now().nanosecond());
        let issuer = match &settings.issuer_stub {
            IssuerStub::Endpoint { url } => Endpoint::parse(url),
            IssuerStub::KeepsPan { .. } | IssuerStub::Answers { .. } | IssuerStub::Unavailable => {
                None
            }
        };
        let lifetime = settings.token_lifetime;
        Ok(Self {
            spec,
            authority: Authority::new(subject.clone(), signing_key, lifetime, Arc::clone(&clock))
                .map_err(|error| StartError::Keys(error.to_string()))?,
            decrypter: Decrypter::new(encryption_key)
                .map_err(|error| StartError::Keys(error.to_string()))?,
            faults: FaultQueue::new(settings.seed.unwrap_or(random)),
            records: Records::default(),
            world: Mutex::new(World::new(settings, Arc::clone(&clock))),
            success_style: settings.success_style,
            error_bodies: settings.error_bodies,
            issuer,
            clock,
        })
    }

    /// Answers one request and records it. The body is absent if it was too long or broke off.
    pub(crate) async fn handle(&self, parts: &Parts, body: Option<&[u8]>) -> Reply {
        let received_at = self.clock.told();
        let found = self.spec.find(&parts.method, parts.uri.path());
        // What belongs to no operation is read as JSON if it says that it is.
        let reader = match &found {
            Found::Route(route, _) => route.call,
            Found::OtherMethods(_) | Found::Nothing => Call::Suspend,
        };
        let body = request::read_body(reader, &parts.headers, body);
        let raw = RawRequest {
            headers: &parts.headers,
            query: parts.uri.query(),
            body: body.as_ref().map_err(String::as_str),
        };
        let mut card = None;
        let (call, reply) = match found {
            Found::Route(route, values) => {
                card = path_value(&values, "cardId").map(str::to_owned);
                (Some(route.call), self.call(route, &values, &raw).await)
            }
            Found::OtherMethods(methods) => {
                let refusal = self.refuse(None, &Refusal::wrong_method());
                let allow = methods;
                (None, Reply { allow, ..refusal })
            }
            Found::Nothing => (
                None,
                self.refuse(None, &Refusal::not_found("The path is unknown")),
            ),
        };
        let (operation_id, status) = (call.map(Call::operation_id), reply.recorded_status());
        let recorded = recorded(parts, body.ok());
        self.records.push(RecordedRequest {
            operation_id,
            status,
            card_id: card,
            received_at,
            ..recorded
        });
        reply
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, route: &Route, values: &PathValues<'_>, raw: &RawRequest<'_>) -> Reply {
        let is_token_call = route.call == Call::Token;
        if !is_token_call && let Err(refusal) = self.authority.authorize(raw.headers) {
            return self.checked(route, self.refuse(Some(route), &refusal));
        }
        let card = path_value(values, "cardId");
        let met = self
            .faults
            .take(route.call.operation_id(), card, is_token_call);
        if met.as_ref().is_some_and(|met| !met.fault.lets_it_happen()) {
            return met.map_or_else(|| Reply::answer(500, None), Reply::of);
        }
        let reply = match self.perform(route, values, raw).await {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(Some(route), &refusal),
        };
        let reply = self.checked(route, reply);
        match met {
            Some(met) => reply.under(met),
            None => reply,
        }
    }

    async fn perform(
        &self,
        route: &Route,
        values: &PathValues<'_>,
        raw: &RawRequest<'_>,
    ) -> Result<Reply, Refusal> {
        let request = request::check(route, values, raw);
        if route.call == Call::Token {
            let request =
                request.map_err(|refusal| Refusal::oauth("invalid_request", refusal.error))?;
            return Ok(Reply::answer(200, Some(self.authority.exchange(&request)?)));
        }
        let request = request?;
        let renewal = match route.call {
            Call::Renew => Some(self.renewal(&request).await?),
            _ => None,
        };
        let card = request.text("cardId");
        let mut world = self.world();
        world.demand_issuer(request.text("issuerId"), route.call == Call::Delete)?;
        world.demand_undamaged(card)?;
        let operation = match (route.call, renewal) {
            (Call::List, _) => {
                let offset = request.number("offset").unwrap_or(0);
                let limit = request.number("limit").unwrap_or(usize::MAX);
                return Ok(Reply::answer(200, Some(world.list(card, offset, limit)?)));
            }
            (Call::Renew, Some(renewal)) => world.renew(card, renewal)?,
            (Call::Suspend, _) => world.suspend(card, self.motive(&request))?,
            (Call::Resume, _) => world.resume(card, self.motive(&request))?,
            (Call::Delete, _) => world.delete(card, self.motive(&request))?,
            (Call::Get | Call::Renew | Call::Token, _) => {
                let (id, digital) = (
                    request.text("operationId"),
                    request.flag("digitalCardDetails"),
                );
                return Ok(Reply::answer(200, Some(world.get(card, id, digital)?)));
            }
        };
        drop(world);
        self.records.tell(
            "change",
            || json!({ "cardId": card, "operationId": operation }),
        );
        let (status, body) = match self.success_style {
            SuccessStyle::NoContent => (204, None),
            SuccessStyle::Body => {
                let body = json!({ "operationId": operation, "status": "SUCCESSFUL" });
                (200, Some(body))
            }
        };
        let status = route.success_status().unwrap_or(status);
        Ok(Reply::answer(status, body.filter(|_| status != 204)))
    }

    async fn renewal(&self, request: &ValidRequest<'_>) -> Result<Renewal, Refusal> {
        let state = match request.body_text("state") {
            None | Some("ACTIVE") => CardState::Active,
            Some("INACTIVE") => CardState::Inactive,
            Some(_) => return Err(Refusal::bad_request("body: /state is not supported")),
        };
        let credentials = request.body_text("encryptedData").map(|token| {
            issuer::open(token, &self.decrypter, &self.spec)
                .map_err(|rule| Refusal::bad_request(format!("body: /encryptedData: {rule}")))
        });
        let mut renewal = Renewal {
            new_card_id: request.body_text("newCardId").map(str::to_owned),
            new_product: request.body_text("newCardProductId").map(str::to_owned),
            state,
            credentials: credentials.transpose()?,
            motive: self.motive(request),
        };
        let (issuer, card) = (request.text("issuerId"), request.text("cardId"));
        if let Some(endpoint) = &self.issuer
            && self.world().must_ask_issuer(issuer, card, &renewal)
        {
            let answer = endpoint.credentials(issuer, card, &self.decrypter, &self.spec);
            renewal.credentials = Some(answer.await.map_err(|rule| {
                tracing::warn!(rule, "the issuer's Get Card Credentials is of no use");
                Refusal::internal("Internal error")
            })?);
        }
        Ok(renewal)
    }

    fn motive(&self, request: &ValidRequest<'_>) -> Motive {
        let code = request.body_text("reasonCode");
        Motive {
            reason: request.body_text("reason").map(str::to_owned),
            reason_code: code.unwrap_or(self.spec.default_reason_code()).to_owned(),
        }
    }

    fn refuse(&self, route: Option<&Route>, refusal: &Refusal) -> Reply {
        let code = route.and_then(|route| route.error_code(refusal.status, refusal.when));
        Reply::answer(refusal.status, refusal.body(code, self.error_bodies))
    }

    /// Holds an answer of ours against the document; one that differs becomes a 500.
    fn checked(&self, route: &Route, mut reply: Reply) -> Reply {
        if let Some(body) = &mut reply.body {
            route.name_answer(reply.status, body);
        }
        match route.check_answer(reply.status, reply.body.as_ref()) {
            Ok(()) => reply,
            Err(difference) => {
                tracing::error!(
                    operation = route.call.operation_id(),
                    status = reply.status,
                    difference,
                    "an answer breaks the document"
                );
                let body = Refusal::internal("The sandbox broke its own document");
                let mut breach = Reply::answer(500, body.body(None, ErrorBodies::WithCode));
                let mark = (BREACH.to_owned(), "true".to_owned());
                breach.headers.push(mark);
                breach
            }
        }
    }
}

/// Marks an answer of ours that differs from the OpenAPI document.
pub(crate) const BREACH: &str = "x-d1-sandbox-breach";

/// What is remembered of a request.
fn recorded(parts: &Parts, body: Option<Value>) -> RecordedRequest {
    let correlation_id = parts.headers.get("x-correlation-id");
    RecordedRequest {
        operation_id: None,
        method: parts.method.to_string(),
        path: parts
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        status: 0,
        card_id: None,
        received_at: time::OffsetDateTime::UNIX_EPOCH,
        correlation_id: correlation_id
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        body,
    }
}

fn path_value<'v>(values: &'v PathValues<'_>, name: &str) -> Option<&'v str> {
    let (_, value) = values.iter().find(|(found, _)| *found == name)?;
    value.as_deref()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Sandbox;
    use http::Method;

    #[tokio::test]
    async fn an_answer_that_breaks_the_document_becomes_a_500() {
        let sandbox = Sandbox::start().await.unwrap();
        let app = &sandbox.app;
        let path = "/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations";
        let Found::Route(route, _) = app.spec.find(&Method::GET, path) else {
            return assert_eq!(path, "a path of the document");
        };
        let wrong = json!({ "operations": "none" });
        for (status, body) in [(200, Some(wrong)), (204, None), (418, None)] {
            let reply = app.checked(route, Reply::answer(status, body));
            let marked = reply.headers.iter().any(|(name, _)| name == BREACH);
            assert_eq!((reply.status, marked), (500, true), "{status}");
        }
    }
}
