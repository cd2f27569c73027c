//! The validated texts of the API: ids, reason, correlation id, encrypted credentials.
//!
//! Their rules are the patterns of the spec, which the generated types check. The types here add what a pattern cannot
//! say: D1 logs ids and reasons in clear, so a text that looks like a card number is refused before it is sent
//! (`redact::card_number` decides what does). An operation id is the exception: D1 makes it, so one that D1
//! returned is kept whatever it is, and is masked where it is shown.

use std::fmt;
use std::str::FromStr;

use d1_generated::constants::{
    self, CARD_CORRELATION_ID_RULE, CARD_ID_RULE, ISSUER_ID_RULE, OPERATION_ID_RULE, REASON_RULE,
    TextRule,
};
use d1_generated::types;

use super::input::InvalidInput;
use crate::redact::card_number::looks_like_card_number;
use crate::redact::mask_id;

/// Defines a text type whose rule is the pattern of a component of the spec. One with an example of digits that look
/// like a card number refuses such texts, unless its caller knows that they are none.
macro_rules! validated {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $field:literal, $rule:ident $(, $digits:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(types::$raw);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the generated type, for the generated client.
            pub(crate) fn raw(&self) -> &types::$raw {
                &self.0
            }

            /// Reads a text that matches the pattern.
            fn matching(text: &str) -> Result<Self, InvalidInput> {
                let valid = text.parse().map(Self);
                valid.map_err(|_| InvalidInput::of_text($field, &$rule, text))
            }

            $(
                /// Reads a text that is known to hold no PAN, although its digits look like one: for services whose ids
                /// are numbers.
                ///
                /// The pattern is still checked.
                ///
                /// ```
                #[doc = concat!("use d1_facade::", stringify!($name), ";")]
                ///
                #[doc = concat!("assert!(\"", $digits, "\".parse::<", stringify!($name), ">().is_err());")]
                #[doc = concat!("let known = ", stringify!($name), "::without_pan_check(\"", $digits, "\")?;")]
                /// # Ok::<(), d1_facade::InvalidInput>(())
                /// ```
                ///
                /// # Errors
                #[doc = concat!("When it does not match the pattern (field `", $field, "`).")]
                pub fn without_pan_check(text: &str) -> Result<Self, InvalidInput> {
                    Self::matching(text)
                }
            )?
        }

        impl FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                // First, since it bounds the length of what is looked at next.
                let valid = Self::matching(text)?;
                $(
                    let _example_of_what_is_refused = $digits;
                    if looks_like_card_number(text) {
                        let rule = "must not hold what looks like a card number";
                        return Err(InvalidInput::new($field, rule));
                    }
                )?
                Ok(valid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        text_traits!($name, $rule);
    };
}

validated! {
    /// The id of an issuer (D1: `issuerId`): 10 letters, digits, `_` or `-`
    /// (`^[A-Za-z0-9_-]{10}$`).
    ///
    /// It is a part of the path of every card, and the subject of the assertion unless the client calls as an
    /// [aggregator](crate::ClientBuilder::aggregator_id).
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
    /// It is not the PAN and must not be derived from it: an id that looks like a card number is refused, unless
    /// [`without_pan_check`](Self::without_pan_check) reads it.
    ///
    /// ```
    /// use d1_facade::CardId;
    ///
    /// let card: CardId = "ReplaceMe01".parse()?;
    /// assert_eq!(card.as_str(), "ReplaceMe01");
    /// assert!("card/../other".parse::<CardId>().is_err());
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    CardId, CardId, "cardId", CARD_ID_RULE, "4111111111111111"
}

validated! {
    /// The reason for a change in free text (D1: `reason`): 1 to 64 letters, digits and spaces
    /// (`^[a-zA-Z0-9 ]{1,64}$`).
    ///
    /// D1 keeps it and shows it in the list of operations, which [`reconcile`](crate::Client::reconcile) reads. A text
    /// that holds what looks like a card number is refused, unless [`without_pan_check`](Self::without_pan_check) reads it.
    ///
    /// ```
    /// use d1_facade::Reason;
    ///
    /// let reason: Reason = "customer called back".parse()?;
    /// let refused = "lost, call back!".parse::<Reason>().unwrap_err();
    /// assert_eq!(refused.field(), "reason");
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    Reason, Reason, "reason", REASON_RULE, "4111111111111111"
}

validated! {
    /// The id that the log lines of one use case share (D1: `x-correlation-id`): 1 to 64 letters, digits, `_`, `-`, `.`
    /// and spaces (`^[a-zA-Z0-9_\-\. ]{1,64}$`).
    ///
    /// Each call makes a [random](Self::random) one unless it is given one. D1 logs it in clear, so it must not come from
    /// personal data; one that looks like a card number is refused, unless
    /// [`without_pan_check`](Self::without_pan_check) reads it. D1 does not check that it is unique. The card calls of
    /// D1's V2 API accept neither `.` nor a space in it.
    ///
    /// ```
    /// let id: d1_facade::CorrelationId = "support-case 4711".parse()?;
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    #[derive(Debug)]
    CorrelationId, CardCorrelationId, "x-correlation-id", CARD_CORRELATION_ID_RULE, "4111111111111111"
}

validated! {
    /// Card credentials that were encrypted elsewhere (D1: `encryptedData`): a JWE in compact serialization, at most
    /// 8192 characters.
    ///
    /// It is for services whose PANs never leave another system, which encrypts them with
    /// [`EncryptionKey::encrypt`](crate::EncryptionKey::encrypt) or a program of its own. All others pass
    /// [`CardCredentials`](crate::CardCredentials), which the client encrypts. Only its form is checked here: D1 alone
    /// can decrypt it. `Debug` does not show it.
    ///
    /// ```
    /// use d1_facade::EncryptedData;
    ///
    /// let refused = "no JWE".parse::<EncryptedData>().unwrap_err();
    /// assert_eq!(refused.field(), "encryptedData");
    /// ```
    EncryptedData, EncryptedData, "encryptedData", JWE_RULE
}

/// The rule of the spec in words: its pattern is one that people cannot read.
const JWE_RULE: TextRule = TextRule {
    words: "be a JWE in compact serialization: five parts with dots between them, at most 8192 characters",
    ..constants::ENCRYPTED_DATA_RULE
};

// Card data stays card data when it is encrypted.
debug_redacted!(EncryptedData);

impl CorrelationId {
    /// Returns a random id (a UUID), such as for a service that logs the id before it makes the call.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
    /// let id = d1_facade::CorrelationId::random();
    /// println!("suspends {}, correlation id {id}", card.id());
    /// card.suspend().correlation_id(id).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn random() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        // A UUID is 36 hexadecimal digits and hyphens: the patterns of card calls and of the token exchange take it. Should the pattern
        // ever be narrowed, this is what is left of it.
        Self(text.parse().unwrap_or_else(|_| unreachable_pattern()))
    }
}

impl Reason {
    /// Returns a random reason of letters, by which [`reconcile`](crate::Client::reconcile) tells a change apart from
    /// each other one of its card.
    ///
    /// For services whose order numbers a reason cannot be: it takes no hyphens, and a long number may look like a card
    /// number.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client, card: d1_facade::Card) -> Result<(), d1_facade::Error> {
    /// let suspend = card.suspend().reason(d1_facade::Reason::random());
    /// let pending = suspend.pending();
    /// if suspend.await.is_err() {
    ///     let result = d1.reconcile(&pending).unique_reason().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn random() -> Self {
        let letters = uuid::Uuid::new_v4().into_bytes();
        let letters = letters.map(|byte| char::from(b'a' + byte % 26));
        let text = String::from_iter(letters);
        Self(
            text.parse()
                .unwrap_or_else(|_| unreachable!("letters are allowed")),
        )
    }
}

/// Returns the shortest text that the pattern could ever be narrowed to.
fn unreachable_pattern() -> types::CardCorrelationId {
    "0".parse()
        .unwrap_or_else(|_| unreachable!("no correlation id is valid"))
}

/// The id of an operation (D1: `operationId`): 1 to 64 letters, digits, `_` or `-`
/// (`^[A-Za-z0-9_-]{1,64}$`).
///
/// D1 assigns it and returns it in lists of operations; whether the response to a change has it is not documented. One
/// that D1 returned is kept as received even if it breaks that rule, which is checked again when the id is
/// used.
///
/// ```
/// use d1_facade::OperationId;
///
/// let operation: OperationId = "op-0001".parse()?;
/// assert_eq!(operation.as_str(), "op-0001");
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(String);

/// Shows the id, masked as [`Display`](fmt::Display) does.
impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OperationId")
            .field(&mask_id(&self.0))
            .finish()
    }
}

impl OperationId {
    /// Returns the id as D1 returned it: it is not masked.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id that D1 returned, whatever it is.
    pub(crate) fn returned(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the id for a path, if the pattern allows it there.
    pub(crate) fn to_raw(&self) -> Result<types::OperationId, InvalidInput> {
        self.0
            .parse()
            .map_err(|_| InvalidInput::of_text("operationId", &OPERATION_ID_RULE, &self.0))
    }
}

impl FromStr for OperationId {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let id = Self(text.to_owned());
        id.to_raw().map(|_| id)
    }
}

/// Shows the id, with what looks like a card number or a token masked: D1 may return anything as an id.
/// [`as_str`](OperationId::as_str) returns it as received.
impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_id(&self.0))
    }
}

text_traits!(OperationId, OPERATION_ID_RULE);
