//! The parameters of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 1870, RFC 6152).

use crate::util::Server;

fn reply_to_mail(parameters: &str) -> String {
    Server::greeted().say(format!("MAIL FROM:<ann@example.org>{parameters}\r\n").as_bytes())
}

#[test]
fn size_and_body_are_known() {
    for parameters in [
        " SIZE=0",
        " SIZE=1000",
        " size=00000000000000000012",
        " BODY=7BIT",
        " BODY=8BITMIME",
        " SIZE=1 BODY=7bit",
        " SMTPUTF8",
        " BODY=8BITMIME smtputf8 SIZE=1",
        " BODY=7BIT  SIZE=1",
    ] {
        assert_eq!(reply_to_mail(parameters), "250 2.1.0 Sender ok\r\n", "{parameters}");
    }
}

#[test]
fn a_wrong_value_is_501() {
    for parameters in [
        " SIZE",
        " SIZE=",
        " SIZE=x",
        " SIZE=-1",
        " SIZE=+1",
        " SIZE=1.5",
        " SIZE=123456789012345678901",
        " BODY",
        " BODY=",
        " BODY=BINARYMIME",
        " SIZE=1 SIZE=1",
        " BODY=7BIT BODY=7BIT",
        " SMTPUTF8 SMTPUTF8",
        " SMTPUTF8=",
        " SMTPUTF8=yes",
        " SIZE=1=2",
        " X=1=2",
        " =",
        " -A=1",
        " A_B=1",
        " SIZE=1\u{e4}",
        " X=\u{1}",
        " \u{e4}",
    ] {
        let reply = reply_to_mail(parameters);
        assert!(reply.starts_with("501 5.5.4 "), "{parameters}: {reply}");
    }
}

/// A server that announces DSN must send the notifications. We do not announce it, so its parameters are unknown.
#[test]
fn an_unknown_parameter_is_555() {
    let unknown = "555 5.5.4 Parameter not recognized or not implemented\r\n";
    for parameters in [" RET=HDRS", " ENVID=x", " SMTPUTF8X", " AUTH=<>", " SIZE=1 FOO=bar", " FOO BODY=7BIT"]
    {
        assert_eq!(reply_to_mail(parameters), unknown, "{parameters}");
    }
    let mut server = Server::greeted();
    server.say(b"MAIL FROM:<ann@example.org>\r\n");
    for parameter in ["NOTIFY=NEVER", "ORCPT=rfc822;a@b", "SIZE=1", "IGNOREQUOTA"] {
        let reply = server.say(format!("RCPT TO:<list@example.com> {parameter}\r\n").as_bytes());
        assert_eq!(reply, unknown, "{parameter}");
    }
    assert_eq!(server.say(b"RCPT TO:<list@example.com>\r\n"), "250 2.1.5 Recipient ok\r\n");
}

#[test]
fn the_declared_size_is_passed_on() {
    for (parameters, expected) in
        [("", None), (" SIZE=12", Some(12)), (" SIZE=18446744073709551616", Some(u64::MAX))]
    {
        let mut session = Server::greeted_with(|settings| settings.limits.message_size = u64::MAX).session;
        let line = format!("MAIL FROM:<ann@example.org>{parameters}\r\n");
        match session.next(std::time::Instant::now(), &mut line.as_bytes()) {
            Some(listgate_lmtp::Event::Mail(sender)) => assert_eq!(sender.size, expected),
            other => panic!("{other:?}"),
        }
    }
}
