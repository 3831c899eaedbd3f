//! Mail with UTF-8 or unusual dots, which must arrive through any mail server as it was sent.

use crate::mta::Smtp;
use crate::support::{Site, until};

/// A mail as a client hands it to a mail server, and what must be queued of it.
pub(crate) struct Mail {
    /// The part of its Message-ID before the @.
    pub(crate) id: &'static str,
    pub(crate) from: &'static str,
    /// What follows the sender in MAIL, with a space before it.
    pub(crate) parameters: &'static str,
    pub(crate) to: &'static str,
    /// The list_id, the sub-address (none for posts) and the detail of the entry.
    pub(crate) entry: (&'static str, Option<&'static str>, Option<&'static str>),
}

const MYLIST: &str = "mylist.example.com";
const UTF8: &str = " BODY=8BITMIME SMTPUTF8";
const EIGHT_BIT: &str = " BODY=8BITMIME";

/// Mail to lists in ASCII.
const TO_ASCII: &[Mail] = &[
    Mail {
        id: "utf8-sender",
        from: "jürgen@bücher.example",
        parameters: UTF8,
        to: "mylist@example.com",
        entry: (MYLIST, None, None),
    },
    Mail {
        id: "utf8-sender-a-label",
        from: "jürgen@xn--bcher-kva.example",
        parameters: UTF8,
        to: "mylist-join@example.com",
        entry: (MYLIST, Some("join"), None),
    },
    // This bounced while SMTPUTF8 was not announced.
    Mail {
        id: "ascii-sender",
        from: "anne@example.org",
        parameters: UTF8,
        to: "mylist@example.com",
        entry: (MYLIST, None, None),
    },
    Mail {
        id: "ascii-sender-8bit",
        from: "anne@example.org",
        parameters: EIGHT_BIT,
        to: "mylist@example.com",
        entry: (MYLIST, None, None),
    },
    Mail {
        id: "two-dots",
        from: "foo..bar@docomo.example",
        parameters: EIGHT_BIT,
        to: "mylist@example.com",
        entry: (MYLIST, None, None),
    },
    Mail {
        id: "dot-at-the-end",
        from: "foo.@docomo.example",
        parameters: "",
        to: "mylist@example.com",
        entry: (MYLIST, None, None),
    },
    Mail {
        id: "bounce",
        from: "",
        parameters: EIGHT_BIT,
        to: "mylist-bounces+foo..bar=docomo.example@example.com",
        entry: (MYLIST, Some("bounces"), Some("foo..bar=docomo.example")),
    },
];

/// Mail to lists with UTF-8 in their addresses.
const TO_UTF8: &[Mail] = &[
    Mail {
        id: "utf8-list",
        from: "anne@example.org",
        parameters: UTF8,
        to: "müller@example.com",
        entry: ("müller.example.com", None, None),
    },
    Mail {
        id: "utf8-list-decomposed",
        from: "jürgen@bücher.example",
        parameters: UTF8,
        to: "MU\u{308}LLER-Join@EXAMPLE.com",
        entry: ("müller.example.com", Some("join"), None),
    },
    // Postfix asks socketmap about grüsse-owner@ and έλλησ@.
    Mail {
        id: "folded-list",
        from: "anne@example.org",
        parameters: UTF8,
        to: "Grüße-owner@example.com",
        entry: ("grüsse.example.com", Some("owner"), None),
    },
    Mail {
        id: "final-sigma",
        from: "anne@example.org",
        parameters: UTF8,
        to: "ΈΛΛΗΣ@example.com",
        entry: ("έλλησ.example.com", None, None),
    },
    Mail {
        id: "u-label",
        from: "jürgen@bücher.example",
        parameters: UTF8,
        to: "leser@bücher.example",
        entry: ("leser.xn--bcher-kva.example", None, None),
    },
    Mail {
        id: "utf8-bounce",
        from: "",
        parameters: UTF8,
        to: "leser-bounces+jürgen=bücher.example@bücher.example",
        entry: ("leser.xn--bcher-kva.example", Some("bounces"), Some("jürgen=bücher.example")),
    },
];

/// Mail to the domain of such lists by its A-label.
const BY_A_LABEL: &[Mail] = &[Mail {
    id: "a-label",
    from: "anne@example.org",
    parameters: EIGHT_BIT,
    to: "leser-request@xn--bcher-kva.example",
    entry: ("leser.xn--bcher-kva.example", Some("request"), None),
}];

/// Addresses of no list, in the domains of these lists.
const UNKNOWN: &[&str] = &[
    "keine@example.com",
    "kéine@example.com",
    "keine@bücher.example",
    "müller@bücher.example",
    "kéine@xn--bcher-kva.example",
];

/// Returns all mail.
pub(crate) fn all() -> impl Iterator<Item = &'static Mail> {
    TO_ASCII.iter().chain(TO_UTF8).chain(BY_A_LABEL)
}

/// Creates the lists to which the mail goes.
pub(crate) fn site() -> Site {
    let site = Site::with_list();
    for list in ["müller@example.com", "grüße@example.com", "έλλης@example.com"] {
        site.create(list);
    }
    site.create("leser@bücher.example");
    site
}

/// Hands a mail to a mail server.
pub(crate) fn submit(smtp: &mut Smtp, mail: &Mail) {
    smtp.command(&format!("MAIL FROM:<{}>{}", mail.from, mail.parameters), "250");
    smtp.command(&format!("RCPT TO:<{}>", mail.to), "250");
    submit_data(smtp, mail.id);
}

/// Hands over all mail to a mail server that does not announce SMTPUTF8. Such a server refuses the parameter and domains
/// in UTF-8, with these replies, and takes UTF-8 in local parts and headers. Returns the mail that it has taken.
pub(crate) fn submit_without_smtputf8(
    smtp: &mut Smtp,
    [parameter, sender, recipient]: [&str; 3],
) -> Vec<&'static Mail> {
    let has_utf8_domain = |address: &str| address.rsplit('@').next().is_some_and(|domain| !domain.is_ascii());
    let mut taken = Vec::new();
    for mail in all() {
        if has_utf8_domain(mail.from) {
            smtp.command(&format!("MAIL FROM:<{}>", mail.from), sender);
            continue;
        }
        if mail.parameters.contains("SMTPUTF8") {
            smtp.command(&format!("MAIL FROM:<{}>{}", mail.from, mail.parameters), parameter);
        }
        smtp.command(&format!("MAIL FROM:<{}> BODY=8BITMIME", mail.from), "250");
        if has_utf8_domain(mail.to) {
            smtp.command(&format!("RCPT TO:<{}>", mail.to), recipient);
            smtp.command("RSET", "250");
            continue;
        }
        smtp.command(&format!("RCPT TO:<{}>", mail.to), "250");
        submit_data(smtp, mail.id);
        taken.push(mail);
    }
    assert_eq!(taken.len(), 10, "all but those with a domain in UTF-8");
    taken
}

/// Hands over the data of a mail, after DATA.
fn submit_data(smtp: &mut Smtp, id: &str) {
    smtp.command("DATA", "354");
    smtp.command(
        &format!(
            "From: Jürgen <jürgen@bücher.example>\r\nSubject: Grüße\r\nMessage-ID: <{id}@example.org>\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHällo\r\n."
        ),
        "250",
    );
}

/// Checks that a mail server refuses addresses of no list; without SMTPUTF8, only those without a U-label.
pub(crate) fn assert_unknown_are_refused(smtp: &mut Smtp, smtputf8: bool) {
    let parameter = if smtputf8 { " SMTPUTF8" } else { "" };
    smtp.command(&format!("MAIL FROM:<anne@example.org>{parameter}"), "250");
    for unknown in UNKNOWN.iter().filter(|unknown| smtputf8 || !unknown.contains("bücher")) {
        smtp.command(&format!("RCPT TO:<{unknown}>"), "550");
    }
}

/// Checks that these mails have arrived in the queue as they were sent, and no others.
pub(crate) fn assert_all_queued<'m>(site: &Site, mails: impl IntoIterator<Item = &'m Mail>) {
    let mut count = 0;
    for mail in mails {
        assert_queued(site, mail);
        count += 1;
    }
    assert_eq!(site.json(&["queue", "ls"]).len(), count, "nothing else is queued");
}

/// Checks that a mail has arrived in the queue, as it was sent.
fn assert_queued(site: &Site, mail: &Mail) {
    let id = format!("<{}@example.org>", mail.id);
    let entries = || site.json(&["queue", "ls", "--message-id", &id]);
    until(&format!("{} arrives", mail.id), || !entries().is_empty());
    let entry = &entries()[0];
    let (list, subaddress, detail) = mail.entry;
    assert_eq!(entry["list_id"], list, "{entry}");
    assert_eq!(entry["msgdata"]["subaddress"].as_str(), subaddress, "{entry}");
    assert_eq!(entry["detail"].as_str(), detail, "{entry}");
    // Postfix writes a local part with two dots in quotes.
    let sender = entry["mail_from"].as_str().unwrap().replace('"', "");
    assert_eq!(sender, if mail.from.is_empty() { "<>" } else { mail.from }, "{entry}");
    let stored = String::from_utf8(site.message(entry["id"].as_str().unwrap())).unwrap();
    for text in ["From: Jürgen <jürgen@bücher.example>\r\n", "Subject: Grüße\r\n", "\r\n\r\nHällo\r\n"]
    {
        assert!(stored.contains(text), "{text} is not in {stored}");
    }
}
