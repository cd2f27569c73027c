//! Makes `generated.rs`: the client as progenitor writes it, wire names put back.

use heck::ToSnakeCase as _;
use openapiv3::OpenAPI;
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TagStyle};
use quote::quote;
use syn::visit_mut::VisitMut;

use crate::error::Error;
use crate::normalize::{Normalized, Owner, WireName};
use crate::strip::strip;

/// The generated client, not yet formatted.
///
/// # Errors
/// When the document is not OpenAPI 3.0, or the generator refuses it.
pub fn generate(normalized: &Normalized) -> Result<syn::File, Error> {
    let document: OpenAPI = serde_json::from_value(normalized.spec.clone())
        .map_err(|e| Error::at("the spec cannot be read", e))?;

    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_tag(TagStyle::Merged)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::hooks::CallContext))
        // Ordered, so that what is sent does not change from run to run.
        .with_map_type("::std::collections::BTreeMap");
    // On what it does not know the generator panics rather than returns; either is our error.
    let tokens = std::panic::catch_unwind(move || {
        Generator::new(&settings)
            .generate_tokens(&document)
            .map_err(Error::generator)
    })
    .unwrap_or_else(|panic| Err(Error::generator(panic_text(&*panic))))?;

    let mut file: syn::File = syn::parse2(tokens).map_err(Error::generator)?;
    put_back_wire_names(&mut file, &normalized.wire_names)?;
    strip(&mut file, crate::spec::operations(&normalized.spec).len())?;
    DocLines.visit_file_mut(&mut file);
    Ok(file)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("no message"))
}

/// Gives each of `names` its name on the wire: a field by a serde attribute, a query parameter where
/// it is sent.
fn put_back_wire_names(file: &mut syn::File, names: &[WireName]) -> Result<(), Error> {
    for name in names {
        let mut renamer = Renamer {
            name,
            method: match &name.owner {
                Owner::Operation(id) => Some(id.to_snake_case()),
                Owner::Schema(_) => None,
            },
            inside: false,
            done: false,
        };
        renamer.visit_file_mut(file);
        if !renamer.done {
            let location = match &name.owner {
                Owner::Schema(schema) => format!("components.schemas.{schema}.{}", name.wire),
                Owner::Operation(id) => format!("{id} {}", name.wire),
            };
            return Err(Error::at(
                location,
                format!(
                    "x-d1-rust-name is `{}`, but the generator made no such field",
                    name.rust
                ),
            ));
        }
    }
    Ok(())
}

struct Renamer<'a> {
    name: &'a WireName,
    /// The method whose query parameter is renamed.
    method: Option<String>,
    /// Whether the visitor is in that method.
    inside: bool,
    done: bool,
}

impl VisitMut for Renamer<'_> {
    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        if !matches!(&self.name.owner, Owner::Schema(schema) if item.ident == schema) {
            return;
        }
        for field in &mut item.fields {
            if field.ident.as_ref().is_some_and(|i| *i == self.name.rust) {
                let wire = &self.name.wire;
                field
                    .attrs
                    .push(syn::parse_quote!(#[serde(rename = #wire)]));
                self.done = true;
            }
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut syn::ImplItemFn) {
        self.inside = self
            .method
            .as_ref()
            .is_some_and(|m| function.sig.ident == m);
        syn::visit_mut::visit_impl_item_fn_mut(self, function);
        self.inside = false;
    }

    /// `QueryParam::new("name", ..)`.
    fn visit_expr_call_mut(&mut self, call: &mut syn::ExprCall) {
        let is_parameter = match &*call.func {
            syn::Expr::Path(function) => {
                let mut names = function.path.segments.iter().rev();
                names.next().is_some_and(|s| s.ident == "new")
                    && names.next().is_some_and(|s| s.ident == "QueryParam")
            }
            _ => false,
        };
        if let Some(syn::Expr::Lit(literal)) = call.args.first_mut()
            && let syn::Lit::Str(text) = &mut literal.lit
            && self.inside
            && is_parameter
            && text.value() == self.name.rust
        {
            *text = syn::LitStr::new(&self.name.wire, text.span());
            self.done = true;
        }
        syn::visit_mut::visit_expr_call_mut(self, call);
    }
}

/// Writes each line of a doc text as a doc comment of its own.
///
/// A block comment is indented with the code around it, and indented lines are code to rustdoc.
struct DocLines;

impl VisitMut for DocLines {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<syn::Attribute>) {
        *attributes = std::mem::take(attributes)
            .into_iter()
            .flat_map(|attribute| match doc_text(&attribute) {
                Some(text) => text.lines().map(doc_line).collect(),
                None => vec![attribute],
            })
            .collect();
    }
}

/// The text of an outer doc attribute.
fn doc_text(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let outer = matches!(attribute.style, syn::AttrStyle::Outer);
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) if outer && pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

fn doc_line(line: &str) -> syn::Attribute {
    let line = match line.trim() {
        "" => String::new(),
        text => format!(" {text}"),
    };
    syn::parse_quote!(#[doc = #line])
}
