//! What a request is refused with: a status, a text for troubleshooting, sometimes a code.

use crate::settings::ErrorBodies;
use serde_json::{Map, Value, json};

/// A documented error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) code: Option<&'static str>,
    /// The conditions of the documented error that it is.
    pub(crate) when: &'static [&'static str],
    /// The text of RFC 6749; only the token call has it.
    pub(crate) description: Option<String>,
    /// What the response leaves out, for the record and the log.
    pub(crate) detail: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: u16, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            code: None,
            when: &[],
            description: None,
            detail: None,
        }
    }

    /// Adds what the response leaves out.
    pub(crate) fn because(self, detail: &'static str) -> Self {
        let detail = Some(detail);
        Self { detail, ..self }
    }

    /// Turns the refusal into an error of the token call.
    pub(crate) fn of_token_call(self) -> Self {
        match self.description {
            Some(_) => self,
            None => Self::oauth("invalid_request", self.error),
        }
    }

    /// Returns why the request was refused.
    pub(crate) fn reason(&self) -> String {
        let text = self.description.as_ref().unwrap_or(&self.error);
        match self.detail {
            Some(detail) => format!("{text}: {detail}"),
            None => text.clone(),
        }
    }

    /// Creates an error of the token call (RFC 6749, section 5.2).
    pub(crate) fn oauth(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            description: Some(description.into()),
            ..Self::new(400, error)
        }
    }

    pub(crate) fn with_code(self, code: &'static str) -> Self {
        let code = Some(code);
        Self { code, ..self }
    }

    /// Sets the conditions by which the document tells its errors apart.
    pub(crate) fn when(self, when: &'static [&'static str]) -> Self {
        Self { when, ..self }
    }

    /// Returns the body, in the style that was asked for; `documented` is the code of the document, if it has one.
    pub(crate) fn body(&self, documented: Option<&str>, style: ErrorBodies) -> Option<Value> {
        let mut body = Map::new();
        body.insert("error".to_owned(), json!(self.error));
        match style {
            ErrorBodies::Empty => return None,
            ErrorBodies::WithCode => {
                if let Some(code) = self.code.or(documented) {
                    body.insert("errorCode".to_owned(), json!(code));
                }
            }
            ErrorBodies::WithoutCode => {}
        }
        if let Some(description) = &self.description {
            body.insert("error_description".to_owned(), json!(description));
        }
        Some(Value::Object(body))
    }
}
