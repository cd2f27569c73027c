//! The shape of every list of values that D1 may grow.

/// Defines an open enum: the known values by name, and any other as `Unknown`, which goes back over
/// the wire as it came.
macro_rules! open_enum {
    (
        $(#[$doc:meta])*
        $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident = $text:literal, )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_doc])* #[doc = concat!(" (D1: `", $text, "`)")] $variant, )+
            /// A value that this version of the crate does not know, as it came.
            Unknown(String),
        }

        impl $name {
            /// The values that this version knows.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The value as D1 writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Unknown(text) => text,
                }
            }

            #[allow(dead_code)] // Not every open value comes from D1.
            pub(crate) fn from_wire(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $( Self::$variant => f.write_str(stringify!($variant)), )+
                    // What is not known may be anything.
                    Self::Unknown(text) => {
                        f.debug_tuple("Unknown").field(&crate::redact::mask(text)).finish()
                    }
                }
            }
        }

        /// Shows the value, with what looks like a card number or a token masked: D1 may send anything.
        /// [`as_str`](Self::as_str) returns it as it came.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::redact::mask_id(self.as_str()))
            }
        }
    };
}

pub(crate) use open_enum;
