//! Finds what looks like a card number or a token, so that it is neither accepted in clear nor written down.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

/// What stands in records for a value that must not be kept.
pub(crate) const MASK: &str = "[masked]";

/// The members whose value is card data or a secret, whatever it looks like.
const SECRET_MEMBERS: [&str; 11] = [
    "encryptedData",
    "assertion",
    "access_token",
    "client_assertion",
    "client_secret",
    "pan",
    "exp",
    "psn",
    "cvv",
    "auxiliaryPan",
    "auxiliaryExp",
];

/// Returns whether the text holds 13 to 19 digits that begin with 2 to 6 and pass the Luhn check, in one
/// piece or in the usual groups of four.
pub(crate) fn contains_pan(text: &str) -> bool {
    has_enough_digits(text) && (words(text).any(word_contains_pan) || grouped_pan(text))
}

/// A quick check: most texts have too few digits.
fn has_enough_digits(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 13
}

/// Returns whether any name or value below this one contains a card number, `encryptedData` excepted.
pub(crate) fn json_contains_pan(value: &Value) -> bool {
    match value {
        Value::String(text) => contains_pan(text),
        Value::Number(number) => whole_digits(number).is_some_and(|digits| contains_pan(&digits)),
        Value::Array(items) => items.iter().any(json_contains_pan),
        Value::Object(members) => members.iter().any(|(name, value)| {
            contains_pan(name) || (name != "encryptedData" && json_contains_pan(value))
        }),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Returns the value with everything secret replaced by [`MASK`].
pub(crate) fn masked_json(value: &Value) -> Value {
    match value {
        Value::String(text) if suspicious(text) => Value::from(MASK),
        Value::Number(number) if suspicious(&number.to_string()) => Value::from(MASK),
        Value::Array(items) => items.iter().map(masked_json).collect(),
        Value::Object(members) => {
            let mut masked = Map::new();
            for (name, value) in members {
                let value = if SECRET_MEMBERS.contains(&name.as_str()) {
                    Value::from(MASK)
                } else {
                    masked_json(value)
                };
                let name = if suspicious(name) { MASK } else { name };
                masked.insert(name.to_owned(), value);
            }
            Value::Object(masked)
        }
        other => other.clone(),
    }
}

/// Returns the text, or [`MASK`] if it contains a card number or a token, in clear or encoded.
pub(crate) fn masked_text(text: &str) -> String {
    if holds_secret(text) {
        MASK.to_owned()
    } else {
        text.to_owned()
    }
}

/// Returns a path with its query, each piece that [`masked_text`] would mask, or that has the name of a secret,
/// replaced by [`MASK`].
pub(crate) fn masked_target(target: &str) -> String {
    let mut masked = String::with_capacity(target.len());
    let mut is_named = false;
    for piece in target.split_inclusive(['/', '?', '&', '=', ':']) {
        let (text, end) = match piece.char_indices().next_back() {
            Some((at, '/' | '?' | '&' | '=' | ':')) => piece.split_at(at),
            _ => (piece, ""),
        };
        let is_secret = is_named || holds_secret(text);
        masked.push_str(if is_secret { MASK } else { text });
        masked.push_str(end);
        is_named = end == "=" && SECRET_MEMBERS.contains(&text);
    }
    masked
}

/// Returns the digits of a whole number, however it is written; a number that measures something has none.
fn whole_digits(number: &Number) -> Option<String> {
    match (number.as_u64(), number.as_f64()) {
        (Some(whole), _) => Some(whole.to_string()),
        (None, Some(float)) if float.fract() == 0.0 && float.abs() < 1e19 => {
            Some(format!("{:.0}", float.abs()))
        }
        _ => None,
    }
}

/// Bodies are masked more strictly than ids: a card number that fails the Luhn check as well.
fn suspicious(text: &str) -> bool {
    let mut runs = text.split(|c: char| !c.is_ascii_digit());
    runs.any(|run| run.len() >= 13) || holds_secret(text)
}

/// Returns whether the text holds a card number, however divided, or a token, in clear or encoded.
fn holds_secret(text: &str) -> bool {
    if text.len() < SHORTEST_SECRET {
        return false;
    }
    let holds = |text: &str| contains_pan(text) || divided_pan(text) || contains_token(text);
    let mut levels = std::iter::successors(Some(text.to_owned()), |text| unescaped(text));
    levels.any(|text| holds(&text) || decoded_words(&text).iter().any(|word| holds(word)))
}

/// No card number and no token that is looked for is shorter, whichever way it is written.
const SHORTEST_SECRET: usize = 13;

/// Returns the text without its outermost escapes, be they those of a URL, of JSON or of HTML. It is shorter.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains(['%', '\\', '&']) {
        return None;
    }
    let mut pieces = text.split("&#");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let character = piece.split_once(';').and_then(|(number, rest)| {
            let number = number.parse().ok()?;
            Some((char::from_u32(number)?, rest))
        });
        match character {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => {
                plain.push_str("&#");
                plain.push_str(piece);
            }
        }
    }
    let plain = plain.replace("\\u00", "%");
    let plain = percent_decode_str(&plain).decode_utf8_lossy();
    (plain.chars().count() < text.chars().count()).then(|| plain.into_owned())
}

/// Returns the words of a text as they may have been encoded: in hexadecimal, base64 and base64url, at every
/// alignment.
fn decoded_words(text: &str) -> Vec<String> {
    let mut readings = Vec::new();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let words = text.split(|c| !is_part(c));
    for word in words.filter(|word| word.len() > SHORTEST_SECRET) {
        let word = word.replace('+', "-").replace('/', "_");
        for start in 0..4 {
            let mut whole = word.get(start..).unwrap_or_default().to_owned();
            // Zeros at its end take nothing from what it holds.
            while whole.len() % 4 != 0 {
                whole.push('A');
            }
            let decoded = URL_SAFE_NO_PAD.decode(whole).unwrap_or_default();
            readings.push(String::from_utf8_lossy(&decoded).into_owned());
        }
        let pairs = word.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok().map(char::from)
        });
        readings.extend(pairs.collect::<Option<String>>());
    }
    readings
}

/// Finds card numbers whose digits have anything but letters between them.
fn divided_pan(text: &str) -> bool {
    if !has_enough_digits(text) {
        return false;
    }
    let is_hex_id = |word: &&str| {
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        word.len() >= 32 && word.bytes().all(is_part) && word.contains(char::is_alphabetic)
    };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let words: Vec<&str> = words.filter(|word| !is_hex_id(word)).collect();
    words.join(" ").split(char::is_alphabetic).any(|piece| {
        let groups: Vec<&str> = piece
            .split(|c: char| !c.is_ascii_digit())
            .filter(|group| !group.is_empty())
            .collect();
        (0..groups.len()).any(|first| {
            let mut digits = String::new();
            groups.iter().skip(first).any(|group| {
                digits.push_str(group);
                is_card_number(&digits)
            })
        })
    })
}

/// Finds JWTs, JWEs and the headers of either, and bearer tokens.
fn contains_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let length = |text: &str| text.chars().take_while(|c| is_part(*c)).count();
    let is_jwt = |(at, _)| length(text.get(at..).unwrap_or_default()) >= 16;
    let lower = text.to_ascii_lowercase();
    let is_bearer = |(at, name): (usize, &str)| {
        let rest = text.get(at + name.len()..).unwrap_or_default();
        let token = rest.trim_start_matches([' ', ':', '=', '"', '+']);
        token.len() < rest.len() && length(token) >= 16
    };
    text.match_indices("eyJ").any(is_jwt) || lower.match_indices("bearer").any(is_bearer)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

fn word_contains_pan(word: &str) -> bool {
    // Random hexadecimal ids hold long runs of digits now and then; they are no card numbers.
    let hex_id = matches!(word.len(), 16 | 32)
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    !hex_id
        && word
            .split(|c: char| !c.is_ascii_digit())
            .any(is_card_number)
}

/// Finds `4111 1111 1111 1111`, `3782-822463-10005` and the like.
fn grouped_pan(text: &str) -> bool {
    let groups: Vec<&str> = text.split([' ', '-']).collect();
    let grouped = |sizes: &[usize]| {
        groups.windows(sizes.len()).any(|window| {
            window
                .iter()
                .zip(sizes)
                .all(|(group, size)| group.len() == *size)
                && is_card_number(&window.concat())
        })
    };
    grouped(&[4, 4, 4, 4]) || grouped(&[4, 6, 5]) || grouped(&[4, 4, 4, 4, 3])
}

fn is_card_number(digits: &str) -> bool {
    (13..=19).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(digits.as_bytes().first(), Some(b'2'..=b'6'))
        && luhn(digits)
}

/// Returns whether the last digit is the right check digit.
pub(crate) fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(position, byte)| {
            let digit = u32::from(byte - b'0');
            match position % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn card_numbers_are_found_in_every_usual_form() {
        for text in [
            "4111111111111111",
            "CARD4111111111111111",
            "pan 5555555555554444 of the old card",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
        ] {
            assert!(contains_pan(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "ReplaceMe01",
            "1700000000000",
            "4111111111111112",
            "411111111111",
            "3f0c2f0e-8f0a-4c4e-9d6b-0b8c1de2a001",
            "a4111111111111111bbbbbbbbbbbbbbb",
            "",
        ] {
            assert!(!contains_pan(text), "{text}");
        }
    }

    #[test]
    fn a_number_is_a_card_number_if_it_is_whole() {
        for (text, expected) in [
            ("4111111111111111", true),
            ("4111111111111111.0", true),
            ("4.111111111111111e15", true),
            ("-4111111111111111", true),
            ("41111111111111.11", false),
            ("4.111111111111111e222", false),
            ("0.4111111111111111", false),
            ("12", false),
        ] {
            let number: Value = serde_json::from_str(text).unwrap();
            assert_eq!(json_contains_pan(&json!([number])), expected, "{text}");
        }
    }

    #[test]
    fn a_path_keeps_its_shape_when_masked() {
        assert_eq!(
            masked_target(
                "/cards/4111111111111111/operations:renew?note=%34111111111111111&limit=5"
            ),
            "/cards/[masked]/operations:renew?note=[masked]&limit=5"
        );
    }

    #[test]
    fn what_is_recorded_is_masked_in_every_form() {
        let hex: String = "4111111111111111"
            .bytes()
            .map(|b| format!("{b:02X}"))
            .collect();
        let percent: String = "4111111111111111"
            .bytes()
            .map(|b| format!("%{b:02x}"))
            .collect();
        for text in [
            "4111 - 1111 - 1111 - 1111",
            "4111/1111 1111, 1111",
            percent.as_str(),
            percent.replace('%', "\\u00").as_str(),
            percent.replace('%', "%25").as_str(),
            "&#52;111111111111111",
            hex.as_str(),
            "NDExMTExMTExMTExMTExMQ==",
            "x=YTQxMTExMTExMTExMTExMTE",
            "YWI0MTExMTExMTExMTExMTEx",
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
            "Bearer 0123456789abcdef",
        ] {
            assert_eq!(masked_text(text), MASK, "{text}");
            assert_eq!(
                masked_json(&json!({ text: [text] })),
                json!({ MASK: [MASK] })
            );
        }
        for text in [
            "3f0c2f0e-8f0a-4c4e-9d6b-0b8c1de2a001",
            "12345678-4111-4111-9111-11111111111f",
            "1700000000000",
            "op-000001",
            "2026-11-26T08:06:27.123Z",
            "a bearer token is missing",
        ] {
            assert_eq!(masked_text(text), text);
            assert_eq!(masked_target(text), text);
        }
        let target = "/a?access_token=x1&b=eyJhbGciOiJFUzI1NiJ9&c=%34111 1111 1111 1111";
        let masked = "/a?access_token=[masked]&b=[masked]&c=[masked]";
        assert_eq!(masked_target(target), masked);
    }

    #[test]
    fn secrets_are_masked_by_name_and_by_look() {
        let body = serde_json::json!({
            "encryptedData": "e", "pan": "1", "n": 4111111111111111_u64, "deep": [{"x": "9999999999999999"}],
            "reason": "fine",
        });
        let expected = serde_json::json!({
            "encryptedData": MASK, "pan": MASK, "n": MASK, "deep": [{"x": MASK}], "reason": "fine",
        });
        assert_eq!(masked_json(&body), expected);
    }
}
