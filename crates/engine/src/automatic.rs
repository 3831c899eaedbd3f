//! Recognizes mail that a program sent by itself: bounces, vacation replies, mail of other lists. An answer would reach
//! a person who did not ask for it, or another program, which would answer in turn.

use crate::view::View;
use listgate_lmtp::ReversePath;

/// The sign by which mail was recognized as automatic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Sign {
    /// The envelope sender is `<>`, as in bounces (RFC 5321 section 4.5.5).
    NullSender,
    /// `Auto-Submitted: auto-replied` (RFC 3834 section 5).
    AutoReplied,
    /// Auto-Submitted with a value other than `no`, such as `auto-generated`.
    AutoSubmitted,
    /// The top part is a multipart/report (RFC 6522).
    Report,
    /// A field whose name begins with `List-` (RFC 2369, RFC 2919).
    ListField,
    /// `Precedence: bulk`, `junk`, `list` or `auto_reply`.
    Precedence,
    /// A field that only automatic mail has, such as X-Autoreply.
    Field,
    /// From is missing, or has no address.
    NoAuthor,
    /// An address in From, or an envelope sender, that no person has, such as mailer-daemon.
    Robot,
    /// The subject of a vacation reply or of a bounce.
    Subject,
}

/// The fields that only automatic mail has.
const FIELDS: &[&str] = &[
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Auto-Response-Suppress",
    "X-Apple-Action",
    "X-Failed-Recipients",
    "X-MLServer", // of fml, a list manager whose own mail has no other sign
];

/// The local parts of addresses that no person has, without `-`, `_` and `.`.
const ROBOTS: &[&str] = &["mailerdaemon", "postmaster", "noreply"];

/// How the subjects of bounces begin that have no other sign, in lower case.
const BOUNCES: &[&str] = &[
    "delivery failed",
    "delivery failure",
    "delivery status notification",
    "failure notice",
    "mail could not be delivered",
    "mail delivery failed",
    "mail delivery failure",
    "returned mail",
    "undeliverable",
    "undelivered mail",
];

/// How the subjects of vacation replies begin, in lower case.
const SUBJECTS: &[&str] = &[
    // Not of a vacation reply: complaints from Hotmail have no other sign.
    "complaint about message from",
    // English
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "auto:", // Notes: `AUTO: Ann Example is out of the office`
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "autoresponder",
    "out of office",
    "out-of-office",
    "out of the office",
    "i am out of the office",
    "i'm out of the office",
    "i am away",
    "i'm away",
    "away from my mail",
    "away from the office",
    "on vacation",
    "vacation reply",
    "vacation message",
    // German
    "automatische antwort",
    "automatische r\u{fc}ckantwort",
    "abwesenheit",
    "abwesenheitsnotiz",
    "abwesenheitsnachricht",
    "abwesenheitsmeldung",
    "abwesend",
    "bin im urlaub",
    "ich bin im urlaub",
    "nicht im b\u{fc}ro",
    // French
    "r\u{e9}ponse automatique",
    "reponse automatique",
    "message d'absence",
    "absence du bureau",
    "absent du bureau",
    // Spanish
    "respuesta autom\u{e1}tica",
    "respuesta automatica",
    "fuera de la oficina",
    "fuera de oficina",
    // Portuguese
    "resposta autom\u{e1}tica",
    "resposta automatica",
    "fora do escrit\u{f3}rio",
    "aus\u{ea}ncia tempor\u{e1}ria",
    // Italian
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    // Dutch
    "automatisch antwoord",
    "afwezigheidsbericht",
    "niet aanwezig",
    // Swedish, Danish and Norwegian, Finnish
    "autosvar",
    "automatiskt svar",
    "fr\u{e5}nvaromeddelande",
    "automatisk svar",
    "ikke til stede",
    "automaattinen vastaus",
    "poissaoloilmoitus",
    // Polish, Czech, Slovak, Hungarian, Romanian
    "automatyczna odpowied\u{17a}",
    "odpowied\u{17a} automatyczna",
    "poza biurem",
    "automatick\u{e1} odpov\u{11b}\u{10f}",
    "automatick\u{e1} odpove\u{10f}",
    "automatikus v\u{e1}lasz",
    "r\u{103}spuns automat",
    // Turkish, Greek
    "otomatik yan\u{131}t",
    "otomatik cevap",
    "\u{3b1}\u{3c5}\u{3c4}\u{3cc}\u{3bc}\u{3b1}\u{3c4}\u{3b7} \u{3b1}\u{3c0}\u{3ac}\u{3bd}\u{3c4}\u{3b7}\u{3c3}\u{3b7}",
    // Russian, Ukrainian
    "\u{430}\u{432}\u{442}\u{43e}\u{43c}\u{430}\u{442}\u{438}\u{447}\u{435}\u{441}\u{43a}\u{438}\u{439} \u{43e}\u{442}\u{432}\u{435}\u{442}",
    "\u{430}\u{432}\u{442}\u{43e}\u{43e}\u{442}\u{432}\u{435}\u{442}",
    "\u{430}\u{432}\u{442}\u{43e}\u{43c}\u{430}\u{442}\u{438}\u{447}\u{43d}\u{430} \u{432}\u{456}\u{434}\u{43f}\u{43e}\u{432}\u{456}\u{434}\u{44c}",
    // Japanese, Chinese, Korean
    "\u{81ea}\u{52d5}\u{5fdc}\u{7b54}",
    "\u{81ea}\u{52d5}\u{8fd4}\u{4fe1}",
    "\u{4e0d}\u{5728}\u{901a}\u{77e5}",
    "\u{81ea}\u{52a8}\u{56de}\u{590d}",
    "\u{81ea}\u{52a8}\u{7b54}\u{590d}",
    "\u{81ea}\u{52d5}\u{56de}\u{8986}",
    "\u{c790}\u{b3d9} \u{d68c}\u{c2e0}",
    "\u{bd80}\u{c7ac}\u{c911}",
];

/// Returns the first sign that mail is automatic. Such mail gives no command and gets no answer.
///
/// The signs are those of RFC 3834 section 2 and others that are in use. A person may be wrongly taken for a program,
/// by the subject for example, and must then send the command again. The opposite mistake is worse: a program taken
/// for a person could confirm a subscription.
pub fn of_command(sender: &ReversePath, view: &View<'_>) -> Option<Sign> {
    let is_robot = matches!(sender, ReversePath::Mailbox(sender) if is_robot(&sender.local().unquoted()));
    let of_sender = is_robot.then_some(Sign::Robot);
    of_post(sender, view).or(of_sender).or_else(|| of_header(view)).or_else(|| of_author(view))
}

/// Returns the first sign that a post is a reply by a program. Such a post is held.
///
/// This is milder than [`of_command`]: mail of cron jobs, build servers and other lists is automatic, too, but members
/// have it sent to a list on purpose.
pub fn of_post(sender: &ReversePath, view: &View<'_>) -> Option<Sign> {
    if *sender == ReversePath::Null {
        return Some(Sign::NullSender);
    }
    if view.named("Auto-Submitted").any(|field| first_word(&field.unfolded()) == "auto-replied") {
        return Some(Sign::AutoReplied);
    }
    let is_report =
        view.named("Content-Type").any(|field| first_word(&field.unfolded()) == "multipart/report");
    is_report.then_some(Sign::Report)
}

/// Returns whether mail is the reply of a vacation program or of another one that answers in the name of a person, as far
/// as it says so.
pub(crate) fn is_auto_reply(view: &View<'_>) -> bool {
    is_vacation(view)
        || view.named("Auto-Submitted").any(|field| first_word(&field.unfolded()) == "auto-replied")
        || ["X-Autoreply", "X-Autorespond", "X-Autoresponder"].iter().any(|name| view.first(name).is_some())
}

/// Returns whether a subject is that of a vacation reply.
pub(crate) fn is_vacation(view: &View<'_>) -> bool {
    view.named("Subject").any(|field| begins_with_one_of(&field.decoded(), SUBJECTS))
}

/// Returns whether mail comes from a mail system: From has no address, or one that no person has.
pub(crate) fn is_from_system(view: &View<'_>) -> bool {
    let authors = view.addresses("From").into_iter().filter_map(|address| address.mailbox);
    let authors: Vec<_> = authors.map(|author| author.local().unquoted()).collect();
    authors.iter().all(|author| is_robot(author))
}

fn of_header(view: &View<'_>) -> Option<Sign> {
    let any = |name: &str, is_sign: fn(&str) -> bool| {
        view.named(name).any(|field| is_sign(&first_word(&field.unfolded())))
    };
    if any("Auto-Submitted", |value| value != "no") {
        return Some(Sign::AutoSubmitted);
    }
    if any("Precedence", |value| matches!(value, "bulk" | "junk" | "list" | "auto_reply")) {
        return Some(Sign::Precedence);
    }
    let is_list_field = |name: &[u8]| name.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"List-"));
    if view.fields().any(|field| is_list_field(field.name)) {
        return Some(Sign::ListField);
    }
    FIELDS.iter().any(|name| view.first(name).is_some()).then_some(Sign::Field)
}

fn of_author(view: &View<'_>) -> Option<Sign> {
    let authors: Vec<_> = view.addresses("From").into_iter().filter_map(|address| address.mailbox).collect();
    if authors.is_empty() {
        return Some(Sign::NoAuthor);
    }
    if authors.iter().any(|author| is_robot(&author.local().unquoted())) {
        return Some(Sign::Robot);
    }
    let is_sign =
        |subject: &str| begins_with_one_of(subject, SUBJECTS) || begins_with_one_of(subject, BOUNCES);
    view.named("Subject").any(|field| is_sign(&field.decoded())).then_some(Sign::Subject)
}

fn is_robot(local: &str) -> bool {
    let letters: String = local.to_lowercase().chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    ROBOTS.contains(&letters.as_str())
}

fn begins_with_one_of(subject: &str, beginnings: &[&str]) -> bool {
    let subject = subject.to_lowercase().replace('\u{2019}', "'");
    let subject = subject.trim_start_matches(|c: char| !c.is_alphanumeric());
    beginnings.iter().any(|beginning| {
        let rest = subject.strip_prefix(beginning);
        // A word must end there. In Japanese and Chinese, words are not separated.
        rest.is_some_and(|rest| {
            !beginning.starts_with(separates_words) || !rest.starts_with(char::is_alphanumeric)
        })
    })
}

/// Returns whether a letter belongs to a script in which blanks separate words.
fn separates_words(c: char) -> bool {
    c < '\u{2e80}'
}

/// Returns the first word of a structured value, in lower case: without parameters, comments and blanks.
fn first_word(value: &str) -> String {
    let mut rest = value.trim_start();
    while let Some(comment) = rest.strip_prefix('(') {
        rest = comment.split_once(')').map_or("", |(_, after)| after.trim_start());
    }
    let word = rest.split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | ','));
    word.take(1).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn ann() -> ReversePath {
        ReversePath::Mailbox("ann@example.org".parse().unwrap())
    }

    /// Returns both answers for mail from Ann with this field.
    fn signs(field: &str) -> (Option<Sign>, Option<Sign>) {
        let from = if field.starts_with("From") { "" } else { "From: Ann <ann@example.org>\r\n" };
        let message = format!("{from}{field}\r\n\r\nHello.\r\n");
        let view = View::whole(message.as_bytes());
        (of_command(&ann(), &view), of_post(&ann(), &view))
    }

    #[test]
    fn replies_of_programs_are_recognized_in_commands_and_posts() {
        for (field, sign) in [
            ("Auto-Submitted: auto-replied", Sign::AutoReplied),
            ("auto-submitted : Auto-Replied (vacation)", Sign::AutoReplied),
            ("Auto-Submitted: (by\r\n us) auto-replied; owner-email=\"x\"", Sign::AutoReplied),
            ("Auto-Submitted: no\r\nAuto-Submitted: auto-replied", Sign::AutoReplied),
            ("Content-Type: multipart/report; report-type=delivery-status", Sign::Report),
            ("Content-Type: Multipart/Report;\r\n boundary=x", Sign::Report),
        ] {
            assert_eq!(signs(field), (Some(sign), Some(sign)), "{field}");
        }
        let message = View::whole(b"From: Ann <ann@example.org>\r\n\r\nHello.\r\n");
        assert_eq!(of_command(&ReversePath::Null, &message), Some(Sign::NullSender));
        assert_eq!(of_post(&ReversePath::Null, &message), Some(Sign::NullSender));
        let daemon = ReversePath::Mailbox("Mailer-Daemon@example.org".parse().unwrap());
        assert_eq!((of_command(&daemon, &message), of_post(&daemon, &message)), (Some(Sign::Robot), None));
    }

    #[test]
    fn other_signs_count_for_commands_alone() {
        for (field, sign) in [
            ("Auto-Submitted: auto-generated", Sign::AutoSubmitted),
            ("Auto-Submitted: auto-notified", Sign::AutoSubmitted),
            ("Auto-Submitted: yes", Sign::AutoSubmitted),
            ("Auto-Submitted:", Sign::AutoSubmitted),
            ("Precedence: bulk", Sign::Precedence),
            ("Precedence: junk", Sign::Precedence),
            ("Precedence: LIST", Sign::Precedence),
            ("precedence: auto_reply", Sign::Precedence),
            ("List-Id: <mylist.example.com>", Sign::ListField),
            ("list-unsubscribe: <mailto:x@example.com>", Sign::ListField),
            ("X-Autoreply: yes", Sign::Field),
            ("X-Autorespond:", Sign::Field),
            ("X-AutoResponder: x", Sign::Field),
            ("X-Auto-Response-Suppress: All", Sign::Field),
            ("X-Apple-Action: FORWARD", Sign::Field),
            ("X-Failed-Recipients: bob@example.com", Sign::Field),
            ("X-MLServer: fml", Sign::Field),
            ("From:", Sign::NoAuthor),
            ("From: <>", Sign::NoAuthor),
            ("From: MAILER-DAEMON (Mail Delivery System)", Sign::NoAuthor),
            ("From-Is-Missing: x", Sign::NoAuthor),
            ("From: MAILER-DAEMON@example.org", Sign::Robot),
            ("From: Mail <Mailer_Daemon@example.org>", Sign::Robot),
            ("From: PostMaster@example.org", Sign::Robot),
            ("From: post_master@example.org", Sign::Robot),
            ("From: no-reply@example.org", Sign::Robot),
            ("From: NoReply@example.org", Sign::Robot),
            ("From: ann@example.org, \"no-reply\"@example.org", Sign::Robot),
            ("Subject: Automatic reply: confirm", Sign::Subject),
            ("Subject:  OUT OF OFFICE", Sign::Subject),
            ("Subject: [Auto-Reply] hello", Sign::Subject),
            ("Subject: I\u{2019}m away until Monday", Sign::Subject),
            ("Subject: Abwesenheitsnotiz: hallo", Sign::Subject),
            ("Subject: =?iso-8859-1?Q?R=E9ponse_automatique=A0:?= bonjour", Sign::Subject),
            ("Subject: =?utf-8?B?UmVzcHVlc3RhIGF1dG9tw6F0aWNh?=: hola", Sign::Subject),
            ("Subject: complaint about message from 192.0.2.1", Sign::Subject),
            ("Subject: Undeliverable: Please confirm", Sign::Subject),
            ("Subject: Delivery Failure", Sign::Subject),
            ("Subject: Automatisch antwoord: hallo", Sign::Subject),
            ("Subject: \u{81ea}\u{52a8}\u{56de}\u{590d}\u{4f60}\u{597d}", Sign::Subject),
        ] {
            assert_eq!(signs(field), (Some(sign), None), "{field}");
        }
    }

    #[test]
    fn mail_of_people_is_not_automatic() {
        for field in [
            "Auto-Submitted: no",
            "Auto-Submitted: No (really)",
            "Precedence: normal",
            "Precedence: first-class",
            "Content-Type: multipart/mixed; boundary=\"multipart/report\"",
            "Content-Type: text/plain",
            "X-List-Id: x",
            "Listener: x",
            "X-Autoreply-Wanted: no",
            "From: mailer-daemons@example.org",
            "From: noreply.ann@example.org",
            "From: Postmaster <ann@example.org>",
            "Subject: Re: Automatic reply: confirm",
            "Subject: Automatic replyable mail",
            "Subject: Question about vacation replies",
            "Subject: Vacation plans",
            "Subject:",
            "In-Reply-To: <x@example.com>",
        ] {
            assert_eq!(signs(field), (None, None), "{field}");
        }
    }

    #[test]
    fn beginnings_of_subjects_are_in_lower_case() {
        for beginning in SUBJECTS.iter().chain(BOUNCES) {
            assert_eq!(*beginning, beginning.to_lowercase());
        }
    }

    /// `LISTGATE_CORPORA` names a folder whose `bounces` has real bounces, complaints and vacation replies, one
    /// message a file, `*.eml`.
    #[test]
    fn the_bounces_of_the_corpora_are_recognized() {
        let Some(corpora) = std::env::var_os("LISTGATE_CORPORA") else {
            return eprintln!("skipped: LISTGATE_CORPORA is not set");
        };
        let mut missed = Vec::new();
        let mut count = 0;
        for file in fs::read_dir(std::path::Path::new(&corpora).join("bounces")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "eml") {
                continue;
            }
            let message = fs::read(&path).unwrap();
            let view = View::whole(&message);
            // The envelope sender, as the server that stored the message noted it.
            let sender = view.addresses("Return-Path").into_iter().find_map(|address| address.mailbox);
            let sender = match sender {
                Some(mailbox) => ReversePath::Mailbox(mailbox),
                None if view.first("Return-Path").is_some() => ReversePath::Null,
                None => ann(),
            };
            if of_command(&sender, &view).is_none() {
                missed.push((path, view.first("Subject").map(|field| field.decoded()), sender));
            }
            count += 1;
        }
        assert!(count > 300, "the corpora have {count} messages");
        assert!(missed.is_empty(), "{} of {count}: {missed:#?}", missed.len());
    }
}
