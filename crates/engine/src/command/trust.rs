//! Whether the site's mail server says that a mail comes from the address in From (RFC 8601).

use crate::comparable::{Comparable, comparable_domain};
use crate::view::View;

/// Returns whether an Authentication-Results field that the server `authserv_id` wrote says that DMARC passed for the
/// domain of `from`, or that a signature of that very domain is valid. SPF alone does not count: many people share the
/// servers of a provider.
pub(crate) fn is_authenticated(view: &View<'_>, authserv_id: &str, from: &Comparable) -> bool {
    let domain = &from.domain()[1..];
    view.named("Authentication-Results").any(|field| {
        let value = without_comments(&field.unfolded());
        let mut parts = value.split(';');
        let id = parts.next().and_then(|id| id.split_ascii_whitespace().next()).unwrap_or_default();
        id.eq_ignore_ascii_case(authserv_id) && parts.any(|result| passes(result, domain))
    })
}

/// Returns whether one result, such as `dkim=pass header.d=example.org`, is a pass for the domain.
fn passes(result: &str, domain: &str) -> bool {
    let mut words = result.split_ascii_whitespace();
    let Some((method, outcome)) = words.next().and_then(|word| word.split_once('=')) else { return false };
    // A method may have a version: `dkim/1`.
    let method = method.split('/').next().unwrap_or_default();
    let property = match () {
        () if method.eq_ignore_ascii_case("dmarc") => "header.from",
        () if method.eq_ignore_ascii_case("dkim") => "header.d",
        () => return false,
    };
    let is_of_domain = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or_default();
        name.eq_ignore_ascii_case(property) && comparable_domain(value.trim_matches('"')) == domain
    };
    outcome.eq_ignore_ascii_case("pass") && words.any(is_of_domain)
}

/// Returns the value without comments (RFC 5322 section 3.2.2), which can contain anything. Quoted strings may contain
/// parentheses and semicolons, so a value with one that has these is not trusted at all.
fn without_comments(value: &str) -> String {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    let mut plain = String::new();
    for c in value.chars() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match c {
            '\\' if depth > 0 || is_quoted => is_escaped = true,
            '"' if depth == 0 => is_quoted = !is_quoted,
            ';' | '(' | ')' if is_quoted => return String::new(),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pass_of_the_domain_by_our_own_server_counts() {
        for (results, expected) in [
            ("mx.example.com; dkim=pass header.d=example.org", true),
            ("mx.example.com; dkim=pass header.i=@example.org header.d=example.org header.b=abc", true),
            ("MX.example.com 1; DKIM/1=PASS header.d=EXAMPLE.org", true),
            (
                "mx.example.com; spf=fail smtp.mailfrom=x.example; dmarc=pass (p=reject) header.from=example.org",
                true,
            ),
            ("mx.example.com (a (nested) comment; here);\r\n\tdkim=pass header.d=example.org", true),
            ("mx.example.com; dkim=pass header.d=\"example.org\"", true),
            ("mx.example.com (\"); dkim=pass header.d=example.org", true),
            ("mx.example.com (\\)); dkim=pass header.d=example.org", true),
            ("mx.example.com; dkim=fail header.d=example.org", false),
            ("mx.example.com; dkim=pass header.d=other.example", false),
            ("mx.example.com; dkim=pass header.d=sub.example.org", false),
            ("mx.example.com; dkim=pass header.d=org", false),
            ("mx.example.com; dkim=pass header.i=anne@example.org", false),
            ("mx.example.com; spf=pass smtp.mailfrom=example.org", false),
            ("mx.example.com; none", false),
            ("mx.example.com", false),
            ("other.example; dkim=pass header.d=example.org", false),
            ("mx.example.com.other.example; dkim=pass header.d=example.org", false),
            ("other.example (mx.example.com; dkim=pass header.d=example.org)", false),
            ("mx.example.com; dkim=fail (dkim=pass header.d=example.org)", false),
            ("mx.example.com; dkim=fail (; dkim=pass header.d=example.org )", false),
            ("mx.example.com; dkim=fail (\\); dkim=pass header.d=example.org )", false),
            ("mx.example.com; dkim=pa\\xss header.d=example.org", false),
            ("mx.example.com; dkim=fail reason=\"; dkim=pass header.d=example.org\"", false),
            ("mx.example.com; dkim=fail reason=\"\\\"; dkim=pass header.d=example.org", false),
            ("mx.example.com; x-dkim=pass header.d=example.org", false),
            ("", false),
        ] {
            let mail = format!("From: anne@example.org\r\nAuthentication-Results: {results}\r\n\r\n");
            let from = Comparable::new(&"Anne@example.org".parse().unwrap());
            let found = is_authenticated(&View::whole(mail.as_bytes()), "mx.example.com", &from);
            assert_eq!(found, expected, "{results}");
        }
    }
}
