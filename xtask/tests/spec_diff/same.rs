//! What is the same although it is written otherwise.

use serde_json::Value;

use crate::{OURS, Run, diff, replaced};

fn assert_same(run: &Run) {
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(
        run.told().iter().filter(|t| t.class != "notes").count(),
        0,
        "{}",
        run.out
    );
    let last = run.out.lines().last().unwrap();
    assert!(last.starts_with("0 difference(s); "), "{last}");
}

fn as_value() -> Value {
    xtask::spec::load(&xtask::spec::spec_path()).unwrap()
}

#[test]
fn our_own_spec_confirms_every_open_name() {
    let run = diff(&OURS);
    assert_same(&run);
    assert!(run.told().is_empty(), "{}", run.out);
    for question in [
        "reason codes of V1 cards",
        "success body of the POSTs",
        "`state` or `newCardState`",
        "the name of the digital-card flag",
        "fields of an operation after `requestorId`",
        "the bounds of `limit`",
        "claims after `aud`",
    ] {
        let line = format!("- {question}: openapi/d1-card-operations.yaml:");
        assert!(run.out.contains(&line), "no `{line}` in:\n{}", run.out);
    }
    // Ours takes every success and lists no code: that is no answer.
    for question in [
        "success status of the POSTs",
        "codes with 400, 401, 403, 500",
    ] {
        assert!(!run.out.contains(question), "{}", run.out);
    }
}

#[test]
fn json_is_the_same_with_tabs_too() {
    assert_same(&diff(&as_value().to_string()));
    let mut pretty = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut pretty, tabs);
    serde::Serialize::serialize(&as_value(), &mut writer).unwrap();
    assert_same(&diff(&String::from_utf8(pretty).unwrap()));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    assert_same(&diff(&format!("\u{feff}{}", OURS.replace('\n', "\r\n"))));
}

#[test]
fn the_prefix_of_a_path_may_stand_in_a_server() {
    // In the server of the document, and of the token's path item.
    let text = OURS
        .replace("  /banking/v1/issuers", "  /issuers")
        .replace(
            "  - url: https://api.d1.thalescloud.io\n",
            "  - url: https://api.d1.thalescloud.io/banking/v1/\n",
        )
        .replace(
            "  - url: https://api.d1-stg.thalescloud.io\n",
            "  - url: https://api.d1-stg.thalescloud.io/banking/v1\n",
        );
    let text = replaced(
        &text,
        "paths:",
        "  /authz/v1/oauth2/token:\n",
        "  /token:\n    servers:\n      - url: '{scheme}://api.d1.thalescloud.io/authz/{version}/oauth2'\n        \
         variables:\n          scheme: {default: https}\n          version: {default: v1}\n",
    );
    let run = diff(&text);
    assert_same(&run);
    assert!(run.told().is_empty(), "{}", run.out);
}

#[test]
fn a_prefix_that_is_nowhere_is_a_note() {
    let text = OURS
        .replace("  /banking/v1/issuers", "  /issuers")
        .replace("  /authz/v1/", "  /");
    let run = diff(&text);
    assert_same(&run);
    let note = run.with_title("`POST /…/operations:suspend`: prefix");
    assert_eq!(note.class, "notes");
    assert_eq!(
        note.says,
        "ours `/banking/v1/issuers/{issuerId}/cards/{cardId}/operations:suspend`, \
         theirs `/issuers/{}/cards/{}/operations:suspend`"
    );
    assert_eq!(run.told().len(), 7, "{}", run.out);
}

#[test]
fn the_names_of_path_parameters_are_a_note() {
    let text = OURS
        .replace("{issuerId}", "{id}")
        .replace("{cardId}", "{card}")
        .replace("name: issuerId", "name: id")
        .replace("name: cardId", "name: card");
    let run = diff(&text);
    assert_same(&run);
    let note = run.with_title("`POST /…/operations:suspend parameter issuerId`: name");
    assert_eq!(
        (note.class.as_str(), note.line),
        (
            "notes",
            crate::line("  parameters:\n    IssuerId:", "IssuerId:")
        )
    );
    assert_eq!(note.says, "ours `issuerId`, theirs `id`");
    assert_eq!(run.told().len(), 2, "{}", run.out);
}

#[test]
fn what_3_1_writes_otherwise_is_the_same() {
    let text = OURS
        .replace("openapi: 3.0.3", "openapi: 3.1.0")
        // A reference may have keywords beside it, and `allOf` is not needed for a description.
        .replace(
            "          allOf:\n            - $ref: \"#/components/schemas/CardState\"",
            "          $ref: \"#/components/schemas/CardState\"",
        )
        .replace("            minimum: 0", "            exclusiveMinimum: -1")
        .replace(
            "            maximum: 50",
            "            exclusiveMaximum: 51",
        );
    assert_ne!(text, OURS.replace("openapi: 3.0.3", "openapi: 3.1.0"));
    let run = diff(&text);
    assert_same(&run);
    assert!(run.told().is_empty(), "{}", run.out);
}

#[test]
fn an_enum_and_another_way_to_write_a_pattern_are_the_same() {
    let text = OURS
        .replace("x-extensible-enum:", "enum:")
        .replace("^[A-Za-z0-9_-]{1,48}$", "^[\\\\w\\\\-]{1,48}$")
        .replace("      minLength: 1\n      maxLength: 48\n", "");
    let run = diff(&text);
    assert_same(&run);
    assert!(run.told().is_empty(), "{}", run.out);
}

#[test]
fn hosts_security_and_deprecation_are_notes() {
    let text = OURS
        .replace("https://api.d1.thalescloud.io\n", "https://d1.example\n")
        .replace("      security: []\n", "      deprecated: true\n");
    let run = diff(&text);
    assert_same(&run);
    assert_eq!(
        run.with_title("`servers`: host").line,
        crate::line("servers:", "servers:")
    );
    let note = run.with_title("`POST /…/token`: security");
    assert_eq!(note.says, "ours none, theirs `http bearer`");
    assert_eq!(
        note.line,
        crate::line("operationId: getToken", "security: []")
    );
    run.with_title("`POST /…/token`: deprecated");
    assert_eq!(run.told().len(), 3, "{}", run.out);
}
