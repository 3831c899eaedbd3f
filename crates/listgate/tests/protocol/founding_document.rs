//! The document that Listgate began with, case by case and in its order: GNU Mailman 3's early
//! description of its LMTP server.

use crate::support::{Peer, Site, queued_as, tcp};
use listgate::{Config, RefuseAt};

const UNAVAILABLE: &str = "550 5.1.1 Requested action not taken: mailbox unavailable";
const ANNE: &str = "anne.person@example.com";

struct Case<'s> {
    site: &'s Site,
    peer: Peer,
    refuse_at: RefuseAt,
}

impl Case<'_> {
    fn refused(&mut self, to: &str, message: &str) {
        let message = message.replace('\n', "\r\n");
        if self.refuse_at == RefuseAt::Data {
            assert_eq!(self.peer.deliver(ANNE, &[to], message), [UNAVAILABLE]);
        } else {
            assert_eq!(&self.peer.command(&format!("MAIL FROM:<{ANNE}>"))[..3], "250");
            assert_eq!(self.peer.command(&format!("RCPT TO:<{to}>")), UNAVAILABLE);
            assert_eq!(&self.peer.command("DATA")[..3], "503");
            assert_eq!(&self.peer.command("RSET")[..3], "250");
        }
    }

    /// Asserts that mail is accepted into `queue`, as the only entry; `msgdata` is the dump without the size.
    fn accepted(&mut self, from: &str, to: &str, message: &str, queue: &str, msgdata: &str) {
        let wire = message.replace('\n', "\r\n");
        let replies = self.peer.deliver(from, &[to], &wire);
        let id = queued_as(&replies[0]).to_owned();
        assert_eq!(self.site.ids(queue), [id.as_str()], "in {queue} and nowhere else");
        assert_eq!(self.site.json(&["queue", "ls"]).len(), 1);

        let (header, body) = wire.split_once("\r\n\r\n").unwrap();
        let stored = format!("{header}\r\nX-MailFrom: {from}\r\n\r\n{body}");
        assert_eq!(String::from_utf8(self.site.message(&id)).unwrap(), stored);

        let dump = msgdata.replace("...", &wire.len().to_string());
        assert_eq!(self.site.stdout(&["queue", "show", &id, "--msgdata"]), dump);
        assert_eq!(self.site.stdout(&["queue", "show", &id]), stored + &dump);
        self.site.stdout(&["queue", "remove", &id]);
    }

    fn subaddress(&mut self, from: &str, suffix: &str, message: &str, queue: &str, canonical: &str) {
        let msgdata = format!(
            "_parsemsg    : False\nlistname     : mylist@example.com\noriginal_size: ...\n\
             subaddress   : {canonical}\nversion      : 3\n"
        );
        self.accepted(from, &format!("mylist-{suffix}@example.com"), message, queue, &msgdata);
    }
}

fn person(to: &str, subject: &str, id: &str, body: &str) -> String {
    format!("From: {ANNE}\nTo: {to}\n{subject}Message-ID: <{id}>\n\n{body}")
}

fn the_document(refuse_at: RefuseAt) {
    let site = Site::new();
    let gate = site.gate(Config { refuse_at, ..site.config() });
    let mut case = Case { site: &site, peer: Peer::greeted(tcp(&gate)), refuse_at };
    let list = "mylist@example.com";
    let interesting = "Subject: An interesting message\n";

    case.refused(list, &person(list, interesting, "aardvark", "This is an interesting message.\n"));
    site.create(list);
    let post = "_parsemsg    : False\nlistname     : mylist@example.com\noriginal_size: ...\n\
                to_list      : True\nversion      : 3\n";
    let badger = person(list, interesting, "badger", "This is an interesting message.\n");
    case.accepted(ANNE, list, &badger, "in", post);

    let help = "Subject: Help\n";
    let bogus = "mylist-bogus@example.com";
    case.refused(bogus, &person(bogus, help, "cow", "Please help me.\n"));
    let request = person("mylist-request@example.com", help, "dog", "Please help me.\n");
    case.subaddress(ANNE, "request", &request, "command", "request");

    let daemon = "mail-daemon@example.com";
    let bounce = "From: mail-daemon@example.com\nTo: mylist-bounces@example.com\nSubject: A bounce\n\
                  Message-ID: <elephant>\n\nBouncy bouncy.\n";
    case.subaddress(daemon, "bounces", bounce, "bounces", "bounces");
    let confirm = person("mylist-confirm@example.com", "Subject: A bounce\n", "falcon", "confirm 123\n");
    case.subaddress(ANNE, "confirm", &confirm, "command", "confirm");

    for (suffix, canonical, animal) in [
        ("join", "join", "giraffe"),
        ("subscribe", "join", "hippopotamus"),
        ("leave", "leave", "iguana"),
        ("unsubscribe", "leave", "jackal"),
    ] {
        let message = person(&format!("mylist-{suffix}@example.com"), "", animal, "");
        case.subaddress(ANNE, suffix, &message, "command", canonical);
    }

    let owner = "_parsemsg    : False\nenvsender    : changeme@example.com\nlistname     : mylist@example.com\n\
                 original_size: ...\nsubaddress   : owner\nto_owner     : True\nversion      : 3\n";
    let kangaroo = person("mylist-owner@example.com", "", "kangaroo", "");
    case.accepted(ANNE, "mylist-owner@example.com", &kangaroo, "in", owner);
    gate.stop().unwrap();
}

#[test]
fn refused_after_the_data_as_in_the_document() {
    the_document(RefuseAt::Data);
}

#[test]
fn refused_at_rcpt() {
    the_document(RefuseAt::Rcpt);
}
