//! Which errors count against a peer: 500, 501, 503 and 555, if they are its own mistake.

use crate::util::Server;

const LIMIT: u32 = 5;
const TOO_MANY: &str = "421 4.7.0 Too many commands without a message, closing\r\n";
const LAST: &str = "421 4.7.0 Too many errors, closing\r\n";

fn server() -> Server {
    Server::greeted_with(|settings| settings.limits.errors = LIMIT)
}

/// Sends `group` far more often than the limit, and checks that the session continues.
fn does_not_count(group: &str) {
    let mut server = server();
    for _ in 0..4 * LIMIT {
        let replies = server.say(group.as_bytes());
        assert!(!replies.contains("421"), "{group:?}: {replies}");
    }
    assert_eq!(server.say(b"NOOP\r\n"), "250 2.0.0 Ok\r\n");
}

#[test]
fn a_peers_own_mistakes_count() {
    for line in [
        "NONSENSE",
        "EHLO a",
        "MAIL",
        "MAIL FROM:<a@b> FOO=1",
        "DATA",
        "RCPT TO:<a@b>",
        "DATA x",
        "",
        &"x".repeat(5000),
    ] {
        let mut server = server();
        for _ in 1..LIMIT {
            let reply = server.say(format!("{line}\r\n").as_bytes());
            assert!(!reply.contains("421"), "{line:?}: {reply}");
            server.say(b"RSET\r\n");
        }
        let last = server.say(format!("{line}\r\nNOOP\r\n").as_bytes());
        assert!(last.ends_with(LAST), "{line:?}: {last}");
        assert_eq!(last.lines().count(), 2, "{line:?}: {last}");
        assert!(server.is_closed());
        assert_eq!(server.say(b"NOOP\r\n"), "");
    }
}

#[test]
fn a_mail_before_the_greeting_counts_each_time() {
    let mut server = Server::with(|settings| settings.limits.errors = LIMIT);
    let replies = server.say("MAIL FROM:<a@b>\r\n".repeat(10).as_bytes());
    assert_eq!(replies.matches("503 ").count(), LIMIT as usize);
    assert!(replies.ends_with(LAST));
}

#[test]
fn refused_recipients_and_data_pipelined_after_them_do_not_count() {
    does_not_count("MAIL FROM:<a@b>\r\nRCPT TO:<no@b>\r\nRCPT TO:<no-more@b>\r\nDATA\r\nRSET\r\n");
}

#[test]
fn commands_pipelined_after_a_refused_mail_do_not_count() {
    does_not_count("MAIL FROM:<no@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    does_not_count("MAIL FROM:<a@b> SIZE=9999\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
}

#[test]
fn a_malformed_mail_counts_once_whatever_is_pipelined_after_it() {
    let overlong = format!("MAIL FROM:<{}@b>", "a".repeat(5000));
    for mail in ["MAIL", "MAIL FROM:<a@b> FOO", "mail from:<a b@c>", overlong.as_str()] {
        let mut server = server();
        let group = format!("{mail}\r\n{}DATA\r\n", "RCPT TO:<a@b>\r\n".repeat(20));
        for _ in 1..LIMIT {
            assert!(!server.say(group.as_bytes()).contains("421"), "{mail}");
        }
        assert!(server.say(group.as_bytes()).contains(LAST), "{mail}");
    }
    let mut server = Server::with(|settings| settings.limits.errors = LIMIT);
    let group = format!("MAIL FROM:<a@b>\r\n{}DATA\r\n", "RCPT TO:<a@b>\r\n".repeat(20));
    assert!(!server.say(group.as_bytes()).contains("421"), "before LHLO");
}

#[test]
fn a_mistake_other_than_mail_excuses_nothing() {
    let mut server = server();
    assert!(server.say(b"NONSENSE\r\nDATA\r\nDATA\r\nDATA\r\nDATA\r\n").ends_with(LAST));
}

#[test]
fn mistakes_after_a_reset_count_again() {
    for again in ["RSET", "LHLO a"] {
        let mut server = server();
        server.say(format!("MAIL FROM:<no@b>\r\n{again}\r\n").as_bytes());
        assert!(server.say("DATA\r\n".repeat(5).as_bytes()).ends_with(LAST), "{again}");
    }
}

#[test]
fn other_refusals_do_not_count() {
    does_not_count("EXPN list\r\n");
    does_not_count("MAIL FROM:<a@b> SIZE=9999\r\n");
    let mut server = Server::greeted_with(|settings| {
        settings.limits.errors = LIMIT;
        settings.limits.recipients = 0;
    });
    let replies = server.say(format!("MAIL FROM:<a@b>\r\n{}", "RCPT TO:<a@b>\r\n".repeat(20)).as_bytes());
    assert_eq!(replies.matches("452 4.5.3").count(), 20);
    assert!(!server.is_closed());
}

#[test]
fn commands_without_a_message_end_the_session() {
    let mut server = Server::greeted_with(|settings| settings.limits.commands = 10);
    // A message resets the count.
    for _ in 0..3 {
        assert!(!server.say("NOOP\r\n".repeat(5).as_bytes()).contains("421"));
        server.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
        assert!(server.say(b"x\r\n.\r\n").starts_with("250"));
    }
    let replies = server.say("NOOP\r\n".repeat(20).as_bytes());
    assert_eq!(replies.matches("250 ").count(), 10);
    assert!(replies.ends_with(TOO_MANY));
    assert!(server.is_closed());
}

#[test]
fn idle_commands_end_the_session_earlier() {
    let mut server = Server::greeted_with(|settings| settings.limits.idle_commands = 10);
    // Verifying addresses counts as being about mail.
    for _ in 0..20 {
        let replies = server.say(b"NOOP\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nRSET\r\n");
        assert!(!replies.contains("421"), "{replies}");
    }
    let replies = server.say("HELP\r\nVRFY x\r\nLHLO x\r\nNOOP\r\n".repeat(5).as_bytes());
    assert!(replies.ends_with(TOO_MANY), "{replies}");
    assert!(server.is_closed());
}

#[test]
fn a_command_about_mail_resets_the_count() {
    let mut server = Server::greeted_with(|settings| settings.limits.idle_commands = 10);
    server.say(b"MAIL FROM:<a@b>\r\n");
    let nine = "NOOP\r\n".repeat(9);
    for _ in 0..20 {
        let replies = server.say(format!("{nine}RCPT TO:<a@b>\r\n").as_bytes());
        assert!(!replies.contains("421"), "{replies}");
    }
    let replies = server.say(format!("{nine}DATA\r\n.\r\n{nine}").as_bytes());
    assert!(!replies.contains("421"), "{replies}");
    server.say(format!("MAIL FROM:<a@b>\r\n{nine}RCPT TO:<no@b>\r\nNOOP\r\n").as_bytes());
    assert_eq!(server.say(b"NOOP\r\n"), TOO_MANY, "who is refused proves nothing");
}

#[test]
fn a_quit_is_answered_however_many_commands_there_were() {
    for (commands, idle_commands) in [(10, 100), (100, 10)] {
        let mut server = Server::with(|settings| {
            (settings.limits.commands, settings.limits.idle_commands) = (commands, idle_commands);
        });
        assert!(!server.say("NOOP\r\n".repeat(10).as_bytes()).contains("421"));
        assert_eq!(server.say(b"QUIT\r\n"), "221 2.0.0 Bye\r\n");
        assert!(server.is_closed());
    }
}

#[test]
fn each_idle_command_counts() {
    for line in ["NOOP\r\n", "HELP\r\n", "VRFY x\r\n", "LHLO x\r\n"] {
        // The LHLO of the greeting is the first of the ten.
        let mut server = Server::greeted_with(|settings| settings.limits.idle_commands = 10);
        let replies = server.say(line.repeat(9).as_bytes());
        assert!(!replies.contains("421"), "{line:?}: {replies}");
        assert_eq!(server.session.commands(), 10);
        assert_eq!(server.say(line.as_bytes()), TOO_MANY);
    }
}
