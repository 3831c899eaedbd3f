//! Where a path leads.

use super::names::{Role, Space};
use super::tree::{Id, ROOT, Tree};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Module(Id),
    /// An item that this module defines.
    ItemOf(Id),
    /// An item of another crate.
    Foreign,
}

pub(crate) struct Target {
    pub(crate) end: End,
    /// The modules on the way, including those of re-exports.
    pub(crate) through: BTreeSet<Id>,
}

impl Target {
    fn at(end: End) -> Self {
        Self { end, through: BTreeSet::new() }
    }
}

/// Returns where a path in the module `from` leads: to several places if a module, a function and a macro
/// share the name, to none if it begins with a local name or another crate.
pub(crate) fn targets(tree: &Tree, from: Id, segments: &[String], space: Option<Space>) -> Vec<Target> {
    Resolver { tree, busy: Vec::new() }.targets(from, segments, space)
}

struct Resolver<'t> {
    tree: &'t Tree,
    /// The imports that are being followed, as module and index of the name. This ends an import that leads
    /// to itself.
    busy: Vec<(Id, usize)>,
}

impl Resolver<'_> {
    fn targets(&mut self, from: Id, segments: &[String], space: Option<Space>) -> Vec<Target> {
        let mut at = None;
        let mut rest = segments;
        while let [first, after @ ..] = rest {
            at = match first.as_str() {
                "crate" => Some(ROOT),
                "self" => Some(from),
                "super" => self.tree.modules[at.unwrap_or(from)].parent.or(Some(ROOT)),
                _ => break,
            };
            rest = after;
        }
        let mut found = match (at, rest) {
            (Some(module), _) => vec![Target::at(End::Module(module))],
            (None, [first, after @ ..]) => {
                rest = after;
                self.named(from, first, if after.is_empty() { space } else { Some(Space::Type) }, true)
            }
            (None, []) => Vec::new(),
        };
        while let [name, after @ ..] = rest {
            let wanted = if after.is_empty() { space } else { Some(Space::Type) };
            found = found.into_iter().flat_map(|target| self.member(target, name, wanted)).collect();
            rest = after;
        }
        found
    }

    /// Resolves `name` in a place to which a path has led. A name that a module does not seem to have, for
    /// example because a macro defines it, counts as its own.
    fn member(&mut self, place: Target, name: &str, space: Option<Space>) -> Vec<Target> {
        let End::Module(module) = place.end else { return vec![place] };
        let mut found = self.named(module, name, space, false);
        if found.is_empty() {
            found = self.named(module, name, None, false);
        }
        if found.is_empty() {
            found.push(Target::at(End::ItemOf(module)));
        }
        for target in &mut found {
            target.through.extend(&place.through);
            target.through.insert(module);
        }
        found
    }

    /// Resolves a name in a module; `within` the module's own code, imports in a body count too.
    fn named(&mut self, module: Id, name: &str, space: Option<Space>, within: bool) -> Vec<Target> {
        let known = &self.tree.modules[module];
        let wants = |this: Space| space.is_none_or(|space| space == this);
        let mut found = Vec::new();
        if let Some(child) = known.children.get(name).filter(|_| wants(Space::Type)) {
            found.push(Target::at(End::Module(*child)));
        }
        if known.items.iter().any(|(item, space)| item == name && wants(*space)) {
            found.push(Target::at(End::ItemOf(module)));
        }
        for (place, named) in known.named.iter().enumerate().filter(|(_, named)| within || !named.is_inner) {
            if matches!(&named.role, Role::Import(bound) if bound == name) {
                found.extend(self.import(module, place, space));
            }
        }
        if found.is_empty() { self.in_globs(module, name, space, within) } else { found }
    }

    fn import(&mut self, module: Id, place: usize, space: Option<Space>) -> Vec<Target> {
        if self.busy.contains(&(module, place)) {
            return Vec::new();
        }
        self.busy.push((module, place));
        let mut found = self.targets(module, &self.tree.modules[module].named[place].segments, space);
        self.busy.pop();
        if found.is_empty() {
            found.push(Target::at(End::Foreign));
        }
        found
    }

    fn in_globs(&mut self, module: Id, name: &str, space: Option<Space>, within: bool) -> Vec<Target> {
        let mut found = Vec::new();
        for (place, named) in self.tree.modules[module].named.iter().enumerate() {
            if !matches!(named.role, Role::Glob) || (named.is_inner && !within) {
                continue;
            }
            for source in self.import(module, place, Some(Space::Type)) {
                let End::Module(id) = source.end else { continue };
                self.busy.push((module, place));
                for mut target in self.named(id, name, space, false) {
                    target.through.extend(&source.through);
                    target.through.insert(id);
                    found.push(target);
                }
                self.busy.pop();
            }
        }
        found
    }
}
