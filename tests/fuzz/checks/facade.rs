//! What the fuzz targets call: each decoder of D1's responses and each parser of a caller's text, with what must
//! hold for every input.
//!
//! It is compiled as a module of d1-facade, whose decoders are not public: for the fuzz targets, and for the tests,
//! which run it on the seeds.
#![allow(missing_docs)] // Only the fuzz targets see this module.

use bytes::Bytes;
use d1_transport::HttpResponse;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::call::{CompleteResponse, Evidence};
use crate::card::{OperationPage, read_operation};
use crate::error::{RequestContext, refused};
use crate::json;
use crate::redact::card_number::looks_like_card_number;
use crate::values::ApiOperation;
use crate::{
    AuxiliaryPan, CardCredentials, CardId, CorrelationId, EncryptedData, EncryptionKey,
    Environment, Expiry, IssuerId, OperationId, Pan, Reason, ReasonCode, SigningKey, auth,
};

/// A page of operations.
pub fn page(body: &[u8]) {
    if let Ok(page) = OperationPage::read(&complete(&HeaderMap::new(), body)) {
        for operation in page.into_operations() {
            read(&operation);
        }
    }
}

/// A single operation.
pub fn operation(body: &[u8]) {
    if let Ok(operation) = read_operation(&complete(&HeaderMap::new(), body)) {
        read(&operation);
    }
}

fn complete<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> CompleteResponse<'a> {
    CompleteResponse { headers, body }
}

fn read(operation: &crate::Operation) {
    let _ = (
        operation.id(),
        operation.operation(),
        operation.status(),
        operation.start_time(),
        operation.end_time(),
        operation.requestor_type(),
        operation.requestor_id(),
        operation.reason(),
        operation.reason_code(),
        operation.digital_card_details(),
    );
    let all = operation.fields();
    let unknown = operation.unknown_fields();
    assert!(
        unknown
            .iter()
            .all(|(name, value)| all.get(name) == Some(value))
    );
}

/// An answer that is not a success: the operation, the status, `Retry-After` and `Date` on lines of
/// their own, then the body.
pub fn error(input: &[u8]) {
    let [operation, high, low, rest @ ..] = input else {
        return;
    };
    let mut parts = rest.splitn(3, |b| *b == b'\n');
    let mut headers = HeaderMap::new();
    for name in [header::RETRY_AFTER, header::DATE] {
        if let Ok(value) = HeaderValue::from_bytes(parts.next().unwrap_or_default()) {
            headers.insert(name, value);
        }
    }
    let status = 300 + (u16::from(*high) << 8 | u16::from(*low)) % 300;
    let operation = ApiOperation::ALL[usize::from(*operation) % ApiOperation::ALL.len()];
    let answer = HttpResponse {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        headers,
        body: Ok(Bytes::copy_from_slice(parts.next().unwrap_or_default())),
    };
    let error = refused(
        operation,
        RequestContext::default(),
        &answer,
        Evidence::of_status(answer.status).outcome(),
    );
    assert_eq!(error.status(), Some(answer.status.as_u16()));
    let line = error.to_string();
    assert!(!line.contains('\n'));
    let fields = Value::Object(error.unknown_fields().clone()).to_string();
    for text in [
        line.as_str(),
        &format!("{error:?}"),
        error.code().unwrap_or_default(),
        error.troubleshooting_text().unwrap_or_default(),
        &fields,
    ] {
        assert!(!looks_like_card_number(text), "{text}");
    }
}

/// An answer of the token endpoint.
pub fn token(body: &[u8]) {
    let Ok(answer) = json::object(body) else {
        return;
    };
    let secret = answer.get("access_token").and_then(Value::as_str);
    let secret = secret.unwrap_or_default().to_owned();
    match auth::access_token(StatusCode::OK, answer) {
        Ok(token) => {
            assert!(token.is(&secret));
            let shown = format!("{token:?}");
            assert!(!is_telling(&secret) || !shown.contains(&secret));
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!is_telling(&secret) || !shown.contains(&secret));
        }
    }
}

/// Whether a text is none that the fixed words of a message could hold by chance.
fn is_telling(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits > 5 || text.len() > 64 && text.contains(['\n', '{'])
}

/// A text that a caller gives for an id, a reason, a number or an address.
pub fn text(input: &str) {
    fn same<T: std::str::FromStr>(text: &str, as_str: fn(&T) -> &str) -> bool {
        text.parse::<T>().is_ok_and(|value| {
            assert_eq!(as_str(&value), text);
            true
        })
    }
    let in_a_path = [
        same(input, IssuerId::as_str),
        same(input, CardId::as_str),
        same(input, OperationId::as_str),
    ];
    if in_a_path.contains(&true) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        assert!(input.bytes().all(plain), "it escapes its segment");
    }
    let kept_in_clear = [
        same(input, CardId::as_str),
        same(input, CorrelationId::as_str),
        same(input, Reason::as_str),
    ];
    assert!(!kept_in_clear.contains(&true) || !looks_like_card_number(input));
    same(input, ReasonCode::as_str);
    same(input, EncryptedData::as_str);
    assert!(!looks_like_card_number(&crate::redact::mask(input)));

    let shown = [
        input.parse::<Pan>().map(|v| format!("{v:?}")),
        input.parse::<AuxiliaryPan>().map(|v| format!("{v:?}")),
        input.parse::<Expiry>().map(|v| format!("{v:?}")),
        CardCredentials::new("378282246310005", "1230")
            .and_then(|credentials| credentials.with_psn(input))
            .map(|v| format!("{v:?}")),
        CardCredentials::new(input, "1230").map(|v| format!("{v:?}")),
    ];
    for shown in shown {
        let shown = shown.unwrap_or_else(|refused| refused.to_string());
        assert!(!is_telling(input) || !shown.contains(input));
    }
    if let Ok(address) = Environment::Custom(input.to_owned()).checked(true) {
        let plain = address.starts_with("http://");
        assert!(plain || address.starts_with("https://"), "{address}");
        assert!(!address.contains(['@', '?', '#']), "{address}");
        assert_eq!(address.matches('/').count(), 2, "{address}");
    }
}

/// The text of a key, PEM or JWK.
pub fn keys(input: &str) {
    let shown = [
        SigningKey::from_pem(input, "kid").map(|k| format!("{k:?}")),
        SigningKey::from_jwk(input).map(|k| format!("{k:?}")),
        EncryptionKey::from_pem(input, "kid").map(|k| format!("{k:?}")),
        EncryptionKey::from_jwk(input).map(|k| format!("{k:?}")),
    ];
    let _ = crate::crypto::Identity::from_pem(input.as_bytes(), input.as_bytes());
    let _ = crate::crypto::certificates("root_certificate", input.as_bytes());
    for shown in shown {
        let shown = shown.unwrap_or_else(|refused| refused.to_string());
        assert!(!is_telling(input) || !shown.contains(input));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    /// Every seed, and every input that once broke something.
    fn each(target: &str, run: impl Fn(&[u8])) {
        let folder = format!(
            "{}/../tests/fuzz/seeds/{target}",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut seeds = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            run(&std::fs::read(file.unwrap().path()).unwrap());
            seeds += 1;
        }
        assert!(seeds > 2, "{target} has seeds");
    }

    #[test]
    fn seeds() {
        let text = |run: fn(&str)| {
            move |bytes: &[u8]| {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    run(text);
                }
            }
        };
        each("page", super::page);
        each("operation", super::operation);
        each("error", super::error);
        each("token", super::token);
        each("text", text(super::text));
        each("keys", text(super::keys));
    }
}
