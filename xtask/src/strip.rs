//! Removes from the generated client what costs every call and has no use.
//!
//! The generator sends its own `api-version` header, which D1 does not document, and checks patterns
//! with a backtracking engine, which takes twenty times as long as the automata of `regex`. The lint
//! keeps patterns to what both engines read in the same way.

use syn::visit_mut::VisitMut;

use crate::error::Error;

/// Removes both.
///
/// # Errors
/// When the generator does not write what is to be removed: it has changed, and so must this.
pub(crate) fn strip(file: &mut syn::File, operations: usize) -> Result<(), Error> {
    let mut strip = Strip { headers: 0 };
    strip.visit_file_mut(file);
    if strip.headers == operations {
        return Ok(());
    }
    Err(Error::generator(format!(
        "{operations} operations, but {} of them add the header {HEADER}",
        strip.headers
    )))
}

const HEADER: &str = "api-version";

struct Strip {
    headers: usize,
}

impl VisitMut for Strip {
    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        let before = block.stmts.len();
        block.stmts.retain(|statement| !adds_header(statement));
        self.headers += before - block.stmts.len();
        syn::visit_mut::visit_block_mut(self, block);
    }

    /// `PATTERN.find(value).is_none()` says where it matches; only that it does is asked for.
    fn visit_expr_mut(&mut self, expression: &mut syn::Expr) {
        if let syn::Expr::MethodCall(outer) = expression
            && outer.method == "is_none"
            && let syn::Expr::MethodCall(inner) = &*outer.receiver
            && inner.method == "find"
        {
            let (pattern, text) = (&inner.receiver, &inner.args);
            *expression = syn::parse_quote!(!#pattern.is_match(#text));
        }
        syn::visit_mut::visit_expr_mut(self, expression);
    }

    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        if let Some(first) = path.segments.first_mut()
            && first.ident == "regress"
        {
            first.ident = syn::Ident::new("regex", first.ident.span());
        }
        syn::visit_mut::visit_path_mut(self, path);
    }
}

/// `header_map.append(HeaderName::from_static("api-version"), ..);`
fn adds_header(statement: &syn::Stmt) -> bool {
    let syn::Stmt::Expr(syn::Expr::MethodCall(call), _) = statement else {
        return false;
    };
    let Some(syn::Expr::Call(name)) = call.args.first() else {
        return false;
    };
    call.method == "append"
        && matches!(
            name.args.first(),
            Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })) if text.value() == HEADER
        )
}
