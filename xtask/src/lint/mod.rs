//! `cargo xtask spec-lint`: refuses what the generator would turn, silently, into a wrong client.
//!
//! Each rule is a trap of the generator, or a rule of ours that keeps D1's evolution harmless. A
//! finding names the operation (or the component), what is wrong, and the mend.

mod extensions;
mod generator;
mod patterns;
mod schemas;

use serde_json::Value;

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// The operation or component, with the place in it.
    pub location: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub mend: &'static str,
}

/// A rule of the lint.
pub struct Rule {
    /// Its name, which a finding carries.
    pub name: &'static str,
    /// What to do about a breach.
    pub mend: &'static str,
    check: fn(&Value, &mut Vec<Breach>),
}

/// A breach before its rule's name and mend are put to it.
struct Breach {
    location: String,
    problem: String,
}

impl Breach {
    fn new(location: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            problem: problem.into(),
        }
    }
}

/// Every rule, in the order in which they are checked.
pub const RULES: &[Rule] = &[
    Rule {
        name: "openapi-version",
        mend: "write the spec as OpenAPI 3.0.x; the generator reads nothing else",
        check: generator::openapi_version,
    },
    Rule {
        name: "info-version-ascii",
        mend: "keep info.version in ASCII; it becomes a header, and any other makes every call panic",
        check: generator::info_version_ascii,
    },
    Rule {
        name: "server-without-path",
        mend: "put the host alone into servers and the whole path into paths",
        check: generator::server_without_path,
    },
    Rule {
        name: "operation-id",
        mend: "give each operation an operationId of its own, in camelCase",
        check: generator::operation_id,
    },
    Rule {
        name: "ignored-key",
        mend: "take it out; the generator ignores it without a word, or refuses it",
        check: generator::ignored_key,
    },
    Rule {
        name: "one-success-response",
        mend: "declare one success response (a status or 2XX) and no default beside it",
        check: generator::one_success_response,
    },
    Rule {
        name: "one-error-schema",
        mend: "give all error responses of an operation the same schema by $ref",
        check: generator::one_error_schema,
    },
    Rule {
        name: "request-body-required",
        mend: "set requestBody.required to true; false is ignored, the body is always sent",
        check: generator::request_body_required,
    },
    Rule {
        name: "one-request-media-type",
        mend: "declare one media type with a schema for the request body; several panic the generator",
        check: generator::one_request_media_type,
    },
    Rule {
        name: "path-parameter-pattern",
        mend: "let its schema be a $ref to a named component whose pattern is like ^[A-Za-z0-9_-]{1,64}$",
        check: generator::path_parameter_pattern,
    },
    Rule {
        name: "query-parameter-inline",
        mend: "write its schema in place, without pattern or length: a named type loses the parameter's name",
        check: generator::query_parameter_inline,
    },
    Rule {
        name: "dead-reference",
        mend: "let $ref name a component of this file that is there and not x-d1-client: omit",
        check: schemas::dead_reference,
    },
    Rule {
        name: "any-of",
        mend: "use x-extensible-enum on a plain string for open values; anyOf compiles and fails at run time",
        check: schemas::any_of,
    },
    Rule {
        name: "property-default",
        mend: "say the default in the description and x-d1-default; an inline default is always sent",
        check: schemas::property_default,
    },
    Rule {
        name: "numeric-bounds",
        mend: "keep minimum and maximum to integer query parameters, whose bounds go into facts.rs; elsewhere nobody checks them",
        check: schemas::numeric_bounds,
    },
    Rule {
        name: "closed-object",
        mend: "take additionalProperties: false out; D1 adds fields, and this one would refuse them",
        check: schemas::closed_object,
    },
    Rule {
        name: "response-stays-open",
        mend: "take pattern, enum, format and length out of what a response holds; D1 may change them",
        check: schemas::response_stays_open,
    },
    Rule {
        name: "pattern-dialect",
        mend: "write the pattern with sets such as [A-Za-z0-9_], counts and plain groups; OpenAPI and the client read those alike",
        check: patterns::pattern_dialect,
    },
    Rule {
        name: "description-code",
        mend: "take code fences and indented blocks out of the description; they become doc tests",
        check: schemas::description_code,
    },
    Rule {
        name: "error-rows",
        mend: "give each error response x-d1-errors: rows with meaning and advice, and only known keys",
        check: extensions::error_rows,
    },
    Rule {
        name: "confidence",
        mend: "use sibling, client or inferred; what is documented carries no x-d1-confidence",
        check: extensions::confidence,
    },
    Rule {
        name: "rust-name",
        mend: "give x-d1-rust-name to properties of components and to query parameters in place, in snake_case, each name once",
        check: extensions::rust_name,
    },
];

/// Checks a spec against every rule.
#[must_use]
pub fn check(spec: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        let mut breaches = Vec::new();
        (rule.check)(spec, &mut breaches);
        findings.extend(breaches.into_iter().map(|breach| Finding {
            rule: rule.name,
            location: breach.location,
            problem: breach.problem,
            mend: rule.mend,
        }));
    }
    findings
}

/// The findings as text, two lines each.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|f| {
        format!(
            "  [{}] {}: {}\n      mend: {}",
            f.rule, f.location, f.problem, f.mend
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
