//! Makes `error_table.rs`: the rows of `x-d1-errors` of each operation.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value;

use crate::error::Error;
use crate::spec::{Operation, list, operations, text};
use crate::tokens::{constant, ident, optional};

pub(crate) const HEADING: &str = "//! What each error status of each operation means.\n";

/// The error table, not yet formatted.
pub(crate) fn generate(spec: &Value) -> Result<syn::File, Error> {
    let operations = operations(spec);
    let rows: Vec<_> = operations.iter().map(|o| error_rows(spec, o)).collect();
    let conditions = condition_enum(rows.iter().flatten().map(|(_, row)| *row));
    let tables = operations.iter().zip(&rows).map(|(o, rows)| table(o, rows));
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

/// The rows of an operation with their status, in the order of the spec. Only a single status has rows: the lint refuses
/// those of `2XX`.
pub(crate) fn error_rows<'s>(
    spec: &'s Value,
    operation: &'s Operation<'_>,
) -> Vec<(u16, &'s Value)> {
    let mut rows = Vec::new();
    for (status, response) in operation.responses(spec) {
        if let Ok(status) = status.parse() {
            rows.extend(
                list(response, "x-d1-errors")
                    .iter()
                    .map(|row| (status, row)),
            );
        }
    }
    rows
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

/// `SUSPEND_CARD_ERRORS` and its like: the rows of one operation.
fn table(operation: &Operation<'_>, rows: &[(u16, &Value)]) -> TokenStream {
    let rows = rows.iter().map(|(status, row)| row_literal(*status, row));
    let ident = constant(&operation.name(), "ERRORS");
    let doc = format!(" The documented errors of `{}`.", operation.name());
    quote! { #[doc = #doc] pub const #ident: &[ErrorRow] = &[#(#rows),*]; }
}

fn condition_enum<'s>(rows: impl Iterator<Item = &'s Value>) -> TokenStream {
    let used: BTreeSet<&str> = rows.flat_map(conditions).collect();
    let mut known = CONDITIONS.to_vec();
    known.sort_unstable();
    known.retain(|(name, ..)| used.contains(name));
    let variants = known.iter().map(|(name, ..)| ident(name));
    let docs = known.iter().map(|(_, doc, _)| format!(" {doc}"));
    quote! {
        /// Something about a request that decides whether a row can apply to it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            #(#[doc = #docs] #variants),*
        }
    }
}

fn row_literal(status: u16, row: &Value) -> TokenStream {
    let code = optional(row.get("code").and_then(Value::as_str));
    let retryable = optional(row.get("retryable").and_then(Value::as_bool));
    let (meaning, advice) = (text(row, "meaning"), text(row, "advice"));
    let migrated = text(row, "tenant") == "migrated";
    let when = conditions(row).map(ident);
    quote! {
        ErrorRow {
            status: #status,
            code: #code,
            retryable: #retryable,
            meaning: #meaning,
            advice: #advice,
            migrated: #migrated,
            when: &[#(Condition::#when),*],
        }
    }
}

/// The conditions that a row names.
pub(crate) fn conditions(row: &Value) -> impl Iterator<Item = &str> {
    list(row, "when").iter().filter_map(Value::as_str)
}
