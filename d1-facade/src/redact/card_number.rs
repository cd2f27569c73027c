//! Recognizes what looks like a card number, so that none is sent or shown in clear.
//!
//! Ids, reasons and correlation ids are checked before they are sent, and texts of a server before they are shown. The
//! rule must find numbers however they are divided, and must not refuse ids of services: one in ten numbers passes
//! the Luhn check, so length and beginning must fit a card scheme as well, and UUIDs and trace ids do not count.

use std::ops::Range;

/// The fewest digits of a card number.
const SHORTEST_NUMBER: usize = 13;

/// The most digits of a card number.
const LONGEST_NUMBER: usize = 19;

/// Returns whether `text` holds what looks like a card number: digits of a length and a beginning that card
/// schemes use, which pass the Luhn check, alone or within other text, with any characters but letters between
/// them.
///
/// Digits inside a hexadecimal id (a UUID, a trace id) do not count.
pub(crate) fn looks_like_card_number(text: &str) -> bool {
    !find_card_numbers(text).is_empty()
}

/// Returns each part that [looks like](looks_like_card_number) a card number.
pub(super) fn find_card_numbers(text: &str) -> Vec<Range<usize>> {
    if text.bytes().filter(u8::is_ascii_digit).count() < SHORTEST_NUMBER {
        return Vec::new();
    }
    let text = without_hexadecimal_ids(text);
    let mut found: Vec<Range<usize>> = Vec::new();
    for run in runs(&text, usize::MAX) {
        // Any of its groups may be the first and any later one the last: a number may follow another.
        for (index, first) in run.iter().enumerate() {
            if found.last().is_some_and(|last| first.start < last.end) {
                continue;
            }
            let mut digits = String::new();
            let longer = run.iter().skip(index).map_while(|group| {
                digits.push_str(text.get(group.clone())?);
                let fits = digits.len() <= LONGEST_NUMBER;
                fits.then(|| (group.end, is_card_number(&digits)))
            });
            let end = longer.into_iter().find(|(_, is_number)| *is_number);
            found.extend(end.map(|(end, _)| first.start..end));
        }
    }
    found
}

/// Returns each number that is long enough to be a part of a card number, with no more than two characters of
/// punctuation between its groups.
pub(super) fn find_long_numbers(text: &str) -> Vec<Range<usize>> {
    const LONGEST_SHOWN: usize = 7;
    runs(text, 2)
        .filter(|run| run.iter().map(Range::len).sum::<usize>() > LONGEST_SHOWN)
        .filter_map(|run| Some(run.first()?.start..run.last()?.end))
        .collect()
}

/// Returns the runs of a text: groups of digits with at most `widest_gap` characters between them, none of which is a
/// letter.
fn runs(text: &str, widest_gap: usize) -> impl Iterator<Item = Vec<Range<usize>>> + '_ {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let mut end = rest + text.get(rest..)?.find(|c: char| c.is_ascii_digit())?;
        let mut run = Vec::new();
        loop {
            let tail = text.get(end..).unwrap_or_default();
            // The first group has nothing before it.
            let gap: usize = tail
                .chars()
                .take_while(|c| !c.is_alphanumeric())
                .take(widest_gap)
                .map(char::len_utf8)
                .sum();
            let tail = tail.get(gap..).unwrap_or_default();
            let length = tail.bytes().take_while(u8::is_ascii_digit).count();
            if length == 0 {
                break;
            }
            run.push(end + gap..end + gap + length);
            end += gap + length;
        }
        rest = end;
        Some(run)
    })
}

/// Returns the text with letters instead of its UUIDs and trace ids (32, 40 or 64 hexadecimal digits with at least one
/// letter).
fn without_hexadecimal_ids(text: &str) -> String {
    let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let has_letter = |part: &str| part.bytes().any(|b| b.is_ascii_alphabetic());
    let is_uuid = |word: &str| {
        let lengths: Vec<usize> = word.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12] && word.split('-').all(is_hex) && has_letter(word)
    };
    let blanked =
        |word: &str, length: usize| "x".repeat(length) + word.get(length..).unwrap_or_default();
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .map(|word| {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_uuid(bare) {
                return blanked(word, bare.len());
            }
            let parts = word.split('-').map(|part| {
                let bare = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                match matches!(bare.len(), 32 | 40 | 64) && is_hex(bare) && has_letter(bare) {
                    true => blanked(part, bare.len()),
                    false => part.to_owned(),
                }
            });
            parts.collect::<Vec<_>>().join("-")
        })
        .collect()
}

/// Returns whether digits are a card number of one of the schemes: the beginning determines the lengths.
fn is_card_number(digits: &str) -> bool {
    let number = |length: usize| -> u32 {
        digits
            .get(..length)
            .and_then(|d| d.parse().ok())
            .unwrap_or(0)
    };
    let length = digits.len();
    let fits = match (number(1), number(2), number(4)) {
        // Visa.
        (4, ..) => matches!(length, 13 | 16 | 19),
        // American Express.
        (_, 34 | 37, _) => length == 15,
        // Diners Club.
        (_, 36 | 38 | 39, _) | (.., 3000..=3059 | 3095) => (14..=19).contains(&length),
        // JCB.
        (.., 3528..=3589) => (16..=19).contains(&length),
        // Mastercard.
        (_, 51..=55, _) | (.., 2221..=2720) => length == 16,
        // Maestro, Discover, UnionPay, RuPay and others.
        (_, 50 | 56..=69, _) => (16..=19).contains(&length),
        _ => false,
    };
    fits && passes_luhn(digits)
}

/// Returns whether a string of digits passes the Luhn check (ISO/IEC 7812-1, annex B).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_recognized_however_they_are_written() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111.1111_1111",
            "4111  1111  1111  1111",
            "4111 - 1111 -- 1111 / * / 1111",
            "card 4111111111111111 lost",
            "card 4111 1111 1111 1111 lost",
            "case 12 4111 1111 1111 1111",
            "4111 1111 1111 1111 12",
            "PAN4111111111111111",
            "acct-4111-1111-1111-1111-x",
            "a4111111111111111b",
            "0b8c1de2-8f0a-4c4e-9d6b-0b8c1de2a001 4111111111111111",
            "378282246310005",
            "3714 496353 98431",
            "5555555555554444",
            "2223003122003222",
            "30569309025904",
            "3530111333300000",
            "6011000990139424",
            "6011601160116611",
        ] {
            assert!(looks_like_card_number(text), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "4111111111111112",
            "1700000000000",
            // Times, which pass the Luhn check as often as any number.
            "20261123213210",
            "20261123213228",
            "2026-11-23 21.32.10.123",
            "support-case 4711",
            "3f0c2f0e-8f0a-4c4e-9d6b-0b8c1de2a001",
            // Ids whose digits alone would be a card number.
            "a4111111-1111-1111-8111-111111111111",
            "f4111111111111111aaaaaaaaaaaaaaa",
            "00-f4111111111111111aaaaaaaaaaaaaaa-b7ad6b7169203331-01",
            "",
        ] {
            assert!(!looks_like_card_number(text), "{text}");
        }
    }
}
