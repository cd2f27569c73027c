//! A secret that the client holds, and the search for it in a text.

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
    InPieces {
        forms: Vec<Zeroizing<Vec<u8>>>,
        pieces: Pieces,
    },
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
        let [high, low, ..] = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        (usize::from(high >> 2), 1 << (low & 63))
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
            Forms::InPieces { pieces, .. } => {
                let mut letters = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
                let mut rolling = 0;
                letters.any(|letter| {
                    rolling = number(rolling, *letter);
                    pieces.has(rolling)
                })
            }
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
                let cut = form.chunks_exact(PIECE);
                pieces.extend(cut.map(|piece| piece.iter().copied().fold(0, number)));
            }
            let pieces = Pieces::new(pieces);
            Forms::InPieces { forms, pieces }
        })
    }
}

/// Returns the letters and digits of a secret, and of its encodings. Those of base64 and base64url are the same; they
/// depend on where in the encoded text the secret begins.
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

/// Returns each longest part of one of `forms` in `text` that holds a piece.
fn find_pieces(
    text: &Characters,
    forms: &[Zeroizing<Vec<u8>>],
    pieces: &Pieces,
) -> Vec<Range<usize>> {
    let bytes = text.bytes();
    let mut found = Vec::new();
    let mut rolling = 0;
    let mut next = 0;
    for (last, byte) in bytes.iter().enumerate() {
        rolling = number(rolling, *byte);
        let (Some(start), true) = ((last + 1).checked_sub(PIECE), last >= next) else {
            continue;
        };
        if !pieces.has(rolling) {
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

/// Returns the number of the last [`PIECE`] letters and digits of a text, of which `before` is the number without the
/// last one. Case does not matter. Letters and digits have 32 values for 36 of them, so two pieces may have the same
/// number.
fn number(before: u64, letter: u8) -> u64 {
    const BITS: usize = 5;
    const MASK: u64 = (1 << (PIECE * BITS)) - 1;
    let value = match letter {
        b'0'..=b'9' => letter - b'0',
        _ => (letter | 0x20).wrapping_sub(b'a').wrapping_add(10),
    };
    (before << BITS | u64::from(value & 31)) & MASK
}
