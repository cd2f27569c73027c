//! Who may use the control port: requests for its own names, from its own page, and with its token where other machines
//! can reach it.

use crate::secret::Secret;
use crate::wire::request::content_type;
use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use openssl::memcmp;
use openssl::sha::sha256;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// The cookie that has the token, once a browser has shown it.
const COOKIE_NAME: &str = "d1-sandbox-token";

/// A refusal: its status, and what is wrong.
pub(super) type Refused = (StatusCode, Json<Value>);

pub(super) fn refused(status: StatusCode, rule: &str) -> Refused {
    (status, Json(json!({ "error": rule })))
}

/// What a request must have.
pub(crate) struct Guard {
    /// The token, where other machines can reach the port.
    pub(crate) token: Option<Secret>,
    /// The names of the sandbox beside those of loopback.
    pub(crate) names: Vec<String>,
}

/// Refuses what a page of another origin, or a name that was made to point here, could send.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    let checked = guard.check_origin(&request);
    checked.map_err(|refused| refused.into_response())?;
    if let Some(token) = &guard.token {
        if let Some(shown) = token_of_query(&request) {
            return if is_same(shown, token) {
                Ok(with_cookie(shown))
            } else {
                Err(unauthorized())
            };
        }
        if !tokens_of(request.headers()).any(|shown| is_same(shown, token)) {
            return Err(unauthorized());
        }
    }
    Ok(next.run(request).await)
}

impl Guard {
    fn check_origin(&self, request: &Request) -> Result<(), Refused> {
        let host = text(request.headers(), HOST);
        let name = host.and_then(|host| host.parse::<Authority>().ok());
        if !name.is_some_and(|name| self.is_own(name.host())) {
            let rule = "the control port is called by another name";
            return Err(refused(StatusCode::FORBIDDEN, rule));
        }
        let origin = text(request.headers(), ORIGIN);
        let is_own_page = |origin: &str| origin.split_once("://").map(|(_, host)| host) == host;
        if request.headers().contains_key(ORIGIN) && !origin.is_some_and(is_own_page) {
            let rule = "the control port is for its own page";
            return Err(refused(StatusCode::FORBIDDEN, rule));
        }
        let is_json = content_type(request.headers()).as_deref() == Some("application/json");
        if request.method() == Method::POST && !is_json {
            let rule = "the content type must be application/json";
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, rule));
        }
        Ok(())
    }

    /// Returns whether a host is one of this port. An address cannot be made to point here, as a name can.
    fn is_own(&self, host: &str) -> bool {
        let is_address = || {
            let address = host.trim_matches(['[', ']']);
            self.token.is_some() && address.parse::<IpAddr>().is_ok()
        };
        matches!(host, "localhost" | "127.0.0.1" | "[::1]")
            || self
                .names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(host))
            || is_address()
    }
}

/// Returns the token of `/?token=TOKEN`, which is how a browser gets the page.
fn token_of_query(request: &Request) -> Option<&str> {
    let is_page = request.method() == Method::GET && request.uri().path() == "/";
    let query = request.uri().query().filter(|_| is_page)?;
    query.strip_prefix("token=")
}

fn tokens_of(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = text(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let cookies = headers.get_all(COOKIE).into_iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let cookies = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == COOKIE_NAME).then_some(value)
        });
    bearer.into_iter().chain(cookies)
}

/// Compares two tokens in a time that says nothing about them.
fn is_same(shown: &str, token: &str) -> bool {
    memcmp::eq(&sha256(shown.as_bytes()), &sha256(token.as_bytes()))
}

/// Shows the page without the token in its address.
fn with_cookie(token: &str) -> Response {
    let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
    let headers = [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn unauthorized() -> Response {
    let rule = "the control port needs the bearer token that the sandbox has printed at its start";
    let refused = refused(StatusCode::UNAUTHORIZED, rule);
    ([(WWW_AUTHENTICATE, "Bearer")], refused).into_response()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
