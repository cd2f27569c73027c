//! Makes `constants.rs`: what the spec says and progenitor does not carry over.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;

use crate::error::Error;
use crate::spec::{Operation, entries, list, operations, rust_name, schemas, text};
use crate::text_rules;
use crate::tokens::{constant, ident, optional};

pub(crate) const HEADING: &str = "//! Constants of the spec that the generated client does not have: hosts, defaults, bounds, rules.\n";

/// The constants, not yet formatted.
pub(crate) fn generate(spec: &Value) -> Result<syn::File, Error> {
    let parts = [
        servers(spec),
        defaults(spec),
        query_bounds(spec),
        query_names(spec),
        text_rules::generate(spec),
        sent_claims(spec)?,
    ];
    syn::parse2(quote! {
        /// The bounds of an integer parameter.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct IntegerBounds {
            /// The least value.
            pub minimum: Option<i64>,
            /// The greatest value.
            pub maximum: Option<i64>,
            /// The value that D1 takes when none is sent.
            pub default: Option<i64>,
        }

        #(#parts)*
    })
    .map_err(Error::generator)
}

/// `PRODUCTION_SERVER` and its like, from `x-d1-environment` of each server.
fn servers(spec: &Value) -> TokenStream {
    let consts = list(spec, "servers").iter().map(|server| {
        let (name, url) = (text(server, "x-d1-environment"), text(server, "url"));
        let ident = constant(name, "SERVER");
        let doc = format!(" The host of the {name} environment.");
        quote! { #[doc = #doc] pub const #ident: &str = #url; }
    });
    quote! { #(#consts)* }
}

/// `REASON_CODE_DEFAULT` and its like, from `x-d1-default` of schemas and of their properties.
fn defaults(spec: &Value) -> TokenStream {
    let default = |name: &str, ident: Ident, schema: &Value| {
        let doc = format!(" What holds for `{name}` when nothing is said.");
        let (kind, value) = match schema.get("x-d1-default")? {
            Value::String(text) => (quote!(&str), text.to_token_stream()),
            number => (quote!(u64), number.as_u64()?.to_token_stream()),
        };
        Some(quote! { #[doc = #doc] pub const #ident: #kind = #value; })
    };
    let mut consts = Vec::new();
    for (name, schema) in schemas(spec) {
        consts.extend(default(name, constant(name, "DEFAULT"), schema));
        for (property, schema) in entries(schema, "properties") {
            let ident = format_ident!("{}_DEFAULT", constant(name, property));
            consts.extend(default(&format!("{name}.{property}"), ident, schema));
        }
    }
    quote! { #(#consts)* }
}

/// The query parameters of an operation.
fn query<'s>(operation: &'s Operation<'_>, spec: &'s Value) -> impl Iterator<Item = &'s Value> {
    let parameters = operation.parameters(spec).into_iter();
    parameters.filter(|parameter| text(parameter, "in") == "query")
}

/// `LIST_OPERATIONS_LIMIT` and its like, from the bounds of integer query parameters.
fn query_bounds(spec: &Value) -> TokenStream {
    let mut consts = Vec::new();
    for operation in operations(spec) {
        for parameter in query(&operation, spec) {
            let schema = &parameter["schema"];
            if text(schema, "type") != "integer" {
                continue;
            }
            let (name, owner) = (text(parameter, "name"), operation.name());
            let ident = constant(&owner, &rust_name(name, parameter));
            let doc = format!(
                " The bounds of `{name}` of `{owner}`; the generated client does not check them."
            );
            let [minimum, maximum, default] = ["minimum", "maximum", "default"]
                .map(|key| optional(schema.get(key).and_then(Value::as_i64)));
            consts.push(quote! {
                #[doc = #doc]
                pub const #ident: IntegerBounds = IntegerBounds {
                    minimum: #minimum,
                    maximum: #maximum,
                    default: #default,
                };
            });
        }
    }
    quote! { #(#consts)* }
}

/// `QUERY_PARAMETERS`: the names on the wire, so that nothing else is sent by one of them.
fn query_names(spec: &Value) -> TokenStream {
    let mut names = BTreeSet::new();
    for operation in operations(spec) {
        names.extend(query(&operation, spec).map(|parameter| text(parameter, "name").to_owned()));
    }
    let names = names.iter();
    quote! {
        /// The documented query parameters of all operations.
        pub const QUERY_PARAMETERS: &[&str] = &[#(#names),*];
    }
}

fn sent_claims(spec: &Value) -> Result<TokenStream, Error> {
    const KEY: &str = "x-d1-sent-claims";
    let claims = list(&spec["components"]["schemas"]["AssertionClaims"], KEY);
    if claims.is_empty() {
        let place = format!("components.schemas.AssertionClaims.{KEY}");
        return Err(Error::at(place, "must list the claims to send"));
    }
    let variants = claims.iter().filter_map(Value::as_str).map(ident);
    Ok(quote! {
        /// A claim of the assertion that an access token is traded for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Claim {
            /// Who makes the assertion.
            Iss,
            /// Whom it speaks for.
            Sub,
            /// Whom it is made for.
            Aud,
            /// When it was made.
            Iat,
            /// When it ends.
            Exp,
            /// Its id.
            Jti,
        }

        /// The claims that are sent unless the caller says otherwise.
        pub const ASSERTION_SENT_CLAIMS: &[Claim] = &[#(Claim::#variants),*];
    })
}
