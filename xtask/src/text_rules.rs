//! Makes the rules of texts in `constants.rs`: the pattern of each patterned schema, and the same in words for callers.

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value;

use crate::spec::schemas;
use crate::tokens::constant;

/// `REASON_RULE` and its like.
pub(crate) fn generate(spec: &Value) -> TokenStream {
    let consts = schemas(spec).filter_map(|(name, schema)| {
        let pattern = schema.get("pattern")?.as_str()?;
        let (words, allows) = match Class::of(pattern) {
            Some(class) => (class.words(), class.matching()),
            None => (format!("match {pattern}"), quote!(|_| true)),
        };
        let ident = constant(name, "RULE");
        let doc = format!(" The rule of `{name}`.");
        Some(quote! {
            #[doc = #doc]
            pub const #ident: TextRule = TextRule {
                pattern: #pattern,
                words: #words,
                allows: #allows,
            };
        })
    });
    quote! {
        /// The rule of a text.
        #[derive(Debug, Clone, Copy)]
        pub struct TextRule {
            /// The pattern, a regular expression.
            pub pattern: &'static str,
            /// The rule in words, to follow `must`.
            pub words: &'static str,
            /// Returns whether the text can have a character at all.
            pub allows: fn(char) -> bool,
        }

        #(#consts)*
    }
}

/// A pattern that is a class of characters and how many there may be, such as `^[A-Za-z0-9_-]{1,48}$`. Another class
/// may stand before it, for the first character.
struct Class<'p> {
    first: Option<&'p str>,
    ranges: Vec<(char, char)>,
    least: u64,
    most: u64,
}

impl<'p> Class<'p> {
    fn of(pattern: &'p str) -> Option<Self> {
        let pattern = pattern.strip_prefix("^[")?.strip_suffix("}$")?;
        let (classes, count) = pattern.split_once("]{")?;
        let (first, class) = match classes.split_once("][") {
            Some((first, class)) => (Some(first), class),
            None => (None, classes),
        };
        let (least, most) = count.split_once(',').unwrap_or((count, count));
        let with_first =
            |count: &str| Some(count.parse::<u64>().ok()? + u64::from(first.is_some()));
        Some(Self {
            first,
            ranges: ranges(class),
            least: with_first(least)?,
            most: with_first(most)?,
        })
    }

    fn words(&self) -> String {
        let count = match self.least == self.most {
            true => format!("exactly {}", self.most),
            false => format!("{} to {}", self.least, self.most),
        };
        let words = format!("have {count} of {}", listed(&self.ranges));
        match self.first {
            Some(first) => format!("{words}, the first of {}", listed(&ranges(first))),
            None => words,
        }
    }

    fn matching(&self) -> TokenStream {
        let ranges = self.ranges.iter().map(|(first, last)| match first == last {
            true => quote!(#first),
            false => quote!(#first..=#last),
        });
        quote!(|c| matches!(c, #(#ranges)|*))
    }
}

/// Reads a class of characters. A hyphen between two makes a range of them, unless it is escaped or the last.
fn ranges(class: &str) -> Vec<(char, char)> {
    let mut ranges = Vec::new();
    let mut characters = class.chars();
    while let Some(first) = characters.next() {
        let mut rest = characters.clone();
        match (first, rest.next(), rest.next()) {
            ('\\', Some(escaped), _) => {
                ranges.push((escaped, escaped));
                characters.next();
            }
            (_, Some('-'), Some(last)) => {
                ranges.push((first, last));
                characters = rest;
            }
            _ => ranges.push((first, first)),
        }
    }
    ranges
}

/// Lists the characters of a class.
fn listed(ranges: &[(char, char)]) -> String {
    let names = ranges.iter().map(|range| match range {
        (' ', ' ') => "space".to_owned(),
        (one, last) if one == last => one.to_string(),
        (first, last) => format!("{first}-{last}"),
    });
    names.collect::<Vec<_>>().join(" ")
}
