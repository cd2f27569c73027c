//! Takes one request through routing, authorization, validation and the rules to an answer.

use crate::acceptor::ShownCertificate;
use crate::auth::{Authority, Caller, TokenCall};
use crate::card::CardState;
use crate::clock::Clock;
use crate::faults::FaultQueue;
use crate::issuer::{self, Endpoint};
use crate::jwe::Decrypter;
use crate::keys::KeyPair;
use crate::record::{RecordedRequest, Records};
use crate::refusal::Refusal;
use crate::renewal::Renewal;
use crate::reply::Reply;
use crate::request::{self, RawRequest, ValidRequest};
use crate::rules;
use crate::settings::{Builder, ErrorBodies, IssuerStub, Mode, StartError, SuccessStyle};
use crate::spec::{Call, Found, Route, Spec};
use crate::state::{Motive, World};
use crate::warnings::{self, Warnings};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority as UriAuthority;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;

/// The path parameter values that a route found.
type PathValues<'p> = [(&'p str, Option<String>)];

/// One sandbox without its network.
pub(crate) struct App {
    pub(crate) spec: Arc<Spec>,
    pub(crate) authority: Authority,
    pub(crate) decrypter: Decrypter,
    pub(crate) faults: FaultQueue,
    pub(crate) records: Records,
    /// By the ids of the issuers.
    pub(crate) worlds: BTreeMap<String, Mutex<World>>,
    pub(crate) success_style: SuccessStyle,
    pub(crate) error_bodies: ErrorBodies,
    mode: Mode,
    strict: bool,
    pub(crate) issuer: Option<Endpoint>,
    pub(crate) clock: Arc<Clock>,
}

impl App {
    /// A sandbox as it is configured, with its callers and the keys of D1.
    pub(crate) fn new(
        settings: &Builder,
        spec: Arc<Spec>,
        callers: BTreeMap<String, Caller>,
        encryption_keys: &[KeyPair],
    ) -> Result<Self, StartError> {
        let clock = Arc::new(Clock::new(settings.seed));
        // A part of the time will do where chance need not be the same in every run.
        let random = u64::from(OffsetDateTime::now_utc().nanosecond());
        let issuer = match &settings.issuer_stub {
            IssuerStub::Endpoint { url } => Endpoint::parse(url),
            IssuerStub::KeepsPan { .. } | IssuerStub::Answers { .. } | IssuerStub::Unavailable => {
                None
            }
        };
        let worlds = settings.issuers().map(|issuer| {
            let world = World::new(settings, issuer, Arc::clone(&clock));
            (issuer.id.clone(), Mutex::new(world))
        });
        Ok(Self {
            spec,
            authority: Authority::new(callers, settings.token_lifetime, Arc::clone(&clock)),
            decrypter: Decrypter::new(encryption_keys)
                .map_err(|error| StartError::Keys(error.to_string()))?,
            faults: FaultQueue::new(settings.seed.unwrap_or(random)),
            records: Records::default(),
            worlds: worlds.collect(),
            success_style: settings.success_style,
            error_bodies: settings.error_bodies,
            mode: settings.mode,
            strict: settings.strict,
            issuer,
            clock,
        })
    }

    /// Answers one request and records it. The body is absent if it was too long or broke off.
    pub(crate) async fn handle(&self, parts: &Parts, bytes: Option<&[u8]>) -> Reply {
        let mut record = RecordedRequest::new(parts, self.clock.now());
        let found = self.spec.find(&parts.method, parts.uri.path());
        // What belongs to no operation is read as JSON if it says that it is.
        let reader = match &found {
            Found::Route(route, _) => route.call,
            Found::OtherMethods(_) | Found::Nothing => Call::Suspend,
        };
        let body = request::read_body(reader, &parts.headers, bytes);
        record.body = body.as_ref().ok().map(|(body, _)| body.clone());
        let raw = RawRequest {
            headers: &parts.headers,
            path: parts.uri.path(),
            query: parts.uri.query(),
            has_body: bytes.is_none_or(|bytes| !bytes.is_empty()),
            has_repeated_names: body.as_ref().is_ok_and(|(_, repeated)| *repeated),
            body: body.as_ref().map(|(body, _)| body).map_err(String::as_str),
        };
        let mut reply = match found {
            Found::Route(route, values) => {
                record.operation_id = Some(route.call.operation_id());
                record.card_id = path_value(&values, "cardId").map(str::to_owned);
                record.issuer_id = path_value(&values, "issuerId").map(str::to_owned);
                self.call(route, &values, &raw, parts, &mut record).await
            }
            Found::OtherMethods(methods) => {
                let refusal = self.refuse(None, &Refusal::wrong_method(), &mut record);
                let allow = methods;
                Reply { allow, ..refusal }
            }
            Found::Nothing => {
                let refusal = Refusal::not_found("The path is unknown");
                self.refuse(None, &refusal, &mut record)
            }
        };
        for warning in &record.warnings {
            let header = (warnings::HEADER.to_owned(), warning.clone());
            reply.headers.push(header);
        }
        record.status = reply.recorded_status();
        self.records.push(record);
        reply
    }

    /// The cards of an issuer, if there is such an issuer.
    pub(crate) fn world(&self, issuer: &str) -> Option<MutexGuard<'_, World>> {
        let world = self.worlds.get(issuer)?;
        Some(world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn call(
        &self,
        route: &Route,
        values: &PathValues<'_>,
        raw: &RawRequest<'_>,
        parts: &Parts,
        record: &mut RecordedRequest,
    ) -> Reply {
        let is_token_call = route.call == Call::Token;
        let shown = parts.extensions.get::<Option<ShownCertificate>>();
        let mut caller = String::new();
        if !is_token_call {
            match self
                .authority
                .authorize(raw.headers, shown.and_then(Option::as_ref))
            {
                Ok(found) => caller = found,
                Err(refusal) => {
                    return self.checked(route, self.refuse(Some(route), &refusal, record));
                }
            }
        }
        let card = path_value(values, "cardId");
        let met = self
            .faults
            .take(route.call.operation_id(), card, is_token_call);
        if let Some(met) = &met {
            record.refusal = Some(format!("a fault, as asked for: {:?}", met.fault.kind));
        }
        if met.as_ref().is_some_and(|met| !met.fault.lets_it_happen()) {
            return met.map_or_else(|| Reply::answer(500, None), Reply::of);
        }
        let mut warnings = Warnings::new(self.strict);
        let request = request::check(route, values, raw);
        warnings::look_over(route, raw, &mut warnings);
        let performed = match request {
            Err(refusal) => Err(refusal),
            Ok(request) if is_token_call => {
                let host = called_host(parts);
                let call = TokenCall {
                    certificate: shown.and_then(Option::as_ref),
                    host: &host,
                    spec: &self.spec,
                    claims: &mut record.claims,
                };
                let token = self.authority.exchange(&request, call, &mut warnings);
                token.map(|token| Reply::answer(200, Some(token)))
            }
            Ok(request) => self.perform(route, &request, &caller, &mut warnings).await,
        };
        record.warnings = warnings.into_texts();
        let reply = performed.unwrap_or_else(|refusal| match is_token_call {
            true => self.refuse(Some(route), &refusal.of_token_call(), record),
            false => self.refuse(Some(route), &refusal, record),
        });
        let reply = self.checked(route, reply);
        match met {
            Some(met) => reply.under(met),
            None => reply,
        }
    }

    async fn perform(
        &self,
        route: &Route,
        request: &ValidRequest<'_>,
        caller: &str,
        warnings: &mut Warnings,
    ) -> Result<Reply, Refusal> {
        let call = route.call;
        let (issuer, card) = (request.text("issuerId"), request.text("cardId"));
        // A migrated tenant refuses such a code itself.
        if let Some(code) = request.body_text("reasonCode")
            && self.mode == Mode::V1
            && !rules::is_documented(call, code)
        {
            warnings.add("body: /reasonCode: not documented for this operation");
        }
        let renewal = match call {
            Call::Renew => Some(self.renewal(request, caller, warnings).await?),
            Call::Suspend | Call::Resume | Call::Delete | Call::List | Call::Get | Call::Token => {
                None
            }
        };
        warnings.enforce()?;
        let mut world = self.world_for(caller, issuer, call)?;
        world.demand_undamaged(card)?;
        let operation = match (call, renewal) {
            (Call::List, _) => {
                let offset = request.number("offset").unwrap_or(0);
                let limit = request.number("limit").unwrap_or(usize::MAX);
                return Ok(Reply::answer(200, Some(world.list(card, offset, limit)?)));
            }
            (Call::Renew, Some(renewal)) => world.renew(card, renewal)?,
            (Call::Suspend, _) => world.suspend(card, self.motive(request))?,
            (Call::Resume, _) => world.resume(card, self.motive(request))?,
            (Call::Delete, _) => world.delete(card, self.motive(request))?,
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

    /// The cards of an issuer that the caller may call for.
    fn world_for(
        &self,
        caller: &str,
        issuer: &str,
        call: Call,
    ) -> Result<MutexGuard<'_, World>, Refusal> {
        let unknown = || World::unknown_card(call == Call::Delete);
        let world = self.world(issuer);
        let world = world.ok_or_else(|| unknown().because("there is no such issuer"))?;
        if !self.authority.may_call_for(caller, issuer) {
            return Err(unknown().because("the access token is that of another issuer"));
        }
        Ok(world)
    }

    async fn renewal(
        &self,
        request: &ValidRequest<'_>,
        caller: &str,
        warnings: &mut Warnings,
    ) -> Result<Renewal, Refusal> {
        let state = match request.body_text("state") {
            None | Some("ACTIVE") => CardState::Active,
            Some("INACTIVE") => CardState::Inactive,
            Some(_) => return Err(Refusal::bad_request("body: /state is not supported")),
        };
        let credentials = request.body_text("encryptedData").map(|token| {
            let now = self.clock.now();
            issuer::look_over(token, &self.decrypter, &self.spec, now, warnings);
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
            && warnings.enforce().is_ok()
            && self
                .world_for(caller, issuer, Call::Renew)
                .is_ok_and(|world| world.must_ask_issuer(card, &renewal))
        {
            let answer = endpoint.credentials(issuer, card, &self.decrypter, &self.spec);
            renewal.credentials = Some(answer.await.map_err(|rule| {
                tracing::warn!(rule, "the issuer's Get Card Credentials is of no use");
                Refusal::internal("Internal error")
                    .because("the issuer's Get Card Credentials is of no use")
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

    fn refuse(
        &self,
        route: Option<&Route>,
        refusal: &Refusal,
        record: &mut RecordedRequest,
    ) -> Reply {
        record.refusal = Some(refusal.reason());
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

/// The host that the client has called, without its port.
fn called_host(parts: &Parts) -> String {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = header.and_then(|host| host.parse::<UriAuthority>().ok());
    let authority = authority.as_ref().or(parts.uri.authority());
    authority.map_or_else(String::new, |authority| authority.host().to_owned())
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
