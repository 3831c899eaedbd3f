//! Mail of programs: none of it confirms anything, and none is answered.

use super::{Addressed, decided, decided_whole, mailbox, with_tokens};
use crate::view::View;
use listgate_lmtp::ReversePath;
use std::fs;
use std::path::Path;

/// Fields of vacation replies and other mail that programs send, from the documentation of the programs.
const SIGNS: &[&str] = &[
    "Auto-Submitted: auto-replied",
    "Auto-Submitted: auto-replied (vacation)",
    "Auto-Submitted: auto-generated",
    "Auto-Submitted: Auto-Notified; owner-email=\"ann@example.org\"",
    "Precedence: bulk",
    "Precedence: junk",
    "Precedence: list",
    "Precedence: auto_reply",
    "X-Autoreply: yes",
    "X-Autorespond: Out of office",
    "X-Autoresponder: vacation",
    "X-Auto-Response-Suppress: All",
    "X-Auto-Response-Suppress: DR, OOF, AutoReply",
    "X-Apple-Action: forwarded-by-rule",
    "X-Failed-Recipients: mylist-request@example.com",
    "List-Id: <other.example.net>",
    "List-Unsubscribe: <mailto:other-leave@example.net>",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
    "From: MAILER-DAEMON@example.org",
    "From: postmaster@example.org",
    "From: no-reply@example.org",
    "From: <>",
    "<>",
];

/// The subjects of vacation replies to a confirmation.
const SUBJECTS: &[&str] = &[
    "Automatic reply: Please confirm: join mylist@example.com",
    "AUTO: Anne Example is out of the office Re: Please confirm: join mylist@example.com",
    "Out of Office: Please confirm: join mylist@example.com",
    "Abwesenheitsnotiz: Please confirm: join mylist@example.com",
    "Automatische Antwort: Please confirm: join mylist@example.com",
    "=?utf-8?q?R=C3=A9ponse_automatique?= : Please confirm: join mylist@example.com",
    "Respuesta =?iso-8859-1?q?autom=E1tica?=: Please confirm: join mylist@example.com",
    "Risposta automatica: Please confirm: join mylist@example.com",
];

#[test]
fn vacation_replies_confirm_nothing_and_get_no_answer() {
    for to in ["confirm+{confirm:17}", "confirm", "join", "leave", "leave+{leave:7}", "request"] {
        for sign in SIGNS {
            let subject = "Subject: Re: Please confirm: join mylist@example.com";
            let mail = format!("{to} | {sign} | {subject} | In-Reply-To: <notice.1.17@example.com>");
            let found = decided("join 17 anne@example.org; member 7 anne@example.org", &mail);
            assert!(found.starts_with("Ignored: Automatic"), "{mail}: {found}");
        }
        for subject in SUBJECTS {
            let mail = format!("{to} | Subject: {subject} | In-Reply-To: <notice.1.17@example.com>");
            let found = decided("join 17 anne@example.org", &mail);
            assert!(found.starts_with("Ignored: Automatic"), "{mail}: {found}");
        }
    }
}

/// `LISTGATE_CORPORA` names a folder whose `bounces` has real bounces, complaints and vacation replies, one message a
/// file, `*.eml`.
#[test]
fn the_mail_of_the_corpora_confirms_nothing_and_gets_no_answer() {
    let Some(corpora) = std::env::var_os("LISTGATE_CORPORA") else {
        return eprintln!("skipped: LISTGATE_CORPORA is not set");
    };
    let (confirm, leave) = (with_tokens("{confirm:17}"), with_tokens("{leave:7}"));
    let mut count = 0;
    for file in fs::read_dir(Path::new(&corpora).join("bounces")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        count += 1;
        let message = fs::read(&path).unwrap();
        let sender = return_path(&message);
        for to in [
            (Addressed::Confirm, Some(confirm.as_str())),
            (Addressed::Leave, Some(leave.as_str())),
            (Addressed::Join, None),
            (Addressed::Leave, None),
            (Addressed::Request, None),
        ] {
            let found =
                decided_whole("join 17 anne@example.org; member 7 anne@example.org", to, &sender, &message);
            assert!(found.starts_with("Ignored") && !found.contains('>'), "{}: {found}", path.display());
        }
    }
    assert!(count > 300, "the corpora have {count} messages");
}

/// Returns the envelope sender, as the server that stored the message noted it.
fn return_path(message: &[u8]) -> ReversePath {
    let view = View::whole(message);
    let sender = view.addresses("Return-Path").into_iter().find_map(|address| address.mailbox);
    match sender {
        Some(mailbox) => ReversePath::Mailbox(mailbox),
        None if view.first("Return-Path").is_some() => ReversePath::Null,
        None => ReversePath::Mailbox(mailbox("ann@example.org")),
    }
}
