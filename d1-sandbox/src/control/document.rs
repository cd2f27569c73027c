//! The OpenAPI document for the clients of one sandbox.

use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn as_json(State(app): State<Arc<App>>) -> Json<Value> {
    Json(document(&app))
}

pub(super) async fn as_yaml(State(app): State<Arc<App>>) -> Response {
    match serde_saphyr::to_string(&document(&app)) {
        Ok(yaml) => ([(CONTENT_TYPE, "application/yaml")], yaml).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Returns the document with the address of the sandbox, and with a token call that it accepts as the example.
fn document(app: &App) -> Value {
    let mut document = app.spec.document.clone();
    document["servers"] = json!([{ "url": app.base_url, "description": "This sandbox." }]);
    let assertion = app
        .access
        .assertion(app.options.aggregator.as_deref(), app.clock.now());
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let calls = paths.into_iter().flatten().map(|(_, path)| path);
    let forms = calls.filter_map(|path| path.pointer_mut(TOKEN_FORM));
    for form in forms {
        if let Some(assertion) = &assertion {
            form["example"]["assertion"] = json!(assertion);
        }
    }
    document
}

/// Where the token call has its form, the only one of all calls.
const TOKEN_FORM: &str = "/post/requestBody/content/application~1x-www-form-urlencoded";
