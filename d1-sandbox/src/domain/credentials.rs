//! PAN and expiry as they arrive: from a renewal, or from the issuer, whom D1 asks when a renewal brings none.

use super::rules;
use crate::crypto::jwe::{self, Decrypter};
use crate::pan;
use crate::secret::Secret;
use crate::wire::shape::names;
use crate::wire::spec::Spec;
use crate::wire::warnings::{Warnings, shown_name};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// Why credentials cannot be used. It says which rule is broken, and never a value.
type Unusable = Box<dyn std::error::Error + Send + Sync>;

/// PAN and expiry.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) pan: Secret,
    pub(crate) exp: Secret,
}

impl Credentials {
    /// Reads the `encryptedData` of a renewal, and warns of what D1 may refuse in it. `shown` is set to what may be
    /// shown of it. The error says which rule is broken.
    pub(crate) fn sent(
        token: &str,
        decrypter: &Decrypter,
        spec: &Spec,
        now: OffsetDateTime,
        shown: &mut Option<Value>,
        warnings: &mut Warnings,
    ) -> Result<Self, Unusable> {
        let (place, known) = ("body: /encryptedData: header", ["alg", "enc", "kid", "epk"]);
        let header = jwe::header(token);
        warnings.add_other_members(place, &header, &known);
        let header = pan::masked_json(&header);
        let shown = shown.insert(json!({ "header": header }));
        let plaintext = decrypted(token, decrypter)?;
        shown["plaintext"] = masked(&plaintext);
        look_over(&plaintext, spec, now, warnings);
        Self::checked(&plaintext, spec)
    }

    /// Reads what an issuer's *Get Card Credentials* has answered; the error says what is wrong with it.
    pub(crate) fn from_issuer(
        token: &str,
        decrypter: &Decrypter,
        spec: &Spec,
    ) -> Result<Self, Unusable> {
        Self::checked(&decrypted(token, decrypter)?, spec)
    }

    fn checked(plaintext: &Value, spec: &Spec) -> Result<Self, Unusable> {
        let is_valid = spec.credentials.check(plaintext);
        is_valid.map_err(|rule| format!("the plaintext is not valid: {rule}"))?;
        let text = |name: &str| plaintext.get(name).and_then(Value::as_str);
        if text("auxiliaryPan").is_some() != text("auxiliaryExp").is_some() {
            return Err("auxiliaryPan and auxiliaryExp belong together".into());
        }
        let (pan, exp) = text("pan")
            .zip(text("exp"))
            .ok_or("pan and exp are mandatory")?;
        if text("psn").is_some() && !rules::is_american_express(pan) {
            return Err("psn is for American Express alone".into());
        }
        let (pan, exp) = (Secret::new(pan), Secret::new(exp));
        Ok(Self { pan, exp })
    }
}

fn decrypted(token: &str, decrypter: &Decrypter) -> Result<Value, Unusable> {
    let plaintext = decrypter.decrypt(token)?;
    Ok(plaintext.json().ok_or("the plaintext is not JSON")?)
}

/// Masks every value.
fn masked(plaintext: &Value) -> Value {
    let masked = |name: &str| (shown_name(name).to_owned(), Value::from(pan::MASK));
    names(plaintext).map(masked).collect()
}

/// Looks for what a renewal may have in its `encryptedData` and D1 may refuse.
fn look_over(plaintext: &Value, spec: &Spec, now: OffsetDateTime, warnings: &mut Warnings) {
    warnings.add_unknown("body: /encryptedData", spec.credentials.unknown(plaintext));
    let text = |name: &str| plaintext.get(name).and_then(Value::as_str);
    for (pan, exp) in [("pan", "exp"), ("auxiliaryPan", "auxiliaryExp")] {
        if text(pan).is_some_and(|pan| !pan::luhn(pan)) {
            warnings.add(format!("body: /encryptedData/{pan}: fails the Luhn check"));
        }
        if text(exp).is_some_and(|exp| has_passed(exp, now)) {
            warnings.add(format!("body: /encryptedData/{exp}: has passed"));
        }
    }
}

/// Returns whether a card with this expiry, MMYY, has expired.
fn has_passed(exp: &str, now: OffsetDateTime) -> bool {
    let number = |digits: Option<&str>| digits.and_then(|digits| digits.parse::<i32>().ok());
    let (month, year) = (number(exp.get(..2)), number(exp.get(2..)));
    let end = year.zip(month).map(|(year, month)| (2000 + year, month));
    end.is_some_and(|end| end < (now.year(), i32::from(u8::from(now.month()))))
}
