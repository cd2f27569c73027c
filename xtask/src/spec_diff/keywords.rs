//! Compares the keywords that bound a value: its format, values, pattern, length, range and default.

use std::collections::HashSet;

use serde_json::Value;

use super::node::Node;
use super::pattern::{self, Relation};
use super::schema::{less, more};
use super::shape::{Direction, Shape};
use super::text::{code, list, value};
use super::{Comparison, Context, Effect, Finding};

/// The bounds of a size: the keyword, and whether a greater number takes more.
const SIZES: [(&str, bool); 6] = [
    ("minLength", false),
    ("maxLength", true),
    ("minItems", false),
    ("maxItems", true),
    ("minProperties", false),
    ("maxProperties", true),
];

impl<'a> Comparison<'a> {
    pub(super) fn keywords(
        &mut self,
        context: &Context,
        home: &str,
        own: &Shape<'a>,
        other: &Shape<'a>,
    ) {
        self.format(context, home, own, other);
        self.values(context, home, own, other);
        self.pattern(context, home, own, other);
        for (key, upper) in SIZES {
            let (ours, theirs) = match key {
                // What a pattern says of the length is told with the pattern.
                "minLength" | "maxLength" if own.count(key) != other.count(key) => {
                    (own.length(key), other.length(key))
                }
                _ => (own.count(key), other.count(key)),
            };
            // A size is small enough for a float to hold it.
            #[allow(clippy::cast_precision_loss)]
            let float = |n: Option<u64>| n.map(|n| n as f64);
            let pair = (float(ours), float(theirs));
            self.bound(context, &at(own, key, home), key, pair, upper);
        }
        for (key, upper) in [("minimum", false), ("maximum", true)] {
            let pair = (own.range(key), other.range(key));
            self.bound(context, &at(own, key, home), key, pair, upper);
        }
        for key in ["multipleOf", "uniqueItems"] {
            let said = |shape: &Shape<'a>| {
                let node = shape.first(key);
                node.map(|n| n.value).filter(|v| **v != Value::Bool(false))
            };
            let (ours, theirs) = (said(own), said(other));
            if ours != theirs {
                let effect = match theirs {
                    Some(_) => less(context.direction),
                    None => more(context.direction),
                };
                let says = |v: Option<&Value>| v.map_or("-".to_owned(), value);
                let pair = (says(ours), says(theirs));
                self.keyword(context, key, pair, effect, at(own, key, home));
            }
        }
        self.default(context, home, own, other);
    }

    fn keyword(
        &mut self,
        context: &Context,
        what: &'static str,
        (ours, theirs): (String, String),
        effect: Effect,
        pointer: String,
    ) {
        self.add(Finding {
            place: context.place.clone(),
            what,
            ours,
            theirs,
            effect,
            pointer,
        });
    }

    fn format(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) {
        let format = |shape: &Shape<'a>| shape.first("format").and_then(|n| n.value.as_str());
        let (ours, theirs) = (format(own), format(other));
        if ours == theirs {
            return;
        }
        // What a number without a format is as wide as, is not said: as any.
        let width = |format: Option<&str>| match format {
            Some("int32" | "float") => Some(32),
            Some("int64" | "double") | None => Some(64),
            Some(_) => None,
        };
        let effect = match (width(ours), width(theirs), ours, theirs) {
            (Some(a), Some(b), ..) if b < a => less(context.direction),
            (Some(a), Some(b), ..) if b > a => more(context.direction),
            (Some(_), Some(_), ..) => {
                Effect::Widens("the size of the number is the same or not said")
            }
            (_, _, None, Some(_)) => less(context.direction),
            (_, _, Some(_), None) => more(context.direction),
            _ => Effect::Breaks("it may: the formats are not the same"),
        };
        let says = |format: Option<&str>| format.map_or("-".to_owned(), code);
        let pair = (says(ours), says(theirs));
        self.keyword(context, "format", pair, effect, at(own, "format", home));
    }

    fn values(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) {
        let request = context.direction == Direction::Request;
        let (ours, theirs) = match (own.values(), other.values()) {
            (None, None) => return,
            (Some(ours), None) => {
                let pair = (list(values(&ours)), "lists none".to_owned());
                let effect = Effect::Widens("nothing is refused");
                return self.keyword(context, "values", pair, effect, list_of(own, home));
            }
            (None, Some(theirs)) => {
                // What the client always sends stands there.
                let sent = own.first("x-d1-default").map(|n| n.value);
                let effect = if theirs.iter().any(|n| Some(n.value) == sent) {
                    Effect::Widens("what the client sends is among them")
                } else {
                    less(context.direction)
                };
                let pair = ("lists none".to_owned(), list(values(&theirs)));
                return self.keyword(context, "values", pair, effect, list_of(own, home));
            }
            (Some(ours), Some(theirs)) => (ours, theirs),
        };
        // A set, for a list of theirs may be long.
        let known: HashSet<String> = ours.iter().map(|n| n.value.to_string()).collect();
        let there: HashSet<String> = theirs.iter().map(|n| n.value.to_string()).collect();
        let mut same = true;
        for node in ours
            .iter()
            .filter(|n| !there.contains(&n.value.to_string()))
        {
            same = false;
            let effect = if request {
                Effect::Breaks("D1 refuses a value that the client offers")
            } else {
                Effect::Widens("D1 does not send it")
            };
            let pair = (value(node.value), "does not have it".to_owned());
            self.keyword(context, "values", pair, effect, node.pointer.clone());
        }
        let mut seen = HashSet::new();
        let new = theirs
            .iter()
            .filter(|n| !known.contains(&n.value.to_string()))
            .filter(|n| seen.insert(n.value.to_string()));
        for node in new {
            same = false;
            let effect = if request {
                Effect::Widens("the client passes it on, without a name for it")
            } else {
                Effect::Widens("the list is open")
            };
            let pair = ("does not have it".to_owned(), value(node.value));
            self.keyword(context, "values", pair, effect, list_of(own, home));
        }
        if same {
            self.agree(&list_of(own, home), "values");
        }
    }

    fn pattern(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) {
        let (ours, theirs) = (own.patterns(), other.patterns());
        let pointer = at(own, "pattern", home);
        let direction = context.direction;
        let effect = match (&ours[..], &theirs[..]) {
            ([], []) => return,
            ([], _) => less(direction),
            (_, []) => more(direction),
            ([(own, _)], [(other, _)]) => match pattern::compare(own, other) {
                Relation::Same => return self.agree(&pointer, "pattern"),
                Relation::Laxer => more(direction),
                Relation::Narrower => less(direction),
                Relation::Unknown => {
                    Effect::Breaks("it may: which of the two takes more cannot be told")
                }
            },
            _ => {
                let set = |list: &[(&'a str, Node<'a>)]| -> HashSet<&str> {
                    list.iter().map(|(text, _)| *text).collect()
                };
                let (own, other) = (set(&ours), set(&theirs));
                if own == other {
                    return;
                } else if own.is_subset(&other) {
                    less(direction)
                } else if other.is_subset(&own) {
                    more(direction)
                } else {
                    Effect::Breaks("it may: which of the two takes more cannot be told")
                }
            }
        };
        let says = |list: &[(&str, Node<'_>)]| {
            let codes: Vec<_> = list.iter().map(|(text, _)| code(text)).collect();
            if codes.is_empty() {
                "-".to_owned()
            } else {
                codes.join(" and ")
            }
        };
        let pair = (says(&ours), says(&theirs));
        self.keyword(context, "pattern", pair, effect, pointer);
    }

    fn bound(
        &mut self,
        context: &Context,
        pointer: &str,
        what: &'static str,
        (ours, theirs): (Option<f64>, Option<f64>),
        upper: bool,
    ) {
        let effect = match (ours, theirs) {
            (None, None) => return,
            #[allow(clippy::float_cmp)] // Both were read, none was computed.
            (Some(a), Some(b)) if a == b => return self.agree(pointer, what),
            (Some(a), Some(b)) if (b > a) == upper => more(context.direction),
            (_, Some(_)) => less(context.direction),
            (Some(_), None) => more(context.direction),
        };
        let says = |n: Option<f64>| n.map_or("-".to_owned(), |n| code(&n.to_string()));
        let pair = (says(ours), says(theirs));
        self.keyword(context, what, pair, effect, pointer.to_owned());
    }

    fn default(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) {
        let default = |shape: &Shape<'a>| {
            let node = shape.first("default");
            node.or_else(|| shape.first("x-d1-default"))
        };
        let (ours, theirs) = (default(own), default(other));
        let effect = match (&ours, &theirs) {
            (None, None) => return,
            (Some(a), Some(b)) if same_number(a.value, b.value) => {
                return self.agree(&a.pointer, "default");
            }
            (Some(_), Some(_)) => Effect::Breaks("something else holds when nothing is said"),
            (None, Some(_)) => Effect::Widens("it is said what holds when nothing is"),
            // The prose of theirs may have it.
            (Some(a), None) if a.pointer.ends_with("/x-d1-default") => return,
            (Some(_), None) => Effect::Breaks("it may: it is not said what holds when nothing is"),
        };
        let says = |n: &Option<Node<'_>>| n.as_ref().map_or("-".to_owned(), |n| value(n.value));
        let pair = (says(&ours), says(&theirs));
        let pointer = ours.map_or_else(|| home.to_owned(), |n| n.pointer);
        self.keyword(context, "default", pair, effect, pointer);
    }
}

/// Whether two values are the same; 1 and 1.0 are.
fn same_number(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => a == b,
    }
}

fn values<'a>(nodes: &[Node<'a>]) -> Vec<&'a Value> {
    nodes.iter().map(|n| n.value).collect()
}

/// Where a keyword stands in ours, or is to be put.
fn at(shape: &Shape<'_>, key: &str, home: &str) -> String {
    shape
        .first(key)
        .map_or_else(|| home.to_owned(), |n| n.pointer)
}

fn list_of(shape: &Shape<'_>, home: &str) -> String {
    let found = ["x-extensible-enum", "enum"]
        .iter()
        .find_map(|key| shape.first(key));
    found.map_or_else(|| home.to_owned(), |n| n.pointer)
}
