//! From an answer to an error: by operation, status and code, through the generated table.

use std::time::{Duration, SystemTime};

use d1_generated::error_table::{Condition, ERROR_TABLE, ErrorRow};
use d1_generated::types::ErrorBody;
use d1_transport::HttpResponse;
use http::{HeaderMap, StatusCode, header};

use super::code::{self, reads_like_a_code};
use super::{Cause, Error, ErrorBuilder, ErrorKind, Fault, Outcome, ResponseFault};
use crate::api_operation::ApiOperation;
use crate::json::{self, JsonFault};
use crate::redact::{mask, mask_fields};

/// What the client knows of a request, and the table's conditions ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequestFacts {
    /// Whether `newCardId` is another id than the card's; `None` where it was not sent.
    pub(crate) new_card_id_differs: Option<bool>,
    /// Whether the card is to be INACTIVE; `None` where no state was sent.
    pub(crate) inactive: Option<bool>,
    /// Whether another reason code than the default was sent.
    pub(crate) other_reason_code: bool,
}

/// Whether a condition is met by a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Yes,
    /// The client cannot know.
    Maybe,
    No,
}

impl From<Option<bool>> for Met {
    fn from(value: Option<bool>) -> Self {
        match value {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Maybe,
        }
    }
}

impl RequestFacts {
    fn meets(self, condition: Condition) -> Met {
        match condition {
            Condition::NewCardIdDiffers => self.new_card_id_differs.into(),
            Condition::NewCardIdSame => self.new_card_id_differs.map(|d| !d).into(),
            Condition::StateInactive => self.inactive.into(),
            // The old PAN is D1's knowledge, not ours.
            Condition::PanChanged | Condition::PanSame => Met::Maybe,
            // The default one can be refused as well, but the others are likelier to be.
            Condition::ReasonCodeOtherThanDefault if self.other_reason_code => Met::Yes,
            Condition::ReasonCodeOtherThanDefault => Met::Maybe,
        }
    }

    /// How many conditions of a row are met for certain; `None` where one is certainly not.
    fn specificity(self, row: &ErrorRow) -> Option<usize> {
        let mut certain = 0;
        for condition in row.when {
            match self.meets(*condition) {
                Met::Yes => certain += 1,
                Met::Maybe => {}
                Met::No => return None,
            }
        }
        Some(certain)
    }
}

/// The error of an answer that is not a success.
pub(crate) fn refused(
    operation: ApiOperation,
    facts: RequestFacts,
    answer: &HttpResponse,
) -> Error {
    let Said { body, code, fault } = Said::by(answer);
    let causes = match fault {
        None => causes(operation, answer.status, code.as_deref(), facts),
        Some(_) => Vec::new(),
    };
    let kind = kind(answer.status, code.as_deref().filter(|_| fault.is_none()));

    let mut builder =
        ErrorBuilder::new(operation, kind, outcome(answer.status)).status(answer.status);
    let is_undocumented = code.is_some() && causes.is_empty();
    builder.0.fault = fault.or(is_undocumented.then_some(Fault::UndocumentedCode));
    builder = with_body(builder, body, code);
    builder.0.retry_after = retry_after(&answer.headers, SystemTime::now());
    builder.0.documented_retryable = match causes.as_slice() {
        [only] => only.row().retryable,
        _ => None,
    };
    builder.0.causes = causes;
    if operation == ApiOperation::GetToken {
        builder.0.clock_offset = clock_offset(&answer.headers, SystemTime::now());
    }
    builder.build()
}

/// The error of an answer whose status says success, and whose body cannot be used or says otherwise. What
/// became of a change is not known then.
pub(crate) fn invalid_response(
    operation: ApiOperation,
    answer: &HttpResponse,
    fault: ResponseFault,
) -> Error {
    let kind = ErrorKind::InvalidResponse;
    let mut builder = ErrorBuilder::new(operation, kind, Outcome::Unknown).status(answer.status);
    // Of a change, the fault itself says what came: it may be a text of D1.
    let is_not_d1s = !operation.changes_card() && is_not_d1s(bytes_of(answer));
    builder.0.fault = is_not_d1s.then_some(Fault::NotD1s);
    let Said { body, code, .. } = Said::by(answer);
    with_body(builder, body, code).source(fault).build()
}

/// Adds what an error body says: code, text and unknown fields.
fn with_body(
    mut builder: ErrorBuilder,
    body: Option<ErrorBody>,
    code: Option<String>,
) -> ErrorBuilder {
    builder.0.code = code.filter(|c| reads_like_a_code(c));
    builder.0.text = body.as_ref().and_then(troubleshooting_text);
    builder.0.unknown_fields = body.map(|b| mask_fields(b.extra)).unwrap_or_default();
    builder
}

/// What the body of an error says.
struct Said {
    /// The body as D1 documents it; any other body is none.
    body: Option<ErrorBody>,
    /// The code that it gives, in whatever form.
    code: Option<String>,
    /// Why it tells nothing of the cause; `None` where D1 may have said it: nothing at all, an object that
    /// was cut off, or one with a member of D1's errors.
    fault: Option<Fault>,
}

impl Said {
    fn by(answer: &HttpResponse) -> Self {
        let bytes = bytes_of(answer);
        let fields = match json::object(bytes) {
            Ok(fields) => fields,
            Err(JsonFault::Contradictory) => return Self::nothing(Some(Fault::Contradictory)),
            Err(JsonFault::Malformed | JsonFault::NoObject) => {
                return Self::nothing(is_not_d1s(bytes).then_some(Fault::NotD1s));
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
            fault: (!is_d1s).then_some(Fault::NotD1s),
        }
    }

    fn nothing(fault: Option<Fault>) -> Self {
        Self {
            body: None,
            code: None,
            fault,
        }
    }
}

/// The body of an answer, without what may stand before and after it.
fn bytes_of(answer: &HttpResponse) -> &[u8] {
    json::without_byte_order_mark(answer.body.as_deref().unwrap_or_default()).trim_ascii()
}

/// Whether a body is neither missing nor an object, whole or cut: D1 sends nothing else.
fn is_not_d1s(body: &[u8]) -> bool {
    !matches!(body.first(), None | Some(b'{'))
}

fn troubleshooting_text(body: &ErrorBody) -> Option<String> {
    let parts: Vec<&str> = [&body.error, &body.error_description]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    // Cut when it is masked: what is left of a secret that is cut no longer looks like one.
    let text: String = mask(&parts.join(": ")).chars().take(500).collect();
    (!text.is_empty()).then_some(text)
}

fn causes(
    operation: ApiOperation,
    status: StatusCode,
    code: Option<&str>,
    facts: RequestFacts,
) -> Vec<Cause> {
    let of = |wanted: &dyn Fn(&ErrorRow) -> bool| -> Vec<Cause> {
        let mut ranked: Vec<(usize, Cause)> = ERROR_TABLE
            .iter()
            .filter(|row| row.status == status.as_u16() && wanted(row))
            .filter_map(|row| Some((facts.specificity(row)?, Cause::new(row))))
            .collect();
        // Stable: rows of the same rank keep the order of the documentation.
        ranked.sort_by_key(|(certain, _)| std::cmp::Reverse(*certain));
        ranked.into_iter().map(|(_, cause)| cause).collect()
    };
    let is_own = |row: &ErrorRow| row.operation == operation.raw();
    let exact = of(&|row| is_own(row) && row.code == code);
    match code {
        // Where every row has a code and the answer has none, each of them may be meant.
        None if exact.is_empty() => of(&is_own),
        // A code means the same for every operation. One that is documented for none takes no row.
        Some(_) if exact.is_empty() => {
            let mut same = of(&|row| row.code == code);
            same.dedup_by_key(|cause| cause.meaning());
            same
        }
        None | Some(_) => exact,
    }
}

fn kind(status: StatusCode, code: Option<&str>) -> ErrorKind {
    match (status.as_u16(), code) {
        (404, Some("UNKNOWN_CARD")) => ErrorKind::UnknownCard,
        (404, Some("UNKNOWN_OPERATION")) => ErrorKind::UnknownOperation,
        (400, _) => ErrorKind::InvalidRequest,
        (401, _) => ErrorKind::TokenRejected,
        (403, _) => ErrorKind::Forbidden,
        (404, _) => ErrorKind::NotFound,
        (429, _) => ErrorKind::RateLimited,
        (500..=599, _) => ErrorKind::ServerError,
        _ => ErrorKind::UnexpectedStatus,
    }
}

/// A client error is a refusal. What a 5xx, a redirect or anything unheard of left behind is not
/// known; nor what a 408 did, which a gateway may send while D1 is still at work.
fn outcome(status: StatusCode) -> Outcome {
    if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
        Outcome::Refused
    } else {
        Outcome::Unknown
    }
}

/// The time of D1's answer, by its own clock.
pub(crate) fn server_time(headers: &HeaderMap) -> Option<SystemTime> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()
}

/// How many seconds `now` is ahead of D1's clock.
fn clock_offset(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let theirs = server_time(headers)?;
    let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    Some(match now.duration_since(theirs) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    })
}

/// `Retry-After` in seconds or as a date, a day at most.
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
            assert_eq!(kind(status, None).of_token_exchange(), expected);
        }
    }
}
