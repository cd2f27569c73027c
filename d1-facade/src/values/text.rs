//! The validated strings of the API: ids, reason, correlation id. Their rules stand in the spec.

use std::fmt;
use std::str::FromStr;

use d1_generated::{constants, types};

use super::input::InvalidInput;
use crate::redact::card_number::looks_like_card_number;
use crate::redact::mask_id;

/// Serializes a type as its text, and checks it when it is read.
macro_rules! serde_as_text {
    ($name:ident) => {
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A string type whose rule is the pattern of a component of the spec.
macro_rules! validated {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $field:literal, $rule:ident $(, $also:path)?) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(types::$raw);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub(crate) fn raw(&self) -> &types::$raw {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                // First, since it bounds the length of what is looked at next.
                let valid = text
                    .parse()
                    .map_err(|_| InvalidInput::new($field, constants::$rule))?;
                $( $also(text).map_err(|rule| InvalidInput::new($field, rule))?; )?
                Ok(Self(valid))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidInput;

            fn try_from(text: &str) -> Result<Self, InvalidInput> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidInput;

            fn try_from(text: String) -> Result<Self, InvalidInput> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        serde_as_text!($name);
    };
}

validated! {
    /// The id of an issuer (D1: `issuerId`): 10 letters, digits, `_` or `-`
    /// (`^[A-Za-z0-9_-]{10}$`).
    ///
    /// ```
    /// let issuer: d1_facade::IssuerId = "ISSUER_A-1".parse()?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    IssuerId, IssuerId, "issuerId", ISSUER_ID_RULE
}

validated! {
    /// The id of a card (D1: `cardId`): 1 to 48 letters, digits, `_` or `-`
    /// (`^[A-Za-z0-9_-]{1,48}$`).
    ///
    /// It is not, and must not be derived from, the PAN: an id that looks like a card number is
    /// refused, unless it is made by [`without_pan_check`](Self::without_pan_check).
    ///
    /// ```
    /// let card: d1_facade::CardId = "ReplaceMe01".parse()?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    CardId, CardId, "cardId", CARD_ID_RULE, no_card_number
}

impl CardId {
    /// An id that is known not to be a PAN although it has the digits of one.
    ///
    /// ```
    /// use d1_facade::CardId;
    ///
    /// assert!("4111111111111111".parse::<CardId>().is_err());
    /// let card = CardId::without_pan_check("4111111111111111")?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    ///
    /// # Errors
    /// When it does not match the pattern of a card id.
    pub fn without_pan_check(text: &str) -> Result<Self, InvalidInput> {
        text.parse()
            .map(Self)
            .map_err(|_| InvalidInput::new("cardId", constants::CARD_ID_RULE))
    }
}

validated! {
    /// Why something is asked for, in free text (D1: `reason`): 1 to 64 letters, digits and
    /// spaces (`^[a-zA-Z0-9 ]{1,64}$`).
    ///
    /// D1 keeps it and shows it in the list of operations. A text that holds what looks like a card
    /// number is refused.
    ///
    /// ```
    /// let reason: d1_facade::Reason = "customer called back".parse()?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    Reason, Reason, "reason", REASON_RULE, no_card_number
}

validated! {
    /// Ties the log lines of one use case together (D1: `x-correlation-id`): 1 to 64 letters,
    /// digits, `_`, `-`, `.` and spaces (`^[a-zA-Z0-9_\-\. ]{1,64}$`).
    ///
    /// Each call makes a random one unless it is given one. D1 logs it in clear, so it must not come
    /// from personal data; one that looks like a card number is refused. There is no strong guarantee that
    /// it is unique, and the card calls of D1's V2 API take neither `.` nor blank.
    ///
    /// ```
    /// let id: d1_facade::CorrelationId = "support-case 4711".parse()?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    CorrelationId, CardCorrelationId, "x-correlation-id", CARD_CORRELATION_ID_RULE, no_card_number
}

validated! {
    /// Card credentials that were encrypted elsewhere (D1: `encryptedData`): a JWE in compact
    /// serialization, at most 8192 characters.
    ///
    /// For services whose PANs never leave another system. All others give
    /// [`CardCredentials`](crate::CardCredentials) and let the client encrypt. `Debug` does not show it.
    EncryptedData, EncryptedData, "encryptedData", ENCRYPTED_DATA_RULE
}

/// Card data stays card data when it is encrypted.
impl fmt::Debug for EncryptedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptedData([redacted])")
    }
}

fn no_card_number(text: &str) -> Result<(), &'static str> {
    if looks_like_card_number(text) {
        return Err("must not hold what looks like a card number");
    }
    Ok(())
}

impl CorrelationId {
    /// A random correlation id; the token call takes it as well as the card calls.
    pub(crate) fn random() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        // A UUID is 36 hexadecimal digits and hyphens: both patterns take it. Should the pattern
        // ever be narrowed, this is what is left of it.
        Self(text.parse().unwrap_or_else(|_| unreachable_pattern()))
    }
}

/// The shortest text that the pattern could ever be narrowed to.
fn unreachable_pattern() -> types::CardCorrelationId {
    "0".parse()
        .unwrap_or_else(|_| unreachable!("no correlation id is valid"))
}

/// The id of an operation (D1: `operationId`): 1 to 64 letters, digits, `_` or `-`
/// (`^[A-Za-z0-9_-]{1,64}$`).
///
/// One that D1 returned is kept as it came, even if it should break that rule; the rule is checked
/// again when the id is used.
///
/// ```
/// let operation: d1_facade::OperationId = "op-0001".parse()?;
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(String);

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // D1 may return anything as an id.
        f.debug_tuple("OperationId")
            .field(&mask_id(&self.0))
            .finish()
    }
}

impl OperationId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id as D1 returned it.
    pub(crate) fn returned(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn to_raw(&self) -> Result<types::OperationId, InvalidInput> {
        self.0
            .parse()
            .map_err(|_| InvalidInput::new("operationId", constants::OPERATION_ID_RULE))
    }
}

impl FromStr for OperationId {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let id = Self(text.to_owned());
        id.to_raw().map(|_| id)
    }
}

impl TryFrom<&str> for OperationId {
    type Error = InvalidInput;

    fn try_from(text: &str) -> Result<Self, InvalidInput> {
        text.parse()
    }
}

impl TryFrom<String> for OperationId {
    type Error = InvalidInput;

    fn try_from(text: String) -> Result<Self, InvalidInput> {
        text.parse()
    }
}

impl AsRef<str> for OperationId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Shows the id, with what looks like a card number or a token masked: D1 may return anything as an id.
/// [`as_str`](OperationId::as_str) returns it as it came.
impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_id(&self.0))
    }
}

serde_as_text!(OperationId);
