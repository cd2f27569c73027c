//! `cargo xtask spec-diff` as a maintainer runs it: on edits of our own spec, on a part of an API, on a page of the
//! documentation, and on what is made to break a reader.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{SPEC, TEXT, xtask};

/// Compares a text with our spec.
fn compare(theirs: &str) -> Result<(bool, String), String> {
    ::xtask::spec_diff::compare(&SPEC, theirs, "theirs.yaml")
}

fn report(theirs: &Value) -> String {
    compare(&theirs.to_string()).unwrap().1
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no `{part}` in:\n{text}");
}

/// Runs the command with a file, or with `-` and the text as its input.
fn run(file: &str, input: &str) -> Output {
    let mut child = xtask(&["spec-diff", file])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What Thales could publish for one operation: its own way to divide a document, and its own server.
fn suspend() -> Value {
    serde_saphyr::from_str(include_str!("theirs.yaml")).unwrap()
}

#[test]
fn our_own_spec_is_the_same_in_yaml_in_json_and_in_another_order() {
    fn reversed(value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .rev()
                .map(|(k, v)| (k.clone(), reversed(v)))
                .collect(),
            Value::Array(items) => items.iter().rev().map(reversed).collect(),
            scalar => scalar.clone(),
        }
    }
    let output = run("-", &TEXT);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_has(&text, "\n7 of 7 operations compared, 0 difference(s)\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(compare(&format!("\u{feff}{:#}", *SPEC)).unwrap().0);
    assert!(compare(&reversed(&SPEC).to_string()).unwrap().0);
}

/// The answers that a published file can give to the open questions of `SOURCES.md`.
#[test]
fn an_answer_to_an_open_question_is_shown_with_our_mark() {
    for edit in [
        "        - FRAUD>        - EATEN>reasonCode/enum/FRAUD (sibling)>reasonCode/enum/EATEN (sibling)",
        "        2XX:>        202:>- status/2XX (sibling)>+ status/202 (sibling)",
        "        state:>        newCardState:>state/type/string (client)>newCardState/type/string (documented)",
        "name: digitalCardDetails>name: withDevice>digitalCardDetails/schema/type/boolean (inferred)>withDevice/schema/type/boolean (sibling)",
        "            maximum: 50>            maximum: 20>- query limit/schema/maximum = 50 (sibling)>+ query limit/schema/maximum = 20 (sibling)",
        "        digitalCardDetails:>        device:>digitalCardDetails = {} (inferred)>device = {} (sibling)",
        "maxLength: 8192>maxLength: 4096>encryptedData/maxLength = 8192 (documented)>encryptedData/maxLength = 4096 (documented)",
    ] {
        let parts: Vec<_> = edit.split('>').collect();
        assert!(TEXT.contains(parts[0]), "{edit}");
        let (is_same, report) = compare(&TEXT.replace(parts[0], parts[1])).unwrap();
        assert!(!is_same);
        for (sign, part) in [('-', parts[2]), ('+', parts[3])] {
            let line = report
                .lines()
                .find(|line| line.starts_with(sign) && line.ends_with(part));
            assert!(line.is_some(), "no `{sign} {part}` in:\n{report}");
        }
    }
}

#[test]
fn a_part_of_an_api_is_compared_and_the_rest_is_named() {
    let mut theirs = suspend();
    theirs["paths"]["/issuers/{i}/consumers"] = json!({"get": {}});
    insta::assert_snapshot!(report(&theirs));
}

#[test]
fn the_operations_of_another_version_are_not_ours() {
    let mut theirs = suspend();
    theirs["servers"][0]["url"] = json!("https://api.d1.thalescloud.io/banking/v2");
    let error = compare(&theirs.to_string()).unwrap_err();
    assert_eq!(error, "it has no operation of ours");
    for server in ["https://proxy.example/d1/banking/v1", "/", ""] {
        theirs["servers"][0]["url"] = json!(server);
        assert_has(&report(&theirs), "\n1 of 7 operations compared, ");
    }
}

#[test]
fn a_page_of_the_documentation_is_read_up_to_where_it_is_cut_off() {
    let resume = suspend()
        .to_string()
        .replace("operations:suspend", "operations:resume");
    let resume: Value = serde_json::from_str(&resume).unwrap();
    let blocks = format!(
        "# Operations\n\n## Suspend\n```json\n{}\n```\n\n```sh\ncurl x\n```\n\n```json\n{resume:#}\n```\n",
        suspend()
    );
    assert!(!compare(&blocks).unwrap().1.contains("block"));
    let (_, report) = compare(&format!(
        "{blocks}\n```json\n{{\"openapi\": \"3.0.3\", \"pat"
    ))
    .unwrap();
    assert_has(&report, "\nresumeCard request, suspendCard request\n");
    assert_has(
        &report,
        "\nnot compared, block 4: it is neither JSON nor YAML: ",
    );
    assert_has(&report, "\n2 of 7 operations compared, ");
}

#[test]
fn a_file_that_cannot_be_read_is_one_line_and_the_exit_code_is_two() {
    let folder = env!("CARGO_MANIFEST_DIR");
    for (file, says) in [
        ("no/such.yaml", "No such file"),
        (folder, "Is a directory"),
        ("-", "it is neither JSON nor YAML: "),
    ] {
        let output = run(file, "openapi: [3.0.3\n");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_has(&error, &format!("error: {file}: {says}"));
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1));
        assert_eq!(output.stdout, b"");
    }
    let deep = "[".repeat(100_000);
    for (text, says) in [
        ("a: 1\na: 2\n", "duplicate mapping key: a at line 2"),
        ("", "its OpenAPI version is null, not 3.0 or 3.1"),
        ("swagger: '2.0'\npaths: {}\n", "not 3.0 or 3.1"),
        ("openapi: 3.2.0\npaths: {}\n", "version is 3.2.0, not"),
        ("openapi: \"3.\\e[31m\"\n", "version is 3.\\u001b[31m, not"),
        ("openapi: 3.0\npaths: {}\n", "it has no operation of ours"),
        (
            &format!("openapi: 3.0.3\npaths: {deep}"),
            "it is neither JSON nor YAML",
        ),
        (
            &format!("{{\"openapi\": {deep}"),
            "it is neither JSON nor YAML",
        ),
    ] {
        assert_has(&compare(text).unwrap_err(), says);
    }
}

#[test]
fn what_a_terminal_would_obey_is_written_as_an_escape() {
    let mut theirs = suspend();
    let evil = "a\u{1b}[31m\u{9b}1m\u{202e}\n- forged";
    theirs["paths"][evil] = json!({"get": {}});
    let post = &mut theirs["paths"]["/issuers/{issuerId}/cards/{card}/operations:suspend"]["post"];
    post["responses"][evil] = json!({evil: evil});
    post["requestBody"] = json!({"$ref": evil});
    let report = report(&theirs);
    let is_obeyed = report.contains(['\u{1b}', '\u{9b}', '\u{202e}']);
    assert!(!is_obeyed && !report.contains("\n- forged"), "{report:?}");
    assert_has(&report, "a\\u{1b}[31m\\u{9b}1m\\u{202e}\\n- forged");
}

/// The pointers of all nodes.
fn pointers(value: &Value, pointer: &str, out: &mut Vec<String>) {
    let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, part)| (escaped(key), part)).collect(),
        Value::Array(items) => (0..).map(|i: usize| i.to_string()).zip(items).collect(),
        _ => Vec::new(),
    };
    for (key, part) in parts {
        pointers(part, &format!("{pointer}/{key}"), out);
    }
    out.push(pointer.to_owned());
}

#[test]
fn wrong_types_everywhere_are_survived() {
    let theirs = suspend();
    let mut all = Vec::new();
    pointers(&theirs, "", &mut all);
    assert!(all.len() > 70, "{}", all.len());
    let wrong = json!([
        null, true, 7, "", "#", [], [[[]]], {}, {"$ref": "#"}, {"$ref": "#/paths"}, {"allOf": 1}, {"": {"": ""}}
    ]);
    for pointer in all {
        for value in wrong.as_array().unwrap() {
            let mut theirs = theirs.clone();
            *theirs.pointer_mut(&pointer).unwrap() = value.clone();
            // Either is right, as long as there is an answer.
            let _ = compare(&theirs.to_string());
        }
    }
}

#[test]
fn cycles_depth_and_growth_end() {
    // Each schema names the next one twice: 2 to the power of 60 nodes.
    let mut theirs = suspend();
    for i in 0..60 {
        let next = json!({"$ref": format!("#/components/schemas/S{}", i + 1)});
        theirs["components"]["schemas"][format!("S{i}")] =
            json!({"allOf": [next, next], "properties": {"a": next, "b": next}});
    }
    theirs["components"]["schemas"]["Why"] = json!({"$ref": "#/components/schemas/S0"});
    assert_has(&report(&theirs), "too far to be compared");
    let around = json!({"$ref": "#/components/schemas/Base"});
    for (base, says) in [
        (json!({"allOf": [around, around]}), "leads to itself"),
        (
            json!({"$ref": "common.yaml#/Base"}),
            "\"common.yaml#/Base\" leads nowhere",
        ),
    ] {
        theirs["components"]["schemas"]["Why"] = around.clone();
        theirs["components"]["schemas"]["Base"] = base;
        assert_has(&report(&theirs), says);
    }
    let mut laughs = "openapi: 3.0.3\nx0: &x0 [1]\n".to_owned();
    for i in 1..40 {
        laughs += &format!("x{i}: &x{i} [{}]\n", format!("*x{}, ", i - 1).repeat(9));
    }
    assert!(
        compare(&laughs)
            .unwrap_err()
            .starts_with("it is neither JSON nor YAML")
    );
}
