//! Compares what is sent and what is answered: bodies, their media types, statuses and headers.

use super::node::Node;
use super::shape::Direction;
use super::text::{clean, code};
use super::{Comparison, Context, Effect, Finding};

/// A response under its status.
struct Response<'a> {
    /// A number, a range such as `2XX`, or `default`.
    status: String,
    /// Where the status stands; the node may be a component.
    at: String,
    /// None when its reference leads nowhere.
    node: Option<Node<'a>>,
}

impl<'a> Comparison<'a> {
    pub(super) fn request(&mut self, place: &str, ours: &Node<'a>, theirs: &Node<'a>) {
        let place = format!("{place} request");
        let pointer = ours.child("requestBody").map(|n| n.pointer);
        let pointer = pointer.unwrap_or_else(|| ours.pointer.clone());
        let own = self.followed(ours, "requestBody", &place, &pointer);
        let other = self.followed(theirs, "requestBody", &place, &pointer);
        let (Some(own), Some(other)) = (own, other) else {
            return;
        };
        let finding = |ours: &str, theirs: &str, effect, pointer: &str| Finding {
            place: place.clone(),
            what: "body",
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
            effect,
            pointer: pointer.to_owned(),
        };
        match (own, other) {
            (None, None) => {}
            (Some(own), None) => {
                let effect = Effect::Breaks("D1 does not take what the client sends");
                self.add(finding("a body", "none", effect, &own.pointer));
            }
            (None, Some(other)) => {
                let effect = if other.flag("required") {
                    Effect::Breaks("it is required, and the client does not send it")
                } else {
                    Effect::Widens("it may be left out")
                };
                self.add(finding("none", "a body", effect, &pointer));
            }
            (Some(own), Some(other)) => {
                let context = Context {
                    place: place.clone(),
                    direction: Direction::Request,
                    optional: !own.flag("required"),
                    depth: 0,
                };
                let (need, needed) = (own.flag("required"), other.flag("required"));
                self.required(&context, &own.pointer, need, needed);
                self.content(&context, &own, &other);
            }
        }
    }

    /// A child with its references followed. The outer none says that they lead nowhere, which is told.
    fn followed(
        &mut self,
        node: &Node<'a>,
        key: &str,
        place: &str,
        pointer: &str,
    ) -> Option<Option<Node<'a>>> {
        let Some(child) = node.child(key) else {
            return Some(None);
        };
        match child.resolve() {
            Ok(node) => Some(Some(node)),
            Err(dead) => {
                let said = format!("{} {}", code(&dead.target), dead.problem);
                self.not_compared(place.to_owned(), said, pointer);
                None
            }
        }
    }

    /// Compares media types and the schema of each. Both have some.
    fn content(&mut self, context: &Context, ours: &Node<'a>, theirs: &Node<'a>) {
        let mut left: Vec<_> = entries(theirs, "content");
        for (media, own) in entries(ours, "content") {
            let Some(at) = matching(&media, &left) else {
                let request = context.direction == Direction::Request;
                self.add(Finding {
                    place: context.place.clone(),
                    what: "media type",
                    ours: code(&media),
                    theirs: "does not have it".to_owned(),
                    effect: if request {
                        Effect::Breaks("D1 does not take what the client sends")
                    } else if context.optional {
                        Effect::Widens("the client copes with an answer that it cannot read")
                    } else {
                        Effect::Breaks("the client reads nothing else")
                    },
                    pointer: own.pointer,
                });
                continue;
            };
            let (_, other) = left.remove(at);
            let schema = |n: &Node<'a>| n.child("schema").into_iter().collect::<Vec<_>>();
            self.schemas(context, &own.pointer, &schema(&own), &schema(&other));
        }
        left.sort_by(|a, b| a.0.cmp(&b.0));
        for (media, _) in left {
            self.add(Finding {
                place: context.place.clone(),
                what: "new media type",
                ours: "-".to_owned(),
                theirs: code(&media),
                effect: Effect::Widens("the client goes on with its own"),
                pointer: format!("{}/content", ours.pointer),
            });
        }
    }

    pub(super) fn responses(&mut self, place: &str, ours: &Node<'a>, theirs: &Node<'a>) {
        let pointer = format!("{}/responses", ours.pointer);
        let own = self.list_responses(place, &pointer, ours);
        let other = self.list_responses(place, &pointer, theirs);
        let mut used = vec![false; other.len()];
        for response in own {
            let fits: Vec<usize> = answering(&response.status, &other);
            let matched: Vec<_> = fits.iter().filter_map(|i| other.get(*i)).collect();
            self.status(place, &response, &matched);
            for theirs in matched {
                if let (Some(own), Some(other)) = (&response.node, &theirs.node) {
                    self.response(place, (&response.status, own), (&theirs.status, other));
                }
            }
            for i in fits {
                used[i] = true;
            }
        }
        let left = other.iter().zip(used).filter(|(_, used)| !used);
        let mut left: Vec<_> = left.map(|(r, _)| r.status.as_str()).collect();
        left.sort_unstable();
        for status in left {
            let success = status.starts_with(['2', '3']);
            self.add(Finding {
                place: format!("{place} response {}", clean(status)),
                what: "new status",
                ours: "-".to_owned(),
                theirs: code(status),
                effect: if success {
                    Effect::Breaks("the generated client takes an unknown success for an error")
                } else {
                    Effect::Widens("any error is passed on")
                },
                pointer: pointer.clone(),
            });
        }
    }

    fn list_responses(
        &mut self,
        place: &str,
        pointer: &str,
        operation: &Node<'a>,
    ) -> Vec<Response<'a>> {
        let mut list = Vec::new();
        let responses = operation.child("responses");
        for (status, node) in responses.iter().flat_map(Node::entries) {
            if status.starts_with("x-") {
                continue;
            }
            let at = node.pointer.clone();
            let node = node.resolve().map_err(|dead| {
                let place = format!("{place} response {}", clean(status));
                let said = format!("{} {}", code(&dead.target), dead.problem);
                self.not_compared(place, said, pointer);
            });
            list.push(Response {
                status: if status.len() == 3 {
                    status.to_ascii_uppercase()
                } else {
                    status.to_ascii_lowercase()
                },
                at,
                node: node.ok(),
            });
        }
        list
    }

    /// Compares a status of ours with those of theirs that answer in its place.
    fn status(&mut self, place: &str, ours: &Response<'a>, theirs: &[&Response<'a>]) {
        let success = ours.status.starts_with('2');
        let statuses: Vec<_> = theirs.iter().map(|r| r.status.as_str()).collect();
        let range = ours.status.ends_with("XX");
        let effect = match statuses[..] {
            [one] if one == ours.status => {
                if !range {
                    self.agree(&ours.at, "status");
                }
                return;
            }
            [] if success => Effect::Breaks("D1 does not say that it answers so"),
            [] => Effect::Widens("D1 does not say that it answers so"),
            _ if range => Effect::Widens("the client takes every status of the range"),
            _ if success => Effect::Breaks("it may: the client takes this one status"),
            _ => Effect::Widens("any error is passed on"),
        };
        let codes: Vec<_> = statuses.iter().map(|s| code(s)).collect();
        self.add(Finding {
            place: format!("{place} response {}", ours.status),
            what: "status",
            ours: code(&ours.status),
            theirs: if codes.is_empty() {
                "does not have it".to_owned()
            } else {
                codes.join(", ")
            },
            effect,
            pointer: ours.at.clone(),
        });
    }

    fn response(
        &mut self,
        place: &str,
        (status, ours): (&str, &Node<'a>),
        (their_status, theirs): (&str, &Node<'a>),
    ) {
        // An error is told without a body as well, and so is a success whose status is not known.
        let optional = !status.starts_with('2') || status.ends_with("XX");
        let context = Context {
            place: format!("{place} response {}", their_status),
            direction: Direction::Response,
            optional,
            depth: 0,
        };
        let (own, other) = (entries(ours, "content"), entries(theirs, "content"));
        let finding = |ours_says: &str, says: &str, effect| Finding {
            place: context.place.clone(),
            what: "body",
            ours: ours_says.to_owned(),
            theirs: says.to_owned(),
            effect,
            pointer: format!("{}/content", ours.pointer),
        };
        match (own.is_empty(), other.is_empty()) {
            (true, true) => {}
            (false, true) => {
                let effect = if optional {
                    Effect::Widens("the client takes an answer without one")
                } else {
                    Effect::Breaks("the client reads a body")
                };
                self.add(finding("a body", "none", effect));
            }
            (true, false) => {
                self.add(finding(
                    "none",
                    "a body",
                    Effect::Widens("the client leaves it"),
                ));
            }
            (false, false) => self.content(&context, ours, theirs),
        }
        self.headers(&context, ours, theirs);
    }

    fn headers(&mut self, context: &Context, ours: &Node<'a>, theirs: &Node<'a>) {
        let lower = |(name, node): (String, Node<'a>)| (name.to_ascii_lowercase(), node);
        let mut left: Vec<_> = entries(theirs, "headers").into_iter().map(lower).collect();
        for (name, own) in entries(ours, "headers").into_iter().map(lower) {
            let place = format!("{} header {name}", context.place);
            let Some(at) = left.iter().position(|(n, _)| *n == name) else {
                self.add(Finding {
                    place,
                    what: "name",
                    ours: code(&name),
                    theirs: "does not have it".to_owned(),
                    effect: Effect::Breaks("who reads it finds nothing"),
                    pointer: own.pointer,
                });
                continue;
            };
            let (_, other) = left.remove(at);
            let inner = context.inner(place.clone(), !own.flag("required"));
            let (need, needed) = (own.flag("required"), other.flag("required"));
            self.required(&inner, &own.pointer, need, needed);
            let schema = |n: &Node<'a>| n.child("schema").into_iter().collect::<Vec<_>>();
            self.schemas(&inner, &own.pointer, &schema(&own), &schema(&other));
        }
        left.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, _) in left {
            self.add(Finding {
                place: context.place.clone(),
                what: "new header",
                ours: "-".to_owned(),
                theirs: code(&name),
                effect: Effect::Widens("nobody reads it yet"),
                pointer: ours.pointer.clone(),
            });
        }
    }
}

/// The entries of a mapping below a node, references followed; media types in their plain form.
fn entries<'a>(node: &Node<'a>, key: &str) -> Vec<(String, Node<'a>)> {
    let map = node.child(key);
    let entries = map.iter().flat_map(Node::entries);
    let plain = |name: &str| match key {
        "content" => {
            let media = name.split(';').next().unwrap_or(name);
            media.trim().to_ascii_lowercase()
        }
        _ => name.to_owned(),
    };
    entries
        .map(|(name, node)| (plain(name), node.resolve().unwrap_or(node)))
        .collect()
}

/// The media type of theirs that takes the place of ours: the same one, or a range around it.
fn matching(media: &str, theirs: &[(String, Node<'_>)]) -> Option<usize> {
    let kind = media.split('/').next().unwrap_or(media);
    [media, &format!("{kind}/*"), "*/*"]
        .iter()
        .find_map(|wanted| theirs.iter().position(|(name, _)| name == wanted))
}

/// The statuses of theirs that answer in the place of one of ours.
fn answering(ours: &str, theirs: &[Response<'_>]) -> Vec<usize> {
    let find = |wanted: &str| theirs.iter().position(|r| r.status == wanted);
    let class = ours.get(..1).unwrap_or("");
    if ours.ends_with("XX") {
        let within = |r: &Response<'_>| r.status.len() == 3 && r.status.starts_with(class);
        let all = theirs.iter().enumerate().filter(|(_, r)| within(r));
        let mut all: Vec<_> = all.map(|(i, _)| i).collect();
        all.sort_by(|a, b| theirs[*a].status.cmp(&theirs[*b].status));
        if !all.is_empty() {
            return all;
        }
    }
    find(ours)
        .or_else(|| find(&format!("{class}XX")))
        .or_else(|| find("default"))
        .into_iter()
        .collect()
}
