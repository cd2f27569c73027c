//! Replaces parts of a text so that JSON stays JSON, and the rest stays byte for byte the same.
//!
//! A response from which a secret was removed is still read: an operation whose reason repeats the PAN must be found when
//! the change is reconciled. So a secret within a number replaces the whole number by a string, one that spans several strings is
//! replaced in each of them, and an escape is replaced as a whole.

use std::ops::Range;

use zeroize::Zeroizing;

/// A part of a text that can be replaced.
struct Segment {
    range: Range<usize>,
    /// A JSON number, which is replaced as a whole and by a string.
    is_number: bool,
}

/// Returns the text with `mask` instead of what was found.
pub(super) fn replace(text: &[u8], mut found: Vec<Range<usize>>, mask: &str) -> Zeroizing<Vec<u8>> {
    found.sort_unstable_by_key(|range| range.start);
    found.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    let mut out = Zeroizing::new(Vec::with_capacity(
        text.len() + found.len() * (mask.len() + 2),
    ));
    let mut written = 0;
    let mut found = found.as_slice();
    for Segment { range, is_number } in segments(text) {
        let passed = found.partition_point(|found| found.end <= range.start);
        found = found.get(passed..).unwrap_or_default();
        for found in found.iter().take_while(|found| found.start < range.end) {
            let (start, end) = match is_number {
                true => (range.start, range.end),
                false => (
                    whole_escape(text, found.start.max(range.start)).start,
                    whole_escape(text, found.end.min(range.end)).end,
                ),
            };
            // A part that was found twice is replaced once.
            if end <= written {
                continue;
            }
            if start >= written {
                out.extend_from_slice(text.get(written..start).unwrap_or_default());
                let quote: &[u8] = if is_number { b"\"" } else { b"" };
                out.extend_from_slice(quote);
                out.extend_from_slice(mask.as_bytes());
                out.extend_from_slice(quote);
            }
            written = end;
        }
    }
    out.extend_from_slice(text.get(written..).unwrap_or_default());
    out
}

/// Returns a JSON text with quotes around the numbers that `is_wanted` returns true for.
pub(crate) fn quote_numbers(text: &[u8], is_wanted: fn(&str) -> bool) -> Zeroizing<Vec<u8>> {
    let is_wanted = |number: &&Segment| {
        let number = text.get(number.range.clone()).map(str::from_utf8);
        matches!(number, Some(Ok(number)) if is_wanted(number))
    };
    let segments = segments(text);
    let numbers = segments.iter().filter(|segment| segment.is_number);
    let wanted: Vec<_> = numbers.filter(is_wanted).collect();
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 2 * wanted.len()));
    let mut written = 0;
    for end in wanted
        .iter()
        .flat_map(|number| [number.range.start, number.range.end])
    {
        out.extend_from_slice(text.get(written..end).unwrap_or_default());
        out.push(b'"');
        written = end;
    }
    out.extend_from_slice(text.get(written..).unwrap_or_default());
    out
}

/// Returns the escape in whose middle `at` stands, of which no part must be left behind; an empty range where it stands
/// in none.
fn whole_escape(text: &[u8], at: usize) -> Range<usize> {
    const LONGEST: usize = r"\u0000".len();
    for start in at.saturating_sub(LONGEST - 1)..at {
        let backslashes = text.get(..=start).unwrap_or_default().iter().rev();
        let backslashes = backslashes.take_while(|byte| **byte == b'\\').count();
        let length = match text.get(start + 1) {
            Some(b'u') => LONGEST,
            _ => 2,
        };
        // A backslash after a backslash is what that one escapes.
        if backslashes % 2 == 1 && start + length > at {
            return start..start + length;
        }
    }
    at..at
}

/// Returns the strings, without their quotes, and the numbers of a JSON text; any other text is one segment.
fn segments(text: &[u8]) -> Vec<Segment> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if !matches!(first, Some(b'{' | b'[' | b'"')) {
        let range = 0..text.len();
        return vec![Segment {
            range,
            is_number: false,
        }];
    }
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = text.get(at + 1..).unwrap_or_default();
        let (start, length, is_number) = match byte {
            b'"' => (at + 1, string_length(rest), false),
            b'-' | b'0'..=b'9' => {
                let is_part = |b: &&u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                (at, 1 + rest.iter().take_while(is_part).count(), true)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        segments.push(Segment {
            range: start..start + length,
            is_number,
        });
        // Past the closing quote.
        at = start + length + usize::from(!is_number);
    }
    segments
}

/// Returns the length of a string up to its closing quote.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str, found: &[&str]) -> String {
        let found = found
            .iter()
            .flat_map(|part| text.match_indices(part))
            .map(|(at, part)| at..at + part.len())
            .collect();
        String::from_utf8_lossy(&replace(text.as_bytes(), found, "X")).into_owned()
    }

    #[test]
    fn json_stays_json() {
        for (text, found, expected) in [
            (r#"{"a":"xx1y","a":1}"#, &["xx1"][..], r#"{"a":"Xy","a":1}"#),
            (r#"{"n":123.5,"o":[12]}"#, &["123"], r#"{"n":"X","o":[12]}"#),
            // Across strings, and what overlaps.
            (r#"["ab","cd"]"#, &[r#"b","c"#], r#"["aX","Xd"]"#),
            (r#"["abcd"]"#, &["abc", "bcd"], r#"["X"]"#),
            (r#"["\"\\u0034"]"#, &[r"\u0034"], r#"["\"X"]"#),
            (r#"["\u00a4111\u0034"]"#, &["4111", "003"], r#"["XX"]"#),
            (r#"["\\4111"]"#, &["4111"], r#"["\\X"]"#),
            ("plain 12", &["12"], "plain X"),
            (r#"{"broken":"12"#, &["12"], r#"{"broken":"X"#),
        ] {
            assert_eq!(replaced(text, found), expected, "{text}");
        }
    }
}
