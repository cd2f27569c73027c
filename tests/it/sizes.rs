//! No file and no function is longer than what a reader can keep in mind, tests included.

use std::path::Path;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};
use walkdir::{DirEntry, WalkDir};
use xtask::spec::workspace_root;

const LINES_OF_A_FILE: usize = 400;
const LINES_OF_A_FUNCTION: usize = 60;

/// The functions of a file that are too long, from `fn` to the closing brace.
#[derive(Default)]
struct TooLong(Vec<String>);

impl TooLong {
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let lines = block.span().end().line - signature.span().start().line + 1;
        if lines > LINES_OF_A_FUNCTION {
            self.0
                .push(format!("{} has {lines} lines", signature.ident));
        }
    }
}

impl<'ast> Visit<'ast> for TooLong {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn is_written_here(entry: &DirEntry) -> bool {
    !["target", ".git", "node_modules"]
        .iter()
        .any(|name| entry.file_name() == *name)
}

/// What is too long in a file. One that is generated may be.
fn too_long(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    if text.starts_with("// @generated") {
        return Vec::new();
    }
    let mut found = TooLong::default();
    let lines = text.lines().count();
    if lines > LINES_OF_A_FILE {
        found.0.push(format!("{lines} lines"));
    }
    found.visit_file(&syn::parse_file(&text).unwrap());
    found
        .0
        .iter()
        .map(|what| format!("{}: {what}", path.display()))
        .collect()
}

#[test]
fn files_and_functions_are_short() {
    let entries = WalkDir::new(workspace_root())
        .into_iter()
        .filter_entry(is_written_here);
    let files = entries.map(|entry| entry.unwrap().into_path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect();
    assert!(files.len() > 200);
    let found: Vec<String> = files.iter().flat_map(|path| too_long(path)).collect();
    assert!(found.is_empty(), "{found:#?}");
}
