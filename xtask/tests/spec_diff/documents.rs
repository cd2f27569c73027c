//! Small documents written by hand, in the ways in which other people write OpenAPI.

use crate::{OURS, diff, edited, line};

/// A document with one operation of ours, suspend, and what the operation and the components hold.
fn suspend(version: &str, operation: &str, components: &str) -> String {
    format!(
        "openapi: {version}\n\
         info: {{title: D1, version: '1'}}\n\
         servers:\n- url: https://api.d1.thalescloud.io/banking/v1\n\
         security: [{{jwt: []}}]\n\
         paths:\n  /issuers/{{i}}/cards/{{c}}/operations:suspend:\n    post:\n{operation}\n\
         components:\n  securitySchemes: {{jwt: {{type: http, scheme: Bearer}}}}\n{components}\n"
    )
}

const PARAMETERS: &str = "      parameters:
      - {name: i, in: path, required: true, schema: {$ref: '#/components/schemas/I'}}
      - {name: c, in: path, required: true, schema: {$ref: '#/components/schemas/C'}}
      - {name: X-Correlation-ID, in: header, schema: {type: string, pattern: '^[a-zA-Z0-9_\\-. ]{1,64}$'}}
      - {name: Authorization, in: header, required: true, schema: {type: string}}";

const SCHEMAS: &str = "  schemas:
    I: {type: string, pattern: '^[\\w-]{10}$'}
    C: {type: string, pattern: '^[\\w-]{1,48}$'}
    Why: {type: string, pattern: '^[a-zA-Z0-9 ]{1,64}$'}
    Error: {type: object, properties: {error: {type: string}, errorCode: {type: string}, error_description: {type: string}}}
    Code: {type: string, minLength: 1, maxLength: 64, pattern: '^[A-Z][A-Z0-9_]{0,63}$', enum: [ISSUER_DECISION, USER_DECISION, CARD_LOST, CARD_STOLEN, CARD_BROKEN, CARD_FOUND, FRAUD, CLOSED_ACCOUNT, CLOSED_CARD]}";

const RESPONSES: &str = "      responses:
        '200': {description: ok, content: {application/json: {schema: {type: object, properties: {operationId: {type: string}, status: {type: string}}}}}}
        '400': &e {description: e, content: {application/json: {schema: {$ref: '#/components/schemas/Error'}}}}
        '401': *e
        '403': *e
        '404': *e
        '500': *e";

/// The titles of what is told of suspend; the other operations of ours are missing.
fn told_of_suspend(text: &str) -> Vec<(String, String)> {
    let run = diff(text);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    let told = run.told();
    let gone = told.iter().filter(|t| t.title.ends_with(": operation"));
    assert_eq!(gone.count(), 6, "{}", run.out);
    let rest = told.into_iter().filter(|t| {
        !t.title.ends_with(": operation") && t.class != "notes" && t.title.contains(":suspend")
    });
    rest.map(|t| (t.class, t.title.replace("`POST /…/operations:suspend ", "")))
        .collect()
}

fn titled(class: &str, title: &str) -> (String, String) {
    (class.to_owned(), title.to_owned())
}

#[test]
fn a_document_of_3_1_that_says_the_same_differs_in_the_open_status_only() {
    let body = "      requestBody:
        required: true
        content:
          application/json;charset=UTF-8:
            schema:
              type: object
              properties: {reason: {$ref: '#/components/schemas/Why', description: Beside it.}, reasonCode: {$ref: '#/components/schemas/Code'}}";
    let text = suspend(
        "3.1.0",
        &format!("{PARAMETERS}\n{body}\n{RESPONSES}"),
        SCHEMAS,
    );
    assert_eq!(
        told_of_suspend(&text),
        [titled("closes an open question", "response 2XX`: status")]
    );
}

#[test]
fn all_of_gathers_the_fields_and_what_is_required() {
    let body = "      requestBody: {$ref: '#/components/requestBodies/B'}";
    let components = format!(
        "  requestBodies:
    B: {{required: true, content: {{application/json: {{schema: {{$ref: '#/components/schemas/Both'}}}}}}}}
{SCHEMAS}
    Base: {{type: object, properties: {{reason: {{$ref: '#/components/schemas/Why'}}}}}}
    Both:
      allOf:
      - {{$ref: '#/components/schemas/Base'}}
      - {{allOf: [{{type: object, required: [reason], properties: {{reasonCode: {{oneOf: [{{$ref: '#/components/schemas/Code'}}]}}}}}}]}}"
    );
    let text = suspend(
        "3.0.1",
        &format!("{PARAMETERS}\n{body}\n{RESPONSES}"),
        &components,
    );
    assert_eq!(
        told_of_suspend(&text),
        [
            titled("breaks callers", "request.reason`: required"),
            titled("closes an open question", "response 2XX`: status"),
        ]
    );
}

#[test]
fn null_const_and_a_list_of_types_of_3_1_are_read() {
    let body = "      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              properties:
                reason: {type: [string, 'null'], pattern: '^[a-zA-Z0-9 ]{1,64}$'}
                reasonCode: {const: ISSUER_DECISION}
                extra: {anyOf: [{type: string}, {type: 'null'}]}";
    let text = suspend(
        "3.1.0",
        &format!("{PARAMETERS}\n{body}\n{RESPONSES}"),
        SCHEMAS,
    );
    let run = diff(&text);
    let nullable = run.with_title("`POST /…/operations:suspend request.reason`: nullable");
    assert_eq!(nullable.class, "only widens");
    assert_eq!(nullable.line, line("    Reason:", "Reason:"));
    let values: Vec<_> = run
        .told()
        .into_iter()
        .filter(|t| t.title == "`POST /…/operations:suspend request.reasonCode`: values")
        .collect();
    assert_eq!(values.len(), 8, "{}", run.out);
    assert_eq!(values[0].line, line("    ReasonCode:", "- USER_DECISION"));
}

#[test]
fn parameters_may_stand_at_the_path_and_be_replaced_by_the_operation() {
    let text = suspend(
        "3.0.0",
        &format!(
            "      requestBody: {{required: true, content: {{'*/*': {{schema: {{type: object, properties: {{reason: {{$ref: '#/components/schemas/Why'}}, reasonCode: {{$ref: '#/components/schemas/Code'}}}}}}}}}}}}\n\
             {RESPONSES}\n      parameters:\n      - {{name: x-correlation-id, in: header, schema: {{type: string, pattern: '^[a-zA-Z0-9_\\-. ]{{1,64}}$'}}}}\n\
             {}",
            PARAMETERS
                .replace("      ", "    ")
                .replace("^[a-zA-Z0-9_\\-. ]{1,64}$", "replaced")
        ),
        SCHEMAS,
    );
    assert_eq!(
        told_of_suspend(&text),
        [titled("closes an open question", "response 2XX`: status")]
    );
}

#[test]
fn alternatives_are_told_as_not_compared() {
    let body = "      requestBody:
        required: true
        content:
          application/json:
            schema:
              oneOf:
              - {type: object, properties: {reason: {type: string}}}
              - {type: object, properties: {reasonCode: {type: string}}}";
    let text = suspend(
        "3.0.3",
        &format!("{PARAMETERS}\n{body}\n{RESPONSES}"),
        SCHEMAS,
    );
    assert_eq!(
        told_of_suspend(&text),
        [
            titled("closes an open question", "response 2XX`: status"),
            titled("not compared", "request`: schema"),
        ]
    );
}

#[test]
fn a_status_without_quotes_is_a_status() {
    let text = suspend(
        "3.0.3",
        &format!(
            "{PARAMETERS}\n{}",
            RESPONSES
                .replace('\'', "")
                .replace("#", "'#")
                .replace("Error}", "Error'}")
        ),
        SCHEMAS,
    );
    let run = diff(&text);
    assert_eq!(run.code, 1, "{}", run.err);
    let status = run.with_title("`POST /…/operations:suspend response 2XX`: status");
    assert_eq!(status.says, "ours `2XX`, theirs `200`");
    assert_eq!(status.line, line("operationId: suspendCard", "2XX:"));
}

#[test]
fn what_stands_beside_a_reference_counts_in_3_1_alone() {
    let beside = |version: &str| {
        let text = OURS.replace("openapi: 3.0.3", &format!("openapi: {version}"));
        let reference = "          $ref: \"#/components/schemas/Reason\"\n";
        assert!(text.contains(reference));
        let text = text.replace(reference, &format!("{reference}          maxLength: 40\n"));
        diff(&text)
    };
    assert_eq!(beside("3.0.3").code, 0);
    let told = beside("3.1.0").only();
    assert_eq!(
        (told.class.as_str(), told.says.as_str()),
        ("breaks callers", "ours `64`, theirs `40`")
    );
}

#[test]
fn null_as_one_of_two_schemas_is_null() {
    for (key, null) in [("anyOf", "{type: 'null'}"), ("oneOf", "{enum: [null]}")] {
        let text = edited(
            "    CardOperationRequest:\n      type",
            "$ref: \"#/components/schemas/Reason\"",
            &format!("{key}: [{{$ref: '#/components/schemas/Reason'}}, {null}]"),
        );
        let told = diff(&text).only();
        assert_eq!(told.class, "only widens");
        assert_eq!(
            told.title,
            "`POST /…/operations:suspend request.reason`: nullable"
        );
    }
}
