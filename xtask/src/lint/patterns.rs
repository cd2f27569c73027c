//! Keeps patterns to what OpenAPI's dialect (ECMA-262) and the engine of the client (`regex`) read alike.

use regex_syntax::hir::{Class, Hir, HirKind, Look};
use serde_json::Value;

use super::{Breaches, objects};
use crate::spec::join;

pub(super) fn pattern_dialect(spec: &Value, out: &mut Breaches) {
    objects(spec, |pointer, object| {
        let Some(pattern) = object.get("pattern").and_then(Value::as_str) else {
            return;
        };
        let problem = what_differs(pattern).or_else(|| {
            (!is_anchored(pattern)).then_some("is not anchored: it also matches part of a text")
        });
        if let Some(problem) = problem {
            out.add(join(pointer, "pattern"), format!("`{pattern}` {problem}"));
        }
    });
}

/// The least and the greatest number of characters that a pattern takes.
pub(super) fn lengths(pattern: &str) -> Option<(u64, Option<u64>)> {
    if pattern.is_empty() {
        return None;
    }
    // Read as bytes, a class takes one byte for one character.
    let mut parser = regex_syntax::ParserBuilder::new();
    let hir = parser
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .ok()?;
    let properties = hir.properties();
    let least = u64::try_from(properties.minimum_len()?).ok()?;
    Some((
        least,
        properties
            .maximum_len()
            .and_then(|most| u64::try_from(most).ok()),
    ))
}

/// Whether a pattern matches whole texts alone, in each of its branches.
pub(super) fn is_anchored(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_ok_and(|hir| {
        let properties = hir.properties();
        properties.look_set_prefix().contains(Look::Start)
            && properties.look_set_suffix().contains(Look::End)
    })
}

/// Whether a pattern takes no empty text, and letters, digits, `_` and `-` alone: in a segment of a path
/// all others mean something.
pub(super) fn keeps_to_its_segment(pattern: &str) -> bool {
    regex_syntax::parse(pattern)
        .is_ok_and(|hir| hir.properties().minimum_len() > Some(0) && is_safe(&hir))
}

fn is_safe(hir: &Hir) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.iter().all(|b| safe(char::from(*b))),
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .all(|range| range.end().is_ascii() && (range.start()..=range.end()).all(safe)),
        HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Repetition(repetition) => is_safe(&repetition.sub),
        HirKind::Capture(group) => is_safe(&group.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_safe),
    }
}

/// What the two read differently in a pattern, or one of them not at all.
fn what_differs(pattern: &str) -> Option<&'static str> {
    let mut class = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        match c {
            '\\' => {
                let escaped = after.chars().next().unwrap_or_default();
                if escaped.is_ascii_alphanumeric() && !"xtnr".contains(escaped) {
                    return Some(
                        "has a class or a boundary that is ASCII in OpenAPI and Unicode in Rust",
                    );
                }
                rest = after.get(escaped.len_utf8()..).unwrap_or_default();
            }
            '[' if class => return Some("has a set inside a set"),
            '[' => class = true,
            ']' => class = false,
            '&' | '~' | '-' if class && after.starts_with(c) => {
                return Some("has a set operation");
            }
            '.' if !class => return Some("has a dot, which matches some line ends in Rust"),
            '(' if after.starts_with('?') && !after.starts_with("?:") => {
                return Some("has a group with a name, a flag or a look-around");
            }
            _ => {}
        }
    }
    let refused = regex::Regex::new(pattern).is_err();
    refused.then_some("is not a regular expression that Rust compiles")
}
