//! What the sandbox accepts although D1 may refuse it: each is a warning, and an error in strict mode.

use super::refusal::Refusal;
use super::request::{self, RawRequest};
use super::shape::names;
use super::spec::{Call, Route};
use crate::pan;
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use serde_json::Value;

/// The header of a response that has the warnings about its request.
pub(crate) const HEADER: &str = "x-d1-sandbox-warning";

/// What a token request may have besides what D1 documents (RFC 6749, RFC 7523).
const OTHER_TOKEN_PARAMETERS: [&str; 2] = ["scope", "client_id"];

/// The headers whose value is a list, which may be split into several, separated by blanks.
const LISTS: &str = "accept accept-encoding accept-language cache-control connection cookie forwarded pragma te \
                     trailer transfer-encoding upgrade via x-forwarded-for";

/// The warnings about one request. They name places and rules, and never a value.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    strict: bool,
    texts: Vec<String>,
}

impl Warnings {
    pub(crate) fn new(strict: bool) -> Self {
        Self {
            strict,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, text: impl Into<String>) {
        self.texts.push(text.into());
    }

    /// Warns of members that a part of the document does not have.
    pub(crate) fn add_unknown<'n>(&mut self, place: &str, names: impl Iterator<Item = &'n str>) {
        for name in names {
            self.add(format!("{place}: {} is not documented", shown_name(name)));
        }
    }

    /// Warns of the members of an object other than those that D1 documents.
    pub(crate) fn add_other_members(&mut self, place: &str, object: &Value, known: &[&str]) {
        self.add_unknown(place, names(object).filter(|name| !known.contains(name)));
    }

    /// Refuses the request in strict mode if there are warnings about it.
    pub(crate) fn enforce(&self) -> Result<(), Refusal> {
        if self.strict && !self.texts.is_empty() {
            return Err(Refusal::new(400, self.texts.join("; ")));
        }
        Ok(())
    }

    pub(crate) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

/// Masks a name that the client chose, unless it is an ordinary one.
pub(crate) fn shown_name(name: &str) -> &str {
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_shown = (1..=64).contains(&name.len())
        && name.bytes().all(ordinary)
        && pan::masked_json(&Value::from(name)) == name;
    if is_shown { name } else { pan::MASK }
}

/// Looks for what the OpenAPI document does not rule out and a gateway may refuse.
pub(crate) fn look_over(route: &Route, raw: &RawRequest<'_>, warnings: &mut Warnings) {
    if raw.parts.uri.path().contains('%') {
        warnings.add("path: percent-encoded, which no id needs");
    }
    let query = raw.query().unwrap_or_default();
    let is_unknown = |name: &&str| !route.parameters.iter().any(|p| p.name == *name);
    let names = query.iter().map(|(name, _)| name.as_str());
    warnings.add_unknown("query", names.filter(is_unknown));
    let is_token_call = route.call == Call::Token;
    look_over_headers(is_token_call, &raw.parts.headers, warnings);
    match (route.body(), &raw.body) {
        (Some(shape), Ok(body)) => {
            let is_known = |name: &&str| is_token_call && OTHER_TOKEN_PARAMETERS.contains(name);
            let names = shape.unknown(&body.value);
            warnings.add_unknown("body", names.filter(|name| !is_known(name)));
            for name in shape.reserved(&body.value) {
                warnings.add(format!("body: {name} is reserved"));
            }
            if body.has_repeated_names {
                warnings.add("body: a member is given more than once");
            }
            if is_token_call && !request::is_form(&raw.parts.headers) {
                warnings.add("body: JSON, where RFC 6749 has a form");
            }
        }
        (None, _) if raw.has_body => warnings.add("body: a GET has none"),
        (Some(_), Err(_)) | (None, _) => {}
    }
}

fn look_over_headers(is_token_call: bool, headers: &HeaderMap, warnings: &mut Warnings) {
    for name in headers.keys().map(|name| name.as_str()) {
        let is_repeated = headers.get_all(name).iter().nth(1).is_some();
        if is_repeated && !LISTS.split(' ').any(|list| list == name) {
            warnings.add(format!("header {}: given more than once", shown_name(name)));
        }
    }
    let values = headers.get_all(ACCEPT).iter();
    let accepted: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|range| range.split(';').next().map(str::trim))
        .filter(|range| !range.is_empty())
        .collect();
    let is_json = |range: &&str| matches!(*range, "application/json" | "application/*" | "*/*");
    if accepted.is_empty() {
        warnings.add("header accept: missing");
    } else if !accepted.iter().any(is_json) {
        warnings.add("header accept: does not allow application/json");
    }
    if !headers.contains_key(USER_AGENT) {
        warnings.add("header user-agent: missing");
    }
    if is_token_call && headers.contains_key(AUTHORIZATION) {
        warnings.add("header authorization: the token call has none");
    }
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let charset = content_type.split_once("charset=");
    if charset.is_some_and(|(_, set)| set.trim_matches('"') != "utf-8") {
        warnings.add("header content-type: the charset is not utf-8");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_names_are_shown() {
        for name in ["cvv", "x-1", "a_b.c"] {
            assert_eq!(shown_name(name), name);
        }
        for name in ["", "a b", "4111111111111111", "1234567890123456", "\u{e9}"] {
            assert_eq!(shown_name(name), pan::MASK, "{name}");
        }
        assert_eq!(shown_name(&"a".repeat(65)), pan::MASK);
    }
}
