//! What the types of values have in common: how they are written and read as text.

/// Serializes a type as the text that `$text` returns, and reads it back with `$read`. Its JSON schema is that of a
/// string, with `$key` as `$value` says.
macro_rules! serde_as_text {
    ($name:ident, $text:ident, $read:expr, $key:literal: $value:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.$text())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                let read: fn(&str) -> Result<Self, InvalidInput> = $read;
                read(&text).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schemars")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", $key: $value})
            }
        }
    };
}

/// Implements what every validated text has: it is read from text with `FromStr`, and shows its text with `as_str`.
macro_rules! text_traits {
    ($name:ident, $rule:expr) => {
        try_from_text!($name);

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        serde_as_text!($name, as_str, str::parse, "pattern": $rule.pattern);
    };
}

/// Implements an enum of values that D1 may extend: its variants, as D1 writes them, and `Unknown(String)`.
///
/// A value that a caller gives must match the pattern of the spec, where it has one: `$field` and `$rule` are what
/// the error names.
macro_rules! open_enum {
    ($name:ident $(matching $field:literal $rule:ident)?, $($variant:ident $text:literal),+) => {
        impl $name {
            /// Lists the values that this version knows, such as for the help of a program. D1 may send others.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the value as D1 writes it; an unknown one as received, not masked.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(text) => text,
                }
            }

            /// Returns the value that D1 sent, whatever it is.
            pub(crate) fn from_wire(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        /// Reads a value, known or not.
        impl FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                $(
                    if text.parse::<types::$name>().is_err() {
                        return Err(InvalidInput::of_text($field, &constants::$rule, text));
                    }
                )?
                Ok(Self::from_wire(text))
            }
        }

        /// Shows an unknown value with what looks like a card number or a token masked: D1 may send anything.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str(stringify!($variant)),)+
                    Self::Unknown(text) => f.debug_tuple("Unknown").field(&mask(text)).finish(),
                }
            }
        }

        /// Shows the value, with what looks like a card number or a token masked: D1 may send anything.
        /// [`as_str`](Self::as_str) returns it as received.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&mask_id(self.as_str()))
            }
        }

        serde_as_text!($name, as_str, |text| Ok(Self::from_wire(text)), "examples": [$($text),+]);
    };
}
