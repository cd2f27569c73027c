//! PAN, expiry and PSN: their rules, and how they are kept out of every output.
//!
//! The rules are those that D1 documents for the plaintext of `encryptedData`, and the Luhn check, which finds mistyped
//! numbers before they are encrypted: D1 could not say later what was wrong. A test compares the plaintext with the
//! component `CardCredentials` of the spec, which is not generated since generated types print what they hold.
//!
//! Every text of digits is held in memory that is wiped when it is dropped, and no type here has a `Debug`, `Display` or
//! serialization that shows one. What is refused is not in the error either.

use std::str::FromStr;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::InvalidInput;
use crate::redact::card_number::passes_luhn;
use crate::redact::{Redactor, Secret};

/// A string of digits that is never shown and is wiped when it is dropped.
macro_rules! secret_digits {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            fn digits(text: &str) -> Result<Self, InvalidInput> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                if !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(InvalidInput::new($field, "must be digits only"));
                }
                check(text).map_err(|rule| InvalidInput::new($field, rule))?;
                Ok(Self(Zeroizing::new(text.to_owned())))
            }
        }

        debug_redacted!($name);

        try_from_text!($name);
    };
}

/// A number of a card, with or without its check digit checked.
macro_rules! card_number {
    ($name:ident, $field:literal) => {
        impl FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                let number = Self::without_luhn_check(text)?;
                if !passes_luhn(text) {
                    return Err(InvalidInput::new($field, "must pass the Luhn check"));
                }
                Ok(number)
            }
        }

        impl $name {
            /// Reads a number whose check digit may be wrong, as it is in the samples of D1's documentation.
            ///
            /// Its characters and their count are checked all the same.
            ///
            /// # Errors
            /// When it has other characters than digits, or too few or too many of them. The error does not repeat it.
            pub fn without_luhn_check(text: &str) -> Result<Self, InvalidInput> {
                Self::digits(text)
            }
        }
    };
}

secret_digits! {
    /// A primary account number (D1: `pan`): 10 to 19 digits (`^[0-9]{10,19}$`) that pass the Luhn check.
    ///
    /// `Debug` does not show it, and its memory is wiped when it is dropped.
    ///
    /// ```
    /// use d1_facade::Pan;
    ///
    /// let pan: Pan = "4111111111111111".parse()?;
    /// assert_eq!(format!("{pan:?}"), "Pan([redacted])");
    /// assert_eq!(pan.last_four(), "1111");
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    Pan, "pan", |t| {
        if (10..=19).contains(&t.len()) { Ok(()) } else { Err("must have 10 to 19 digits") }
    }
}
card_number!(Pan, "pan");

secret_digits! {
    /// The number of the second scheme of a cobadged card (D1: `auxiliaryPan`): up to 19 digits (`^[0-9]{1,19}$`) that
    /// pass the Luhn check.
    ///
    /// `Debug` does not show it, and its memory is wiped when it is dropped.
    /// [`CardCredentials::with_auxiliary`] takes it, together with an expiry.
    ///
    /// ```
    /// let auxiliary: d1_facade::AuxiliaryPan = "5555555555554444".parse()?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    AuxiliaryPan, "auxiliaryPan", |t| {
        if (1..=19).contains(&t.len()) { Ok(()) } else { Err("must have 1 to 19 digits") }
    }
}
card_number!(AuxiliaryPan, "auxiliaryPan");

secret_digits! {
    /// The expiry of a card (D1: `exp`, `auxiliaryExp`): month and year as four digits, MMYY
    /// (`^(0[1-9]|1[0-2])[0-9]{2}$`).
    ///
    /// An expiry in the past is accepted: the client does not know D1's rules for it. `Debug` does not show it, and its
    /// memory is wiped when it is dropped.
    ///
    /// ```
    /// use d1_facade::Expiry;
    ///
    /// let december_2030: Expiry = "1230".parse()?;
    /// assert!("3012".parse::<Expiry>().is_err());
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    Expiry, "exp", |t| match t.as_bytes() {
        [b'0', b'1'..=b'9', _, _] | [b'1', b'0'..=b'2', _, _] => Ok(()),
        _ => Err("must be MMYY, the month 01 to 12"),
    }
}

impl FromStr for Expiry {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        Self::digits(text)
    }
}

impl Pan {
    /// Returns the last four digits, which may be displayed (PCI DSS 4.0, requirement 3.4.1).
    #[must_use]
    pub fn last_four(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or("")
    }

    /// Returns whether it is an American Express number: 15 digits that start with 34 or 37.
    ///
    /// Only such a card has a [PAN sequence number](CardCredentials::with_psn).
    #[must_use]
    pub fn is_american_express(&self) -> bool {
        self.0.len() == 15 && (self.0.starts_with("34") || self.0.starts_with("37"))
    }
}

/// The credentials of a renewed card: the plaintext of `encryptedData`.
///
/// They leave the process encrypted only, `Debug` does not show them, and their memory is wiped when they are dropped.
/// [`Renewal::credentials`](crate::Renewal::credentials) takes them.
///
/// ```
/// use d1_facade::CardCredentials;
///
/// let credentials = CardCredentials::new("4111111111111111", "1230")?;
/// assert_eq!(format!("{credentials:?}"), "CardCredentials([redacted])");
///
/// let cobadged = CardCredentials::new("4111111111111111", "1230")?
///     .with_auxiliary("5555555555554444", "1230")?;
/// let american_express = CardCredentials::new("378282246310005", "1230")?.with_psn("00")?;
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CardCredentials {
    pan: Pan,
    expiry: Expiry,
    psn: Option<Zeroizing<String>>,
    auxiliary: Option<(AuxiliaryPan, Expiry)>,
}

impl CardCredentials {
    /// Returns credentials, from text or from a [`Pan`] and an [`Expiry`].
    ///
    /// A `String` that is passed is wiped, whether it is accepted or refused. A PAN whose check digit is wrong needs a
    /// [`Pan`] that was read [without the check](Pan::without_luhn_check):
    ///
    /// ```
    /// use d1_facade::{CardCredentials, Pan};
    ///
    /// let sample = Pan::without_luhn_check("4111111111111112")?;
    /// let credentials = CardCredentials::new(sample, "1230")?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    ///
    /// # Errors
    /// When the PAN or the expiry breaks its rule (fields `pan` and `exp`). The error does not repeat them.
    pub fn new<P, E>(pan: P, expiry: E) -> Result<Self, InvalidInput>
    where
        P: TryInto<Pan>,
        E: TryInto<Expiry>,
        InvalidInput: From<P::Error> + From<E::Error>,
    {
        Ok(Self {
            pan: pan.try_into()?,
            expiry: expiry.try_into()?,
            psn: None,
            auxiliary: None,
        })
    }

    /// Adds the PAN sequence number (D1: `psn`): two digits (`^[0-9]{2}$`), for American Express cards only.
    ///
    /// # Errors
    /// When it is not two digits, or the PAN is not one of American Express (field `psn`).
    pub fn with_psn(mut self, psn: impl AsRef<str>) -> Result<Self, InvalidInput> {
        let bad = |rule: &'static str| Err(InvalidInput::new("psn", rule));
        if !self.pan.is_american_express() {
            return bad("is for American Express cards only");
        }
        let psn = psn.as_ref();
        if psn.len() != 2 || !psn.bytes().all(|b| b.is_ascii_digit()) {
            return bad("must be 2 digits");
        }
        self.psn = Some(Zeroizing::new(psn.to_owned()));
        Ok(self)
    }

    /// Adds the number and the expiry of the second scheme of a cobadged card (D1: `auxiliaryPan`, `auxiliaryExp`).
    ///
    /// # Errors
    /// When one of them breaks its rule (fields `auxiliaryPan` and `auxiliaryExp`).
    pub fn with_auxiliary<P, E>(mut self, pan: P, expiry: E) -> Result<Self, InvalidInput>
    where
        P: TryInto<AuxiliaryPan>,
        E: TryInto<Expiry>,
        InvalidInput: From<P::Error> + From<E::Error>,
    {
        let expiry = expiry.try_into().map_err(|e| {
            let refused = InvalidInput::from(e);
            InvalidInput::new("auxiliaryExp", refused.rule().to_owned())
        })?;
        self.auxiliary = Some((pan.try_into()?, expiry));
        Ok(self)
    }

    /// Returns the PAN, such as to show its [last four digits](Pan::last_four).
    #[must_use]
    pub fn pan(&self) -> &Pan {
        &self.pan
    }

    /// Adds everything that they hold to the secrets of a call.
    pub(crate) fn hold_in(&self, redactor: &mut Redactor) {
        redactor.hold(Secret::new(self.pan.0.as_str()));
        redactor.hold(Secret::expiry(&self.expiry.0));
        if let Some(psn) = &self.psn {
            redactor.hold(Secret::new(psn.as_str()));
        }
        if let Some((pan, expiry)) = &self.auxiliary {
            redactor.hold(Secret::new(pan.0.as_str()));
            redactor.hold(Secret::expiry(&expiry.0));
        }
    }

    /// Returns the JSON that is encrypted.
    pub(crate) fn plaintext(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let plaintext = Plaintext {
            pan: &self.pan.0,
            exp: &self.expiry.0,
            psn: self.psn.as_ref().map(|p| p.as_str()),
            auxiliary_pan: self.auxiliary.as_ref().map(|(p, _)| p.0.as_str()),
            auxiliary_exp: self.auxiliary.as_ref().map(|(_, e)| e.0.as_str()),
        };
        // Longer than the longest plaintext, so that no copy is left behind by growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        serde_json::to_writer(&mut *bytes, &plaintext)?;
        Ok(bytes)
    }
}

debug_redacted!(CardCredentials);

/// The plaintext of `encryptedData`, as the component `CardCredentials` of the spec has it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename = "CardCredentials", rename_all = "camelCase")]
struct Plaintext<'a> {
    #[cfg_attr(feature = "schemars", schemars(regex(pattern = r"^[0-9]{10,19}$")))]
    pan: &'a str,
    #[cfg_attr(
        feature = "schemars",
        schemars(regex(pattern = r"^(0[1-9]|1[0-2])[0-9]{2}$"))
    )]
    exp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(regex(pattern = r"^[0-9]{2}$")))]
    psn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(regex(pattern = r"^[0-9]{1,19}$")))]
    auxiliary_pan: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schemars",
        schemars(regex(pattern = r"^(0[1-9]|1[0-2])[0-9]{2}$"))
    )]
    auxiliary_exp: Option<&'a str>,
}

#[cfg(feature = "schemars")]
impl CardCredentials {
    /// Returns the JSON schema of the plaintext of `encryptedData`.
    #[must_use]
    pub fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Plaintext<'_>)
    }
}
