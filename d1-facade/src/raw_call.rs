//! A call to a path that the client has no method for.
//!
//! This module decides what such a call may name and hold. Token, limiters, retries, correlation id and errors are those
//! of every other call. A call that is not a GET counts as a change, since nothing is known of what it does.

use std::fmt;
use std::ops::Deref;

use reqwest::Url;
use serde_json::Value;

use crate::call::{
    ApiCall, CallOptions, CompleteResponse, Dispatched, Progress, call_options, dispatched, engine,
};
use crate::client::Client;
use crate::error::{Error, InvalidInput, ResponseFault};
use crate::json;
use crate::redact::{holds_card_number, mask_value};
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, Method};

/// The most bytes of a body, as JSON text.
const LARGEST_BODY: usize = 1024 * 1024;

/// A call to a path that the client has no method for: await it.
///
/// It is returned by [`Client::request`]. Awaiting it returns the [`Json`] of the response, with status and headers in
/// its [`Response`].
#[derive(Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct RawCall {
    client: Client,
    method: Method,
    path: String,
    body: Option<Value>,
    may_hold_numbers: bool,
    options: CallOptions,
}

impl Client {
    /// Returns a request to a path of D1 that the client has no method for, such as one of another API of D1. It has
    /// the client's token, certificate, limiters and retries, and a correlation id.
    ///
    /// `path` follows the address of the [environment](Self::environment), from `/` on, percent-encoded. It may have a
    /// query; [`query`](RawCall::query) adds to it and encodes what it adds. The client does not add the issuer.
    ///
    /// A GET is a read and is sent again like one. Every other method counts as a change: it is sent again only where
    /// D1 cannot have carried it out, and the [outcome](Error::outcome) of one that fails may be unknown.
    /// [`reconcile`](Self::reconcile) cannot find out whether it was carried out:
    /// [`pending_change`](Error::pending_change) is `None`.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::Method;
    /// use serde_json::json;
    ///
    /// let card = format!("/banking/v1/issuers/{}/cards/ReplaceMe01", d1.issuer());
    /// let page = d1.request(Method::Get, format!("{card}/operations?limit=5")).await?;
    /// println!("HTTP {}: {} operations", page.http_status(), page["operations"].as_array().map_or(0, Vec::len));
    ///
    /// let body = json!({"reasonCode": "ISSUER_DECISION"});
    /// d1.request(Method::Post, format!("{card}/operations:suspend")).body(body).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Error`]. The call fails with [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent:
    ///
    /// - where the path is not in the form in which it is sent, or leaves the place that it names (`..`);
    /// - where the path, the query or the body holds what looks like a card number, unless
    ///   [`without_pan_check`](RawCall::without_pan_check) is called;
    /// - where a GET has a body, or the body has more than 1 MiB.
    ///
    /// A response that has neither JSON nor an empty body is
    /// [`InvalidResponse`](crate::ErrorKind::InvalidResponse), whatever its status.
    pub fn request(&self, method: Method, path: impl Into<String>) -> RawCall {
        RawCall {
            client: self.clone(),
            method,
            path: path.into(),
            body: None,
            may_hold_numbers: false,
            options: self.core().defaults.clone(),
        }
    }
}

impl RawCall {
    /// Sets the body, which is sent as JSON; none by default.
    pub fn body(mut self, body: impl Into<Value>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends path, query and body although they hold what looks like a card number: for services whose ids are numbers.
    ///
    /// D1 and every gateway on the way may log path and query.
    pub fn without_pan_check(mut self) -> Self {
        self.may_hold_numbers = true;
        self
    }

    async fn send(self) -> Result<Response<Json>, Error> {
        let core = self.client.core();
        let mut progress = Progress::begin_change(core, &self.options, self.operation(), None);
        let result = engine::run(core, &self, &self.options, &mut progress).await;
        progress.end();
        result
    }

    /// Refuses a path that is not one, or that the URL would have in another form: the parser of URLs resolves dot
    /// segments, drops line ends, and escapes what a URL cannot hold.
    fn check_path(&self) -> Result<(), InvalidInput> {
        let bad = |rule: &'static str| Err(InvalidInput::new("path", rule));
        if !self.path.starts_with('/') {
            return bad("must begin with /: it follows the address of D1");
        }
        let whole = format!("{}{}", self.client.core().transport.base_url(), self.path);
        let url = Url::parse(&whole).ok();
        let url = url.filter(|url| url.as_str() == whole && url.fragment().is_none());
        let Some(url) = url else {
            return bad("must be percent-encoded, without dot segments and fragment");
        };
        // A gateway may decode the path before it resolves dot segments.
        let path = url.path().to_ascii_lowercase();
        match ["%2e", "%2f", "%5c"]
            .iter()
            .any(|escape| path.contains(escape))
        {
            true => bad("must not have an escaped dot, slash or backslash"),
            false => Ok(()),
        }
    }

    /// Refuses what looks like a card number.
    fn check_numbers(&self, body: &str) -> Result<(), InvalidInput> {
        let rule = "must not hold what looks like a card number";
        let query = self.options.query.iter();
        let query: Vec<_> = query
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let texts = [("path", self.path.as_str()), ("body", body)];
        let texts = texts
            .into_iter()
            .chain(query.iter().map(|pair| ("query", pair.as_str())));
        let found = texts.into_iter().find(|(_, text)| holds_card_number(text));
        match found.filter(|_| !self.may_hold_numbers) {
            Some((field, _)) => Err(InvalidInput::new(field, rule)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RawCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path and body may hold anything.
        f.debug_struct("RawCall")
            .field("method", &self.method)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

call_options!(RawCall => Response<Json>);

impl ApiCall for RawCall {
    type Value = Json;

    fn operation(&self) -> ApiOperation {
        ApiOperation::Raw(self.method)
    }

    fn check(&self) -> Result<(), InvalidInput> {
        let bad = |rule: &'static str| Err(InvalidInput::new("body", rule));
        self.check_path()?;
        let body = self.body.as_ref().map(Value::to_string);
        let body = zeroize::Zeroizing::new(body.unwrap_or_default());
        if body.len() > LARGEST_BODY {
            return bad("must have at most 1 MiB");
        }
        if self.method == Method::Get && self.body.is_some() {
            return bad("must not be given: a GET has none");
        }
        self.check_numbers(&body)
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Result<Dispatched<'a>, InvalidInput> {
        let method = self.method.as_str();
        let (id, body) = (correlation_id.raw(), self.body.as_ref());
        Ok(dispatched(client.send_raw(method, &self.path, id, body)))
    }

    fn read(&self, response: &CompleteResponse<'_>) -> Result<Json, ResponseFault> {
        match response.body.trim_ascii() {
            [] => Ok(Json(Value::Null)),
            body => Ok(Json(json::value(body)?)),
        }
    }
}

/// The JSON of a response, as received; `null` where the response has no body. It dereferences to the value.
///
/// It may hold anything, also card data, so `Debug` does not show it.
///
/// ```no_run
/// # async fn f(call: d1_facade::RawCall) -> Result<(), d1_facade::Error> {
/// use d1_facade::Json;
///
/// let Json(value) = call.await?.into_value();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Json(pub Value);

impl Json {
    /// Returns the value as it may be shown and stored: what looks like a card number or a token is masked in it, and so
    /// are the values of fields whose names are those of card data and tokens.
    ///
    /// ```
    /// use d1_facade::Json;
    /// use serde_json::json;
    ///
    /// let received = Json(json!({"id": "op-4111111111111111", "exp": "1230", "status": "ACTIVE"}));
    /// let masked = json!({"id": "op-[digits]", "exp": "[redacted]", "status": "ACTIVE"});
    /// assert_eq!(received.masked(), masked);
    /// ```
    #[must_use]
    pub fn masked(&self) -> Value {
        mask_value(self.0.clone())
    }
}

impl Deref for Json {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json([redacted])")
    }
}
