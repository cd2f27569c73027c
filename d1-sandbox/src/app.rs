//! Takes one request through routing, authorization, validation and the rules to an answer.

use crate::auth::Authority;
use crate::card::CardState;
use crate::config::{ErrorBodies, SuccessStyle};
use crate::faults::{Fault, FaultQueue};
use crate::jwe::Decrypter;
use crate::record::{RecordedRequest, Records};
use crate::refusal::Refusal;
use crate::renewal::{Credentials, Renewal};
use crate::request::{self, RawRequest, ValidRequest};
use crate::rules::DEFAULT_REASON_CODE;
use crate::spec::{Call, Found, Route, Spec};
use crate::state::{Motive, World};
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The path parameter values that a route found.
type PathValues<'p> = [(&'p str, Option<String>)];

/// One sandbox without its network.
pub(crate) struct App {
    pub(crate) spec: &'static Spec,
    pub(crate) authority: Authority,
    pub(crate) decrypter: Decrypter,
    pub(crate) faults: FaultQueue,
    pub(crate) records: Records,
    pub(crate) world: Mutex<World>,
    pub(crate) success_style: SuccessStyle,
    pub(crate) error_bodies: ErrorBodies,
}

/// What the network is to send.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        body: Option<Value>,
        /// The methods for the `Allow` header.
        allow: Vec<Method>,
        /// Whether the answer differs from the OpenAPI document.
        breach: bool,
    },
    Fault(Fault),
}

impl Reply {
    fn answer(status: u16, body: Option<Value>) -> Self {
        Self::Answer {
            status,
            body,
            allow: Vec::new(),
            breach: false,
        }
    }

    fn status(&self) -> u16 {
        match self {
            Self::Answer { status, .. } => *status,
            Self::Fault(fault) => fault.answer.unwrap_or_default(),
        }
    }
}

impl App {
    /// Answers one request and records it. The body is absent if it was too long or broke off.
    pub(crate) fn handle(&self, parts: &Parts, body: Option<&[u8]>) -> Reply {
        let raw = RawRequest {
            headers: &parts.headers,
            query: parts.uri.query(),
            body,
        };
        let (call, reply) = match self.spec.find(&parts.method, parts.uri.path()) {
            Found::Route(route, values) => (Some(route.call), self.call(route, &values, &raw)),
            Found::OtherMethods(methods) => {
                let body = Refusal::wrong_method().body(self.error_bodies);
                (
                    None,
                    Reply::Answer {
                        status: 405,
                        body,
                        allow: methods,
                        breach: false,
                    },
                )
            }
            Found::Nothing => (
                None,
                self.refuse(&Refusal::not_found("The path is unknown")),
            ),
        };
        self.record(parts, body, call, reply.status());
        reply
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, route: &Route, values: &PathValues<'_>, raw: &RawRequest<'_>) -> Reply {
        let is_token_call = route.call == Call::Token;
        if !is_token_call && let Err(refusal) = self.authority.authorize(raw.headers) {
            return self.checked(route, self.refuse(&refusal));
        }
        let fault = self.faults.take(route.call.operation_id(), is_token_call);
        if let Some(fault) = fault.as_ref().filter(|fault| !fault.after_effect) {
            return Reply::Fault(fault.clone());
        }
        let reply = match self.perform(route, values, raw) {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(&refusal),
        };
        match fault {
            Some(fault) => Reply::Fault(fault),
            None => self.checked(route, reply),
        }
    }

    fn perform(
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
            Call::Renew => Some(self.renewal(&request)?),
            _ => None,
        };
        let card = request.text("cardId");
        let mut world = self.world();
        world.demand_issuer(request.text("issuerId"), route.call == Call::Delete)?;
        let operation = match (route.call, renewal) {
            (Call::List, _) => {
                let offset = request.number("offset").unwrap_or(0);
                let limit = request.number("limit").unwrap_or(10);
                return Ok(Reply::answer(200, Some(world.list(card, offset, limit)?)));
            }
            (Call::Renew, Some(renewal)) => world.renew(card, renewal)?,
            (Call::Suspend, _) => world.suspend(card, motive(&request))?,
            (Call::Resume, _) => world.resume(card, motive(&request))?,
            (Call::Delete, _) => world.delete(card, motive(&request))?,
            (Call::Get | Call::Renew | Call::Token, _) => {
                let (id, digital) = (
                    request.text("operationId"),
                    request.flag("digitalCardDetails"),
                );
                return Ok(Reply::answer(200, Some(world.get(card, id, digital)?)));
            }
        };
        Ok(match self.success_style {
            SuccessStyle::NoContent => Reply::answer(204, None),
            SuccessStyle::Body => {
                let body = json!({ "operationId": operation, "status": "SUCCESSFUL" });
                Reply::answer(200, Some(body))
            }
        })
    }

    fn renewal(&self, request: &ValidRequest) -> Result<Renewal, Refusal> {
        let state = match request.body_text("state") {
            None | Some("ACTIVE") => CardState::Active,
            Some("INACTIVE") => CardState::Inactive,
            Some(_) => return Err(Refusal::bad_request("body: /state is not supported")),
        };
        let credentials = request.body_text("encryptedData").map(|token| {
            self.credentials(token)
                .map_err(|rule| Refusal::bad_request(format!("body: /encryptedData: {rule}")))
        });
        Ok(Renewal {
            new_card_id: request.body_text("newCardId").map(str::to_owned),
            new_product: request.body_text("newCardProductId").map(str::to_owned),
            state,
            credentials: credentials.transpose()?,
            motive: motive(request),
        })
    }

    fn credentials(&self, token: &str) -> Result<Credentials, String> {
        let plaintext = self
            .decrypter
            .decrypt(token)
            .map_err(|error| error.to_string())?;
        let json = plaintext.json().ok_or("the plaintext is not JSON")?;
        self.spec
            .check_credentials(&json)
            .map_err(|rule| format!("the plaintext is not valid: {rule}"))?;
        Ok(Credentials::from_plaintext(&json)?)
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        Reply::answer(refusal.status, refusal.body(self.error_bodies))
    }

    /// Holds an answer of ours against the document; one that differs becomes a 500.
    fn checked(&self, route: &Route, reply: Reply) -> Reply {
        let Reply::Answer { status, body, .. } = &reply else {
            return reply;
        };
        match route.check_answer(*status, body.as_ref()) {
            Ok(()) => reply,
            Err(difference) => {
                let operation = route.call.operation_id();
                tracing::error!(
                    operation,
                    status,
                    difference,
                    "an answer breaks the document"
                );
                let body = Refusal::internal("The sandbox broke its own document");
                let body = body.body(ErrorBodies::WithCode);
                Reply::Answer {
                    status: 500,
                    body,
                    allow: Vec::new(),
                    breach: true,
                }
            }
        }
    }

    fn record(&self, parts: &Parts, body: Option<&[u8]>, call: Option<Call>, status: u16) {
        let content_type = request::content_type(&parts.headers);
        // What belongs to no operation is read as JSON if it says that it is.
        let reader = call.unwrap_or(Call::Suspend);
        let body =
            body.and_then(|bytes| request::parse_body(reader, content_type.as_deref(), bytes).ok());
        let correlation_id = parts.headers.get("x-correlation-id");
        self.records.push(RecordedRequest {
            operation_id: call.map(Call::operation_id),
            method: parts.method.to_string(),
            path: parts
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            status,
            correlation_id: correlation_id
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            body,
        });
    }
}

fn motive(request: &ValidRequest) -> Motive {
    Motive {
        reason: request.body_text("reason").map(str::to_owned),
        reason_code: request
            .body_text("reasonCode")
            .unwrap_or(DEFAULT_REASON_CODE)
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Sandbox;

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
            let found = matches!(
                reply,
                Reply::Answer {
                    status: 500,
                    breach: true,
                    ..
                }
            );
            assert!(found, "{status}");
        }
    }
}
