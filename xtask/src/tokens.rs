//! Names and values of the spec as tokens of Rust.

use heck::{ToShoutySnakeCase as _, ToUpperCamelCase as _};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};

/// A name of the spec as a variant or a type: `USER_DECISION`, `user-decision` and `userDecision` as `UserDecision`.
pub(crate) fn ident(name: &str) -> Ident {
    format_ident!("{}", name.to_upper_camel_case())
}

/// `ReasonCode` and `RULE` as `REASON_CODE_RULE`.
pub(crate) fn constant(name: &str, suffix: &str) -> Ident {
    let (name, suffix) = (name.to_shouty_snake_case(), suffix.to_shouty_snake_case());
    format_ident!("{name}_{suffix}")
}

/// A value that may be missing.
pub(crate) fn optional(value: Option<impl ToTokens>) -> TokenStream {
    value.map_or_else(|| quote!(None), |value| quote!(Some(#value)))
}
