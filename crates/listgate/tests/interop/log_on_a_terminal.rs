//! The log on a terminal: each recipient of a mail has a line, and no line is wider than the terminal.

use crate::support::{Peer, Site, queued_as, until};
use crate::terminal::Terminal;

const SENDER: &str = "a-rather-long-name+with-a-detail@department.example.org";
const MESSAGE: &str =
    "Message-ID: <20260131120000.0123456789abcdef0123456789abcdef@mail.department.example.org>\r\n\r\n";
const REFUSAL: &str = "550 5.1.1 Requested action not taken: mailbox unavailable";

#[test]
#[ignore = "needs script"]
fn the_log_of_a_mail_fits_80_columns_with_a_line_per_recipient() {
    for columns in [80, 60] {
        let site = Site::with_list();
        let output = site.data().join("terminal");
        let line = format!("stty cols {columns}; exec listgate --data-dir . serve --listen 127.0.0.1:0");
        let mut terminal = Terminal::start(site.data(), &line, &output);
        let address = || {
            let printed = terminal.printed();
            let (_, rest) = printed.split_once("listening on ")?;
            rest.split_once('\r')?.0.trim().parse().ok()
        };
        until("the gate listens", || address().is_some());
        let mut peer = Peer::greeted(address().unwrap());
        peer.command(&format!("MAIL FROM:<{SENDER}>"));
        for (recipient, code) in [("mylist", "250"), ("nobody", "550"), ("mylist-join", "250")] {
            assert_eq!(peer.command(&format!("RCPT TO:<{recipient}@example.com>"))[..3], *code);
        }
        peer.command("DATA");
        peer.send(format!("{MESSAGE}.\r\n"));
        let ids = [peer.reply(), peer.reply()].map(|reply| queued_as(&reply).to_owned());
        until("the transaction is in the log", || {
            // The peer comes last.
            terminal.printed().split_once("peer=").is_some_and(|(_, rest)| rest.contains('\n'))
        });
        terminal.interrupt();
        assert_eq!(terminal.wait(), Some(0), "{}", terminal.printed());

        let printed = terminal.printed();
        let (_, log) = printed.split_once("INFO transaction").unwrap();
        let words = log.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            &format!("from={SENDER}"),
            &format!("mylist@example.com in/post mylist.example.com {}", ids[0]),
            &format!("mylist-join@example.com command/join mylist.example.com {}", ids[1]),
            &format!("nobody@example.com {REFUSAL}"),
            MESSAGE.trim_end().strip_prefix("Message-ID: ").unwrap(),
        ] {
            assert!(words.contains(part), "{part}: {printed}");
        }
        for recipient in ["mylist", "mylist-join", "nobody"] {
            let begins = format!("    {recipient}@example.com ");
            assert_eq!(log.lines().filter(|line| line.starts_with(&begins)).count(), 1, "{printed}");
        }
        // The terminal echoes Ctrl-C, wherever it is.
        for line in printed.replace("^C", "").lines().filter(|line| line.trim().contains(' ')) {
            assert!(line.chars().count() <= columns, "{line:?} is wider than {columns} columns: {printed}");
        }
    }
}
