//! Compares two schemas field by field: a difference hurts one way in what is sent, and the other way in
//! what is answered.

use std::collections::BTreeSet;

use serde_json::Value;

use super::node::Node;
use super::renames::{Name, Types, renames};
use super::shape::{Direction, Extra, Shape};
use super::text::{clean, code};
use super::{Comparison, Context, Effect, Finding, questions};

/// Deeper than any schema of ours; a cycle ends here.
const DEEPEST: u8 = 24;

/// A property: its name, and all that holds for it.
type Property<'a> = (&'a str, Vec<Node<'a>>);

/// What it means that D1 takes or sends less than ours says.
pub(super) fn less(direction: Direction) -> Effect {
    match direction {
        Direction::Request => Effect::Breaks("D1 refuses some of what the client may send"),
        Direction::Response => Effect::Widens("D1 promises more than the client relies on"),
    }
}

/// What it means that D1 takes or sends more than ours says.
pub(super) fn more(direction: Direction) -> Effect {
    match direction {
        Direction::Request => Effect::Widens("D1 takes more than the client sends"),
        Direction::Response => Effect::Breaks("the client refuses some of what D1 may send"),
    }
}

impl<'a> Comparison<'a> {
    /// Compares what `ours` says together with what `theirs` says; `around` is where ours stands.
    pub(super) fn schemas(
        &mut self,
        context: &Context,
        around: &str,
        ours: &[Node<'a>],
        theirs: &[Node<'a>],
    ) {
        if context.depth > DEEPEST {
            return;
        }
        let (own, other) = (Shape::of(ours), Shape::of(theirs));
        let home = own
            .home()
            .map_or_else(|| around.to_owned(), |h| h.pointer.clone());
        self.unread(context, &home, &other);
        if other.is_partial() {
            return;
        }
        if other.is_silent() && !own.is_silent() {
            return self.add(Finding {
                place: context.place.clone(),
                what: "type",
                ours: types_text(&own.types()),
                theirs: "says nothing of it".to_owned(),
                effect: match context.direction {
                    Direction::Request => Effect::Widens("D1 sets no rule"),
                    Direction::Response => Effect::Breaks("it may: D1 may send anything"),
                },
                pointer: home,
            });
        }
        if !self.types(context, &home, &own, &other) {
            return;
        }
        self.keywords(context, &home, &own, &other);
        self.deprecated(
            &context.place,
            around,
            own.flag("deprecated"),
            other.flag("deprecated"),
        );
        let holds =
            |shape: &Shape<'_>, name| shape.types().is_some_and(|types| types.contains(name));
        if holds(&own, "object") && holds(&other, "object") {
            self.fields(context, &home, &own, &other);
            self.extra_fields(context, &home, &own, &other);
        }
        if holds(&own, "array") && holds(&other, "array") {
            let inner = context.inner(format!("{}[]", context.place), false);
            let (own, other) = (own.all("items"), other.all("items"));
            self.schemas(&inner, &home, &own, &other);
        }
    }

    fn unread(&mut self, context: &Context, home: &str, other: &Shape<'a>) {
        for unread in &other.unread {
            self.add(Finding {
                place: context.place.clone(),
                what: "schema",
                ours: "-".to_owned(),
                theirs: code(unread),
                effect: Effect::NotCompared("it may narrow or widen the schema"),
                pointer: home.to_owned(),
            });
        }
    }

    /// Compares the types; says whether they have any in common, so that there is more to compare.
    fn types(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) -> bool {
        let (ours, theirs) = (own.types(), other.types());
        let finding = |what, ours, theirs, effect| Finding {
            place: context.place.clone(),
            what,
            ours,
            theirs,
            effect,
            pointer: home.to_owned(),
        };
        if ours.is_some() && own.nullable() != other.nullable() {
            let says = |null| code(if null { "nullable" } else { "not nullable" });
            let effect = match (other.nullable(), context.direction, context.optional) {
                (true, Direction::Response, true) => {
                    Effect::Widens("the client reads null as absent")
                }
                (true, direction, _) => more(direction),
                (false, direction, _) => less(direction),
            };
            let (own, other) = (says(own.nullable()), says(other.nullable()));
            self.add(finding("nullable", own, other, effect));
        }
        if ours == theirs {
            return true;
        }
        let (within, around) = (fits(&theirs, &ours), fits(&ours, &theirs));
        let effect = match (within, around) {
            (true, _) => less(context.direction),
            (_, true) => more(context.direction),
            _ => Effect::Breaks("the type is another"),
        };
        let (own, other) = (types_text(&ours), types_text(&theirs));
        self.add(finding("type", own, other, effect));
        within || around
    }

    fn fields(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) {
        let (need, needed) = (own.required(), other.required());
        let mut added = other.properties(context.direction);
        // A field may be required without being described.
        let described: BTreeSet<_> = other.all("properties").iter().flat_map(names).collect();
        let bare = needed.iter().filter(|name| !described.contains(**name));
        added.extend(bare.map(|name| (*name, Vec::new())));
        let mut missing = Vec::new();
        for (name, nodes) in own.properties(context.direction) {
            let Some(at) = added.iter().position(|(n, _)| *n == name) else {
                missing.push((name, nodes));
                continue;
            };
            let (_, found) = added.remove(at);
            let pointer = pointer_of(&nodes, home);
            self.agree(&pointer, "name");
            self.field(
                context,
                (name, &nodes),
                &found,
                (need.contains(name), needed.contains(name)),
            );
        }
        let found = self.renamed_fields(&missing, &mut added);
        for ((name, nodes), found) in missing.into_iter().zip(found) {
            let said = found.as_ref().map(|(name, _)| *name);
            self.field_missing(context, (name, &nodes), said, need.contains(name));
            if let Some((theirs, found)) = found {
                let required = (need.contains(name), needed.contains(theirs));
                self.field(context, (name, &nodes), &found, required);
            }
        }
        added.sort_by_key(|(name, _)| *name);
        for (name, _) in added {
            let effect = match context.direction {
                Direction::Request if needed.contains(name) => {
                    Effect::Breaks("it is required, and the client does not send it")
                }
                Direction::Request => Effect::Widens("it may be left out"),
                Direction::Response => Effect::Widens("the client shows it among unknown fields"),
            };
            self.add(Finding {
                place: context.place.clone(),
                what: "new field",
                ours: "-".to_owned(),
                theirs: code(name),
                effect,
                pointer: format!("{home}/properties"),
            });
        }
    }

    fn field(
        &mut self,
        context: &Context,
        (name, ours): (&str, &[Node<'a>]),
        theirs: &[Node<'a>],
        (need, needed): (bool, bool),
    ) {
        let inner = context.inner(format!("{}.{}", context.place, clean(name)), !need);
        let pointer = pointer_of(ours, "");
        self.required(&inner, &pointer, need, needed);
        self.schemas(&inner, &pointer, ours, theirs);
    }

    /// Takes out of what is left of theirs the fields that may be missing ones under another name. Only a
    /// name that is open is looked for: a documented one is gone when it is gone.
    fn renamed_fields(
        &self,
        missing: &[Property<'a>],
        left: &mut Vec<Property<'a>>,
    ) -> Vec<Option<Property<'a>>> {
        let open: Vec<usize> = (0..missing.len())
            .filter(|at| {
                let pointer = pointer_of(&missing[*at].1, "");
                questions::of(self.ours, &pointer, "name").is_some()
            })
            .collect();
        let types = |(name, nodes): &Property<'a>| (*name, Shape::of(nodes).types());
        let own: Vec<Name<'_>> = open.iter().map(|at| types(&missing[*at])).collect();
        let other: Vec<Name<'_>> = left.iter().map(types).collect();
        let mut found: Vec<Option<Property<'a>>> = vec![None; missing.len()];
        let mut taken = BTreeSet::new();
        for (at, theirs) in open.iter().zip(renames(&own, &other)) {
            found[*at] = theirs.map(|i| left[i].clone());
            taken.extend(theirs);
        }
        let mut at = 0;
        left.retain(|_| {
            at += 1;
            !taken.contains(&(at - 1))
        });
        found
    }

    /// Reports a field that theirs lacks, or has under another name.
    fn field_missing(
        &mut self,
        context: &Context,
        (name, ours): (&str, &[Node<'a>]),
        theirs: Option<&str>,
        needed: bool,
    ) {
        let effect = match (context.direction, theirs) {
            (Direction::Request, Some(_)) => Effect::Breaks("D1 does not know ours"),
            (Direction::Request, None) => {
                Effect::Breaks("it may: D1 does not know what the client sends")
            }
            (Direction::Response, _) if needed => {
                Effect::Breaks("the client cannot read an answer without it")
            }
            (Direction::Response, _) => Effect::Breaks("who reads it finds nothing"),
        };
        self.add(Finding {
            place: format!("{}.{}", context.place, clean(name)),
            what: "name",
            ours: code(name),
            theirs: theirs.map_or("does not have it".to_owned(), code),
            effect,
            pointer: pointer_of(ours, ""),
        });
    }

    pub(super) fn required(&mut self, context: &Context, pointer: &str, ours: bool, theirs: bool) {
        if ours == theirs {
            return self.agree(pointer, "required");
        }
        let says = |required| code(if required { "required" } else { "optional" });
        let effect = match (context.direction, theirs) {
            (Direction::Request, true) => Effect::Breaks("the client may leave it out"),
            (Direction::Request, false) => Effect::Widens("it may be left out"),
            (Direction::Response, true) => Effect::Widens("it is always there"),
            (Direction::Response, false) => {
                Effect::Breaks("the client cannot read an answer without it")
            }
        };
        self.add(Finding {
            place: context.place.clone(),
            what: "required",
            ours: says(ours),
            theirs: says(theirs),
            effect,
            pointer: pointer.to_owned(),
        });
    }

    fn extra_fields(&mut self, context: &Context, home: &str, own: &Shape<'a>, other: &Shape<'a>) {
        let (ours, theirs) = (own.extra(), other.extra());
        let effect = match (&ours, &theirs) {
            (Extra::Any, Extra::Any) | (Extra::Nothing, Extra::Nothing) => return,
            (Extra::Schema(own), Extra::Schema(other)) => {
                let inner = context.inner(format!("{}.*", context.place), false);
                let (own, other) = (own.clone(), other.clone());
                return self.schemas(&inner, home, &[own], &[other]);
            }
            (Extra::Any, _) | (_, Extra::Nothing) => match context.direction {
                Direction::Request => {
                    Effect::Breaks("it may: a field that a caller adds is refused")
                }
                response @ Direction::Response => less(response),
            },
            (_, Extra::Any) | (Extra::Nothing, _) => more(context.direction),
        };
        let says = |extra: &Extra<'_>| {
            code(match extra {
                Extra::Any => "any",
                Extra::Nothing => "none",
                Extra::Schema(_) => "some",
            })
        };
        self.add(Finding {
            place: context.place.clone(),
            what: "other fields",
            ours: says(&ours),
            theirs: says(&theirs),
            effect,
            pointer: format!("{home}/additionalProperties"),
        });
    }

    /// Compares what no operation names, such as the plaintext of what is encrypted, by its name.
    pub(super) fn unreached_schemas(&mut self) {
        let schemas = |document| {
            let components = Node::root(document).child("components")?;
            components.child("schemas")
        };
        let (Some(ours), Some(theirs)) = (schemas(self.ours), schemas(self.theirs)) else {
            return;
        };
        for (name, own) in ours.entries() {
            let unreached =
                own.text("x-d1-client") == Some("omit") && !is_response_body(&self.ours.root, name);
            let Some(other) = theirs.child(name).filter(|_| unreached) else {
                continue;
            };
            let context = Context {
                place: format!("schema {name}"),
                direction: Direction::Request,
                optional: false,
                depth: 0,
            };
            let pointer = own.pointer.clone();
            self.schemas(&context, &pointer, &[own], &[other]);
        }
    }
}

/// Whether a named response holds this schema, and is thus compared with the operations.
fn is_response_body(document: &Value, schema: &str) -> bool {
    let reference = format!("#/components/schemas/{schema}");
    let responses = document.pointer("/components/responses");
    let bodies = responses
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|responses| responses.values())
        .filter_map(|response| response.get("content")?.as_object());
    bodies.flat_map(|types| types.values()).any(|body| {
        body.pointer("/schema/$ref")
            .is_some_and(|r| *r == reference)
    })
}

/// Where a property stands.
fn pointer_of(nodes: &[Node<'_>], home: &str) -> String {
    nodes
        .first()
        .map_or_else(|| home.to_owned(), |n| n.pointer.clone())
}

fn names<'a>(properties: &Node<'a>) -> Vec<&'a str> {
    properties.entries().map(|(name, _)| name).collect()
}

/// Whether every value of the inner types is one of the outer types.
fn fits(inner: &Types<'_>, outer: &Types<'_>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner
            .iter()
            .all(|t| outer.contains(t) || *t == "integer" && outer.contains("number")),
    }
}

fn types_text(types: &Types<'_>) -> String {
    match types {
        None => code("any"),
        Some(types) => {
            let types: Vec<_> = types.iter().copied().collect();
            code(&types.join(", "))
        }
    }
}
