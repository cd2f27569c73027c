//! Compares the parameters of an operation: they are told apart by name, but for those of the path, of
//! which only the position is sent.

use super::node::Node;
use super::paths::Operation;
use super::renames::renames;
use super::shape::{Direction, Shape};
use super::text::{clean, code};
use super::{Comparison, Context, Effect, Finding, questions};

/// Headers that OpenAPI says are no parameters.
const NO_PARAMETERS: [&str; 3] = ["accept", "content-type", "authorization"];

/// A parameter as it can be compared.
struct Parameter<'a> {
    /// As the file writes it.
    name: &'a str,
    /// As it is compared: a path parameter has the name that ours gives it.
    key: String,
    place: &'a str,
    node: Node<'a>,
}

impl<'a> Comparison<'a> {
    pub(super) fn parameters(&mut self, ours: &Operation<'a>, theirs: &Operation<'a>) {
        let (own_names, their_names) = (ours.path_parameters(), theirs.path_parameters());
        // From the end, for what one side has in front may be the other's prefix.
        let renamed: Vec<_> = their_names
            .into_iter()
            .rev()
            .zip(own_names.into_iter().rev())
            .collect();
        let (own, _) = self.list_parameters(ours, ours, &[]);
        let (mut other, dead) = self.list_parameters(ours, theirs, &renamed);
        let mut missing = Vec::new();
        for parameter in own {
            let same = |o: &Parameter<'_>| o.key == parameter.key && o.place == parameter.place;
            match other.iter().position(same) {
                Some(at) => {
                    let found = other.swap_remove(at);
                    self.parameter(ours, &parameter, &found);
                }
                None => missing.push(parameter),
            }
        }
        other.sort_by(|a, b| (a.place, &a.key).cmp(&(b.place, &b.key)));
        if dead {
            // What seems to be missing may be what could not be read.
            missing.clear();
        }
        for parameter in self.moved_parameters(ours, missing, &mut other) {
            self.parameter_missing(ours, &parameter, &mut other);
        }
        for parameter in other {
            self.parameter_added(ours, &parameter);
        }
    }

    /// The parameters of an operation, and whether some of them cannot be read, which is told.
    fn list_parameters(
        &mut self,
        ours: &Operation<'a>,
        operation: &Operation<'a>,
        renamed: &[(&str, &str)],
    ) -> (Vec<Parameter<'a>>, bool) {
        let mut list: Vec<Parameter<'a>> = Vec::new();
        let mut dead = false;
        for node in [&operation.node, &operation.item]
            .into_iter()
            .filter_map(|n| n.child("parameters"))
            .flat_map(|n| n.items())
        {
            let node = match node.resolve() {
                Ok(node) => node,
                Err(problem) => {
                    dead = true;
                    let place = format!("{} parameters", ours.name());
                    let said = format!("{} {}", code(&problem.target), problem.problem);
                    let pointer = format!("{}/parameters", ours.node.pointer);
                    self.not_compared(place, said, &pointer);
                    continue;
                }
            };
            let (Some(name), Some(place)) = (node.text("name"), node.text("in")) else {
                continue;
            };
            let key = match place {
                "header" => name.to_ascii_lowercase(),
                "path" => renamed
                    .iter()
                    .find(|(theirs, _)| *theirs == name)
                    .map_or(name, |(_, ours)| *ours)
                    .to_owned(),
                _ => name.to_owned(),
            };
            let replaced = list.iter().any(|p| p.key == key && p.place == place);
            let ignored = place == "header" && NO_PARAMETERS.contains(&key.as_str());
            if !replaced && !ignored {
                list.push(Parameter {
                    name,
                    key,
                    place,
                    node,
                });
            }
        }
        (list, dead)
    }

    pub(super) fn not_compared(&mut self, place: String, theirs: String, pointer: &str) {
        self.add(Finding {
            place,
            what: "reference",
            ours: "-".to_owned(),
            theirs,
            effect: Effect::NotCompared("what stands there is unknown"),
            pointer: pointer.to_owned(),
        });
    }

    fn parameter(
        &mut self,
        operation: &Operation<'a>,
        ours: &Parameter<'a>,
        theirs: &Parameter<'a>,
    ) {
        let place = format!("{} parameter {}", operation.name(), ours.name);
        let pointer = &ours.node.pointer;
        if ours.place == "path" && ours.name != theirs.name {
            self.add(Finding {
                place: place.clone(),
                what: "name",
                ours: code(ours.name),
                theirs: code(theirs.name),
                effect: Effect::Note("the name of a path parameter is not sent"),
                pointer: pointer.clone(),
            });
        } else {
            self.agree(pointer, "name");
        }
        self.parameter_rules(place, ours, theirs);
    }

    fn parameter_rules(&mut self, place: String, ours: &Parameter<'a>, theirs: &Parameter<'a>) {
        let required = |p: &Parameter<'_>| p.place == "path" || p.node.flag("required");
        let context = Context {
            place,
            direction: Direction::Request,
            optional: !required(ours),
            depth: 0,
        };
        let pointer = &ours.node.pointer;
        self.required(&context, pointer, required(ours), required(theirs));
        let style = |p: &Parameter<'a>| match (p.node.text("style"), p.place) {
            (Some(style), _) => style,
            (None, "query" | "cookie") => "form",
            (None, _) => "simple",
        };
        if style(ours) != style(theirs) {
            self.add(Finding {
                place: context.place.clone(),
                what: "style",
                ours: code(style(ours)),
                theirs: code(style(theirs)),
                effect: Effect::Breaks("the value is read in another way"),
                pointer: pointer.clone(),
            });
        }
        self.deprecated(
            &context.place,
            pointer,
            ours.node.flag("deprecated"),
            theirs.node.flag("deprecated"),
        );
        let (own, other) = (ours.schema(), theirs.schema());
        self.schemas(&context, pointer, &own, &other);
    }

    /// Reports the parameters that theirs has elsewhere or under another name, and hands back the others.
    fn moved_parameters(
        &mut self,
        operation: &Operation<'a>,
        missing: Vec<Parameter<'a>>,
        left: &mut Vec<Parameter<'a>>,
    ) -> Vec<Parameter<'a>> {
        let open = |p: &Parameter<'_>| {
            p.place != "path" && questions::of(self.ours, &p.node.pointer, "name").is_some()
        };
        let (open, mut gone): (Vec<_>, Vec<_>) = missing.into_iter().partition(open);
        let types = |p: &Parameter<'a>| (p.name, Shape::of(&p.schema()).types());
        let own: Vec<_> = open.iter().map(types).collect();
        let other: Vec<_> = left.iter().map(types).collect();
        let found = renames(&own, &other);
        let taken: Vec<_> = left.iter().map(|p| (p.place, p.key.clone())).collect();
        for (ours, at) in open.into_iter().zip(found) {
            let same = |p: &Parameter<'_>| at.is_some_and(|i| taken[i] == (p.place, p.key.clone()));
            let Some(at) = left.iter().position(same) else {
                gone.push(ours);
                continue;
            };
            let theirs = left.remove(at);
            let place = format!("{} parameter {}", operation.name(), ours.name);
            self.add(Finding {
                place: place.clone(),
                what: "name",
                ours: code(&format!("{} in {}", ours.name, ours.place)),
                theirs: code(&format!("{} in {}", theirs.name, theirs.place)),
                effect: Effect::Breaks("D1 does not know ours"),
                pointer: ours.node.pointer.clone(),
            });
            self.parameter_rules(place, &ours, &theirs);
        }
        gone
    }

    fn parameter_missing(
        &mut self,
        operation: &Operation<'a>,
        ours: &Parameter<'a>,
        left: &mut Vec<Parameter<'a>>,
    ) {
        let finding = |what, theirs, effect| Finding {
            place: format!("{} parameter {}", operation.name(), ours.name),
            what,
            ours: code(&format!("{} in {}", ours.name, ours.place)),
            theirs,
            effect,
            pointer: ours.node.pointer.clone(),
        };
        if ours.place == "path" {
            let effect = Effect::Note("it stands in the path all the same");
            self.add(finding("rules", "does not describe it".to_owned(), effect));
        } else if let Some(at) = left.iter().position(|p| p.key == ours.key) {
            let moved = left.remove(at);
            let said = code(&format!("{} in {}", moved.name, moved.place));
            let effect = Effect::Breaks("it is looked for elsewhere");
            self.add(finding("name", said, effect));
        } else {
            let effect = Effect::Breaks("it may: D1 does not know what the client sends");
            self.add(finding("name", "does not have it".to_owned(), effect));
        }
    }

    fn parameter_added(&mut self, operation: &Operation<'a>, theirs: &Parameter<'a>) {
        let required = theirs.place == "path" || theirs.node.flag("required");
        self.add(Finding {
            place: format!("{} parameter {}", operation.name(), clean(theirs.name)),
            what: "new parameter",
            ours: "-".to_owned(),
            theirs: code(&format!("{} in {}", theirs.name, theirs.place)),
            effect: if required {
                Effect::Breaks("it is required, and the client does not send it")
            } else {
                Effect::Widens("it may be left out")
            },
            pointer: format!("{}/parameters", operation.node.pointer),
        });
    }
}

impl<'a> Parameter<'a> {
    fn schema(&self) -> Vec<Node<'a>> {
        let content = || {
            let content = self.node.child("content")?;
            content.entries().next()?.1.child("schema")
        };
        let schema = self.node.child("schema").or_else(content);
        schema.into_iter().collect()
    }
}
