//! A text without its escapes, with the place of each character in the original text.
//!
//! A secret is searched in the decoded text and replaced in the original one, so each character knows where it came
//! from. The escapes are those of URLs, JSON and HTML.

use std::ops::Range;

use zeroize::Zeroizing;

/// How many times a text may be escaped, as a JSON text within a JSON text is.
const DEEPEST: usize = 4;

/// A text without its escapes: all of it, its letters and digits, and its digits.
pub(super) struct Decoded {
    pub(super) all: Characters,
    /// The ASCII letters and digits, in lower case.
    pub(super) letters: Characters,
    pub(super) digits: Characters,
}

impl Decoded {
    /// Returns the text as it is, and without one level of escapes after the other: what looks like an escape need not be
    /// one.
    pub(super) fn levels(text: &[u8]) -> Vec<Self> {
        let outermost = Some(Characters::of(text));
        let levels = std::iter::successors(outermost, Characters::unescaped);
        levels.take(DEEPEST + 1).map(Self::new).collect()
    }

    fn new(all: Characters) -> Self {
        let letters = all.only(|byte| byte.is_ascii_alphanumeric());
        let digits = letters.only(|byte| byte.is_ascii_digit());
        Self {
            all,
            letters,
            digits,
        }
    }
}

/// Bytes, and the place in the original text that each of them stands for.
pub(super) struct Characters {
    bytes: Zeroizing<Vec<u8>>,
    places: Vec<Range<usize>>,
}

impl Characters {
    fn of(text: &[u8]) -> Self {
        Self {
            bytes: Zeroizing::new(text.to_vec()),
            places: (0..text.len()).map(|at| at..at + 1).collect(),
        }
    }

    fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(capacity)),
            places: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the place in the original text that these bytes stand for.
    pub(super) fn place(&self, bytes: Range<usize>) -> Range<usize> {
        let places = self.places.get(bytes).unwrap_or_default();
        match (places.first(), places.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    fn only(&self, wanted: impl Fn(&u8) -> bool) -> Self {
        let mut kept = Self::with_capacity(self.bytes.len());
        for (byte, place) in self.bytes.iter().zip(&self.places) {
            if wanted(byte) {
                kept.bytes.push(byte.to_ascii_lowercase());
                kept.places.push(place.clone());
            }
        }
        kept
    }

    /// Returns the same without the outermost escapes; `None` where there are none.
    fn unescaped(&self) -> Option<Self> {
        if !self.bytes.iter().any(|b| matches!(b, b'%' | b'\\' | b'&')) {
            return None;
        }
        let mut out = Self::with_capacity(self.bytes.len());
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let (byte, length) = escape(rest).unwrap_or((*byte, 1));
            out.bytes.push(byte);
            out.places.push(self.place(at..at + length));
            at += length;
        }
        (out.bytes.len() < self.bytes.len()).then_some(out)
    }
}

/// Returns the escape that a text begins with: its character, and its length. A character that is not ASCII becomes zero,
/// since nothing is searched for in it.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let number = |from: usize, to: usize, radix| {
        let digits = std::str::from_utf8(text.get(from..to)?).ok()?;
        u32::from_str_radix(digits, radix).ok()
    };
    let (value, length) = match text {
        [b'%', ..] => (number(1, 3, 16)?, 3),
        [b'\\', b'u', ..] => (number(2, 6, 16)?, 6),
        [b'\\', b'x', ..] => (number(2, 4, 16)?, 4),
        [b'\\', b'\\', ..] => (b'\\'.into(), 2),
        [b'\\', b'n' | b'r' | b't' | b'b' | b'f', ..] => (0, 2),
        [b'&', b'#', rest @ ..] => {
            let end = 2 + rest.iter().take(8).position(|byte| *byte == b';')?;
            let value = match rest {
                [b'x' | b'X', ..] => number(3, end, 16)?,
                _ => number(2, end, 10)?,
            };
            (value, end + 1)
        }
        _ => return None,
    };
    let byte = u8::try_from(value).ok().filter(u8::is_ascii);
    Some((byte.unwrap_or(0), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_however_deep_they_are() {
        for (text, letters) in [
            ("Plain 1-2", "plain12"),
            ("%34%31%zz", "41zz"),
            (r"\u0034\u00e9\ud83d\n1", "41"),
            (r"\\u006E\\u0074", "nt"),
            (r"\\u0034\\x31", "41"),
            (r"\u0025\u0033\u0034", "4"),
            ("&#52;&#x31;&#;", "41"),
            ("%2534", "4"),
            (r"%", ""),
            (r"\u00", "u00"),
        ] {
            let levels = Decoded::levels(text.as_bytes());
            let decoded = levels.last().map(|level| level.letters.bytes());
            assert_eq!(decoded, Some(letters.as_bytes()), "{text}");
        }
        let levels = Decoded::levels("x%34-\\u0031y".as_bytes());
        assert_eq!(levels.len(), 2);
        assert_eq!(levels[1].digits.bytes(), b"41");
        assert_eq!(levels[1].digits.place(0..2), 1..11);
    }
}
