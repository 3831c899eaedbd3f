//! Expansion of `$name` in values, and absolute paths as Python makes them.

use std::borrow::Cow;

/// Replaces `$name` and `${name}` with the value that `known` returns, and `$$` with `$`. Unknown names stay as
/// they are, as in Python's `Template.safe_substitute`.
pub(super) fn expand<'a>(template: &str, known: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
    let mut expanded = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            expanded.push('$');
            rest = behind;
            continue;
        }
        let braced = behind.strip_prefix('{');
        let name = identifier(braced.unwrap_or(behind));
        let length = name.len() + 2 * usize::from(braced.is_some());
        let closed = braced.is_none_or(|inner| inner[name.len()..].starts_with('}'));
        match known(name).filter(|_| closed && !name.is_empty()) {
            Some(value) => {
                expanded.push_str(&value);
                rest = &behind[length..];
            }
            None => {
                expanded.push('$');
                rest = behind;
            }
        }
    }
    expanded + rest
}

/// Returns the name that `text` begins with; it may be empty.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric())).unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &text[..end] }
}

/// Makes a path absolute and removes `.`, `..` and double slashes without looking at the file system, like
/// `os.path.abspath`.
pub(super) fn absolute(cwd: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    // POSIX lets each system define what two leading slashes mean, so Python keeps them.
    let root = if whole.starts_with("//") && !whole.starts_with("///") { "//" } else { "/" };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    root.to_owned() + &parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_replaced_and_unknown_ones_stay() {
        let known = |name: &str| (name == "dir").then_some(Cow::Borrowed("/d"));
        for (template, expanded) in [
            ("$dir/x", "/d/x"),
            ("${dir}x", "/dx"),
            ("$dirx ${dir $DIR $ $1 ${} pa$$word $$dir", "$dirx ${dir $DIR $ $1 ${} pa$word $dir"),
            ("${a$dir}", "${a/d}"),
            ("$dir$dir$", "/d/d$"),
            ("$diré", "/dé"),
        ] {
            assert_eq!(expand(template, known), expanded, "{template}");
        }
    }

    #[test]
    fn paths_are_made_absolute_lexically() {
        for (path, made) in [
            ("", "/w/d"),
            ("a/./b//c/", "/w/d/a/b/c"),
            ("../../../a", "/a"),
            ("/a/b.cfg/../..", "/"),
            ("//a/b", "//a/b"),
            ("///a", "/a"),
        ] {
            assert_eq!(absolute("/w/d", path), made, "{path}");
        }
    }
}
