//! Makes `d1-facade/src/values/generated.rs`: the open lists of values and the operations, as services see them.

use heck::ToLowerCamelCase as _;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use serde_json::Value;

use crate::error::Error;
use crate::spec::{Operation, entries, list, operations, schemas, text};
use crate::tokens::{constant, ident};

pub(crate) const HEADING: &str =
    "//! The values that D1 may extend, and the operations of its API, as the spec lists them.\n";

/// The values and the operations, not yet formatted.
pub(crate) fn generate(spec: &Value) -> Result<syn::File, Error> {
    let enums = schemas(spec).filter_map(|(name, schema)| {
        let values = texts(schema, "x-extensible-enum");
        (!values.is_empty()).then(|| open_enum(name, schema, &values))
    });
    let operations = operation_enum(spec, &operations(spec));
    syn::parse2(quote! {
        use std::fmt;
        use std::str::FromStr;

        use d1_generated::error_table::{self, ErrorRow};
        use d1_generated::{constants, types};

        use super::input::InvalidInput;
        use super::method::Method;
        use crate::redact::{mask, mask_id};

        #(#enums)*
        #operations
    })
    .map_err(Error::generator)
}

/// An enum of the known values, and of any other one as it came.
fn open_enum(name: &str, schema: &Value, values: &[&str]) -> TokenStream {
    let ident = ident(name);
    let variants: Vec<Ident> = values.iter().map(|value| self::ident(value)).collect();
    let docs = doc_lines(&enum_doc(name, schema, values));
    let variant_docs = values.iter().map(|value| value_doc(schema, value));
    let pattern = schema.get("pattern").map(|_| {
        let (field, rule) = (name.to_lower_camel_case(), constant(name, "RULE"));
        quote!(matching #field #rule)
    });
    // A list with a pattern is one that callers choose from.
    let texts = pattern.as_ref().map(|_| enum_texts(name, schema, values));
    quote! {
        #(#[doc = #docs])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum #ident {
            #(#[doc = #variant_docs] #variants,)*
            /// A value that this version of the crate does not know, as received.
            Unknown(String),
        }

        open_enum!(#ident #pattern, #(#variants #values),*);

        #texts
    }
}

/// What the spec says of a list of values, for programs that show it to their users.
fn enum_texts(name: &str, schema: &Value, values: &[&str]) -> TokenStream {
    let (ident, description) = (ident(name), text(schema, "description").trim());
    let variants = values.iter().map(|value| self::ident(value));
    let meanings = values
        .iter()
        .map(|value| match description_of(schema, value) {
            Some(meaning) => quote!(Some(#meaning)),
            None => quote!(None),
        });
    let example = doc_lines(&format!(
        "```\nuse d1_facade::{name};\n\nfor value in {name}::KNOWN {{\n    \
         println!(\"{{value}}: {{}}\", value.meaning().unwrap_or_default());\n}}\n```"
    ));
    quote! {
        impl #ident {
            /// Describes the list: when a value is sent, and which rules D1 documents for it.
            pub const DESCRIPTION: &'static str = #description;

            /// Returns what the value means, as a sentence; `None` for one that this version does not know.
            ///
            #(#[doc = #example])*
            #[must_use]
            pub const fn meaning(&self) -> Option<&'static str> {
                match self {
                    #(Self::#variants => #meanings,)*
                    Self::Unknown(_) => None,
                }
            }
        }
    }
}

fn description_of<'v>(schema: &'v Value, value: &str) -> Option<&'v str> {
    schema.get("x-d1-value-descriptions")?.get(value)?.as_str()
}

/// The description of a list of values, what holds when none is sent, and an example.
fn enum_doc(name: &str, schema: &Value, values: &[&str]) -> String {
    let mut doc = text(schema, "description").trim().to_owned();
    if let Some(default) = schema.get("x-d1-default").and_then(Value::as_str) {
        doc += &format!("\n\nThe default is `{default}`.");
    }
    let Some(known) = values.first() else {
        return doc;
    };
    let variant = ident(known);
    doc += &format!(
        "\n\nD1 may add values: one that this version does not know is kept as received.\n\n\
         ```\nuse d1_facade::{name};\n\n\
         assert_eq!(\"{known}\".parse::<{name}>()?, {name}::{variant});\n\
         assert_eq!(\"ANOTHER\".parse::<{name}>()?.as_str(), \"ANOTHER\");\n\
         # Ok::<(), d1_facade::InvalidInput>(())\n```"
    );
    doc
}

fn value_doc(schema: &Value, value: &str) -> String {
    match description_of(schema, value) {
        Some(description) => format!(" {description} (D1: `{value}`)"),
        None => format!(" D1: `{value}`."),
    }
}

/// The operations as an enum: what the spec says of each of them.
fn operation_enum(spec: &Value, operations: &[Operation<'_>]) -> TokenStream {
    let variants: Vec<Ident> = operations.iter().map(|o| ident(&o.name())).collect();
    let docs = operations
        .iter()
        .map(|o| format!(" {}.", text(o.object, "summary")));
    let methods = operation_methods(spec, operations, &variants);
    quote! {
        /// An operation of D1's API.
        ///
        /// ```
        /// use d1_facade::ApiOperation;
        ///
        /// let operation: ApiOperation = "suspendCard".parse()?;
        /// assert_eq!(operation, ApiOperation::SuspendCard);
        /// assert!(operation.changes_card());
        /// # Ok::<(), d1_facade::InvalidInput>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ApiOperation {
            #(#[doc = #docs] #variants,)*
            /// A [raw call](crate::Client::request): to a path that the client has no method for.
            Raw(Method),
        }

        #methods
    }
}

/// What the spec says of each operation, as methods.
fn operation_methods(
    spec: &Value,
    operations: &[Operation<'_>],
    variants: &[Ident],
) -> TokenStream {
    let ids = operations.iter().map(Operation::name);
    let methods = operations.iter().map(|o| o.method.to_uppercase());
    let paths = operations.iter().map(|o| o.path);
    let codes = operations.iter().map(reason_codes);
    let internal = internal_methods(spec, operations, variants);
    quote! {
        impl ApiOperation {
            /// Lists every operation of the spec.
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];

            /// Returns its `operationId` in the spec, such as `suspendCard`; that of a raw call is of this crate, such as
            /// `rawPost`.
            #[must_use]
            pub const fn operation_id(self) -> &'static str {
                match self { #(Self::#variants => #ids,)* Self::Raw(method) => method.raw_id() }
            }

            /// Returns the HTTP method, such as `POST`.
            #[must_use]
            pub const fn method(self) -> &'static str {
                match self { #(Self::#variants => #methods,)* Self::Raw(method) => method.as_str() }
            }

            /// Returns the path template, such as `/banking/v1/issuers/{issuerId}/cards/{cardId}/operations`; `/{path}` for
            /// a raw call.
            #[must_use]
            pub const fn url_template(self) -> &'static str {
                match self { #(Self::#variants => #paths,)* Self::Raw(_) => "/{path}" }
            }

            /// Returns the reason codes (D1: `reasonCode`) that are documented for this operation.
            ///
            /// They are those of the V2 card API, and `ISSUER_DECISION`, which is the only one documented for V1.
            /// D1 may accept others. Empty for operations without a reason code.
            ///
            /// ```
            /// use d1_facade::ApiOperation;
            ///
            /// assert!(ApiOperation::ResumeCard.reason_codes().contains(&"CARD_FOUND"));
            /// ```
            #[must_use]
            pub const fn reason_codes(self) -> &'static [&'static str] {
                match self { #(Self::#variants => #codes,)* Self::Raw(_) => &[] }
            }
        }

        #internal
    }
}

/// The methods of an operation that the facade alone needs.
fn internal_methods(spec: &Value, operations: &[Operation<'_>], variants: &[Ident]) -> TokenStream {
    let errors = operations.iter().map(|o| constant(&o.name(), "ERRORS"));
    let fields = operations.iter().map(|o| body_fields(spec, o));
    quote! {
        impl ApiOperation {
            /// Returns the fields of the JSON body that have a method of their own.
            pub(crate) const fn body_fields(self) -> &'static [&'static str] {
                match self { #(Self::#variants => #fields,)* Self::Raw(_) => &[] }
            }

            /// Returns the documented errors, in the order of the spec.
            pub(crate) const fn errors(self) -> &'static [ErrorRow] {
                match self { #(Self::#variants => error_table::#errors,)* Self::Raw(_) => &[] }
            }
        }
    }
}

/// The documented reason codes of an operation, from `x-d1-reason-codes`.
fn reason_codes(operation: &Operation<'_>) -> TokenStream {
    let codes = texts(operation.object, "x-d1-reason-codes");
    quote! { &[#(#codes),*] }
}

/// The fields of a JSON body that the client itself sets.
fn body_fields(spec: &Value, operation: &Operation<'_>) -> TokenStream {
    let body = operation.json_body(spec).unwrap_or(&Value::Null);
    let fields = entries(body, "properties");
    let fields = fields.filter(|(_, field)| field.get("x-d1-reserved").is_none());
    let names = fields.map(|(name, _)| name);
    quote! { &[#(#names),*] }
}

/// The texts of a list.
fn texts<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    list(value, key).iter().filter_map(Value::as_str).collect()
}

/// A text as lines of a doc comment.
fn doc_lines(text: &str) -> Vec<String> {
    let line = |line: &str| match line {
        "" => String::new(),
        line => format!(" {line}"),
    };
    text.lines().map(line).collect()
}
