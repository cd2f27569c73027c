//! A secret that the client holds, and how it is found in a text.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::decoded::{Characters, Decoded};

/// How many letters and digits a secret has at least that is removed wherever it stands. A shorter one can
/// be a part of something else by chance.
const SHORTEST_ANYWHERE: usize = 8;

/// How many letters and digits a secret has at least of which parts are removed as well.
const SHORTEST_IN_PIECES: usize = 2 * PIECE;

/// How long the pieces are into which a long secret is cut: of any text that holds 23 of its letters and
/// digits in a row, one piece is a part.
const PIECE: usize = 12;

/// A secret of a call.
///
/// | letters and digits | what is removed | such as |
/// |---|---|---|
/// | 24 or more | each part of 23 or more, and all of it | a token, an assertion, a JWE |
/// | 8 to 23 | all of it, wherever it stands | a PAN |
/// | fewer | all of it, where it stands alone: not beside a letter or digit, nor in a number, date or time | an expiry, a PAN sequence number |
pub(crate) struct Secret {
    /// In clear; the first is the secret itself, the others are usual spellings of it.
    spellings: Vec<Zeroizing<String>>,
    /// Made when an answer is searched for the first time: most have nothing to search.
    forms: OnceLock<Forms>,
}

/// What is searched for.
enum Forms {
    /// Bytes that stand alone.
    Alone(Vec<Zeroizing<Vec<u8>>>),
    /// Letters and digits, wherever they stand.
    Anywhere {
        /// Digits, whatever divides them.
        number: Option<Zeroizing<Vec<u8>>>,
        forms: Vec<Zeroizing<Vec<u8>>>,
    },
    /// Letters and digits of which a part will do.
    InPieces {
        forms: Vec<Zeroizing<Vec<u8>>>,
        /// Each piece of each form as a number, in order.
        pieces: Zeroizing<Vec<u64>>,
    },
}

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Arc<Self> {
        Self::spelled(vec![Zeroizing::new(text.into())])
    }

    /// An expiry as MMYY, which cards, forms and messages spell in other ways as well.
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

    /// Whether it is removed only where it stands alone.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.forms(), Forms::Alone(_))
    }

    /// Whether the letters and digits of a text without escapes may hold it.
    pub(super) fn may_be_in(&self, letters: &[u8]) -> bool {
        match self.forms() {
            Forms::Alone(_) => true,
            Forms::Anywhere { number, forms } => {
                let digits = |number: &Zeroizing<Vec<u8>>| {
                    let digits = letters.iter().filter(|byte| byte.is_ascii_digit());
                    digits.count() >= number.len()
                };
                number.as_ref().is_some_and(digits)
                    || forms
                        .iter()
                        .any(|form| find(letters, form).next().is_some())
            }
            Forms::InPieces { pieces, .. } => {
                let mut rolling = 0;
                letters.iter().enumerate().any(|(last, byte)| {
                    rolling = value(rolling, std::slice::from_ref(byte));
                    last + 1 >= PIECE && pieces.binary_search(&rolling).is_ok()
                })
            }
        }
    }

    /// The places in the original text that hold it.
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
            Forms::InPieces { forms, pieces } => find_pieces(&text.letters, forms, pieces),
        }
    }

    fn forms(&self) -> &Forms {
        self.forms.get_or_init(|| {
            let text = self.spellings.first().map_or("", |text| text.as_str());
            let length = letters(text.as_bytes()).len();
            if length < SHORTEST_ANYWHERE {
                let spelled = self.spellings.iter().map(|s| s.as_bytes().to_vec());
                let encoded = [STANDARD_NO_PAD.encode(text).into_bytes(), hex(text)];
                let forms = spelled.chain(encoded).filter(|form| !form.is_empty());
                return Forms::Alone(forms.map(Zeroizing::new).collect());
            }
            let forms = encoded_forms(text);
            if length < SHORTEST_IN_PIECES {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                let number = is_number.then(|| Zeroizing::new(text.as_bytes().to_vec()));
                return Forms::Anywhere { number, forms };
            }
            let mut pieces = Zeroizing::new(Vec::new());
            for form in &forms {
                let values = form.chunks_exact(PIECE).map(|piece| value(0, piece));
                pieces.extend(values);
            }
            pieces.sort_unstable();
            Forms::InPieces { forms, pieces }
        })
    }
}

/// The letters and digits of a secret, and of its encodings. Those of base64 and base64url are the same,
/// but for where the secret stands in what was encoded.
fn encoded_forms(text: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![letters(text.as_bytes()), Zeroizing::new(hex(text))];
    for before in 0..3 {
        let mut padded = Zeroizing::new(vec![0; before]);
        padded.extend_from_slice(text.as_bytes());
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(&*padded));
        // The first and the last characters depend on what stands around the secret.
        let from = (before * 8).div_ceil(6);
        let to = encoded.len() - usize::from(padded.len() % 3 != 0);
        forms.push(letters(
            encoded.as_bytes().get(from..to).unwrap_or_default(),
        ));
    }
    forms
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

/// Each place of `form` in `text`.
fn find<'a>(text: &'a [u8], form: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    let length = form.len().max(1);
    let windows = text.windows(length).enumerate();
    windows
        .filter(move |(_, window)| *window == form)
        .map(move |(at, _)| at..at + length)
}

/// Whether what was found is not a part of a word, a number, a date or a time.
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

/// Each longest part of one of `forms` in `text` that holds a piece.
fn find_pieces(
    text: &Characters,
    forms: &[Zeroizing<Vec<u8>>],
    pieces: &[u64],
) -> Vec<Range<usize>> {
    let bytes = text.bytes();
    let mut found = Vec::new();
    let mut rolling = 0;
    let mut next = 0;
    for (last, byte) in bytes.iter().enumerate() {
        rolling = value(rolling, std::slice::from_ref(byte));
        let (Some(start), true) = ((last + 1).checked_sub(PIECE), last >= next) else {
            continue;
        };
        if pieces.binary_search(&rolling).is_err() {
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

/// A piece of `form` in `text` with all that is around it in both.
fn widened(text: &[u8], piece: Range<usize>, form: &[u8]) -> Option<Range<usize>> {
    let in_form = find(form, text.get(piece.clone())?).next()?;
    let same = |(a, b): &(&u8, &u8)| a == b;
    let before = text.get(..piece.start)?.iter().rev();
    let before = before.zip(form.get(..in_form.start)?.iter().rev());
    let after = text.get(piece.end..)?.iter();
    let after = after.zip(form.get(in_form.end..)?);
    Some(piece.start - before.take_while(same).count()..piece.end + after.take_while(same).count())
}

/// The last [`PIECE`] letters and digits of what has `before` as its value and continues with `then`, as one
/// number.
fn value(before: u64, then: &[u8]) -> u64 {
    // Of base 36; of twelve digits the highest value is less than 2^63.
    const LEADING: u64 = 36_u64.pow(11);
    then.iter().fold(before, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => byte.wrapping_sub(b'a').wrapping_add(10),
        };
        (value % LEADING) * 36 + u64::from(digit)
    })
}
