//! Compares two patterns: most of the API are one set of characters with a length, and of those it can
//! be said which takes more.

use std::collections::BTreeSet;

/// What the pattern of theirs takes, next to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Same,
    Laxer,
    Narrower,
    Unknown,
}

/// A pattern that is one set of characters, so many times.
#[derive(Debug, PartialEq, Eq)]
struct Simple {
    set: BTreeSet<char>,
    min: u64,
    max: u64,
    anchored: bool,
}

/// How `theirs` compares with `ours`.
pub(crate) fn compare(ours: &str, theirs: &str) -> Relation {
    if ours == theirs {
        return Relation::Same;
    }
    if let (Some(a), Some(b)) = (simple(ours), simple(theirs)) {
        return compare_simple(&a, &b);
    }
    // An anchor binds one branch of an alternative only.
    let same_body = body(ours) == body(theirs) && !body(ours).contains('|');
    match (same_body, anchors(ours), anchors(theirs)) {
        (true, (true, true), _) => Relation::Laxer,
        (true, _, (true, true)) => Relation::Narrower,
        _ => Relation::Unknown,
    }
}

/// The lengths that a pattern takes, where it tells them.
pub(crate) fn lengths(pattern: &str) -> Option<(u64, u64)> {
    simple(pattern)
        .filter(|s| s.anchored)
        .map(|s| (s.min, s.max))
}

fn compare_simple(ours: &Simple, theirs: &Simple) -> Relation {
    match (ours.anchored, theirs.anchored) {
        (true, true) => {
            let lax = within(ours, theirs);
            let narrow = within(theirs, ours);
            match (lax, narrow) {
                (true, true) => Relation::Same,
                (true, false) => Relation::Laxer,
                (false, true) => Relation::Narrower,
                (false, false) => Relation::Unknown,
            }
        }
        // Without anchors any text fits that has enough of the characters somewhere.
        (true, false) if ours.set.is_subset(&theirs.set) && ours.min >= theirs.min => {
            Relation::Laxer
        }
        (false, true) if theirs.set.is_subset(&ours.set) && theirs.min >= ours.min => {
            Relation::Narrower
        }
        _ => Relation::Unknown,
    }
}

fn within(inner: &Simple, outer: &Simple) -> bool {
    inner.set.is_subset(&outer.set) && inner.min >= outer.min && inner.max <= outer.max
}

fn anchors(pattern: &str) -> (bool, bool) {
    (
        pattern.starts_with('^'),
        pattern.ends_with('$') && !pattern.ends_with("\\$"),
    )
}

fn body(pattern: &str) -> &str {
    let (start, end) = anchors(pattern);
    let text = &pattern[usize::from(start)..];
    if end {
        text.strip_suffix('$').unwrap_or(text)
    } else {
        text
    }
}

fn simple(pattern: &str) -> Option<Simple> {
    let (start, end) = anchors(pattern);
    if start != end {
        return None;
    }
    let text = body(pattern);
    let (set, rest) = if let Some(class) = text.strip_prefix('[') {
        class_of(class)?
    } else {
        let escape = text.strip_prefix('\\')?;
        let letter = escape.chars().next()?;
        (shorthand(letter)?, &escape[letter.len_utf8()..])
    };
    let (min, max) = quantifier(rest)?;
    Some(Simple {
        set,
        min,
        max,
        anchored: start,
    })
}

/// The characters of a class, its `[` taken off, and what follows its `]`.
fn class_of(text: &str) -> Option<(BTreeSet<char>, &str)> {
    let mut set = BTreeSet::new();
    let mut chars = text.char_indices().peekable();
    if text.starts_with('^') {
        return None;
    }
    // The character before, where it can start a range, and whether a `-` followed it.
    let mut last: Option<char> = None;
    let mut range = false;
    while let Some((at, c)) = chars.next() {
        let literal = match c {
            ']' => {
                if range {
                    set.insert('-');
                }
                return Some((set, &text[at + 1..]));
            }
            '\\' => {
                let (_, letter) = chars.next()?;
                match shorthand(letter) {
                    Some(short) if !range => {
                        set.extend(short);
                        last = None;
                        continue;
                    }
                    Some(_) => return None,
                    None => escaped(letter, &mut chars)?,
                }
            }
            '-' if last.is_some() && !range => {
                range = true;
                continue;
            }
            '[' | '&' => return None,
            other => other,
        };
        if !literal.is_ascii() {
            return None;
        }
        match (range, last) {
            (true, Some(first)) => {
                set.extend(first..=literal);
                (range, last) = (false, None);
            }
            _ => {
                set.insert(literal);
                last = Some(literal);
            }
        }
    }
    None
}

fn escaped(
    letter: char,
    chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
) -> Option<char> {
    if letter == 'x' {
        let high = chars.next()?.1.to_digit(16)?;
        let low = chars.next()?.1.to_digit(16)?;
        return char::from_u32(high * 16 + low);
    }
    // Letters and digits have meanings of their own.
    (letter.is_ascii() && !letter.is_ascii_alphanumeric()).then_some(letter)
}

fn shorthand(letter: char) -> Option<BTreeSet<char>> {
    match letter {
        'd' => Some(('0'..='9').collect()),
        'w' => Some(
            ('a'..='z')
                .chain('A'..='Z')
                .chain('0'..='9')
                .chain(['_'])
                .collect(),
        ),
        _ => None,
    }
}

fn quantifier(text: &str) -> Option<(u64, u64)> {
    match text {
        "" => Some((1, 1)),
        "?" => Some((0, 1)),
        "*" => Some((0, u64::MAX)),
        "+" => Some((1, u64::MAX)),
        _ => {
            let inner = text.strip_prefix('{')?.strip_suffix('}')?;
            match inner.split_once(',') {
                None => inner.parse().ok().map(|n| (n, n)),
                Some((min, "")) => Some((min.parse().ok()?, u64::MAX)),
                Some((min, max)) => Some((min.parse().ok()?, max.parse().ok()?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_sets_with_a_length_it_is_known_which_takes_more() {
        for (ours, theirs, relation) in [
            ("^[A-Za-z0-9_-]{1,48}$", "^[\\w\\-]{1,48}$", Relation::Same),
            ("^[0-9]{4}$", "^\\d{4}$", Relation::Same),
            ("^[0-9A-F]+$", "^[\\x30-\\x39A-F]{1,}$", Relation::Same),
            ("^[a-z]{1,8}$", "^[a-zA-Z]{1,8}$", Relation::Laxer),
            ("^[a-z]{1,8}$", "^[a-z]*$", Relation::Laxer),
            ("^[a-z]{1,8}$", "[a-z]{1,8}", Relation::Laxer),
            ("[a-z]{1,8}", "^[a-z]{1,8}$", Relation::Narrower),
            ("^[a-z]{1,8}$", "^[a-y]{1,8}$", Relation::Narrower),
            ("^[a-z]{1,8}$", "^[a-z]{2,8}$", Relation::Narrower),
            ("^[a-z]{1,8}$", "^[a-y]{1,9}$", Relation::Unknown),
            ("^[a-z]{1,8}$", "[a-z]{2,8}", Relation::Unknown),
            ("^a(b|c)d$", "a(b)d", Relation::Unknown),
            ("^a[b]c$", "a[b]c", Relation::Laxer),
            ("a[b]c", "^a[b]c$", Relation::Narrower),
            ("^a|b$", "a|b", Relation::Unknown),
        ] {
            assert_eq!(compare(ours, theirs), relation, "{ours} {theirs}");
        }
    }

    #[test]
    fn what_is_no_set_with_a_length_is_not_understood() {
        for pattern in [
            "",
            "^",
            "$",
            "^$",
            "[",
            "[a",
            "[^a]$",
            "^[a]{",
            "^[a]{x}$",
            "^[a]{1,2$",
            "^[é]$",
            "^\\$",
            "^[\\",
            "^[\\q]$",
            "^[\\x1]$",
            "^é{1}$",
            "[a-\\d]",
            "[[:a:]]",
            "a",
            "\\",
        ] {
            assert_eq!(simple(pattern), None, "{pattern}");
        }
        assert_eq!(
            lengths("^[a-z-]{3}$"),
            Some((3, 3)),
            "a hyphen may stand last"
        );
        assert_eq!(lengths("[a-z]{3}"), None, "nothing holds it to the text");
    }
}
