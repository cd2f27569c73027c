//! Keeps secrets out of everything that comes from a server.
//!
//! A server may send back what it was sent, in an error text, a header or an id, and callers log what they get. A secret
//! that is removed from the response before anything reads it cannot get into any output, so no other module has to
//! take care.
//!
//! There are two rules, and one place for each:
//!
//! | secret | removed | from |
//! |---|---|---|
//! | what the client holds for this call: tokens, assertion, card data, JWE | exactly, in every form ([`Redactor`]) | the response, before anything reads it |
//! | any other: numbers of cards, JWTs, bearer tokens | by its shape ([`shape`]) | texts of errors, `Debug` of responses, operations as JSON |

pub(crate) mod card_number;
mod decoded;
mod secret;
mod shape;
mod structure;

use std::sync::Arc;

use bytes::Bytes;
use d1_transport::HttpResponse;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use card_number::looks_like_card_number;
use decoded::Decoded;
pub(crate) use secret::Secret;
pub(crate) use shape::{mask, mask_fields, mask_id, mask_ids, mask_names, mask_value};
pub(crate) use structure::quote_numbers;

/// What stands in the place of a secret that was removed.
const REDACTED: &str = "[redacted]";

/// The secrets of one call, to be removed from its response.
///
/// A secret is found in clear, escaped (percent, JSON, HTML), in base64 and base64url at every
/// alignment, in hexadecimal, and divided by anything but letters and digits. [`Secret`] says what is
/// found of long and of short ones.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Vec<Arc<Secret>>);

impl Redactor {
    /// Adds a secret of the call.
    pub(crate) fn hold(&mut self, secret: Arc<Secret>) {
        if !self.0.iter().any(|held| Arc::ptr_eq(held, &secret)) {
            self.0.push(secret);
        }
    }

    /// Removes the secrets from the headers and the body of a response.
    pub(crate) fn clean_response(&self, response: &mut HttpResponse) {
        if let Ok(body) = &mut response.body
            && let Some(cleaned) = clean(body, self.0.iter())
        {
            *body = Bytes::from_owner(cleaned);
        }
        self.clean_headers(&mut response.headers);
    }

    /// Removes the secrets from a text of a server.
    pub(crate) fn clean_text(&self, text: String) -> String {
        match clean(text.as_bytes(), self.0.iter()) {
            Some(cleaned) => String::from_utf8_lossy(&cleaned).into_owned(),
            None => text,
        }
    }

    /// Removes long secrets from headers. Short ones stay: the digits of an expiry can be those of a date or a length.
    fn clean_headers(&self, headers: &mut HeaderMap) {
        let long = self.0.iter().filter(|secret| !secret.is_short());
        let holds = |text: &[u8]| clean(text, long.clone()).is_some();
        // Searched together first: nearly always there is nothing to find, and each search takes time.
        let mut all = Vec::with_capacity(1024);
        for (name, value) in headers.iter() {
            all.extend_from_slice(name.as_str().as_bytes());
            all.push(b'\n');
            all.extend_from_slice(value.as_bytes());
            all.push(b'\n');
        }
        // Without wiping: the headers themselves are not wiped either.
        if !may_hold(&all, long.clone()) || !holds(&all) {
            return;
        }
        let held: Vec<_> = headers
            .iter()
            .filter(|(name, value)| holds(name.as_str().as_bytes()) || holds(value.as_bytes()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in held {
            headers.remove(&name);
            if !holds(name.as_str().as_bytes()) {
                headers.insert(name, HeaderValue::from_static(REDACTED));
            }
        }
    }
}

/// Returns whether a text holds what looks like a card number, also where it is escaped.
pub(crate) fn holds_card_number(text: &str) -> bool {
    let levels = Decoded::levels(text.as_bytes());
    levels
        .iter()
        .any(|level| looks_like_card_number(&String::from_utf8_lossy(level.all.bytes())))
}

/// Returns false only where a text holds no secret. Faster than a search.
fn may_hold<'a>(text: &[u8], mut secrets: impl Iterator<Item = &'a Arc<Secret>>) -> bool {
    memchr::memchr3(b'%', b'\\', b'&', text).is_some()
        || secrets.any(|secret| secret.may_be_in(text))
}

/// Returns the text without the secrets; `None` where it has none.
fn clean<'a>(
    text: &[u8],
    secrets: impl Iterator<Item = &'a Arc<Secret>> + Clone,
) -> Option<Zeroizing<Vec<u8>>> {
    if text.is_empty() || !may_hold(text, secrets.clone()) {
        return None;
    }
    let levels = Decoded::levels(text);
    let each = |secret: &'a Arc<Secret>| levels.iter().flat_map(|level| secret.find_in(level));
    let found: Vec<_> = secrets.flat_map(each).collect();
    (!found.is_empty()).then(|| structure::replace(text, found, REDACTED))
}
