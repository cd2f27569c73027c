//! What a chapter holds: fenced blocks, links, and the anchors that links can lead to.

use std::collections::{HashMap, HashSet};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence; `None` where there is no fence, but an indent.
    pub info: Option<String>,
    /// The code.
    pub text: String,
    /// The line of the fence, from 1.
    pub line: usize,
}

/// A link or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads to.
    pub target: String,
    /// The line that it stands in, from 1.
    pub line: usize,
}

fn parser(markdown: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_TASKLISTS;
    Parser::new_ext(markdown, options)
}

fn line_of(markdown: &str, offset: usize) -> usize {
    markdown[..offset].matches('\n').count() + 1
}

/// The blocks of code, in order.
#[must_use]
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (event, range) in parser(markdown).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                inside = true;
                blocks.push(Block {
                    info: match kind {
                        CodeBlockKind::Fenced(info) => Some(info.to_string()),
                        CodeBlockKind::Indented => None,
                    },
                    text: String::new(),
                    line: line_of(markdown, range.start),
                });
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => {
                if let Some(block) = blocks.last_mut() {
                    block.text += &text;
                }
            }
            _ => {}
        }
    }
    blocks
}

/// The links and images, in order.
#[must_use]
pub fn links(markdown: &str) -> Vec<Link> {
    parser(markdown)
        .into_offset_iter()
        .filter_map(|(event, range)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(Link {
                target: dest_url.to_string(),
                line: line_of(markdown, range.start),
            }),
            _ => None,
        })
        .collect()
}

/// The anchors of the headings, as mdBook makes them.
#[must_use]
pub fn anchors(markdown: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut heading: Option<String> = None;
    for event in parser(markdown) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    *heading += &text;
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let times = seen.entry(anchor.clone()).or_default();
                anchors.insert(match *times {
                    0 => anchor,
                    n => format!("{anchor}-{n}"),
                });
                *times += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    heading
        .chars()
        .filter_map(|c| match c {
            c if c.is_alphanumeric() || matches!(c, '_' | '-') => Some(c.to_ascii_lowercase()),
            c if c.is_whitespace() => Some('-'),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "# A `d1` chapter\n\n[a](b.md#c)\n\n```sh,server\nx\ny\n```\n\n    indented\n\n## Twice\n\n## Twice\n";

    #[test]
    fn blocks_have_their_kind_their_text_and_their_line() {
        let found = blocks(CHAPTER);
        let expected = [(Some("sh,server"), "x\ny\n", 5), (None, "indented\n", 10)];
        let found: Vec<_> = found
            .iter()
            .map(|b| (b.info.as_deref(), b.text.as_str(), b.line))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_heading_that_stands_twice_has_two_anchors() {
        let mut found: Vec<_> = anchors(CHAPTER).into_iter().collect();
        found.sort();
        assert_eq!(found, ["a-d1-chapter", "twice", "twice-1"]);
        assert_eq!(links(CHAPTER)[0].target, "b.md#c");
    }
}
