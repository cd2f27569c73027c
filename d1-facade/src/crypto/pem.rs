//! Reads PEM blocks from a file, however it was written or transported.
//!
//! The lines of a block may end in any way: a text that went through an environment variable has `\n` as two
//! characters, or blanks, where its lines ended. Editors on Windows write UTF-16. Neither OpenSSL, which
//! also asks for a passphrase on the terminal, nor the readers of rustls take such files.
//!
//! A file of another format is refused with what it is and how it is converted: a Java key store, PKCS#12, an
//! encrypted key, a PEM that was encoded in base64 once more. An encrypted key is never decrypted here, since a
//! passphrase beside its key protects nothing.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::error::InvalidInput;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const ENCRYPTED: &str =
    "must not be encrypted: decrypt it where it is stored, and give the plain key";

/// The label of a file that is DER without a PEM around it.
pub(crate) const BARE_DER: &str = "";

/// One `-----BEGIN ...-----` block.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl Block {
    pub(crate) fn is_certificate(&self) -> bool {
        matches!(
            self.label.as_str(),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" | BARE_DER
        )
    }
}

/// Reads every block of a file; DER without a PEM around it is one block.
///
/// # Errors
/// When there is none; the rule says what the file is instead, where that can be seen.
pub(crate) fn blocks(field: &'static str, bytes: &[u8]) -> Result<Vec<Block>, InvalidInput> {
    let bad = |rule: Cow<'static, str>| InvalidInput::new(field, rule);
    if let Some(rule) = foreign_file(bytes) {
        return Err(bad(rule.into()));
    }
    if is_der(bytes) {
        return Ok(vec![Block {
            label: BARE_DER.to_owned(),
            der: Zeroizing::new(bytes.to_owned()),
        }]);
    }
    let text = text(bytes).ok_or_else(|| bad("is neither PEM nor DER".into()))?;
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some((label, body, after)) = next_block(rest) {
        blocks.push(block(label, body).map_err(|rule| bad(rule.into()))?);
        rest = after;
    }
    if rest.contains("-----BEGIN ") {
        return Err(bad("is a PEM that is cut off: a block has no end".into()));
    }
    if blocks.is_empty() {
        return Err(bad(no_pem(&text).into()));
    }
    Ok(blocks)
}

/// Returns the text of a file in UTF-8 or UTF-16, without a byte order mark.
pub(crate) fn text(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let units = Zeroizing::new(units.collect::<Vec<u16>>());
        String::from_utf16(&units).ok().map(Zeroizing::new)
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => {
            let text = std::str::from_utf8(rest).ok()?;
            Some(Zeroizing::new(text.to_owned()))
        }
    }
}

/// Returns the label of the first block, its body, and the text after it.
fn next_block(text: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, rest) = rest.split_once("-----END ")?;
    let (_, rest) = rest.split_once("-----")?;
    Some((label, body, rest))
}

/// Decodes the body of a block.
fn block(label: &str, body: &str) -> Result<Block, &'static str> {
    // The first is PKCS#8, the second the older way of OpenSSL.
    if label == "ENCRYPTED PRIVATE KEY" || body.contains("Proc-Type:") {
        return Err(ENCRYPTED);
    }
    // A backslash that is left is one before the end of a line, or of a line end that was escaped twice.
    let lines = Zeroizing::new(body.replace("\\r", " ").replace("\\n", " "));
    let is_gap = |c: char| c.is_whitespace() || c == '\\';
    let mut base64 = Zeroizing::new(String::with_capacity(lines.len()));
    base64.extend(lines.split(is_gap));
    let der = BASE64
        .decode(base64.as_bytes())
        .map_err(|_| "is a damaged PEM: what stands between BEGIN and END is not base64")?;
    Ok(Block {
        label: label.split_whitespace().collect::<Vec<_>>().join(" "),
        der: Zeroizing::new(der),
    })
}

/// Returns whether the bytes are one DER sequence.
fn is_der(bytes: &[u8]) -> bool {
    let length = match bytes {
        [0x30, short @ 0..=0x7F, ..] => Some(2 + usize::from(*short)),
        [0x30, 0x81, a, ..] => Some(3 + usize::from(*a)),
        [0x30, 0x82, a, b, ..] => Some(4 + usize::from(u16::from_be_bytes([*a, *b]))),
        _ => None,
    };
    length == Some(bytes.len())
}

/// Returns what to do with a file of another format that is often mistaken for PEM.
fn foreign_file(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0xFE, 0xED, 0xFE, 0xED]) {
        return Some(
            "is a Java key store: convert it with keytool -importkeystore to PKCS#12, then with openssl pkcs12",
        );
    }
    // PKCS#5 and PKCS#12 name the way of encryption, at the beginning of a key in DER.
    let ways: [&[u8]; 2] = [
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x05",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01",
    ];
    let has_way =
        |way: &&[u8]| (6..12).any(|at| bytes.get(at..).is_some_and(|b| b.starts_with(way)));
    if is_der(bytes) && ways.iter().any(has_way) {
        return Some(ENCRYPTED);
    }
    let pkcs12 = bytes.first() == Some(&0x30) && openssl::pkcs12::Pkcs12::from_der(bytes).is_ok();
    pkcs12.then_some(
        "is a PKCS#12 file: convert it with openssl pkcs12 -nodes -in FILE -out FILE.pem",
    )
}

/// Returns what is wrong with a text that has no PEM in it.
fn no_pem(text: &str) -> &'static str {
    let text = text.trim();
    if text.is_empty() {
        "is empty"
    } else if text.starts_with(['{', '[']) {
        "is JSON, and must be a PEM"
    } else if text.starts_with("LS0tLS1CRUdJTi") {
        "is a PEM encoded in base64 once more: decode it once, as with base64 -d"
    } else {
        "must be a PEM: it has no line that begins with -----BEGIN"
    }
}
