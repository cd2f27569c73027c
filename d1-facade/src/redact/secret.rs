//! A secret that the client holds, and the search for it in a text.

use std::cell::LazyCell;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::decoded::{Characters, Decoded};

/// The fewest letters and digits of a secret that is removed from every place. A shorter one can be a part of something
/// else by chance.
const SHORTEST_ANYWHERE: usize = 8;

/// The fewest letters and digits of a secret of which parts are removed as well.
const SHORTEST_IN_PIECES: usize = 2 * PIECE;

/// The length of the pieces into which a long secret is cut: every text that holds 23 of its letters and digits in a
/// row holds one of the pieces.
const PIECE: usize = 12;

/// A secret of a call.
///
/// | letters and digits | what is removed | such as |
/// |---|---|---|
/// | 24 or more | each part of 23 or more, and all of it | a token, an assertion, a JWE |
/// | 8 to 23 | all of it, everywhere | a PAN |
/// | fewer | all of it, where it stands alone: not beside a letter or digit, nor in a number, date or time | an expiry, a PAN sequence number |
pub(crate) struct Secret {
    /// In clear; the first is the secret itself, the others are usual spellings of it.
    spellings: Vec<Zeroizing<String>>,
    /// Made when the first response is searched: most have nothing to search.
    forms: OnceLock<Forms>,
}

/// What is searched for.
enum Forms {
    /// Bytes that stand alone.
    Alone(Vec<Zeroizing<Vec<u8>>>),
    /// Letters and digits, everywhere.
    Anywhere {
        /// Digits, with any characters between them.
        number: Option<Zeroizing<Vec<u8>>>,
        forms: Vec<Zeroizing<Vec<u8>>>,
    },
    /// Letters and digits of which a part is removed as well.
    InPieces(Pieces),
}

/// The pieces of a secret, each as a number.
struct Pieces {
    /// In order.
    numbers: Zeroizing<Vec<u64>>,
    /// A bit for the hash of each number: it rules out most numbers without a search.
    hashes: Box<[u64; 64]>,
}

impl Pieces {
    fn new(mut numbers: Zeroizing<Vec<u64>>) -> Self {
        numbers.sort_unstable();
        let mut hashes = Box::new([0; 64]);
        for number in numbers.iter() {
            let (word, bit) = Self::hash(*number);
            hashes[word] |= bit;
        }
        Self { numbers, hashes }
    }

    fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::hash(number);
        self.hashes[word] & bit != 0 && self.numbers.binary_search(&number).is_ok()
    }

    /// Returns the word and the bit of a number, from 12 bits of its product with a constant that mixes them.
    fn hash(number: u64) -> (usize, u64) {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed >> 58) as usize, 1 << (mixed >> 52 & 63))
    }
}

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Arc<Self> {
        Self::spelled(vec![Zeroizing::new(text.into())])
    }

    /// Returns an expiry, given as MMYY, with its other usual spellings.
    pub(crate) fn expiry(text: &str) -> Arc<Self> {
        let (month, year) = text.split_at_checked(2).unwrap_or((text, ""));
        let mut spellings = vec![text.to_owned(), format!("{year}{month}")];
        for divider in ["/", "-", " ", " / "] {
            spellings.push(format!("{month}{divider}{year}"));
            spellings.push(format!("{month}{divider}20{year}"));
            spellings.push(format!("20{year}{divider}{month}"));
        }
        Self::spelled(spellings.into_iter().map(Zeroizing::new).collect())
    }

    fn spelled(spellings: Vec<Zeroizing<String>>) -> Arc<Self> {
        Arc::new(Self {
            spellings,
            forms: OnceLock::new(),
        })
    }

    /// Returns whether it is removed only where it stands alone.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.forms(), Forms::Alone(_))
    }

    /// Returns false only where a text does not hold it, unless in escapes.
    pub(super) fn may_be_in(&self, text: &[u8]) -> bool {
        match self.forms() {
            Forms::Alone(_) => true,
            Forms::Anywhere { number, forms } => {
                let letters = letters(text);
                let digits = letters.iter().filter(|byte| byte.is_ascii_digit()).count();
                number.as_ref().is_some_and(|number| digits >= number.len())
                    || forms
                        .iter()
                        .any(|form| find(&letters, form).next().is_some())
            }
            Forms::InPieces(pieces) => numbers(text).any(|number| pieces.has(number)),
        }
    }

    /// Returns the places in the original text that hold it.
    pub(super) fn find_in(&self, text: &Decoded) -> Vec<Range<usize>> {
        match self.forms() {
            Forms::Alone(forms) => {
                let alone = |found: &Range<usize>| stands_alone(text.all.bytes(), found);
                let found = forms.iter().flat_map(|form| find(text.all.bytes(), form));
                found
                    .filter(alone)
                    .map(|bytes| text.all.place(bytes))
                    .collect()
            }
            Forms::Anywhere { number, forms } => {
                let find_each = |of: &Characters, form: &[u8]| -> Vec<_> {
                    find(of.bytes(), form)
                        .map(|bytes| of.place(bytes))
                        .collect()
                };
                let mut found: Vec<_> = forms
                    .iter()
                    .flat_map(|form| find_each(&text.letters, form))
                    .collect();
                if let Some(number) = number {
                    found.extend(find_each(&text.digits, number));
                }
                found
            }
            Forms::InPieces(pieces) => find_pieces(&text.letters, self.text(), pieces),
        }
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| {
            let text = self.text();
            let length = letters(text.as_bytes()).len();
            if length < SHORTEST_ANYWHERE {
                let spelled = self.spellings.iter().map(|s| s.as_bytes().to_vec());
                let encoded = [STANDARD_NO_PAD.encode(text).into_bytes(), hex(text)];
                let forms = spelled.chain(encoded).filter(|form| !form.is_empty());
                return Forms::Alone(forms.map(Zeroizing::new).collect());
            }
            if length < SHORTEST_IN_PIECES {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                let number = is_number.then(|| Zeroizing::new(text.as_bytes().to_vec()));
                let forms = encodings(text).map(|form| letters(&form)).collect();
                return Forms::Anywhere { number, forms };
            }
            let mut pieces = Zeroizing::new(Vec::new());
            for form in encodings(text) {
                pieces.extend(numbers(&form).skip(PIECE - 1).step_by(PIECE));
            }
            Forms::InPieces(Pieces::new(pieces))
        })
    }

    fn text(&self) -> &str {
        self.spellings.first().map_or("", |text| text.as_str())
    }
}

/// Returns a secret and its encodings. The letters and digits of base64 and base64url are the same; they depend on where
/// in the encoded text the secret begins.
fn encodings(text: &str) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
    let plain = [text.as_bytes().to_vec(), hex(text)].map(Zeroizing::new);
    let base64 = (0..3).map(move |before| {
        let mut padded = Zeroizing::new(vec![0; before]);
        padded.extend_from_slice(text.as_bytes());
        let mut encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded).into_bytes());
        // The first and the last characters depend on what stands around the secret.
        let end = encoded.len() - usize::from(padded.len() % 3 != 0);
        encoded.truncate(end);
        encoded.drain(..(before * 8).div_ceil(6));
        encoded
    });
    plain.into_iter().chain(base64)
}

fn letters(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut letters = Zeroizing::new(Vec::with_capacity(text.len()));
    let kept = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.extend(kept.map(u8::to_ascii_lowercase));
    letters
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |value: u8| b"0123456789abcdef".get(usize::from(value)).copied();
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(digit)
        .collect()
}

/// Returns each place of `form` in `text`.
fn find<'a>(text: &'a [u8], form: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    let length = form.len().max(1);
    let windows = text.windows(length).enumerate();
    windows
        .filter(move |(_, window)| *window == form)
        .map(move |(at, _)| at..at + length)
}

/// Returns whether what was found is no part of a word, a number, a date or a time.
fn stands_alone(text: &[u8], found: &Range<usize>) -> bool {
    let before = text.get(..found.start).unwrap_or_default();
    let after = text.get(found.end..).unwrap_or_default();
    let joins = |next: Option<&u8>, beyond: Option<&u8>| match next {
        Some(b'.' | b':' | b'-' | b'/') => beyond.is_some_and(u8::is_ascii_digit),
        Some(byte) => byte.is_ascii_alphanumeric(),
        None => false,
    };
    !joins(before.last(), before.iter().rev().nth(1)) && !joins(after.first(), after.get(1))
}

/// Returns each longest part of an encoding of `secret` in `text` that holds a piece.
fn find_pieces(text: &Characters, secret: &str, pieces: &Pieces) -> Vec<Range<usize>> {
    let forms = LazyCell::new(|| {
        encodings(secret)
            .map(|form| letters(&form))
            .collect::<Vec<_>>()
    });
    let bytes = text.bytes();
    let mut found = Vec::new();
    let mut next = 0;
    for (last, number) in numbers(bytes).enumerate() {
        let (Some(start), true) = ((last + 1).checked_sub(PIECE), last >= next) else {
            continue;
        };
        if !pieces.has(number) {
            continue;
        }
        let longest = forms
            .iter()
            .filter_map(|form| widened(bytes, start..last + 1, form))
            .max_by_key(Range::len);
        if let Some(longest) = longest {
            next = longest.end;
            found.push(text.place(longest));
        }
    }
    found
}

/// Returns a piece of `form` in `text`, extended as far as both are the same.
fn widened(text: &[u8], piece: Range<usize>, form: &[u8]) -> Option<Range<usize>> {
    let in_form = find(form, text.get(piece.clone())?).next()?;
    let same = |(a, b): &(&u8, &u8)| a == b;
    let before = text.get(..piece.start)?.iter().rev();
    let before = before.zip(form.get(..in_form.start)?.iter().rev());
    let after = text.get(piece.end..)?.iter();
    let after = after.zip(form.get(in_form.end..)?);
    Some(piece.start - before.take_while(same).count()..piece.end + after.take_while(same).count())
}

/// The value of each byte that is a letter or a digit, whatever its case; 36 of them have 32 values, so that two pieces
/// may have the same number.
const VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut value = 0;
    while value < 36_u8 {
        let letter = b"0123456789abcdefghijklmnopqrstuvwxyz"[value as usize];
        values[letter as usize] = Some(value % 32);
        values[letter.to_ascii_uppercase() as usize] = Some(value % 32);
        value += 1;
    }
    values
};

/// Returns the number of the last [`PIECE`] letters and digits of a text; `before` is the number without the last one.
fn number(before: u64, value: u8) -> u64 {
    const BITS: usize = 5;
    const MASK: u64 = (1 << (PIECE * BITS)) - 1;
    (before << BITS | u64::from(value)) & MASK
}

/// Returns the number of the letters and digits before each place of a text.
fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
    let values = text.iter().filter_map(|byte| VALUES[usize::from(*byte)]);
    values.scan(0, |before, value| {
        *before = number(*before, value);
        Some(*before)
    })
}
