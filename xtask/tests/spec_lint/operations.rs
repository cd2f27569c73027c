//! Rules on the document, and on the bodies and responses of operations.

use serde_json::json;

use super::{Case, case, change, read, remove};

pub(crate) const DOCUMENT: &[Case] = &[
    case("openapi-version", "openapi", "`3.1.0`", |s| {
        s["openapi"] = json!("3.1.0");
    }),
    case("openapi-version", "openapi", "``", |s| remove(s, "openapi")),
    case("info-version-ascii", "info.version", "a header", |s| {
        s["info"]["version"] = json!("1.0\u{e9}");
    }),
    case("info-version-ascii", "info.version", "a header", |s| {
        s["info"]["version"] = json!("1\n0");
    }),
    case("info-version-ascii", "info.version", "missing", |s| {
        s["info"]["version"] = json!("");
    }),
    case("info-version-ascii", "info.version", "missing", |s| {
        remove(&mut s["info"], "version");
    }),
    case("server-without-path", "servers[0]", "/banking/v1", |s| {
        s["servers"][0]["url"] = json!("https://host.invalid/banking/v1");
    }),
    case("operation-id", "GET /cards/{cardId}", "no", |s| {
        remove(read(s), "operationId");
    }),
    case("operation-id", "read_card", "camelCase", |s| {
        read(s)["operationId"] = json!("read_card");
    }),
    case("operation-id", "readCard", "twice", |s| {
        change(s)["operationId"] = json!("readCard");
    }),
    case("ignored-key", "readCard", "`deprecated`", |s| {
        read(s)["deprecated"] = json!(true);
    }),
    case("ignored-key", "readCard", "`servers`", |s| {
        read(s)["servers"] = json!([]);
    }),
    case("ignored-key", "changeCard", "cookie", |s| {
        let cookie = json!({"name": "session", "in": "cookie", "schema": {"type": "string"}});
        change(s)["parameters"] = json!([cookie]);
    }),
    case("ignored-key", "changeCard", "`302`", |s| {
        change(s)["responses"]["302"] = json!({"description": "Elsewhere."});
    }),
    case("ignored-key", "/cards:change", "`servers`", |s| {
        s["paths"]["/cards:change"]["servers"] = json!([]);
    }),
];

pub(crate) const RESPONSES: &[Case] = &[
    case("one-success-response", "changeCard", "2XX, default", |s| {
        change(s)["responses"]["default"] = json!({"description": "Anything."});
    }),
    case("one-success-response", "readCard", "200, 204", |s| {
        read(s)["responses"]["204"] = json!({"description": "Nothing."});
    }),
    case("one-success-response", "changeCard", "default", |s| {
        let success = change(s)["responses"]["2XX"].take();
        remove(&mut change(s)["responses"], "2XX");
        change(s)["responses"]["default"] = success;
    }),
    case("one-success-response", "changeCard", "are: ", |s| {
        remove(&mut change(s)["responses"], "2XX");
    }),
    case("one-success-response", "readCard 200", "several", |s| {
        read(s)["responses"]["200"]["content"]["text/plain"] = json!({});
    }),
    case("one-error-schema", "readCard 404", "inline", |s| {
        let content = &mut read(s)["responses"]["404"]["content"];
        content["application/json"]["schema"] = json!({"type": "object"});
    }),
    case("one-error-schema", "readCard 404", "another", |s| {
        let content = &mut read(s)["responses"]["404"]["content"];
        content["application/json"]["schema"]["$ref"] = json!("#/components/schemas/Card");
    }),
    case("one-error-schema", "readCard 400", "missing", |s| {
        remove(&mut read(s)["responses"]["400"], "content");
    }),
    case("request-body-required", "changeCard", "not required", |s| {
        change(s)["requestBody"]["required"] = json!(false);
    }),
    case("request-body-required", "changeCard", "not required", |s| {
        remove(&mut change(s)["requestBody"], "required");
    }),
    case("one-request-media-type", "changeCard", "several", |s| {
        let content = &mut change(s)["requestBody"]["content"];
        content["application/x-www-form-urlencoded"] = content["application/json"].clone();
    }),
    case("one-request-media-type", "changeCard", "no schema", |s| {
        change(s)["requestBody"]["content"]["application/json"] = json!({});
    }),
];
