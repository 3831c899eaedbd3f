//! Texts with placeholders, as in Mailman's templates: `$name` or `${name}`.

/// Replaces the placeholders of a template. `$$` becomes a dollar sign, and a word that has no value stays.
pub(crate) fn expand<'v>(template: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text += before;
        let (name, following) = placeholder(after);
        match value(name) {
            _ if after.starts_with('$') => {
                text.push('$');
                rest = &after[1..];
            }
            Some(value) => {
                text += value;
                rest = following;
            }
            None => {
                text.push('$');
                rest = after;
            }
        }
    }
    text + rest
}

/// Returns the name of the placeholder whose dollar sign comes before `text`, and what follows. Without one, the name is
/// empty.
fn placeholder(text: &str) -> (&str, &str) {
    let is_outside = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}').unwrap_or(("", text)),
        None => text.split_at(text.find(is_outside).unwrap_or(text.len())),
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
            ("\u{20ac}$\u{20ac}$a\u{20ac}", "\u{20ac}$\u{20ac}1\u{20ac}"),
        ] {
            assert_eq!(expand(template, value), text);
        }
    }
}
