//! Texts with placeholders, as in Mailman's templates: `$name` or `${name}`.

/// A piece of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece<'t> {
    /// Text that stays.
    Text(&'t str),
    /// A placeholder, as it was written, and its name.
    Placeholder { written: &'t str, name: &'t str },
}

/// Splits a template into its pieces. `$$` is a dollar sign, and so is one that no name follows.
pub(crate) fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let dollar = rest.find('$');
        let (piece, len) = match dollar {
            _ if rest.is_empty() => return None,
            None => (Piece::Text(rest), rest.len()),
            Some(0) if rest[1..].starts_with('$') => (Piece::Text("$"), 2),
            Some(0) => match placeholder(&rest[1..]) {
                ("", _) => (Piece::Text("$"), 1),
                (name, len) => (Piece::Placeholder { written: &rest[..1 + len], name }, 1 + len),
            },
            Some(at) => (Piece::Text(&rest[..at]), at),
        };
        rest = &rest[len..];
        Some(piece)
    })
}

/// Replaces the placeholders of a template. A word that has no value stays.
pub(crate) fn expand<V: AsRef<str>>(template: &str, value: impl Fn(&str) -> Option<V>) -> String {
    let mut text = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(piece) => text += piece,
            Piece::Placeholder { written, name } => match value(name) {
                Some(value) => text += value.as_ref(),
                None => text += written,
            },
        }
    }
    text
}

/// Returns the name of the placeholder whose dollar sign comes before `text`, and the octets that it takes there. Without
/// one, the name is empty.
fn placeholder(text: &str) -> (&str, usize) {
    let is_outside = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let name = |text: &str| text.find(is_outside).unwrap_or(text.len());
    match text.strip_prefix('{') {
        Some(inner) if inner[name(inner)..].starts_with('}') => (&inner[..name(inner)], name(inner) + 2),
        Some(_) => ("", 0),
        None => (&text[..name(text)], name(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_once() {
        let value = |name: &str| match name {
            "a" => Some("1"),
            "a_b" => Some("$a"),
            _ => None,
        };
        for (template, text) in [
            ("", ""),
            ("a", "a"),
            ("$a", "1"),
            ("$a.", "1."),
            ("x${a}b $a_b", "x1b $a"),
            ("$ab ${b} $A", "$ab ${b} $A"),
            ("$$a $$ $$$a", "$a $ $1"),
            ("$ 5 ${a $", "$ 5 ${a $"),
            ("${} ${a-b} ${a$a}", "${} ${a-b} ${a1}"),
            ("\u{20ac}$\u{20ac}$a\u{20ac}", "\u{20ac}$\u{20ac}1\u{20ac}"),
        ] {
            assert_eq!(expand(template, value), text);
        }
    }
}
