//! Sends one request once, and says what became of it.

use std::error::Error as StdError;
use std::time::Duration;

use d1_generated::hooks::{Additions, Answer, BodyFault, CallContext};
use d1_generated::types::ErrorBody;

use crate::api_operation::ApiOperation;
use crate::error::{Error, ErrorBuilder, ErrorKind, Outcome, RequestFacts, refused, server_time};
use crate::telemetry::Host;
use crate::text::CorrelationId;

/// One call of the generated client.
pub(crate) trait ApiCall: Sync {
    /// What a successful answer holds.
    type Answer: Send;

    /// The endpoint.
    fn operation(&self) -> ApiOperation;

    /// What the error table wants to know of the request.
    fn facts(&self) -> RequestFacts;

    /// Makes the call.
    fn send(
        &self,
        client: &d1_generated::Client,
        correlation_id: &CorrelationId,
    ) -> impl Future<
        Output = Result<d1_generated::ResponseValue<Self::Answer>, d1_generated::Error<ErrorBody>>,
    > + Send;
}

/// A successful answer.
pub(crate) struct Delivered<T> {
    /// Its status.
    pub(crate) status: http::StatusCode,
    /// When it was given, by D1's clock.
    pub(crate) server_time: Option<std::time::SystemTime>,
    /// Its body, where it could be read as what the spec says.
    pub(crate) value: Option<T>,
    /// Its body as it came, where it came whole.
    pub(crate) body: Result<bytes::Bytes, BodyFault>,
}

/// The HTTP client with what every request of it has in common.
pub(crate) struct Transport {
    http: reqwest::Client,
    base_url: String,
    host: Host,
    timeout: Duration,
    body_limit: usize,
}

impl Transport {
    pub(crate) fn new(
        http: reqwest::Client,
        base_url: String,
        timeout: Duration,
        body_limit: usize,
    ) -> Self {
        Self {
            http,
            host: Host::of(&base_url),
            base_url,
            timeout,
            body_limit,
        }
    }

    /// How long a call may take unless it says otherwise.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The host, for telemetry.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What every request adds.
    pub(crate) fn additions(&self) -> Additions {
        Additions {
            body_limit: self.body_limit,
            ..Additions::default()
        }
    }

    /// Sends `call` once.
    pub(crate) async fn send<C: ApiCall>(
        &self,
        call: &C,
        correlation_id: &CorrelationId,
        additions: Additions,
    ) -> Result<Delivered<C::Answer>, Error> {
        let context = CallContext::new(additions);
        let client = d1_generated::Client::new_with_client(
            &self.base_url,
            self.http.clone(),
            context.clone(),
        );
        let result = call.send(&client, correlation_id).await;
        match context.take_answer() {
            Some(answer) => read_answer(call, result, answer),
            None => Err(no_answer(call.operation(), result.err())),
        }
    }
}

fn read_answer<C: ApiCall>(
    call: &C,
    result: Result<d1_generated::ResponseValue<C::Answer>, d1_generated::Error<ErrorBody>>,
    answer: Answer,
) -> Result<Delivered<C::Answer>, Error> {
    if !answer.status.is_success() {
        return Err(refused(call.operation(), call.facts(), &answer));
    }
    Ok(Delivered {
        status: answer.status,
        server_time: server_time(&answer.headers),
        value: result.ok().map(d1_generated::ResponseValue::into_inner),
        body: answer.body,
    })
}

/// The error of a successful answer to a read that cannot be used.
pub(crate) fn unusable<T>(operation: ApiOperation, delivered: Delivered<T>) -> Error {
    let builder =
        |kind| ErrorBuilder::new(operation, kind, Outcome::Unknown).status(delivered.status);
    match delivered.body {
        Ok(_) => builder(ErrorKind::UnreadableAnswer).build(),
        Err(BodyFault::TooLarge) => builder(ErrorKind::AnswerTooLarge).build(),
        Err(BodyFault::Transport(e)) if e.is_timeout() => {
            builder(ErrorKind::Timeout).source(e.without_url()).build()
        }
        Err(BodyFault::Transport(e)) => builder(ErrorKind::Transport)
            .source(e.without_url())
            .build(),
    }
}

/// The error of a request that got no status.
fn no_answer(operation: ApiOperation, error: Option<d1_generated::Error<ErrorBody>>) -> Error {
    let Some(d1_generated::Error::CommunicationError(error)) = error else {
        // The generated client could not even make the request.
        return ErrorBuilder::new(operation, ErrorKind::InvalidInput, Outcome::NotSent).build();
    };
    let (kind, outcome) = classify(&error);
    ErrorBuilder::new(operation, kind, outcome)
        .source(error.without_url())
        .build()
}

fn classify(error: &reqwest::Error) -> (ErrorKind, Outcome) {
    if error.is_builder() {
        return (ErrorKind::InvalidInput, Outcome::NotSent);
    }
    if error.is_connect() {
        let kind = if error.is_timeout() {
            ErrorKind::Timeout
        } else {
            ErrorKind::Connect
        };
        return (kind, Outcome::NotSent);
    }
    // With TLS 1.3 a refused client certificate shows only after the client has written.
    if is_handshake_alert(error) {
        return (ErrorKind::Connect, Outcome::NotSent);
    }
    if error.is_timeout() {
        return (ErrorKind::Timeout, Outcome::Unknown);
    }
    (ErrorKind::Transport, Outcome::Unknown)
}

/// Whether the peer ended the connection with an alert about the client's certificate: it read no
/// request then.
fn is_handshake_alert(error: &reqwest::Error) -> bool {
    use rustls::AlertDescription as Alert;
    const ALERTS: [Alert; 9] = [
        Alert::CertificateRequired,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateRevoked,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
        Alert::AccessDenied,
        Alert::HandshakeFailure,
    ];
    // HTTP/2 keeps the text of an I/O error only, so it is the text that is compared.
    let texts = ALERTS.map(|alert| rustls::Error::AlertReceived(alert).to_string());
    let mut current: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(e) = current {
        if texts.contains(&e.to_string()) {
            return true;
        }
        current = e.source();
    }
    false
}
