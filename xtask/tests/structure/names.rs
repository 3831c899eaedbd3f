//! The paths that appear in the code of a module.

use super::conditions;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Item, ItemUse, Meta, Path, UseTree};

/// The namespaces: types and modules, values, and macros may share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    Type,
    Value,
    Macro,
}

/// A path as it is written in the source.
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) role: Role,
    /// Whether it is within a body, where an import binds a name only for that body.
    pub(crate) is_inner: bool,
}

pub(crate) enum Role {
    /// A use of the path in this namespace, or in any if the syntax does not determine it.
    Mention(Option<Space>),
    /// A `use` that binds this name.
    Import(String),
    /// A `use` of everything in a module.
    Glob,
}

/// Returns the paths that appear in these items.
pub(crate) fn of_items(items: &[Item]) -> Vec<Named> {
    let mut finder = Finder { named: Vec::new(), is_inner: false };
    for item in items {
        finder.is_inner = !matches!(item, Item::Use(_));
        finder.visit_item(item);
    }
    finder.named
}

struct Finder {
    named: Vec<Named>,
    is_inner: bool,
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        if !conditions::is_test_only(conditions::of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !conditions::is_test_only(conditions::of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast syn::TraitItem) {
        if !conditions::is_test_only(conditions::of_trait_item(item)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !conditions::is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !conditions::is_test_only(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !conditions::is_test_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !conditions::is_test_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        if !conditions::is_test_only(conditions::of_statement(statement)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.imports(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.mention(path, Space::Type);
        visit::visit_path(self, path);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        if let Some(this) = &expression.qself {
            self.visit_qself(this);
        }
        self.mention(&expression.path, Space::Value);
        visit::visit_path(self, &expression.path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.mention(&call.path, Space::Macro);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        self.mention(attribute.path(), Space::Macro);
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.strings(list.tokens.clone());
        }
    }
}

impl Finder {
    fn mention(&mut self, path: &Path, space: Space) {
        // A path that begins with `::` leads to another crate.
        if let (None, Some(last)) = (&path.leading_colon, path.segments.last()) {
            let segments = path.segments.iter().map(|segment| text(&segment.ident)).collect();
            self.add(segments, line(&last.ident), Role::Mention(Some(space)));
        }
    }

    fn add(&mut self, segments: Vec<String>, line: usize, role: Role) {
        self.named.push(Named { segments, line, role, is_inner: self.is_inner });
    }

    fn imports(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(text(&path.ident));
                self.imports(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.imports(tree, before)),
            UseTree::Name(name) => self.import(before, &name.ident, None),
            UseTree::Rename(rename) => self.import(before, &rename.ident, Some(&rename.rename)),
            UseTree::Glob(glob) => {
                self.add(before.clone(), glob.star_token.spans[0].start().line, Role::Glob);
            }
        }
    }

    fn import(&mut self, before: &[String], name: &Ident, renamed: Option<&Ident>) {
        let mut segments = before.to_vec();
        // `use a::{self}` means `a`. The `self` of `use self::…` comes first and is not handled here.
        if name != "self" {
            segments.push(text(name));
        }
        let bound = renamed.map(text).or_else(|| segments.last().cloned()).unwrap_or_default();
        self.add(segments, line(name), Role::Import(bound));
    }

    /// Collects the paths among the tokens of a macro or an attribute: names with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = trees.as_slice();
        while let [first, after @ ..] = rest {
            rest = match first {
                TokenTree::Ident(_) => self.path_of_tokens(rest),
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    after
                }
                _ => after,
            };
        }
    }

    /// Takes one path and returns the tokens after it.
    fn path_of_tokens<'t>(&mut self, trees: &'t [TokenTree]) -> &'t [TokenTree] {
        let mut segments = Vec::new();
        let mut last_line = 0;
        let mut rest = trees;
        while let [TokenTree::Ident(name), after @ ..] = rest {
            segments.push(text(name));
            last_line = line(name);
            rest = after;
            let Some(after) = after_colons(after) else { break };
            match after {
                [TokenTree::Ident(_), ..] => rest = after,
                [group @ TokenTree::Group(braces), rest @ ..] if braces.delimiter() == Delimiter::Brace => {
                    self.use_in_tokens(segments, group);
                    return rest;
                }
                _ => break,
            }
        }
        if segments.len() > 1 {
            self.add(segments, last_line, Role::Mention(None));
        }
        rest
    }

    /// Handles `use crate::{…}` within a macro. The names it binds belong to the macro.
    fn use_in_tokens(&mut self, mut before: Vec<String>, group: &TokenTree) {
        let Ok(tree) = syn::parse2::<UseTree>(group.clone().into()) else { return };
        let first = self.named.len();
        self.imports(&tree, &mut before);
        self.named[first..].iter_mut().for_each(|named| named.role = Role::Mention(None));
    }

    /// Collects the paths in quotes in an attribute, which serde uses.
    fn strings(&mut self, tokens: TokenStream) {
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => self.strings(group.stream()),
                TokenTree::Literal(literal) => {
                    let quoted = literal.to_string();
                    let path = quoted.trim_matches('"');
                    if ["crate::", "super::", "self::"].iter().any(|start| path.starts_with(start)) {
                        let segments = path.split("::").map(|segment| segment.trim().to_owned()).collect();
                        self.add(segments, literal.span().start().line, Role::Mention(None));
                    }
                }
                _ => {}
            }
        }
    }
}

fn after_colons(trees: &[TokenTree]) -> Option<&[TokenTree]> {
    match trees {
        [TokenTree::Punct(one), TokenTree::Punct(two), rest @ ..]
            if one.as_char() == ':' && two.as_char() == ':' =>
        {
            Some(rest)
        }
        _ => None,
    }
}

pub(crate) fn text(name: &Ident) -> String {
    name.unraw().to_string()
}

fn line(name: &Ident) -> usize {
    name.span().start().line
}
