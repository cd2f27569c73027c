//! Recognizes what looks like a card number, so that none goes where it would be kept in clear.

/// Whether `text` is, or holds as a word of its own, what looks like a card number: 13 to 19 digits
/// that start with 2 to 6 and pass the Luhn check, blanks, dots, hyphens and underscores between
/// them or not.
///
/// Digits inside a longer word, such as a hexadecimal trace id, do not count.
pub(crate) fn looks_like_card_number(text: &str) -> bool {
    let separator = |c: char| matches!(c, ' ' | '.' | '-' | '_');
    let joined: String = text.chars().filter(|c| !separator(*c)).collect();
    is_card_number(&joined)
        || text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(is_card_number)
}

fn is_card_number(word: &str) -> bool {
    (13..=19).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_digit())
        && matches!(word.as_bytes().first(), Some(b'2'..=b'6'))
        && passes_luhn(word)
}

/// Whether a string of digits passes the Luhn check (ISO/IEC 7812-1, annex B).
pub(crate) fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let digit = u32::from(b.wrapping_sub(b'0'));
            match (i % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Masks every run of digits that is long enough to be a card number.
pub(crate) fn mask_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() >= 8 { "[digits]" } else { &run });
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_recognized_however_they_are_written() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111.1111_1111",
            "card 4111111111111111 lost",
            "378282246310005",
        ] {
            assert!(looks_like_card_number(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "4111111111111112",
            "1700000000000",
            "support-case 4711",
            "3f0c2f0e-8f0a-4c4e-9d6b-0b8c1de2a001",
            "a4111111111111111b",
            "",
        ] {
            assert!(!looks_like_card_number(text), "{text}");
        }
    }

    #[test]
    fn long_runs_of_digits_are_masked() {
        assert_eq!(mask_digits("pan 4111111111111111!"), "pan [digits]!");
        assert_eq!(mask_digits("12345678"), "[digits]");
        assert_eq!(mask_digits("code 404 at 12:30"), "code 404 at 12:30");
    }
}
