//! From the spec to a collection of requests for Postman, which Bruno imports too.

use serde_json::{Value, json};

use crate::error::Error;
use crate::output::GeneratedFile;
use crate::spec::{Operation, entries, operations, text};

/// Where the collection stands, seen from the workspace's folder.
const PATH: &str = "openapi/d1-card-operations.postman_collection.json";

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";

/// What a user sets, with the address that the image of the sandbox has.
const VARIABLES: [(&str, &str); 5] = [
    ("baseUrl", "https://localhost:8443"),
    ("issuerId", "ISSUER_A-1"),
    ("cardId", "ReplaceMe01"),
    ("assertion", ""),
    ("token", ""),
];

const ABOUT: &str = "Made by `cargo xtask guide` from the OpenAPI file. Set `baseUrl` and `issuerId` from the d1.env of a \
                     sandbox, `assertion` to the output of `d1-sandbox assertion`, and the CA and the client certificate \
                     in the settings of the tool. The call for a token sets `token`.";

/// Keeps the token for the other calls.
const KEEP_TOKEN: &str = "pm.collectionVariables.set(\"token\", pm.response.json().access_token);";

/// Returns the collection; nothing is written.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn generate(spec: &Value) -> Result<GeneratedFile, Error> {
    // The token comes first: each other call needs it.
    let (token, others): (Vec<_>, Vec<_>) = operations(spec).into_iter().partition(needs_no_token);
    let variables = VARIABLES.map(|(key, value)| json!({ "key": key, "value": value }));
    let collection = json!({
        "info": { "name": text(&spec["info"], "title"), "description": ABOUT, "schema": SCHEMA },
        "auth": { "type": "bearer", "bearer": [{ "key": "token", "value": "{{token}}" }] },
        "variable": variables,
        "item": token.iter().chain(&others).map(|o| item(spec, o)).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&collection);
    let text = text.map_err(|e| Error::at(PATH, e))? + "\n";
    Ok(GeneratedFile {
        path: PATH.into(),
        text,
    })
}

fn needs_no_token(operation: &Operation<'_>) -> bool {
    let security = operation.object.get("security").and_then(Value::as_array);
    security.is_some_and(Vec::is_empty)
}

fn item(spec: &Value, operation: &Operation<'_>) -> Value {
    let mut request = json!({
        "method": operation.method.to_uppercase(),
        "description": text(operation.object, "description"),
        "header": [{ "key": "accept", "value": "application/json" }],
        "url": url(spec, operation),
    });
    if let Some((media_type, example)) = body(spec, operation) {
        request["body"] = match media_type {
            "application/json" => json!({
                "mode": "raw",
                "raw": format!("{example:#}"),
                "options": { "raw": { "language": "json" } },
            }),
            _ => json!({ "mode": "urlencoded", "urlencoded": form(example) }),
        };
    }
    let mut item = json!({ "name": text(operation.object, "summary"), "request": request });
    if needs_no_token(operation) {
        item["request"]["auth"] = json!({ "type": "noauth" });
        let script = json!({ "type": "text/javascript", "exec": [KEEP_TOKEN] });
        item["event"] = json!([{ "listen": "test", "script": script }]);
    }
    item
}

/// Returns the address. Parameters of the query are there, switched off.
fn url(spec: &Value, operation: &Operation<'_>) -> Value {
    let parameters = operation.parameters(spec);
    let mut path = operation.path.to_owned();
    for parameter in parameters.iter().filter(|p| text(p, "in") == "path") {
        let name = text(parameter, "name");
        let is_variable = VARIABLES.iter().any(|(key, _)| *key == name);
        let value = if is_variable {
            format!("{{{{{name}}}}}")
        } else {
            example(parameter)
        };
        path = path.replace(&format!("{{{name}}}"), &value);
    }
    let query = parameters.iter().filter(|p| text(p, "in") == "query");
    let query = query.map(|parameter| {
        let (name, about) = (text(parameter, "name"), text(parameter, "description"));
        json!({ "key": name, "value": example(parameter), "description": about, "disabled": true })
    });
    json!({
        "raw": format!("{{{{baseUrl}}}}{path}"),
        "host": ["{{baseUrl}}"],
        "path": path.split('/').skip(1).collect::<Vec<_>>(),
        "query": query.collect::<Vec<_>>(),
    })
}

fn example(parameter: &Value) -> String {
    match parameter.get("example") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Returns the media type and the example of the body.
fn body<'s>(spec: &'s Value, operation: &'s Operation<'_>) -> Option<(&'s str, &'s Value)> {
    let mut content = entries(operation.request_body(spec)?, "content");
    let (media_type, content) = content.next()?;
    Some((media_type, content.get("example")?))
}

fn form(example: &Value) -> Vec<Value> {
    let members = example.as_object().into_iter().flatten();
    let members = members.map(|(name, value)| {
        let is_variable = VARIABLES.iter().any(|(key, _)| key == name);
        let value = if is_variable {
            json!(format!("{{{{{name}}}}}"))
        } else {
            value.clone()
        };
        json!({ "key": name, "value": value })
    });
    members.collect()
}
