//! Makes `error_table.rs`: the rows of `x-d1-errors` of each operation.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use serde_json::Value;

use crate::constants::constant;
use crate::error::Error;
use crate::spec::{Operation, operations, variant};

pub(crate) const HEADING: &str = "//! What each error status of each operation means.\n";

/// The error table, not yet formatted.
pub(crate) fn generate(spec: &Value) -> Result<syn::File, Error> {
    let operations = operations(spec);
    let conditions = condition_enum(spec, &operations)?;
    let tables = operations
        .iter()
        .map(|operation| table(spec, operation))
        .collect::<Result<Vec<_>, Error>>()?;
    syn::parse2(quote! {
        #conditions

        /// What one error of one operation means, as documented.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct ErrorRow {
            /// The HTTP status.
            pub status: u16,
            /// The `errorCode`, where the meaning depends on one.
            pub code: Option<&'static str>,
            /// Whether asking again can help, where that is documented.
            pub retryable: Option<bool>,
            /// What went wrong.
            pub meaning: &'static str,
            /// What to do about it.
            pub advice: &'static str,
            /// Whether only tenants migrated from V1 to V2 see it.
            pub migrated: bool,
            /// What must be true of the request for this row to apply.
            pub when: &'static [Condition],
        }

        #(#tables)*
    })
    .map_err(Error::generator)
}

/// The rows of a response, in order.
pub(crate) fn error_rows(response: &Value) -> impl Iterator<Item = &Value> {
    let rows = response.get("x-d1-errors").and_then(Value::as_array);
    rows.into_iter().flatten()
}

/// The conditions that a row's `when` may name, each with its text and the field of the request body (by its
/// name in Rust) that it depends on; two conditions on one field exclude each other. The facade decides whether
/// a condition is met.
pub(crate) const CONDITIONS: [(&str, &str, &str); 6] = [
    (
        "new-card-id-same",
        "`newCardId` is the id of the card itself.",
        "new_card_id",
    ),
    (
        "new-card-id-differs",
        "`newCardId` is another id than the card's.",
        "new_card_id",
    ),
    (
        "pan-changed",
        "The renewed card has another PAN.",
        "encrypted_data",
    ),
    (
        "pan-same",
        "The renewed card has the same PAN.",
        "encrypted_data",
    ),
    (
        "state-inactive",
        "The renewed card is to be INACTIVE.",
        "state",
    ),
    (
        "reason-code-other-than-default",
        "The reason code is another than the default one.",
        "reason_code",
    ),
];

/// `SUSPEND_CARD_ERRORS` and its like: the rows of one operation, in the order of the spec.
fn table(spec: &Value, operation: &Operation<'_>) -> Result<TokenStream, Error> {
    let mut rows = Vec::new();
    for (status, response) in operation.responses(spec) {
        for row in error_rows(response) {
            let location = format!("{} {status} x-d1-errors", operation.name());
            rows.push(row_literal(status, row, &location)?);
        }
    }
    let ident = constant(&operation.name(), "ERRORS");
    let doc = format!(" The documented errors of `{}`.", operation.name());
    Ok(quote! { #[doc = #doc] pub const #ident: &[ErrorRow] = &[#(#rows),*]; })
}

fn condition_enum(spec: &Value, operations: &[Operation<'_>]) -> Result<TokenStream, Error> {
    let mut used = BTreeSet::new();
    for operation in operations {
        for (status, response) in operation.responses(spec) {
            for name in error_rows(response).flat_map(conditions) {
                let known = CONDITIONS
                    .iter()
                    .find(|(n, ..)| *n == name)
                    .ok_or_else(|| {
                        Error::at(
                            format!("{} {status} x-d1-errors", operation.name()),
                            format!("`when` names the unknown condition `{name}`"),
                        )
                    })?;
                used.insert(known);
            }
        }
    }
    let variants = used.iter().map(|(name, ..)| ident(name));
    let docs = used.iter().map(|(_, doc, _)| format!(" {doc}"));
    Ok(quote! {
        /// Something about a request that decides whether a row can apply to it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            #(#[doc = #docs] #variants),*
        }
    })
}

fn row_literal(status: &str, row: &Value, location: &str) -> Result<TokenStream, Error> {
    let text = |key: &str| {
        row.get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| Error::at(location, format!("a row lacks `{key}`")))
    };
    let status: u16 = status
        .parse()
        .map_err(|_| Error::at(location, "only a single status can have rows"))?;
    let code = optional(row.get("code").and_then(Value::as_str));
    let retryable = optional(row.get("retryable").and_then(Value::as_bool));
    let (meaning, advice) = (text("meaning")?, text("advice")?);
    let migrated = row.get("tenant").and_then(Value::as_str) == Some("migrated");
    let when = conditions(row).map(ident);
    Ok(quote! {
        ErrorRow {
            status: #status,
            code: #code,
            retryable: #retryable,
            meaning: #meaning,
            advice: #advice,
            migrated: #migrated,
            when: &[#(Condition::#when),*],
        }
    })
}

/// The conditions that a row names.
pub(crate) fn conditions(row: &Value) -> impl Iterator<Item = &str> {
    let when = row.get("when").and_then(Value::as_array);
    when.into_iter().flatten().filter_map(Value::as_str)
}

fn optional(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(v) => quote!(Some(#v)),
        None => quote!(None),
    }
}

pub(crate) fn endpoint_variant(operation: &Operation<'_>) -> Ident {
    ident(&operation.name())
}

pub(crate) fn ident(name: &str) -> Ident {
    Ident::new(&variant(name), Span::call_site())
}
