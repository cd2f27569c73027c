//! Rules on the document, and on the bodies and responses of operations.

use serde_json::json;

use super::{Case, case, change, read, remove};

const KEYS: &str = "closed-keys";
const NAMES: &str = "declared-names";

pub(crate) const DOCUMENT: &[Case] = &[
    case("openapi-version", |s| {
        s["openapi"] = json!("3.1.0");
    }),
    case("openapi-version", |s| remove(s, "openapi")),
    case("info-version-ascii", |s| {
        s["info"]["version"] = json!("1.0\u{e9}");
    }),
    case("info-version-ascii", |s| {
        s["info"]["version"] = json!("1\n0");
    }),
    case("info-version-ascii", |s| {
        s["info"]["version"] = json!("");
    }),
    case("info-version-ascii", |s| {
        remove(&mut s["info"], "version");
    }),
    case("servers", |s| {
        s["servers"][0]["url"] = json!("https://host.invalid/banking/v1");
    }),
    case(KEYS, |s| {
        remove(&mut s["info"], "title");
    }),
    case(KEYS, |s| {
        s["info"]["license"] = json!({"url": "https://host.invalid"});
    }),
    case(KEYS, |s| {
        remove(&mut change(s)["responses"]["2XX"], "description");
    }),
    case(KEYS, |s| remove(change(s), "summary")),
    case("servers", |s| {
        let mut first = s["servers"][0].clone();
        first["url"] = json!("https://third.invalid");
        s["servers"].as_array_mut().unwrap().push(first);
    }),
    case("servers", |s| {
        s["servers"][1]["url"] = s["servers"][0]["url"].clone();
    }),
    case("servers", |s| {
        s["servers"][1]["url"] = json!("https://Host.invalid");
    }),
    case("servers", |s| {
        s["servers"].as_array_mut().unwrap().pop();
    }),
    case("servers", |s| {
        s["servers"][0]["url"] = json!("http://host.invalid");
    }),
    case(KEYS, |s| {
        remove(read(s), "operationId");
    }),
    case("operation-id", |s| {
        read(s)["operationId"] = json!("read_card");
    }),
    case("operation-id", |s| {
        change(s)["operationId"] = json!("readCard");
    }),
    case("operation-id", |s| {
        change(s)["operationId"] = json!("type");
    }),
    case("operation-id", |s| {
        change(s)["operationId"] = json!("newWithClient");
    }),
    case(NAMES, |s| {
        read(s)["tags"] = json!(["Crads"]);
    }),
    case(NAMES, |s| {
        let components = s["components"].as_object_mut().unwrap();
        components.remove("securitySchemes");
    }),
    case(NAMES, |s| {
        s["security"] = json!([{"bearerAuht": []}]);
    }),
    case(KEYS, |s| {
        s["security"] = json!(["bearerAuth"]);
    }),
    case(KEYS, |s| {
        read(s)["deprecated"] = json!(true);
    }),
    case(KEYS, |s| {
        read(s)["servers"] = json!([]);
    }),
    case(KEYS, |s| {
        let cookie = json!({"name": "session", "in": "cookie", "schema": {"type": "string"}});
        change(s)["parameters"] = json!([cookie]);
    }),
    case("response-status", |s| {
        change(s)["responses"]["302"] = json!({"description": "Elsewhere."});
    }),
    case(KEYS, |s| {
        s["paths"]["/cards:change"]["servers"] = json!([]);
    }),
];

pub(crate) const RESPONSES: &[Case] = &[
    case("one-success-response", |s| {
        change(s)["responses"]["default"] = json!({"description": "Anything."});
    }),
    case("one-success-response", |s| {
        read(s)["responses"]["204"] = json!({"description": "Nothing."});
    }),
    case("one-success-response", |s| {
        let success = change(s)["responses"]["2XX"].take();
        remove(&mut change(s)["responses"], "2XX");
        change(s)["responses"]["default"] = success;
    }),
    case("one-success-response", |s| {
        remove(&mut change(s)["responses"], "2XX");
    }),
    case("one-success-response", |s| {
        let content = &mut read(s)["responses"]["200"]["content"];
        content["application/x-www-form-urlencoded"] = content["application/json"].clone();
    }),
    case("one-error-schema", |s| {
        let content = &mut read(s)["responses"]["404"]["content"];
        content["application/json"]["schema"] = json!({"type": "object"});
    }),
    case("one-error-schema", |s| {
        let content = &mut read(s)["responses"]["404"]["content"];
        content["application/json"]["schema"]["$ref"] = json!("#/components/schemas/Card");
    }),
    case(KEYS, |s| {
        read(s)["responses"]["200"]["content"]["text/csv"] = json!({});
        remove(
            &mut read(s)["responses"]["200"]["content"],
            "application/json",
        );
        remove(&mut s["components"]["schemas"], "Card");
    }),
    case("one-error-schema", |s| {
        remove(&mut read(s)["responses"]["400"], "content");
    }),
    case("request-body-required", |s| {
        change(s)["requestBody"]["required"] = json!(false);
    }),
    case("request-body-required", |s| {
        remove(&mut change(s)["requestBody"], "required");
    }),
    case("request-body-required", |s| {
        let path = s["paths"]["/cards:change"].as_object_mut().unwrap();
        let post = path.remove("post").unwrap();
        path.insert("get".to_owned(), post);
    }),
    case("one-request-media-type", |s| {
        let content = &mut change(s)["requestBody"]["content"];
        content["application/x-www-form-urlencoded"] = content["application/json"].clone();
    }),
    case("one-request-media-type", |s| {
        change(s)["requestBody"]["content"] = json!({});
    }),
    case(KEYS, |s| {
        change(s)["requestBody"]["content"]["application/json"] = json!({});
    }),
];
