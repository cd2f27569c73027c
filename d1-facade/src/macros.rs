//! What several types have in common: what is shown of those that hold secrets, and how texts become values.

/// Implements `Debug` by these fields alone: one that the type gets later is not shown.
macro_rules! debug_fields {
    ($type:ident $(, $field:ident)*) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

/// Implements `Debug` by the name of the type.
macro_rules! debug_redacted {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "([redacted])"))
            }
        }
    };
}

/// Implements the conversions from text, for a type with `FromStr`.
macro_rules! try_from_text {
    ($name:ident) => {
        impl TryFrom<&str> for $name {
            type Error = InvalidInput;

            fn try_from(text: &str) -> Result<Self, InvalidInput> {
                text.parse()
            }
        }

        /// The text is wiped, whether it is accepted or refused.
        impl TryFrom<String> for $name {
            type Error = InvalidInput;

            fn try_from(text: String) -> Result<Self, InvalidInput> {
                zeroize::Zeroizing::new(text).parse()
            }
        }
    };
}
