//! The secrets of a run, the forms in which a text can hold them, and the search for them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use fastrand::Rng;

/// What a caller holds. All of it is made from a seed, and none of it can stand in a text by chance.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) seed: u64,
    pub(crate) token: String,
    pub(crate) pan: String,
    pub(crate) auxiliary_pan: String,
    pub(crate) american_express: String,
    /// Four digits: searched for only beside a mark that no other text has.
    pub(crate) expiry: String,
}

impl Held {
    /// The secrets of this run. `D1_TEST_SEED` repeats those of another run.
    pub(crate) fn new() -> Self {
        let given = std::env::var("D1_TEST_SEED").ok();
        Self::of(given.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap()))
    }

    /// Others than those of [`new`](Self::new), for what is said on purpose.
    pub(crate) fn others() -> Self {
        Self::of(Self::new().seed.wrapping_add(1))
    }

    fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let token = std::iter::repeat_with(|| rng.alphanumeric()).take(64);
        Self {
            seed,
            token: token.collect(),
            pan: card_number(&mut rng, "4", 16),
            auxiliary_pan: card_number(&mut rng, "55", 16),
            american_express: card_number(&mut rng, "37", 15),
            expiry: format!("{:02}{:02}", rng.u8(1..=12), rng.u8(40..=99)),
        }
    }

    /// Texts that stand in a log or a value only together with a secret, and are searched for as they are:
    /// too few letters and digits are left of them.
    pub(crate) fn marks(&self) -> Vec<String> {
        let exp = format!("\"exp\":\"{}\"", self.expiry);
        let marks = [
            "Bearer ",
            "assertion=ey",
            "\"access_token\":\"",
            "\"psn\":\"07\"",
        ];
        let marks = marks.into_iter().chain([exp.as_str()]);
        marks.map(str::to_owned).collect()
    }

    /// All that can be searched for in every form, by name.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("PAN", self.pan.clone().into()),
            ("auxiliary PAN", self.auxiliary_pan.clone().into()),
            ("American Express PAN", self.american_express.clone().into()),
            ("access token", self.token.clone().into()),
        ]
    }
}

/// Random digits after `prefix` that pass the Luhn check.
pub(crate) fn card_number(rng: &mut Rng, prefix: &str, length: usize) -> String {
    let mut digits = prefix.to_owned();
    while digits.len() < length - 1 {
        digits.push(rng.digit(10));
    }
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| match (at % 2, u32::from(byte - b'0') * 2) {
            (0, doubled) => doubled / 10 + doubled % 10,
            (_, doubled) => doubled / 2,
        })
        .sum();
    write!(digits, "{}", (10 - sum % 10) % 10).unwrap();
    digits
}

/// A secret in every form in which a server could send it back.
pub(crate) fn echoes(secret: &str) -> Vec<String> {
    let each = |write: &dyn Fn(&mut String, u8)| {
        secret.bytes().fold(String::new(), |mut out, byte| {
            write(&mut out, byte);
            out
        })
    };
    let hex = |out: &mut String, byte: u8| write!(out, "{byte:02x}").unwrap();
    let mut echoes = vec![
        secret.to_owned(),
        each(&|out, byte| write!(out, "%{byte:02x}").unwrap()),
        each(&|out, byte| write!(out, "%{byte:02X}").unwrap()),
        // Once for JSON, and once more within it.
        each(&|out, byte| write!(out, "\\u{byte:04x}").unwrap()),
        each(&|out, byte| write!(out, "\\\\u{byte:04X}").unwrap()),
        each(&|out, byte| write!(out, "&#{byte};").unwrap()),
        each(&hex),
        each(&hex).to_uppercase(),
    ];
    for before in ["", "a", "ab"] {
        let padded = format!("{before}{secret}");
        echoes.push(STANDARD_NO_PAD.encode(&padded));
        echoes.push(URL_SAFE_NO_PAD.encode(format!("{padded}?")));
    }
    for gap in [" ", "-", " - ", "\\n", " / * / "] {
        let groups: Vec<_> = secret.as_bytes().chunks(4).collect();
        let groups = groups.iter().map(|g| str::from_utf8(g).unwrap());
        echoes.push(groups.collect::<Vec<_>>().join(gap));
    }
    echoes
}

/// The forms in which a secret is searched for in a text: letters and digits alone, in lower case.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").unwrap();
        out
    });
    let list: String = secret.iter().map(u8::to_string).collect();
    let mut forms = vec![hex.into_bytes(), list.into_bytes()];
    // The bytes of a key stand in a text in another form only.
    if secret.is_ascii() {
        forms.push(secret.to_vec());
    }
    for before in 0..3 {
        let padded = [vec![0; before], secret.to_vec()].concat();
        let text = STANDARD_NO_PAD.encode(&padded);
        // The first and the last characters depend on what stands around the secret.
        forms.push(text.as_bytes()[before + before.div_ceil(2)..text.len() - 1].to_vec());
    }
    forms.iter().map(|form| bare(form)).collect()
}

/// What is left of a text without everything that can divide or escape it.
fn bare(text: &[u8]) -> Vec<u8> {
    let kept = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(u8::to_ascii_lowercase).collect()
}

/// A text with what is escaped in it as it would be read, however often it was escaped.
fn read(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let code = |from: usize, to: usize| {
            let digits = str::from_utf8(rest.get(from..to)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        let entity = || {
            let end = rest.iter().take(6).position(|byte| *byte == b';')?;
            let value = str::from_utf8(rest.get(2..end)?).ok()?.parse::<u8>().ok()?;
            Some((value, end + 1))
        };
        let read = match rest {
            [b'%', ..] => code(1, 3).map(|byte| (byte, 3)),
            [b'\\', b'u', b'0', b'0', ..] => code(4, 6).map(|byte| (byte, 6)),
            [b'\\', b'x', ..] => code(2, 4).map(|byte| (byte, 4)),
            [b'\\', b'n' | b'r' | b't', ..] => Some((b' ', 2)),
            [b'&', b'#', ..] => entity(),
            _ => None,
        };
        match read {
            Some((byte, length)) => {
                out.push(byte);
                rest = &rest[length..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// The names of the secrets that are in `text`, in any form.
pub(crate) fn leaks(text: &[u8], secrets: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let mut texts = vec![text.to_vec()];
    for _ in 0..3 {
        let next = texts.last().map(|text| read(text));
        texts.extend(next.filter(|next| next.len() < texts.last().map_or(0, Vec::len)));
    }
    let bare: Vec<_> = texts.iter().map(|text| bare(text)).collect();
    let holds = |form: &Vec<u8>| {
        let mut texts = bare.iter();
        texts.any(|text| memchr::memmem::find(text, form).is_some())
    };
    secrets
        .iter()
        .filter(|(_, secret)| forms(secret).iter().any(holds))
        .map(|(name, _)| *name)
        .collect()
}

#[test]
fn a_planted_leak_is_found_in_every_form() {
    let held = Held::new();
    let secrets = [
        ("PAN", held.pan.clone().into_bytes()),
        ("token", held.token.clone().into_bytes()),
    ];
    for (name, secret) in [("PAN", &held.pan), ("token", &held.token)] {
        let mut planted = echoes(secret);
        planted.push(format!("{:?}", secret.as_bytes()));
        for planted in planted {
            for around in [planted.clone(), format!("<{planted}>")] {
                let found = leaks(around.as_bytes(), &secrets);
                assert_eq!(found, [name], "seed {}: {around}", held.seed);
            }
        }
    }
    assert!(leaks(b"nothing of the kind", &secrets).is_empty());
}
