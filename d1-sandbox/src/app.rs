//! Takes one request through routing, authorization, validation and the rules to a reply.

use crate::auth::{Access, Authority, Caller, ShownCertificate};
use crate::clock::Clock;
use crate::crypto::jwe::Decrypter;
use crate::domain::cards::Cards;
use crate::domain::credentials::Credentials;
use crate::domain::history::Reason;
use crate::domain::renewal::Renewal;
use crate::outbound::Outbound;
use crate::settings::card::CardState;
use crate::settings::{Builder, ErrorBodies, Mode, Options, StartError, SuccessStyle};
use crate::state::{State, StateFile};
use crate::wire::fault_queue::FaultQueue;
use crate::wire::record::{RecordedRequest, Records};
use crate::wire::refusal::Refusal;
use crate::wire::reply::Reply;
use crate::wire::request::{RawRequest, ValidRequest};
use crate::wire::spec::{Call, Route, Spec};
use crate::wire::warnings::{self, Warnings};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority as UriAuthority;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;

/// Marks a reply that differs from the OpenAPI document.
pub(crate) const BREACH: &str = "x-d1-sandbox-breach";

/// One sandbox without its network.
pub(crate) struct App {
    pub(crate) base_url: String,
    /// What the issuer of the builder calls with.
    pub(crate) access: Arc<Access>,
    pub(crate) options: Options,
    pub(crate) spec: Arc<Spec>,
    pub(crate) authority: Authority,
    pub(crate) decrypter: Decrypter,
    pub(crate) faults: FaultQueue,
    pub(crate) records: Records,
    /// By the ids of the issuers.
    pub(crate) cards: BTreeMap<String, Mutex<Cards>>,
    pub(crate) clock: Arc<Clock>,
    outbound: Outbound,
    pub(crate) state: Option<StateFile>,
}

impl App {
    /// Creates a sandbox that clients call at `base_url`.
    pub(crate) fn new(
        settings: &Builder,
        access: Arc<Access>,
        callers: BTreeMap<String, Caller>,
        decrypter: Decrypter,
        outbound: Outbound,
        base_url: String,
    ) -> Result<Self, StartError> {
        let spec = match &settings.document {
            Some(text) => Spec::read(text).map(Arc::new),
            None => Spec::shared().map_err(Into::into),
        };
        let spec = spec.map_err(|error| StartError::Spec(error.to_string()))?;
        let options = settings.options.clone();
        let (state, earlier) = StateFile::of(settings)?.unzip();
        let (clock, mut ledgers) = earlier.flatten().map(State::into_parts).unwrap_or_default();
        let clock = Arc::new(Clock::new(options.seed, clock));
        // A part of the time will do where chance need not be the same in every run.
        let random = u64::from(OffsetDateTime::now_utc().nanosecond());
        let cards = settings.issuers().map(|issuer| {
            let (spec, clock) = (Arc::clone(&spec), Arc::clone(&clock));
            let cards = Cards::new(settings, issuer, ledgers.remove(&issuer.id), spec, clock);
            (issuer.id.clone(), Mutex::new(cards))
        });
        Ok(Self {
            base_url,
            access,
            authority: Authority::new(callers, options.token_lifetime, Arc::clone(&clock)),
            decrypter,
            faults: FaultQueue::new(options.seed.unwrap_or(random)),
            records: Records::default(),
            cards: cards.collect(),
            clock,
            outbound,
            state,
            options,
            spec,
        })
    }

    /// Notes that something has changed that the state file keeps.
    pub(crate) fn changed(&self) {
        if let Some(state) = &self.state {
            state.change();
        }
    }

    /// Answers one request and records it. The body is absent if it was too long or broke off.
    pub(crate) async fn handle(&self, parts: &Parts, bytes: Option<&[u8]>) -> Reply {
        let mut record = RecordedRequest::new(parts, self.clock.now());
        let (route, path_values) = match self.spec.find(&parts.method, parts.uri.path()) {
            Ok((route, values)) => (Ok(route), values),
            Err(methods) => (Err(methods), Vec::new()),
        };
        // What belongs to no operation is read as JSON if it says that it is.
        let call = route.as_ref().map_or(Call::Suspend, |route| route.call);
        let raw = RawRequest::new(parts, path_values, call, bytes);
        record.body = raw.body.as_ref().ok().map(|body| body.value.clone());
        let mut reply = match route {
            Ok(route) => {
                record.operation_id = Some(route.call.operation_id());
                record.card_id = raw.path_value("cardId").map(str::to_owned);
                record.issuer_id = raw.path_value("issuerId").map(str::to_owned);
                let reply = self.call(route, &raw, &mut record).await;
                reply.unwrap_or_else(|refusal| self.refuse(Some(route), refusal, &mut record))
            }
            Err(methods) if methods.is_empty() => {
                let refusal = Refusal::new(404, "The path is unknown");
                self.refuse(None, refusal, &mut record)
            }
            Err(methods) => {
                let reply = self.refuse(
                    None,
                    Refusal::new(405, "The method is not supported here"),
                    &mut record,
                );
                reply.with_header("allow", &methods.join(", "))
            }
        };
        for warning in &record.warnings {
            reply = reply.with_header(warnings::HEADER, warning);
        }
        record.answer(&reply);
        self.records.push(record);
        reply
    }

    /// Returns the cards of an issuer, if there is such an issuer.
    pub(crate) fn cards(&self, issuer: &str) -> Option<MutexGuard<'_, Cards>> {
        let cards = self.cards.get(issuer)?;
        Some(cards.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the cards of each issuer, with its id.
    pub(crate) fn all_cards(&self) -> impl Iterator<Item = (&String, MutexGuard<'_, Cards>)> {
        let issuers = self.cards.keys();
        issuers.filter_map(|issuer| Some((issuer, self.cards(issuer)?)))
    }

    async fn call(
        &self,
        route: &Route,
        raw: &RawRequest<'_>,
        record: &mut RecordedRequest,
    ) -> Result<Reply, Refusal> {
        let is_token_call = route.call == Call::Token;
        let shown = raw.parts.extensions.get::<Option<ShownCertificate>>();
        let certificate = shown.and_then(Option::as_ref);
        record.client_certificate = certificate.map(ShownCertificate::fingerprint);
        let caller = match is_token_call {
            true => String::new(),
            false => self.authority.authorize(&raw.parts.headers, certificate)?,
        };
        let mut armed = self.faults.take(route.call, raw.path_value("cardId"));
        if let Some(armed) = &armed {
            record.refusal = Some(format!("a fault, as asked for: {:?}", armed.fault.kind));
        }
        if let Some(armed) = armed.take_if(|armed| !armed.fault.lets_it_happen()) {
            return Ok(Reply::new(500, None).under(armed));
        }
        let mut warnings = Warnings::new(self.options.strict);
        let request = raw.check(route);
        warnings::look_over(route, raw, &mut warnings);
        let performed = match request {
            Err(refusal) => Err(refusal),
            Ok(request) if is_token_call => {
                let (host, claims) = (called_host(raw.parts), &mut record.claims);
                let authority = &self.authority;
                authority
                    .exchange(
                        &request,
                        certificate,
                        &host,
                        &self.spec,
                        claims,
                        &mut warnings,
                    )
                    .map(|token| Reply::new(200, Some(token)))
            }
            Ok(request) => {
                let shown = &mut record.encrypted_data;
                let performed = self.perform(route, &request, &caller, shown, &mut warnings);
                performed.await
            }
        };
        record.warnings = warnings.into_texts();
        let reply = match performed {
            Ok(reply) => checked(route, reply),
            Err(refusal) => self.refuse(Some(route), refusal, record),
        };
        Ok(match armed {
            Some(armed) => reply.under(armed),
            None => reply,
        })
    }

    async fn perform(
        &self,
        route: &Route,
        request: &ValidRequest<'_>,
        caller: &str,
        shown: &mut Option<Value>,
        warnings: &mut Warnings,
    ) -> Result<Reply, Refusal> {
        let call = route.call;
        let (issuer, card) = (request.text("issuerId"), request.text("cardId"));
        // A migrated tenant refuses such a code itself.
        if let Some(code) = request.body_text("reasonCode")
            && self.options.mode == Mode::V1
            && !self.spec.documents(call, code)
        {
            warnings.add("body: /reasonCode: not documented for this operation");
        }
        let renewal = match call {
            Call::Renew => Some(self.renewal(request, caller, shown, warnings).await?),
            Call::Suspend | Call::Resume | Call::Delete | Call::List | Call::Get | Call::Token => {
                None
            }
        };
        warnings.enforce()?;
        let mut cards = self.cards_for(caller, issuer, call)?;
        cards.require_undamaged(card)?;
        let operation = match (call, renewal) {
            (Call::List, _) => {
                let offset = request.number("offset").unwrap_or(0);
                let limit = request.number("limit").unwrap_or(usize::MAX);
                return Ok(Reply::new(200, Some(cards.list(card, offset, limit)?)));
            }
            (Call::Renew, Some(renewal)) => cards.renew(card, renewal)?,
            (Call::Suspend, _) => cards.suspend(card, self.reason(request))?,
            (Call::Resume, _) => cards.resume(card, self.reason(request))?,
            (Call::Delete, _) => cards.delete(card, self.reason(request))?,
            (Call::Get | Call::Renew | Call::Token, _) => {
                let id = request.text("operationId");
                let found = cards.get(card, id, request.flag("digitalCardDetails"))?;
                return Ok(Reply::new(200, Some(found)));
            }
        };
        drop(cards);
        self.changed();
        let change = || json!({ "cardId": card, "operationId": operation });
        self.records.publish("change", change);
        self.outbound.notify(call, issuer, card, &operation);
        let status = match self.options.success_style {
            SuccessStyle::NoContent => 204,
            SuccessStyle::Body => 200,
        };
        let status = route.success_status().unwrap_or(status);
        let body = json!({ "operationId": operation, "status": "SUCCESSFUL" });
        Ok(Reply::new(status, (status != 204).then_some(body)))
    }

    /// Returns the cards of an issuer that the caller may call for.
    fn cards_for(
        &self,
        caller: &str,
        issuer: &str,
        call: Call,
    ) -> Result<MutexGuard<'_, Cards>, Refusal> {
        let unknown = |detail| Cards::unknown_card(call).because(detail);
        let cards = self.cards(issuer);
        let cards = cards.ok_or_else(|| unknown("there is no such issuer"))?;
        if !self.authority.may_call_for(caller, issuer) {
            return Err(unknown("the access token is that of another issuer"));
        }
        Ok(cards)
    }

    async fn renewal(
        &self,
        request: &ValidRequest<'_>,
        caller: &str,
        shown: &mut Option<Value>,
        warnings: &mut Warnings,
    ) -> Result<Renewal, Refusal> {
        let state = request
            .body_text("state")
            .map(|state| serde_json::from_value(state.into()));
        let state = state.transpose();
        let state: Option<CardState> =
            state.map_err(|_| Refusal::new(400, "body: /state is not supported"))?;
        let credentials = request.body_text("encryptedData").map(|token| {
            let now = self.clock.now();
            Credentials::sent(token, &self.decrypter, &self.spec, now, shown, warnings)
                .map_err(|rule| Refusal::new(400, format!("body: /encryptedData: {rule}")))
        });
        let mut renewal = Renewal {
            new_card_id: request.body_text("newCardId").map(str::to_owned),
            new_product: request.body_text("newCardProductId").map(str::to_owned),
            state: state.unwrap_or_default(),
            credentials: credentials.transpose()?,
            reason: self.reason(request),
        };
        let (issuer, card) = (request.text("issuerId"), request.text("cardId"));
        if self.outbound.asks_issuer()
            && warnings.enforce().is_ok()
            && self
                .cards_for(caller, issuer, Call::Renew)
                .is_ok_and(|cards| cards.must_ask_issuer(card, &renewal))
        {
            let asked = self.outbound.credentials(issuer, card).await;
            let asked = asked
                .and_then(|token| Credentials::from_issuer(&token, &self.decrypter, &self.spec));
            renewal.credentials = Some(asked.map_err(|rule| {
                const USELESS: &str = "the issuer's Get Card Credentials is of no use";
                tracing::warn!(%rule, "{USELESS}");
                Refusal::new(500, "Internal error").because(USELESS)
            })?);
        }
        Ok(renewal)
    }

    fn reason(&self, request: &ValidRequest<'_>) -> Reason {
        let code = request.body_text("reasonCode");
        Reason {
            text: request.body_text("reason").map(str::to_owned),
            code: code.unwrap_or(&self.spec.default_reason_code).to_owned(),
        }
    }

    fn refuse(
        &self,
        route: Option<&Route>,
        refusal: Refusal,
        record: &mut RecordedRequest,
    ) -> Reply {
        let refusal = match route {
            Some(route) if route.call == Call::Token => refusal.of_token_call(),
            Some(_) | None => refusal,
        };
        record.refusal = Some(refusal.reason());
        let code = route.and_then(|route| route.error_code(refusal.status, refusal.when));
        let body = refusal.body(code, self.options.error_bodies);
        let reply = Reply::new(refusal.status, body);
        match route {
            Some(route) => checked(route, reply),
            None => reply,
        }
    }
}

/// Compares a reply with the document; one that differs becomes a 500.
fn checked(route: &Route, mut reply: Reply) -> Reply {
    let Err(difference) = route.check_reply(reply.status, reply.body.as_mut()) else {
        return reply;
    };
    let (operation, status) = (route.call.operation_id(), reply.status);
    tracing::error!(operation, status, difference, "a reply breaks the document");
    let body = Refusal::new(500, "The sandbox broke its own document");
    Reply::new(500, body.body(None, ErrorBodies::WithCode)).with_header(BREACH, "true")
}

/// Returns the host that the client has called, without its port.
fn called_host(parts: &Parts) -> String {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = header.and_then(|host| host.parse::<UriAuthority>().ok());
    let authority = authority.as_ref().or(parts.uri.authority());
    authority.map_or_else(String::new, |authority| authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sandbox::Sandbox;
    use http::Method;

    #[tokio::test]
    async fn an_answer_that_breaks_the_document_becomes_a_500() {
        let sandbox = Sandbox::start().await.unwrap();
        let app = &sandbox.app;
        let path = "/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations";
        let (route, _) = app.spec.find(&Method::GET, path).unwrap();
        let wrong = json!({ "operations": "none" });
        for (status, body) in [(200, Some(wrong)), (204, None), (418, None)] {
            let reply = checked(route, Reply::new(status, body));
            let marked = reply.headers.iter().any(|(name, _)| name == BREACH);
            assert_eq!((reply.status, marked), (500, true), "{status}");
        }
    }
}
