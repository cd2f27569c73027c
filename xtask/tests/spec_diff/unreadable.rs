//! What cannot be read, or is made to break a reader.

use std::process::Command;

use crate::{OURS, Run, diff, diff_bytes, edited};

fn assert_refused(run: &Run, words: &str) {
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    assert_eq!(run.out, "");
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.starts_with("error: /") && run.err.contains("theirs.yaml: "));
    assert!(run.err.contains(words), "no `{words}` in `{}`", run.err);
}

#[test]
fn a_file_that_is_missing_or_a_folder_is_named() {
    for path in ["no/such/file.yaml", env!("CARGO_MANIFEST_DIR")] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["spec-diff", path])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.starts_with(&format!("error: {path}: ")), "{err}");
        assert_eq!(err.lines().count(), 1);
    }
}

#[test]
fn what_is_neither_yaml_nor_json_is_said() {
    assert_refused(&diff("openapi: [3.0.3\n"), "it is no YAML");
    assert_refused(&diff("{\"openapi\": \"3.0.3\", nothing"), "it is no JSON");
    assert_refused(&diff("a: 1\na: 2\n"), "duplicate");
    assert_refused(&diff_bytes(b"openapi: \xff\xfe"), "UTF-8");
    assert_refused(&diff_bytes(b"\x00\x01\x02"), "it is no");
}

#[test]
fn what_is_no_openapi_3_is_said() {
    let reads = "spec-diff reads OpenAPI 3.0 and 3.1";
    for (text, words) in [
        ("", "it is no OpenAPI document"),
        ("- 1\n", "it is no OpenAPI document"),
        ("just a text", "it is no OpenAPI document"),
        ("openapi: [3]\n", "it is no OpenAPI document"),
        ("swagger: '2.0'\npaths: {}\n", "it is Swagger 2.0"),
        ("swagger: 2.0\npaths: {}\n", "it is Swagger 2.0"),
        ("openapi: 3.2.0\npaths: {}\n", "it is OpenAPI 3.2.0"),
        ("openapi: 3.10.0\npaths: {}\n", "it is OpenAPI 3.10.0"),
        ("openapi: \"3.0\\nx\\e[31m\"\n", "it is OpenAPI 3.0 x [31m"),
    ] {
        assert_refused(&diff(text), words);
        assert_refused(&diff(text), reads);
    }
    for text in ["openapi: 3.0.3\n", "openapi: 3.1.0\npaths: [1]\n"] {
        assert_refused(&diff(text), "it has no 'paths'");
    }
}

#[test]
fn depth_is_refused_or_survived() {
    let deep = |open: &str, n: usize| format!("openapi: 3.0.3\npaths: {}", open.repeat(n));
    assert_refused(&diff(&deep("[", 100_000)), "it is no YAML");
    assert_refused(&diff(&deep("{a: ", 100_000)), "it is no YAML");
    let json = format!(
        "{{\"openapi\": \"3.0.3\", \"paths\": {}",
        "[".repeat(100_000)
    );
    assert_refused(&diff(&json), "it is no JSON");
    // As deep as the reader goes.
    let inner = "{allOf: [".repeat(25) + &"]}".repeat(25);
    let text = edited(
        "    Reason:",
        "type: string",
        &format!("allOf: [{inner}]\n      type: string"),
    );
    assert_eq!(diff(&text).code, 0);
}

#[test]
fn laughing_aliases_are_refused() {
    let mut text = "openapi: 3.0.3\nx0: &x0 [1]\n".to_owned();
    for i in 1..40 {
        let before = format!("*x{}, ", i - 1).repeat(9);
        text += &format!("x{i}: &x{i} [{before}]\n");
    }
    assert_refused(&diff(&(text + "paths: {}\n")), "it is no YAML");
}

#[test]
fn what_theirs_says_reaches_the_terminal_in_one_line_and_without_escapes() {
    let text = edited(
        "    CardState:",
        "[ACTIVE, INACTIVE]",
        "[ACTIVE, INACTIVE, \"a\\e[31m\\n## breaks callers\\n`b`\"]",
    );
    let run = diff(&text);
    assert_eq!(run.only().class, "only widens");
    assert!(!run.out.contains('\u{1b}'));
    assert!(
        run.out.contains("`` a [31m ## breaks callers `b` ``"),
        "{}",
        run.out
    );
}

#[test]
fn references_that_lead_nowhere_out_or_to_themselves_are_told() {
    for (target, words) in [
        ("#/components/schemas/Nowhere", "leads nowhere"),
        ("common.yaml#/Reason", "leads out of the file"),
        ("https://x.example/a.yaml", "leads out of the file"),
        ("#Reason", "is no JSON pointer"),
    ] {
        let text = edited(
            "    CardOperationRequest:\n      type",
            "#/components/schemas/Reason\"",
            &format!("{target}\""),
        );
        let run = diff(&text);
        let told = run.only();
        assert_eq!((run.code, told.class.as_str()), (1, "not compared"));
        assert_eq!(
            told.title,
            "`POST /…/operations:suspend request.reason`: schema"
        );
        assert!(told.says.contains(words), "{}", run.out);
        assert_eq!(told.line, crate::line("    Reason:", "Reason:"));
    }
}

#[test]
fn dead_references_of_parameters_bodies_responses_and_paths_are_told() {
    for (after, from, to, title) in [
        (
            "operationId: resumeCard",
            "parameters/CardCorrelationId",
            "parameters/None",
            "`POST /…/operations:resume parameters`: reference",
        ),
        (
            "operationId: resumeCard",
            "requestBodies/CardOperationRequest",
            "requestBodies/None",
            "`POST /…/operations:resume request`: reference",
        ),
        (
            "operationId: resumeCard",
            "responses/BadRequest",
            "responses/None",
            "`POST /…/operations:resume response 400`: reference",
        ),
    ] {
        let run = diff(&edited(after, from, to));
        let told = run.only();
        assert_eq!((run.code, told.class.as_str()), (1, "not compared"));
        assert_eq!(told.title, title);
        assert!(told.says.contains("leads nowhere"));
    }
    let text = OURS.replace("paths:\n", "paths:\n  /loop: {$ref: '#/paths/~1loop'}\n");
    let told = diff(&text).only();
    assert_eq!(
        (told.class.as_str(), told.title.as_str()),
        ("not compared", "`/loop`: path")
    );
    assert!(told.says.contains("leads to itself"));
}

#[test]
fn cycles_of_schemas_are_survived() {
    // `allOf` of itself, twice around, and a property that holds its own schema.
    let text = edited(
        "    Reason:",
        "type: string",
        "allOf: [{$ref: '#/components/schemas/Reason'}, {$ref: '#/components/schemas/Loop'}]\n      type: string",
    );
    let text = text.replace(
        "    Reason:\n",
        "    Loop: {allOf: [{$ref: '#/components/schemas/Reason'}]}\n    Reason:\n",
    );
    assert_eq!(diff(&text).code, 0);
    let text = edited(
        "    CardOperationPage:",
        "$ref: \"#/components/schemas/CardOperationListItem\"",
        "$ref: \"#/components/schemas/CardOperationPage\"",
    );
    assert_eq!(diff(&text).code, 1);
    let text = OURS.replace(
        "    Reason:\n",
        "    Reason: {$ref: '#/components/schemas/Reason'}\n    Old:\n",
    );
    let run = diff(&text);
    assert_eq!(run.code, 1);
}
