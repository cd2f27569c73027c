//! Makes `constants.rs`: what the spec says and progenitor does not carry over.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use serde_json::Value;

use crate::error::Error;
use crate::spec::{operations, rust_name};

pub(crate) const HEADING: &str = "//! Constants of the spec that the generated client does not have: hosts, defaults, bounds, rules.\n";

/// The constants, not yet formatted.
pub(crate) fn generate(spec: &Value) -> Result<syn::File, Error> {
    let parts = [
        servers(spec),
        defaults(spec),
        query_bounds(spec),
        query_parameters(spec),
        string_bounds(spec),
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
    let list = spec.get("servers").and_then(Value::as_array);
    let consts = list.into_iter().flatten().filter_map(|server| {
        let name = server.get("x-d1-environment")?.as_str()?;
        let url = server.get("url")?.as_str()?;
        let ident = constant(name, "SERVER");
        let doc = format!(" The host of the {name} environment.");
        Some(quote! { #[doc = #doc] pub const #ident: &str = #url; })
    });
    quote! { #(#consts)* }
}

/// `REASON_CODE_DEFAULT` and its like, from `x-d1-default` of schemas and of their properties.
fn defaults(spec: &Value) -> TokenStream {
    let of = |name: &str, value: Option<&Value>, ident: Ident| {
        let doc = format!(" What holds for `{name}` when nothing is said.");
        match value? {
            Value::String(text) => Some(quote! { #[doc = #doc] pub const #ident: &str = #text; }),
            Value::Number(number) => {
                let number = number.as_u64()?;
                Some(quote! { #[doc = #doc] pub const #ident: u64 = #number; })
            }
            _ => None,
        }
    };
    let consts = schemas(spec).flat_map(|(name, schema)| {
        let own = of(name, schema.get("x-d1-default"), constant(name, "DEFAULT"));
        let inner = properties(schema).filter_map(|(property, value)| {
            let suffix = format!("{}_DEFAULT", constant(property, ""));
            let ident = constant(name, &suffix);
            of(
                &format!("{name}.{property}"),
                value.get("x-d1-default"),
                ident,
            )
        });
        own.into_iter().chain(inner).collect::<Vec<_>>()
    });
    quote! { #(#consts)* }
}

/// `LIST_OPERATIONS_LIMIT` and its like, from the bounds of integer query parameters.
fn query_bounds(spec: &Value) -> TokenStream {
    let operations = operations(spec);
    let consts = operations.iter().flat_map(|operation| {
        operation
            .parameters(spec)
            .into_iter()
            .filter_map(|parameter| {
                let schema = parameter.get("schema")?;
                if parameter.get("in")? != "query" || schema.get("type")? != "integer" {
                    return None;
                }
                let name = parameter.get("name")?.as_str()?;
                let suffix = constant(&rust_name(name, parameter), "").to_string();
                let ident = constant(&operation.name(), &suffix);
                let doc = format!(
                    " The bounds of `{name}` of `{}`; the generated client does not check them.",
                    operation.name()
                );
                let bound = |key: &str| match schema.get(key).and_then(Value::as_i64) {
                    Some(v) => quote!(Some(#v)),
                    None => quote!(None),
                };
                let (minimum, maximum, default) =
                    (bound("minimum"), bound("maximum"), bound("default"));
                Some(quote! {
                    #[doc = #doc]
                    pub const #ident: IntegerBounds = IntegerBounds {
                        minimum: #minimum,
                        maximum: #maximum,
                        default: #default,
                    };
                })
            })
            .collect::<Vec<_>>()
    });
    quote! { #(#consts)* }
}

/// `QUERY_PARAMETERS`: the names on the wire, so that nothing else is sent by one of them.
fn query_parameters(spec: &Value) -> TokenStream {
    let mut names = std::collections::BTreeSet::new();
    for operation in operations(spec) {
        for parameter in operation.parameters(spec) {
            let name = parameter.get("name").and_then(Value::as_str);
            if let Some(name) = name.filter(|_| parameter.get("in").is_some_and(|i| i == "query")) {
                names.insert(name.to_owned());
            }
        }
    }
    let names = names.iter();
    quote! {
        /// The documented query parameters of all operations.
        pub const QUERY_PARAMETERS: &[&str] = &[#(#names),*];
    }
}

/// `REASON_RULE` and its like: the pattern of each patterned schema, to be told to callers.
fn string_bounds(spec: &Value) -> TokenStream {
    let consts = schemas(spec).filter_map(|(name, schema)| {
        let pattern = schema.get("pattern")?.as_str()?;
        let rule = match schema.get("maxLength").and_then(Value::as_u64) {
            Some(max) => format!("must match {pattern} and have at most {max} characters"),
            None => format!("must match {pattern}"),
        };
        let ident = constant(name, "RULE");
        let doc = format!(" The rule of `{name}`, in words for a caller.");
        Some(quote! { #[doc = #doc] pub const #ident: &str = #rule; })
    });
    quote! { #(#consts)* }
}

fn sent_claims(spec: &Value) -> Result<TokenStream, Error> {
    const LOCATION: &str = "components.schemas.AssertionClaims.x-d1-sent-claims";
    let claims = spec
        .pointer("/components/schemas/AssertionClaims/x-d1-sent-claims")
        .and_then(Value::as_array)
        .ok_or_else(|| Error::at(LOCATION, "must list the claims to send"))?;
    let variants = claims
        .iter()
        .map(|claim| match claim.as_str() {
            Some("iss") => Ok(quote!(Claim::Iss)),
            Some("sub") => Ok(quote!(Claim::Sub)),
            Some("aud") => Ok(quote!(Claim::Aud)),
            Some("iat") => Ok(quote!(Claim::Iat)),
            Some("exp") => Ok(quote!(Claim::Exp)),
            Some("jti") => Ok(quote!(Claim::Jti)),
            _ => Err(Error::at(
                LOCATION,
                format!("{claim} is none of iss, sub, aud, iat, exp, jti"),
            )),
        })
        .collect::<Result<Vec<_>, _>>()?;
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
        pub const ASSERTION_SENT_CLAIMS: &[Claim] = &[#(#variants),*];
    })
}

pub(crate) fn schemas(spec: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let map = spec
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    map.into_iter().flatten()
}

pub(crate) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let map = schema.get("properties").and_then(Value::as_object);
    map.into_iter().flatten()
}

/// `ReasonCode` and `RULE` as `REASON_CODE_RULE`.
pub(crate) fn constant(name: &str, suffix: &str) -> Ident {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            out.push('_');
        }
        // Whatever else a name of the spec may have, an identifier has none of it.
        out.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        });
    }
    if !suffix.is_empty() {
        out.push('_');
        out.push_str(suffix);
    }
    Ident::new(&out, Span::call_site())
}
