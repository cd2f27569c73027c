//! From a response to an error: by operation, status and code, through the generated table.
//!
//! A status always gives a kind, also one that D1 does not document. The code refines it, and with the table selects the
//! documented causes. Neither counts where the body is not from D1 or contradicts itself: a gateway's 404 does not
//! say that a card is unknown.

use std::time::{Duration, SystemTime};

use d1_generated::types::ErrorBody;
use d1_transport::HttpResponse;
use http::{HeaderMap, header};

use super::causes::{self, RequestContext};
use super::code::{self, reads_like_a_code};
use super::{Error, ErrorKind, Fault, Outcome, ResponseFault};
use crate::clock::seconds_ahead;
use crate::json::{self, JsonFault};
use crate::redact::{mask, mask_fields};
use crate::values::ApiOperation;

/// Returns the error of a response that is not a success.
pub(crate) fn refused(
    operation: ApiOperation,
    context: RequestContext,
    response: &HttpResponse,
    outcome: Outcome,
) -> Error {
    let status = response.status;
    let ErrorResponse { body, code, fault } = ErrorResponse::read(response);
    // What is not D1's, or contradicts itself, says nothing of the cause.
    let known_code = code.as_deref().filter(|_| fault.is_none());
    let causes = match fault {
        None => causes::applicable(operation, status, known_code, context),
        Some(_) => Vec::new(),
    };
    let undocumented = code.is_some() && causes.is_empty();
    let kind = ErrorKind::of_status(status, known_code);
    Error::new(operation, kind, outcome)
        .with_status(status)
        .with_body(body, code)
        .edit(|inner| {
            inner.headers = response.headers.clone();
            inner.fault = fault.or(undocumented.then_some(Fault::UNDOCUMENTED_CODE));
            inner.causes = causes;
            inner.retry_after = retry_after(&response.headers, SystemTime::now());
            if operation == ApiOperation::GetToken {
                let server_time = server_time(&response.headers);
                inner.clock_offset = server_time.map(|at| seconds_ahead(SystemTime::now(), at));
            }
        })
}

/// Returns the error of a response whose status says success, and whose body cannot be used or says that it failed.
/// Whether a change was carried out is not known then.
pub(crate) fn invalid_response(
    operation: ApiOperation,
    response: &HttpResponse,
    fault: ResponseFault,
    outcome: Outcome,
) -> Error {
    let kind = ErrorKind::InvalidResponse;
    let ErrorResponse { body, code, .. } = ErrorResponse::read(response);
    // Of a change, the fault itself says what came: it may be a text of D1.
    let is_foreign = !operation.changes_card() && is_no_object(bytes_of(response));
    Error::new(operation, kind, outcome)
        .with_status(response.status)
        .with_body(body, code)
        .with_source(fault)
        .edit(|inner| {
            inner.headers = response.headers.clone();
            inner.fault = is_foreign.then_some(Fault::NOT_FROM_D1);
        })
}

impl Error {
    /// Adds what an error body says: code, text and unknown fields.
    fn with_body(self, body: Option<ErrorBody>, code: Option<String>) -> Self {
        self.edit(|inner| {
            inner.code = code.filter(|code| reads_like_a_code(code));
            inner.text = body.as_ref().and_then(troubleshooting_text);
            inner.unknown_fields = body.map(|body| mask_fields(body.extra)).unwrap_or_default();
        })
    }
}

/// What the body of an error says.
struct ErrorResponse {
    /// The body as D1 documents it; any other body is none.
    body: Option<ErrorBody>,
    /// The code that it gives, in whatever form.
    code: Option<String>,
    /// Why it says nothing of the cause; `None` where D1 may have sent it: nothing at all, an object that
    /// was cut off, or one with a member of D1's errors.
    fault: Option<Fault>,
}

impl ErrorResponse {
    fn read(response: &HttpResponse) -> Self {
        let nothing = |fault| Self {
            body: None,
            code: None,
            fault,
        };
        let bytes = bytes_of(response);
        let fields = match json::object(bytes) {
            Ok(fields) => fields,
            Err(JsonFault::Contradictory) => return nothing(Some(Fault::CONTRADICTORY)),
            Err(JsonFault::Malformed | JsonFault::NoObject) => {
                return nothing(is_no_object(bytes).then_some(Fault::NOT_FROM_D1));
            }
        };
        let code = code::find(&fields);
        let mut members = fields.iter();
        let is_d1s = members.any(|(name, value)| code::is_documented_member(name, value));
        let read = json::read::<ErrorBody>(fields);
        Self {
            body: read.map(|(mut body, misfits)| {
                body.extra.extend(misfits);
                body
            }),
            code,
            fault: (!is_d1s).then_some(Fault::NOT_FROM_D1),
        }
    }
}

/// Returns the body of a response, without what may stand before and after it.
fn bytes_of(response: &HttpResponse) -> &[u8] {
    json::without_byte_order_mark(response.body.as_deref().unwrap_or_default()).trim_ascii()
}

/// Returns whether a body is neither missing nor an object, whole or cut: D1 sends nothing else.
fn is_no_object(body: &[u8]) -> bool {
    !matches!(body.first(), None | Some(b'{'))
}

/// Returns D1's own text, masked, at most 500 characters of it.
fn troubleshooting_text(body: &ErrorBody) -> Option<String> {
    let parts: Vec<&str> = [&body.error, &body.error_description]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    // Masked before it is cut: what is left of a secret that was cut no longer looks like one.
    let text: String = mask(&parts.join(": ")).chars().take(500).collect();
    (!text.is_empty()).then_some(text)
}

/// Returns the time of a response, by the server's own clock.
pub(crate) fn server_time(headers: &HeaderMap) -> Option<SystemTime> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

/// Returns how long `Retry-After` asks to wait, in seconds or until a date; a day at most.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .unwrap_or(Duration::ZERO),
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_a_day_at_most() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let day = Duration::from_secs(86_400);
        for (text, expected) in [
            ("0", Some(Duration::ZERO)),
            (" 7 ", Some(Duration::from_secs(7))),
            ("86399", Some(day - Duration::from_secs(1))),
            ("86401", Some(day)),
            ("18446744073709551615", Some(day)),
            (
                "Tue, 14 Nov 2023 22:13:30 GMT",
                Some(Duration::from_secs(10)),
            ),
            ("Tue, 14 Nov 2023 22:13:10 GMT", Some(Duration::ZERO)),
            ("Fri, 14 Nov 2053 22:13:20 GMT", Some(day)),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, http::HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers, now), expected, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_token_call_that_is_refused_for_its_rate_is_not_about_who_called() {
        for (status, expected) in [
            (StatusCode::TOO_MANY_REQUESTS, ErrorKind::RateLimited),
            (StatusCode::BAD_REQUEST, ErrorKind::TokenUnavailable),
            (StatusCode::UNAUTHORIZED, ErrorKind::TokenUnavailable),
            (StatusCode::BAD_GATEWAY, ErrorKind::ServerError),
        ] {
            assert_eq!(
                ErrorKind::of_status(status, None).of_token_exchange(),
                expected
            );
        }
    }
}
