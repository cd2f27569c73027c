//! No modules of a crate form a circle: each can be understood with only what it uses.
//!
//! What a module uses is read from its `use` lines and from every other path in its code. A name that is passed
//! on (`pub use`) counts as used where it is used and not where it is passed on, and as part of the module that
//! defines it. Tests that stand in a module's file are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, ItemUse, UseTree, Visibility};

use crate::workspace::metadata;

/// Whether a circle stands for a reason.
fn is_allowed(crate_name: &str, circle: &[String]) -> bool {
    let allowed: &[&str] = match crate_name {
        // progenitor's client calls the hooks, which are methods of that client.
        "d1_generated" => &["generated", "hooks"],
        _ => &[],
    };
    circle
        .iter()
        .all(|module| allowed.contains(&module.as_str()))
}

/// The names of modules and items from the root of the crate on.
type Name = Vec<String>;

/// What the files of a crate say.
#[derive(Debug, Default)]
struct Modules {
    files: BTreeSet<Name>,
    /// What each `use` brings in, by the name that it gets.
    imports: BTreeMap<Name, Name>,
    /// The paths in the code, beside the module that they stand in.
    uses: Vec<(Name, Name)>,
}

impl Modules {
    fn of(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.read(root, root.parent().unwrap(), &Name::new());
        modules
    }

    /// Reads a module and those below it, whose files stand in `folder`.
    fn read(&mut self, file_path: &Path, folder: &Path, module: &Name) {
        let text = std::fs::read_to_string(file_path).unwrap();
        let file =
            syn::parse_file(&text).unwrap_or_else(|e| unreachable!("{}: {e}", file_path.display()));
        self.files.insert(module.clone());
        let children = children(&file.items);
        let mut reader = Reader {
            modules: self,
            scope: module.clone(),
            file: module,
            children: children
                .iter()
                .map(|child| child.ident.to_string())
                .collect(),
        };
        reader.visit_file(&file);
        for child in children {
            let name = child.ident.to_string();
            let below = folder.join(&name);
            let path = match path_attribute(&child.attrs) {
                Some(path) => file_path.parent().unwrap().join(path),
                None if below.join("mod.rs").exists() => below.join("mod.rs"),
                None => folder.join(format!("{name}.rs")),
            };
            self.read(&path, &below, &[module.as_slice(), &[name]].concat());
        }
    }

    /// The module that defines what `path` leads to.
    fn owner(&self, path: &[String]) -> Name {
        let mut path = path.to_vec();
        // Names that are passed on in a circle do not compile.
        'passed_on: loop {
            for end in (1..=path.len()).rev() {
                if let Some(origin) = self.imports.get(&path[..end])
                    && !self.files.contains(&path[..end])
                    && origin != &path[..end]
                {
                    path = [origin, &path[end..]].concat();
                    continue 'passed_on;
                }
            }
            break;
        }
        let ends = (0..=path.len()).rev();
        let mut modules = ends.map(|end| &path[..end]);
        modules
            .find(|path| self.files.contains(*path))
            .unwrap()
            .to_vec()
    }

    /// The modules that each module uses. What is below it belongs to it.
    fn direct(&self) -> Graph {
        let mut graph = Graph::new();
        for (module, path) in &self.uses {
            let owner = self.owner(path);
            if !owner.starts_with(module) {
                graph.entry(module.clone()).or_default().insert(owner);
            }
        }
        graph
    }

    /// The groups of modules that all use one another, directly or through others, each with who uses whom.
    fn circles(&self) -> BTreeMap<Vec<String>, Vec<String>> {
        let direct = self.direct();
        let all = closure(&direct);
        let mut circles = BTreeMap::<_, Vec<_>>::new();
        for (module, used) in &direct {
            let group = all[module].iter().filter(|other| uses(&all, other, module));
            let group: Vec<String> = group.map(|name| shown(name)).collect();
            for other in used.iter().filter(|other| uses(&all, other, module)) {
                let line = format!("{} uses {}", shown(module), shown(other));
                circles.entry(group.clone()).or_default().push(line);
            }
        }
        circles
    }
}

/// Modules, and those that each of them uses.
type Graph = BTreeMap<Name, BTreeSet<Name>>;

fn uses(graph: &Graph, module: &Name, other: &Name) -> bool {
    graph.get(module).is_some_and(|used| used.contains(other))
}

/// The same, with those that are used through others.
fn closure(direct: &Graph) -> Graph {
    let mut all = direct.clone();
    for through in direct.keys() {
        let further = all[through].clone();
        for used in all.values_mut().filter(|used| used.contains(through)) {
            used.extend(further.iter().cloned());
        }
    }
    all
}

fn shown(module: &[String]) -> String {
    match module {
        [] => "the root".into(),
        names => names.join("::"),
    }
}

/// The modules that have files of their own.
fn children(items: &[Item]) -> Vec<&ItemMod> {
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && !is_test(&module.attrs) => Some(module),
        _ => None,
    });
    modules.collect()
}

fn path_attribute(attributes: &[Attribute]) -> Option<PathBuf> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(path),
                    ..
                }) => Some(path.value().into()),
                _ => None,
            },
            _ => None,
        })
}

/// Whether it is compiled for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// Reads one file.
struct Reader<'a> {
    modules: &'a mut Modules,
    file: &'a Name,
    /// The module of the file, and those inside it.
    scope: Name,
    children: BTreeSet<String>,
}

impl Reader<'_> {
    /// Where a path leads, if that is in this crate.
    fn absolute(&self, path: &[String]) -> Option<Name> {
        let mut scope = self.scope.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => (scope, rest) = (Name::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {}
            first => {
                let is_here = self.children.contains(first) && scope == *self.file;
                let local = [scope.as_slice(), &[first.to_owned()]].concat();
                if !is_here && !self.modules.imports.contains_key(&local) {
                    return None;
                }
            }
        }
        while let [first, after @ ..] = rest
            && first == "super"
        {
            scope.pop();
            rest = after;
        }
        scope.extend_from_slice(rest);
        Some(scope)
    }

    fn note(&mut self, path: &[String]) {
        if let Some(path) = self.absolute(path) {
            self.modules.uses.push((self.file.clone(), path));
        }
    }

    fn import(&mut self, tree: &UseTree, before: &[String], is_passed_on: bool) {
        let (path, name) = match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                return self.import(&path.tree, &before, is_passed_on);
            }
            UseTree::Group(group) => {
                let trees = group.items.iter();
                return trees.for_each(|tree| self.import(tree, before, is_passed_on));
            }
            UseTree::Glob(_) => (before.to_vec(), None),
            UseTree::Name(name) if name.ident == "self" => {
                (before.to_vec(), before.last().cloned())
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                ([before, std::slice::from_ref(&name)].concat(), Some(name))
            }
            UseTree::Rename(name) => {
                let path = [before, &[name.ident.to_string()]].concat();
                (path, Some(name.rename.to_string()))
            }
        };
        let Some(origin) = self.absolute(&path) else {
            return;
        };
        if !is_passed_on {
            self.modules.uses.push((self.file.clone(), origin.clone()));
        }
        if let Some(name) = name {
            let local = [self.scope.as_slice(), &[name]].concat();
            self.modules.imports.insert(local, origin);
        }
    }

    /// The paths in what is given to a macro, which only the macro can parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Name::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.note(&std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.note(&path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            self.scope.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.scope.pop();
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        if !is_test(&block.attrs) {
            visit::visit_item_impl(self, block);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, line: &'ast ItemUse) {
        if !is_test(&line.attrs) {
            let is_passed_on = !matches!(line.vis, Visibility::Inherited);
            self.import(&line.tree, &[], is_passed_on);
        }
    }

    // `pub(crate)` uses nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Name = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.note(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

#[test]
fn no_modules_form_a_circle() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let own = packages.filter(|package| package["source"].is_null());
    let mut found = Vec::new();
    for target in own.flat_map(|package| package["targets"].as_array().unwrap()) {
        let name = target["name"].as_str().unwrap();
        let root = Path::new(target["src_path"].as_str().unwrap());
        let mut circles = Modules::of(root).circles();
        circles.retain(|circle, _| !is_allowed(name, circle));
        found.extend(
            circles
                .values()
                .map(|lines| format!("{name}: {}", lines.join(", "))),
        );
    }
    assert!(found.is_empty(), "{found:#?}");
}
