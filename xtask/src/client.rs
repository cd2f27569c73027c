//! Makes `generated.rs`: the client as progenitor writes it, wire names put back.

use openapiv3::OpenAPI;
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TagStyle};
use quote::quote;
use syn::visit_mut::VisitMut;

use crate::error::Error;
use crate::normalize::{Normalized, WireName};

/// The generated client, not yet formatted.
///
/// # Errors
/// When the document is not OpenAPI 3.0, or the generator refuses it.
pub(crate) fn generate(normalized: &Normalized) -> Result<syn::File, Error> {
    let document: OpenAPI =
        serde_json::from_value(normalized.spec.clone()).map_err(|e| Error::Parse(e.to_string()))?;

    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_tag(TagStyle::Merged)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::hooks::CallContext))
        // Ordered, so that what is sent does not change from run to run.
        .with_map_type("::std::collections::BTreeMap");
    let tokens = Generator::new(&settings)
        .generate_tokens(&document)
        .map_err(|e| Error::Generate(e.to_string()))?;

    let mut file: syn::File = syn::parse2(tokens).map_err(|e| Error::Generate(e.to_string()))?;
    put_back_wire_names(&mut file, &normalized.wire_names)?;
    DocLines.visit_file_mut(&mut file);
    Ok(file)
}

/// Gives each field of `names` the serde attribute that carries its name on the wire.
fn put_back_wire_names(file: &mut syn::File, names: &[WireName]) -> Result<(), Error> {
    for name in names {
        let mut renamer = Renamer { name, done: false };
        renamer.visit_file_mut(file);
        if !renamer.done {
            return Err(Error::spec(
                format!("components.schemas.{}.{}", name.schema, name.wire),
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
    done: bool,
}

impl VisitMut for Renamer<'_> {
    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        if item.ident != self.name.schema {
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
