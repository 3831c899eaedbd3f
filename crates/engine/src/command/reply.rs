//! Whether a mail is a reply to one of ours.

use super::facts::Facts;
use crate::view::View;

/// The fields in which a reply names the mail that it answers.
const NAMES: &[&str] = &["In-Reply-To", "References"];

/// Returns whether a mail answers one of ours about this request, or about none if it is 0: it names that mail, or has its
/// subject. A program that sends a token from the header back seldom does either.
pub(super) fn answers(facts: &Facts<'_>, request: u64, view: &View<'_>) -> bool {
    let names = NAMES.iter().flat_map(|name| view.named(name)).any(|field| {
        let value = field.unfolded();
        value.split(['<', '>']).any(|id| is_of_request(id, request))
    });
    names || has_our_subject(facts.subjects, view)
}

/// Returns whether a Message-ID, without its angle brackets, is that of a mail about the request:
/// `notice.POST.REQUEST@domain`. The list may have been renamed, so its domain may be another one now.
fn is_of_request(id: &str, request: u64) -> bool {
    let Some((left, _)) = id.rsplit_once('@') else { return false };
    let mut parts = left.split('.');
    let is_notice = parts.next() == Some("notice") && parts.next().is_some();
    let number = parts.next().and_then(|number| number.parse().ok());
    is_notice && number == Some(request) && parts.next().is_none()
}

fn has_our_subject(subjects: &[String], view: &View<'_>) -> bool {
    let Some(subject) = view.first("Subject") else { return false };
    let subject = comparable(&subject.decoded());
    subjects.iter().any(|ours| !ours.is_empty() && subject.contains(&comparable(ours)))
}

/// Returns a subject in lower case, and with single blanks, because mail programs fold it in different places.
fn comparable(subject: &str) -> String {
    subject.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
