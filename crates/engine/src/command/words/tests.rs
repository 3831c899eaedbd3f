use super::{Word, Words, read};
use crate::automatic;
use crate::command::samples;
use crate::limits;
use crate::view::{START, View};
use listgate_lmtp::ReversePath;
use std::time::{Duration, Instant};

const TOKEN: &str = "ce4iyaaaaaaaatmlr2r4yp2hfe";

fn words(message: &[u8]) -> Words {
    read(&View::whole(message))
}

/// Returns the commands on one line, with a short token.
fn shown(words: &Words) -> String {
    let show = |word: &Word| match word {
        Word::Help => "help".to_owned(),
        Word::Join => "join".to_owned(),
        Word::Leave => "leave".to_owned(),
        Word::Confirm(token) => format!("confirm:{}", token.replace(TOKEN, "TOKEN")),
        Word::Who => "who".to_owned(),
        Word::Stop => "stop".to_owned(),
    };
    words.commands.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// Returns the commands of a subject.
fn subject(subject: &str) -> String {
    shown(&words(format!("Subject: {subject}\r\n\r\n").replace("TOKEN", TOKEN).as_bytes()))
}

/// Returns the commands of a plain text.
fn text(text: &str) -> String {
    shown(&words(
        format!("Subject:\r\n\r\n{}", text.replace('\n', "\r\n").replace("TOKEN", TOKEN)).as_bytes(),
    ))
}

/// Returns the commands of a text in HTML.
fn html(html: &str) -> String {
    shown(&words(format!("Content-Type: text/html\r\n\r\n{html}").as_bytes()))
}

#[test]
fn the_first_word_of_a_line_is_the_command() {
    for (line, expected) in [
        ("help", "help"),
        ("HELP", "help"),
        ("  Help!  ", "help"),
        ("\"help\"", "help"),
        ("*help*", "help"),
        ("<help>", "help"),
        ("\u{201e}help\u{201c}", "help"),
        ("- help", "help"),
        ("\u{a0}help\u{a0}me", "help"),
        ("\u{feff}help", "help"),
        ("he\u{200b}lp", "help"),
        ("help me, I cannot log in", "help"),
        ("join", "join"),
        ("join digest=mime", "join"),
        ("Subscribe", "join"),
        ("sUBSCRIBE", "join"),
        ("subscribe mylist Ann Example", "join"),
        ("subscribe address=victim@example.org", "join"),
        ("subscribe victim@example.org", "join"),
        ("leave", "leave"),
        ("unsubscribe", "leave"),
        ("Unsubscribe, please.", "leave"),
        ("please unsubscribe me", "leave"),
        ("Please: leave", "leave"),
        ("remove me", "leave"),
        ("who", "who"),
        ("who password", "who"),
        ("stop", "stop"),
        ("end.", "stop"),
        ("stop sending me these mails", ""),
        ("end of the text", ""),
        ("please", ""),
        ("please do not unsubscribe me", ""),
        ("I want to subscribe", ""),
        ("unsubscribed", ""),
        ("join/leave", ""),
        ("mailto:subscribe", ""),
        ("", ""),
        ("***", ""),
        ("confirm TOKEN", "confirm:TOKEN"),
        ("Confirm: <TOKEN>.", "confirm:TOKEN"),
        ("confirm the TOKEN please", "confirm:TOKEN"),
        ("please confirm TOKEN", "confirm:TOKEN"),
        ("confirm", ""),
        ("confirm TOKENx", ""),
        ("confirm 1234567890abcdefghijklmnop", ""),
        ("confirm mylist-confirm+TOKEN@example.com", ""),
    ] {
        assert_eq!(subject(line), expected, "{line:?} as a subject");
        assert_eq!(text(line), expected, "{line:?} in a text");
    }
    assert_eq!(subject(&format!("CONFIRM {}", TOKEN.to_uppercase())), "confirm:TOKEN");
}

#[test]
fn a_token_may_be_folded() {
    let (first, last) = TOKEN.split_at(10);
    let (middle, end) = last.split_at(7);
    let upper = last.to_uppercase();
    for line in [
        format!("confirm\n {TOKEN}"),
        format!("confirm\n{TOKEN}\n"),
        format!("confirm {first}\n {last}"),
        format!("confirm {first}\n\n{upper}\n"),
        format!("confirm {first} {last}"),
        format!("confirm {first} {middle}\n{end}, thank you"),
    ] {
        assert_eq!(text(&line), "confirm:TOKEN", "{line}");
    }
    for line in [format!("confirm\r\n {TOKEN}"), format!("Re: confirm {first}\r\n {middle}\r\n\t{end}")] {
        assert_eq!(subject(&line), "confirm:TOKEN", "{line}");
    }
    for line in [
        format!("confirm {first}"),
        format!("confirm {first}\n\n> {last}"),
        format!("confirm {first}\n{last}x"),
        format!("confirm {first}\n{middle}\n{end}"),
    ] {
        assert_eq!(text(&line), "", "{line}");
    }
    // The line that completes a token is not a command, and one that does not is.
    assert_eq!(text(&format!("confirm {first}\n{last}\nhelp")), "confirm:TOKEN help");
    assert_eq!(text(&format!("confirm {first}\nhelp\n{last}")), "help");
}

#[test]
fn subjects_of_replies_are_read_without_what_programs_add() {
    for (line, expected) in [
        ("Re: subscribe", "join"),
        ("RE:subscribe", "join"),
        ("AW: Re: subscribe", "join"),
        ("SV: subscribe", "join"),
        ("Fwd: subscribe", "join"),
        ("Antw: WG: TR: subscribe", "join"),
        ("Re[2]: Re(3): Re^4: subscribe", "join"),
        ("Re : subscribe", "join"),
        ("\u{56de}\u{590d}\u{ff1a} subscribe", "join"),
        ("[My List] subscribe", "join"),
        ("Re: [My List] AW: [EXTERNAL] subscribe", "join"),
        ("[subscribe]", "join"),
        ("=?utf-8?q?Re:_S?= =?utf-8?q?ubscribe?=", "join"),
        ("=?UTF-8?B?UsOpOiBzdWJzY3JpYmU=?=", ""),
        ("=?koi8-r?B?79TXOiBzdWJzY3JpYmU=?=", "join"),
        ("=?iso-8859-1?Q?R=E9p:_unsubscribe?=", "leave"),
        ("=?gb2312?B?tPC4tDogam9pbg==?=", "join"),
        ("=?utf-16?B?/v8AagBvAGkAbg==?=", "join"),
        ("Re: Please confirm: join mylist@example.com", ""),
        ("Re: Re: Re:", ""),
        ("Note: subscribe", ""),
        ("Question: leave?", ""),
    ] {
        assert_eq!(subject(line), expected, "{line}");
    }
    // It is the subject of another mail.
    assert_eq!(words(b"Subject: Re: Hello\r\n\r\nhelp\r\n").unknown, Vec::<String>::new());
    assert_eq!(words(b"Subject: Hello\r\n\r\nhelp\r\n").unknown, ["Hello"]);
}

#[test]
fn only_what_the_author_wrote_counts() {
    for (text_, expected) in [
        ("> help", ""),
        (">help\n>> join\n > who\n| leave\nAB> join", ""),
        ("help\n\n> join", "help"),
        ("> join\n\nhelp", "help"),
        ("> join\nhelp\n> leave\nwho", "help who"),
        // Top-posted
        ("help\n\nOn Sat, 28 Nov 2026 at 10:00, My List wrote:\n> join", "help"),
        ("help\nOn Sat, 28 Nov 2026 at 10:00, My List wrote:\njoin\nleave", "help"),
        (
            "help\n\nOn Sat, 28 Nov 2026 at 10:00, My List <\nmylist-request@example.com> wrote:\n\njoin",
            "help",
        ),
        (
            "help\n\nMy List <mylist-request@example.com> schrieb am Sa., 28. Nov. 2026,\n10:00:\n\njoin",
            "help",
        ),
        (
            "help\n\nLe sam. 28 nov. 2026 \u{e0} 10:00, My List <a@b.example> a\n\u{e9}crit :\n\n> join",
            "help",
        ),
        ("help\n\nsob., 28 lis 2026 o 10:00 My List <a@b.example>\nnapisa\u{142}(a):\n\njoin", "help"),
        (
            "help\n\n\u{441}\u{431}, 28 \u{43d}\u{43e}\u{44f}\u{431}. 2026 \u{433}. \u{432} 10:00, My List <a@b.example>:\n\njoin",
            "help",
        ),
        (
            "help\n\nMy List <a@b.example> \u{4e8e}2026\u{5e74}11\u{6708}28\u{65e5}\u{5468}\u{516d} 10:00\u{5199}\u{9053}\u{ff1a}\n\njoin",
            "help",
        ),
        ("help\n\n2026\u{5e74}11\u{6708}28\u{65e5}(\u{571f}) 10:00 My List <a@b.example>:\n\njoin", "help"),
        ("help\n\n-----Original Message-----\nFrom: My List\njoin", "help"),
        ("help\n\n-------- Urspr\u{fc}ngliche Nachricht --------\njoin", "help"),
        ("help\n\n________________________________\nVon: My List\njoin", "help"),
        ("help\n\nFrom: My List <a@b.example>\nSent: Saturday\n\njoin", "help"),
        ("help\n\n*De :* My List <a@b.example>\n\njoin", "help"),
        ("help\n\n\u{53d1}\u{4ef6}\u{4eba}\u{ff1a} My List\n\njoin", "help"),
        ("help\n\n---------- Forwarded message ---------\nFrom: My List\n\njoin", "help"),
        ("help\n\nBegin forwarded message:\n\njoin", "help"),
        // Bottom-posted
        ("On Sat, 28 Nov 2026 at 10:00, My List wrote:\n> join\n\nhelp", "help"),
        (
            "On Sat, 28 Nov 2026 at 10:00, My List <\nmylist-request@example.com> wrote:\n\n> join\n\nhelp",
            "help",
        ),
        ("------- Original Message -------\nOn Saturday, My List wrote:\n\n> join\n\nhelp", "help"),
        // Signatures
        ("help\n-- \njoin", "help"),
        ("help\n--\njoin", "help"),
        ("help\n\u{2014}\njoin", "help"),
        ("help\n\nSent from my iPhone", "help"),
        ("Sent from my iPhone\n\n> join\n\nhelp", "help"),
        ("-- \nhelp", ""),
        // A command is not mistaken for an introduction.
        ("subscribe 1@example.org:\nhelp", "join help"),
        ("help 2026\nMy List wrote:\n> join", "help"),
    ] {
        assert_eq!(text(text_), expected, "{text_}");
    }
}

#[test]
fn lines_that_are_not_understood_are_named() {
    let unknown = |text: &str| words(format!("\r\n{text}").as_bytes()).unknown;
    assert_eq!(
        unknown("Hello,\nhttp://example.org/\n***\nhelp\nstop it\nconfirm x\n"),
        ["Hello", "http", "stop", "confirm"]
    );
    assert_eq!(unknown(&"x".repeat(100)), ["x".repeat(limits::UNKNOWN_WORD)]);
    assert_eq!(unknown("\u{e9}t\u{e9}\u{7}\u{1b}[0m"), ["\u{e9}t\u{e9}"]);
    // Of a folded line, nothing is left.
    let folded = "Yes\n\nOn Sat, 28 Nov 2026 at 10:00, My List\n<mylist-request@example.com> wrote:\n> join";
    assert_eq!(unknown(folded), ["Yes"]);
    assert_eq!(unknown("Yes\nSent from my iPhone"), ["Yes"]);
}

#[test]
fn there_are_limits() {
    let lines: String = (0..10).map(|line| format!("word{line}\n\n> quoted\n")).collect();
    assert_eq!(text(&format!("{lines}help")), "", "the eleventh line");
    let (_, nine) = lines.split_once('\n').unwrap();
    assert_eq!(text(&format!("{nine}help\njoin")), "help", "the tenth line");
    // The subject is not one of them, but there are at most ten commands.
    let tokens: String = ('a'..='k').map(|c| format!("confirm {}\n", c.to_string().repeat(26))).collect();
    let many = words(format!("Subject: help\n\n{tokens}").as_bytes());
    assert_eq!(many.commands.len(), limits::COMMANDS);
    assert_eq!(many.commands[0], Word::Help);
    assert_eq!(text("join\nleave\njoin\nJOIN"), "join leave", "each once");
    assert_eq!(text("join\nstop\nleave"), "join stop");
    assert_eq!(shown(&words(b"Subject: end\n\njoin\n")), "stop");
    // A header that was not seen as a whole is not obeyed.
    let long = format!("Subject: join\r\nX: {}\r\n\r\njoin\r\n", "x".repeat(limits::HEADER));
    assert_eq!(words(long.as_bytes()), Words::default());
    // What is behind the limits of a view does not exist.
    let long = format!("\r\njoin\r\n{}\r\nleave\r\n", "> \r\n".repeat(START / 4));
    assert_eq!(shown(&words(long.as_bytes())), "join");
}

#[test]
fn html_is_read_as_text() {
    for (html_, expected) in [
        ("help", "help"),
        ("<html><body>help</body></html>", "help"),
        ("<p>help<p>join", "help join"),
        ("help<br>join<br/>who", "help join who"),
        ("<div>help</div><div>join</div>", "help join"),
        ("<ul><li>help<li>join</ul>", "help join"),
        ("<table><tr><td>help</td></tr><tr><td>join</td></tr></table>", "help join"),
        ("<P>HE<B>LP</B></P>", "help"),
        ("help\njoin", "help"),
        ("<pre>help\njoin</pre>\nwho", "help join who"),
        ("&#104;&#x65;lp", "help"),
        ("&nbsp;help&nbsp;", "help"),
        ("&lt;help&gt; &amp; &unknown; & &;", "help"),
        ("x&#10;help", ""),
        ("&gt; help", ""),
        ("<head><title>join</title><style>\nleave { }\n</style></head>help", "help"),
        ("<script>\nif (a < b) '</p>'\nleave\n</script>help", "help"),
        ("<STYLE>leave</Style >help", "help"),
        ("<!-- <p>join --> <!--[if mso]>join<![endif]--><!DOCTYPE x><?xml join?>help", "help"),
        ("<a title=\"> join\" href='x>\njoin'>help</a>", "help"),
        ("1 < 2<br>help <3", "help"),
        ("<blockquote>join</blockquote>help", "help"),
        ("help<blockquote><blockquote>join</blockquote>leave</blockquote>", "help"),
        ("On Saturday, My List wrote:<blockquote>join</blockquote>help", "help"),
        ("help<br>On Saturday, My List wrote:<br>join", "help"),
        ("help<div class=\"gmail_quote\">On x wrote:<div>join</div>leave</div>", "help"),
        ("help<div dir=ltr class='a gmail_quote gmail_quote_container'>join", "help"),
        ("help<div id=\"ydp98yahoo_quoted_17\" class=\"ydp98yahoo_quoted\"><div>join</div></div>", "help"),
        ("help<div class=protonmail_quote>join</div>", "help"),
        (
            "<div class=\"moz-cite-prefix\">On x wrote:<br></div><blockquote>join</blockquote><p>help</p>",
            "help",
        ),
        ("help<div id=\"x_divRplyFwdMsg\">From</div><div>join</div>", "help"),
        ("help<div id=appendonsend></div><hr><div>join</div>", "help"),
        ("help<div name=\"quote\">join</div>", "help"),
        ("help<div class=\"gmail_signature\">join<div>x</div></div>who", "help who"),
        ("help<p class=MsoNormal><b>From:</b> My List<br><b>Sent:</b> x</p><p>join</p>", "help"),
        ("</blockquote></div>help", "help"),
        ("help<br", "help"),
        ("help<a title=\"x>join", "help"),
        ("help<!-- join", "help"),
        ("help<style>join", "help"),
        ("help&#", "help"),
        ("<", ""),
        ("</", ""),
        ("", ""),
    ] {
        assert_eq!(html(html_), expected, "{html_}");
    }
}

#[test]
fn any_charset_and_encoding_is_read() {
    for (kind, encoding, body, expected) in [
        ("text/plain", "7bit", b"help".as_slice(), "help"),
        ("text/plain; charset=utf-8", "8bit", "\u{fc}\nhelp".as_bytes(), "help"),
        ("text/plain; charset=iso-8859-1", "8bit", b"\xfc\nhelp", "help"),
        ("text/plain; charset=iso-8859-1", "quoted-printable", b"=FC\nhe=\nlp=20", "help"),
        ("text/plain; charset=\"KOI8-R\"", "Base64", b"8NLJ18XUCmhlbHA=", "help"),
        ("text/plain; charset=gb2312", "8bit", b"\xc4\xe3\xba\xc3\nhelp", "help"),
        ("text/plain; charset=iso-2022-jp", "7bit", b"\x1b$B$3$s\x1b(B\nhelp", "help"),
        ("text/plain; charset=utf-16", "base64", b"//5oAGUAbABwAA==", "help"),
        ("text/plain; charset=utf-16be", "base64", b"AGgAZQBsAHA=", "help"),
        ("text/plain; charset=utf-7", "7bit", b"+AOQ-\nhelp", "help"),
        ("text/plain; charset=unknown", "8bit", b"\xff\nhelp", "help"),
        ("text/plain", "base64", b"aGV\r\nsc\r\nA", "help"),
        ("text/plain", "base64", b"aGVscA==\r\n\r\n-- \r\nA footer.", "help"),
        ("text/plain", "quoted-printable", b"help\n==\n", "help"),
        ("text/plain", "x-unknown", b"help", "help"),
        ("text/html; charset=utf-8", "base64", b"PHA+aGVscDwvcD4=", "help"),
        ("TEXT/HTML", "quoted-printable", b"<p class=3Dx>help</p>", "help"),
        ("text", "7bit", b"help", "help"),
        ("", "", b"help", "help"),
        ("text/calendar", "7bit", b"help", ""),
        ("application/pdf", "7bit", b"help", ""),
    ] {
        let header = format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
        assert_eq!(shown(&words(&[header.as_bytes(), body].concat())), expected, "{kind}, {encoding}");
    }
}

#[test]
fn the_first_text_of_several_parts_counts() {
    const PLAIN: &str = "Content-Type: text/plain\r\n\r\nhelp\r\n";
    const HTML: &str = "Content-Type: text/html\r\n\r\n<p>join</p>\r\n";
    const BLANK: &str = "Content-Type: text/plain\r\n\r\n \r\n\r\n";
    const FILE: &str =
        "Content-Type: text/plain; name=x\r\nContent-Disposition: Attachment; filename=x\r\n\r\nwho\r\n";
    const IMAGE: &str = "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n";
    const MESSAGE: &str = "Content-Type: message/rfc822\r\n\r\nSubject: leave\r\n\r\nleave\r\n";
    let parts = |boundary: &str, parts: &[&str]| {
        let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
        format!(
            "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\nleave\r\n{parts}--{boundary}--\r\nleave\r\n"
        )
    };
    for (message, expected) in [
        (parts("a", &[PLAIN, HTML]), "help"),
        (parts("a", &[HTML, PLAIN]), "join"),
        (parts("a", &[BLANK, HTML]), "join"),
        (parts("a", &[FILE, IMAGE, MESSAGE, PLAIN]), "help"),
        (parts("a", &[FILE, IMAGE, MESSAGE]), ""),
        (parts("a", &["\r\nhelp\r\n"]), "help"),
        (parts("a", &["help\r\n"]), "help"),
        (parts("a", &[&parts("aa", &[BLANK, HTML]), PLAIN]), "join"),
        (parts("a", &[&parts("b", &[&parts("c", &[PLAIN])])]), "help"),
        (parts("a", &[&parts("b", &[]), PLAIN]), "help"),
        (parts("a b", &[PLAIN]), "help"),
        (parts("", &[PLAIN]), ""),
        (parts("a", &[PLAIN]).replace("--a--\r\nleave\r\n", ""), "help"),
        (parts("a", &[PLAIN]).replace("; boundary=\"a\"", ""), ""),
        (parts("a", &[PLAIN]).replace("\r\n", "\n"), "help"),
    ] {
        assert_eq!(shown(&words(message.as_bytes())), expected, "{message}");
    }
    let nested =
        |levels| (0..levels).fold(PLAIN.to_owned(), |inner, level| parts(&format!("b{level}x"), &[&inner]));
    assert_eq!(shown(&words(nested(limits::NESTED_PARTS).as_bytes())), "help");
    assert_eq!(shown(&words(nested(limits::NESTED_PARTS + 1).as_bytes())), "");
}

/// Reads a hostile mail as large as a view. The time has a wide margin, but what grows with the square of the length takes
/// minutes.
#[test]
fn hostile_mail_takes_no_longer_than_other_mail() {
    let fill = |header: &str, unit: &str| {
        let unit = unit.replace('\n', "\r\n");
        format!("{header}\r\n\r\n{}", unit.repeat(limits::BODY_START / unit.len()))
    };
    let html = |unit: &str| fill("Content-Type: text/html", unit);
    let mixed = |unit: &str| fill("Content-Type: multipart/mixed; boundary=b", unit);
    let nested: String =
        (0..20_000).map(|n| format!("Content-Type: multipart/x; boundary={n}\r\n\r\n--{n}\r\n")).collect();
    for message in [
        html("<"),
        html("<div>"),
        html("<div><div class=gmail_quote>"),
        html("<blockquote>x</blockquote>"),
        html("<blockquote>"),
        html("<!--"),
        html("<style>"),
        html("</style"),
        html("<script></"),
        html("&"),
        html("&amp"),
        html("<a class=\""),
        html("<a b=c d=e class=x"),
        html("<a b=c d=e class=x>"),
        html("<p\n"),
        fill("Content-Type: text/html", " ") + "<p>x",
        mixed("--b\n"),
        mixed("--b\n\n"),
        mixed("--b\nContent-Type: multipart/x; boundary=c\n\n"),
        mixed("--b\nContent-Type: multipart/x; boundary=c\n\n--c\n"),
        nested,
        fill("X: y", "\n"),
        fill("X: y", "x"),
        fill("X: y", "x "),
        fill("X: y", "On 1, a wrote:\n>\n"),
        fill("X: y", "2026\nwrote:\n>\n"),
        fill("X: y", "Sent from 1\n"),
        fill("X: y", "confirm "),
        format!("Subject: {}\r\n\r\n", "Re: ".repeat(limits::HEADER / 5)),
        format!("Subject: {}\r\n\r\n", "[".repeat(limits::HEADER - 100)),
        format!("Subject: {}\r\n\r\n", "confirm a ".repeat(limits::HEADER / 11)),
        format!("Subject: {}\r\n\r\n", "=?utf-8?q?".repeat(limits::HEADER / 11)),
        format!("Content-Type: text/plain{}\r\n\r\nx", "; a*0=b".repeat(limits::HEADER / 8)),
    ] {
        let start = Instant::now();
        let words = words(message.as_bytes());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?}: {}", &message[..100]);
        assert!(words.commands.is_empty(), "{}", &message[..100]);
    }
}

#[test]
fn the_commands_of_ten_mail_programs_are_read() {
    let expected = [
        ("gmail", "join", ""),
        ("outlook", "leave", "Ann Example"),
        ("outlook-web", "join", "Mailing"),
        ("apple-mail", "join", ""),
        ("iphone", "leave", ""),
        ("thunderbird", "who", ""),
        ("k9", "leave", "Abo"),
        ("mutt", "confirm:TOKEN", ""),
        ("yahoo", "leave", "Mailing Hi Thanks"),
        ("proton", "help", ""),
    ];
    assert_eq!(expected.map(|(program, ..)| program), samples::PROGRAMS);
    for (program, commands, unknown) in expected {
        let words = words(&samples::command(program));
        assert_eq!(
            (shown(&words).as_str(), words.unknown.join(" ").as_str()),
            (commands, unknown),
            "{program}"
        );
    }
}

#[test]
fn the_replies_of_ten_mail_programs_give_no_command() {
    let expected = [
        ("gmail", "Yes"),
        ("outlook", "OK Ann Example"),
        ("outlook-web", "Yes Ann"),
        ("apple-mail", "I"),
        ("iphone", "Yes"),
        ("thunderbird", "Ja"),
        ("k9", ""),
        ("mutt", "Yes"),
        ("yahoo", "Confirmed"),
        ("proton", "Yes"),
    ];
    assert_eq!(expected.map(|(program, _)| program), samples::PROGRAMS);
    for (program, unknown) in expected {
        let words = words(&samples::reply(program));
        assert_eq!((shown(&words).as_str(), words.unknown.join(" ").as_str()), ("", unknown), "{program}");
    }
}

/// The same mail in HTML alone: its author wrote the same.
#[test]
fn the_html_of_ten_mail_programs_says_what_their_text_says() {
    let mut count = 0;
    for message in
        samples::PROGRAMS.map(|program| [samples::reply(program), samples::command(program)]).as_flattened()
    {
        let text = String::from_utf8(message.clone()).unwrap();
        let html = text.replacen("text/plain", "application/x-text", 1);
        if html.contains("multipart/alternative") {
            assert_eq!(shown(&words(html.as_bytes())), shown(&words(message)), "{text}");
            let (of_html, of_text) = (words(html.as_bytes()).unknown, words(message).unknown);
            // The names of Outlook's signatures are marked in HTML alone.
            assert!(of_text.starts_with(&of_html), "{of_html:?}, {of_text:?}: {text}");
            count += 1;
        }
    }
    assert_eq!(count, 13);
}

#[test]
fn the_mail_of_ten_mail_programs_is_not_automatic() {
    let sender = ReversePath::Mailbox("ann@example.org".parse().unwrap());
    for message in
        samples::PROGRAMS.map(|program| [samples::reply(program), samples::command(program)]).as_flattened()
    {
        assert_eq!(automatic::of_command(&sender, &View::whole(message)), None);
    }
}
