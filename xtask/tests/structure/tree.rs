//! The modules of a crate, and their contents.

use super::conditions;
use super::names::{self, Named, Space};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Ident, Item, ItemMod};

/// An index into [`Tree::modules`].
pub(crate) type Id = usize;

/// The root, which is the first module.
pub(crate) const ROOT: Id = 0;

pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) parent: Option<Id>,
    pub(crate) file: String,
    /// Whether the file is its own. A module in braces is in its parent's file.
    pub(crate) owns_file: bool,
    pub(crate) children: BTreeMap<String, Id>,
    /// The items it defines, without its modules and imports.
    pub(crate) items: BTreeSet<(String, Space)>,
    pub(crate) named: Vec<Named>,
}

pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
}

impl Tree {
    /// Reads the modules that the root declares, and the ones those declare. Fails the test if one is missing
    /// or cannot be parsed, which the compiler would not accept either.
    pub(crate) fn read(sources: &BTreeMap<String, String>, root: &str) -> Self {
        let mut reader = Reader { sources, tree: Self { modules: Vec::new() } };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let place = Place { name: "crate", parent: None, file: root, owns_file: true, folder };
        reader.add(&place, parse(&sources[root], root).items);
        reader.tree
    }

    /// Returns the modules from the root down to this one.
    pub(crate) fn chain(&self, module: Id) -> Vec<Id> {
        let mut chain: Vec<Id> = std::iter::successors(Some(module), |at| self.modules[*at].parent).collect();
        chain.reverse();
        chain
    }

    /// Returns the module in whose file a module is.
    pub(crate) fn home(&self, mut module: Id) -> Id {
        while let (false, Some(parent)) = (self.modules[module].owns_file, self.modules[module].parent) {
            module = parent;
        }
        module
    }

    /// Returns a module's path without `crate`.
    pub(crate) fn path(&self, module: Id) -> String {
        let names = self.chain(module).into_iter().skip(1).map(|at| self.modules[at].name.as_str());
        names.collect::<Vec<_>>().join("::")
    }
}

struct Reader<'s> {
    sources: &'s BTreeMap<String, String>,
    tree: Tree,
}

/// The location of a module, and the folder in which its children are searched.
struct Place<'p> {
    name: &'p str,
    parent: Option<Id>,
    file: &'p str,
    owns_file: bool,
    folder: &'p str,
}

impl Reader<'_> {
    fn add(&mut self, place: &Place, items: Vec<Item>) -> Id {
        let id = self.tree.modules.len();
        let (children, mut defined) = (BTreeMap::new(), BTreeSet::new());
        let (mut modules, mut others) = (Vec::new(), Vec::new());
        for item in items.into_iter().filter(|item| !conditions::is_test_only(conditions::of_item(item))) {
            defined.extend(definitions(&item));
            match item {
                Item::Mod(module) => modules.push(module),
                item => others.push(item),
            }
        }
        self.tree.modules.push(Module {
            name: place.name.to_owned(),
            parent: place.parent,
            file: place.file.to_owned(),
            owns_file: place.owns_file,
            children,
            items: defined,
            named: names::of_items(&others),
        });
        for module in modules {
            self.add_child(id, place, module);
        }
        id
    }

    fn add_child(&mut self, parent: Id, above: &Place, module: ItemMod) {
        let name = names::text(&module.ident);
        let elsewhere = module.attrs.iter().any(|attribute| attribute.path().is_ident("path"));
        assert!(!elsewhere, "{}: `{name}` has a #[path], which this test does not follow", above.file);
        let folder = format!("{}/{name}", above.folder);
        let mut place =
            Place { name: &name, parent: Some(parent), file: above.file, owns_file: false, folder: &folder };
        if let Some((_, items)) = module.content {
            let id = self.add(&place, items);
            self.tree.modules[parent].children.insert(name, id);
            return;
        }
        let files = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
        let found = files.iter().find(|file| self.sources.contains_key(*file));
        let file = found.unwrap_or_else(|| panic!("{} has no file for `{name}`", above.file));
        let parsed = parse(&self.sources[file], file);
        if !conditions::is_test_only(&parsed.attrs) {
            place.file = file;
            place.owns_file = true;
            let id = self.add(&place, parsed.items);
            self.tree.modules[parent].children.insert(name, id);
        }
    }
}

fn parse(source: &str, file: &str) -> syn::File {
    syn::parse_file(source).unwrap_or_else(|error| panic!("{file}:{}: {error}", error.span().start().line))
}

/// Returns the names that an item defines. A tuple or unit struct also defines a value, its constructor.
fn definitions(item: &Item) -> Vec<(String, Space)> {
    let of = |name: &Ident, spaces: &[Space]| {
        spaces.iter().map(|space| (names::text(name), *space)).collect::<Vec<_>>()
    };
    match item {
        Item::Const(item) => of(&item.ident, &[Space::Value]),
        Item::Static(item) => of(&item.ident, &[Space::Value]),
        Item::Fn(item) => of(&item.sig.ident, &[Space::Value]),
        Item::Struct(item) => of(&item.ident, &[Space::Type, Space::Value]),
        Item::Enum(item) => of(&item.ident, &[Space::Type]),
        Item::Union(item) => of(&item.ident, &[Space::Type]),
        Item::Type(item) => of(&item.ident, &[Space::Type]),
        Item::Trait(item) => of(&item.ident, &[Space::Type]),
        Item::TraitAlias(item) => of(&item.ident, &[Space::Type]),
        Item::Macro(item) => item.ident.iter().flat_map(|name| of(name, &[Space::Macro])).collect(),
        _ => Vec::new(),
    }
}
