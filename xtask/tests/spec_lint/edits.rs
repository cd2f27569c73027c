//! Slips of the pen in the committed spec: each is found, with its line and what to do.

use std::fmt::Write as _;

use xtask::lint;

/// What is replaced, once, and by what.
const EDITS: &[(&str, &str)] = &[
    // Keys of ours: their names, their values, their places.
    (
        "    CardCredentials:\n      type: object\n      description: The plaintext of encryptedData. It never travels in clear.\n      x-d1-client: omit",
        "    CardCredentials:\n      type: object\n      description: The plaintext of encryptedData. It never travels in clear.\n      x-d1-client: omitt",
    ),
    ("x-d1-client: omit", "x-d1-cilent: omit"),
    ("x-d1-client: omit", "X-D1-Client: omit"),
    ("x-d1-client: omit", "x-d1-client: true"),
    (
        "          x-d1-reserved: true",
        "          x-d1-client: omit",
    ),
    ("x-d1-reserved: true", "x-d1-reserved: yes please"),
    ("x-d1-reserved: true", "x-d1-reserved: false"),
    ("x-d1-environment: staging", "x-d1-environment: stagign"),
    ("x-d1-environment: staging", "x-d1-environment: production"),
    (
        "      x-d1-confidence: sibling\n",
        "      x-d1-confidence: sibbling\n",
    ),
    ("x-d1-rust-name: limit", "x-d1-rustname: limit"),
    (
        "x-d1-sent-claims: [iss, sub, aud, iat, exp]",
        "x-d1-sent-claims: [iss, sub, aud, iat, nbf]",
    ),
    (
        "x-d1-sent-claims: [iss, sub, aud, iat, exp]",
        "x-d1-sent-claims: [iss, iss]",
    ),
    (
        "x-d1-sent-claims: [iss, sub, aud, iat, exp]",
        "x-d1-sent-claims: [iss, sub, aud, iat]",
    ),
    (
        "x-d1-reason-codes: [ISSUER_DECISION]",
        "x-d1-reason-codes: [USER_DECISION]",
    ),
    (
        "      operationId: listOperations\n",
        "      operationId: listOperations\n      x-d1-reason-codes: [ISSUER_DECISION]\n",
    ),
    (
        "x-d1-default: ISSUER_DECISION",
        "x-d1-default: ISSUER_DESICION",
    ),
    (
        "              when: [reason-code-other-than-default]",
        "              when: [reason-code-other]",
    ),
    (
        "              tenant: migrated",
        "              tennant: migrated",
    ),
    (
        "              retryable: false",
        "              retryable: no way",
    ),
    // Lists.
    (
        "x-d1-reason-codes: [CARD_FOUND,",
        "x-d1-reason-codes: [CARD_FUOND,",
    ),
    (
        "x-d1-reason-codes: [CARD_FOUND,",
        "x-d1-reason-code: [CARD_FOUND,",
    ),
    (
        "x-extensible-enum: [ACTIVE, INACTIVE]",
        "x-extensible-enum: [ACTIVE, INACTIVE, ACTIVE]",
    ),
    (
        "x-extensible-enum: [ACTIVE, INACTIVE]",
        "x-extensible-enums: [ACTIVE, INACTIVE]",
    ),
    (
        "x-extensible-enum: [SUCCESSFUL, PENDING, FAILED]",
        "x-extensible-enum: SUCCESSFUL",
    ),
    ("required: [pan, exp]", "required: [pan, expiry]"),
    // Values against what the spec says of them.
    ("example: ISSUER_A-1", "example: ISSUER_A-12"),
    ("      example: 10\n", "      example: 51\n"),
    ("example: SUSPEND\n", "example: SUSPENDED\n"),
    ("            default: 10", "            default: 0"),
    (
        "              reasonCode: ISSUER_DECISION",
        "              reasonCode: issuer decision",
    ),
    (
        "            error: Card not found",
        "            error: 404",
    ),
    // Patterns, lengths, references.
    (
        r#"pattern: "^[a-zA-Z0-9 ]{1,64}$""#,
        r#"pattern: "[a-zA-Z0-9 ]{1,64}""#,
    ),
    (r#"pattern: "^[0-9]{2}$""#, r#"pattern: "^[0-9]{2}|[A-Z]$""#),
    ("      maxLength: 8192", "      maxLength: many"),
    ("      maxLength: 8192", "      maxLength: -1"),
    ("      maxLength: 48", "      maxLength: 0"),
    ("            maximum: 50", "            maximum: fifty"),
    ("            maximum: 50", "            maximum: 0"),
    (
        "      type: string\n      description: The id of a card product.",
        "      $ref: \"#/components/schemas/CardProductId\"\n      description: The id of a card product.",
    ),
    // What the generator ignores.
    ("info:\n", "info:\n  summary: What it is.\n"),
    (
        "    description: Staging (PreProd).",
        "    descripton: Staging (PreProd).",
    ),
    (
        "      operationId: deleteCard",
        "      deprecated: true\n      operationId: deleteCard",
    ),
    (
        "      operationId: deleteCard",
        "      servers: []\n      operationId: deleteCard",
    ),
    ("  securitySchemes:", "  securityShemes:"),
    (
        "        \"404\":\n          $ref",
        "        \"4o4\":\n          $ref",
    ),
    ("      minLength: 10", "      minLenght: 10"),
    // Two of what must be one, and names that are not there.
    (
        "            - code: UNKNOWN_OPERATION\n",
        "            - code: UNKNOWN_CARD\n",
    ),
    (
        "  - url: https://api.d1-stg.thalescloud.io",
        "  - url: https://api.d1.thalescloud.io",
    ),
    (
        "        - $ref: \"#/components/parameters/CardId\"\n",
        "        - $ref: \"#/components/parameters/CardId\"\n        - $ref: \"#/components/parameters/CardId\"\n",
    ),
    (
        "operations:suspend:\n",
        "operations:suspend:\n    parameters:\n      - $ref: \"#/components/parameters/CardId\"\n",
    ),
    ("    CardProductId:\n", "    cardId:\n"),
    ("  - bearerAuth: []", "  - bearerAuht: []"),
    ("tags: [Authorization]", "tags: [Authorisation]"),
    ("x-d1-rust-name: state", "x-d1-rust-name: type"),
    ("x-d1-rust-name: state", "x-d1-rust-name: new__state"),
    (
        "        application/x-www-form-urlencoded:",
        "        application/x-www-form-urlencode:",
    ),
    ("operationId: suspendCard", "operationId: type"),
    (
        "          schema:\n            type: boolean\n            default: false\n",
        "",
    ),
    (
        "    CardNotFound:\n      description: The card is not known to D1.\n",
        "    CardNotFound:\n",
    ),
    (
        "        status:\n          $ref: \"#/components/schemas/OperationStatus\"\n",
        "        status:\n          allOf: []\n",
    ),
    // Rows that no answer can have.
    (
        "when: [new-card-id-same, pan-changed]",
        "when: [new-card-id-same, new-card-id-differs]",
    ),
    (
        "          when: [reason-code-other-than-default]\n    CardNotFound",
        "          when: [pan-same]\n    CardNotFound",
    ),
    ("when: [new-card-id-same, pan-changed]", "when: []"),
    ("- meaning: The card was not found.", "- meaning: \" \""),
    // What the generator would make of it.
    (
        "x-extensible-enum: [ACTIVE, INACTIVE]",
        "enum: [ACTIVE, INACTIVE]",
    ),
    (
        r#"pattern: "^[A-Za-z0-9_-]{1,48}$""#,
        r#"pattern: "^[A-Za-z0-9_-]{1,84}$""#,
    ),
    ("    CardId:\n      type: string\n", "    CardId:\n"),
    (
        "      x-d1-client: omit\n      required: [pan, exp]",
        "      required: [pan, exp]",
    ),
    (
        "          example: Bearer\n        expires_in:\n          type: number\n          format: double\n",
        "          example: Bearer\n        expires_in:\n          type: string\n          format: double\n",
    ),
    (
        "        scope: d1-api:account:full d1-api:consumer:read\n",
        "        scope: []\n",
    ),
    (
        "          $ref: \"#/components/responses/CardNotFound\"",
        "          $ref: \"#/components/schemas/ErrorBody\"",
    ),
    ("  /authz/v1/oauth2/token:", "  authz/v1/oauth2/token:"),
    ("    post:\n", "    get:\n"),
    (
        "      name: x-correlation-id\n      in: header",
        "      name: Authorization\n      in: header",
    ),
];

#[test]
fn every_slip_is_found_with_its_line_and_the_fix() {
    let committed = std::fs::read_to_string(xtask::spec::spec_path()).unwrap();
    let mut report = String::new();
    for (from, to) in EDITS {
        assert!(committed.contains(from), "{from:?} is not in the spec");
        let text = committed.replacen(from, to, 1);
        let findings = lint::check_text(&text, "spec.yaml").unwrap();
        assert!(
            !findings.is_empty(),
            "{from:?} became {to:?}, without a finding"
        );
        let (from, to) = (last_line(from), last_line(to));
        writeln!(report, "{from} => {to}\n{}\n", with_lines(&findings, &text)).unwrap();
    }
    insta::assert_snapshot!(report);
}

/// The findings, the number of each line replaced by its text: it moves with every edit of the spec.
fn with_lines(findings: &[lint::Finding], text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = findings.to_vec();
    for finding in &mut findings {
        let line = finding.location.strip_prefix("spec.yaml:").unwrap();
        let line: usize = line.parse().unwrap();
        finding.location = format!("at `{}`", lines[line - 1].trim());
    }
    lint::render(&findings)
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or("").trim()
}

#[test]
fn a_key_that_stands_twice_is_named_with_its_line() {
    let committed = std::fs::read_to_string(xtask::spec::spec_path()).unwrap();
    let text = committed.replacen(
        "      minLength: 10\n",
        "      minLength: 10\n      minLength: 1\n",
        1,
    );
    let error = lint::check_text(&text, "spec.yaml")
        .unwrap_err()
        .to_string();
    let line = text
        .lines()
        .position(|l| l == "      minLength: 1")
        .unwrap()
        + 1;
    let expected = format!("line {line} column 7: duplicate mapping key: minLength");
    assert!(error.contains(&expected), "{error}");
}
