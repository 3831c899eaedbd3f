//! The rows: a state, a mail, and what is decided.
//!
//! `!` marks mail that counts towards no limit.

use super::decided;

const JOIN: &str = "Re: Please confirm: join mylist@example.com";

/// Rows about joining.
const JOINS: &[(&str, &str, &str)] = &[
    (
        "",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "",
        "join+detail",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "",
        "join | From: ANNE@Example.ORG",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm ANNE@Example.ORG, ConfirmJoin (Asked) to ANNE@Example.ORG",
    ),
    (
        "",
        "join | From: Anne <anne@example.org>, bob@example.org",
        "Answered: NoSender > Help to anne@example.org",
    ),
    ("", "join | From: undisclosed", "Ignored: Automatic(NoAuthor)"),
    ("", "join | From: a@example.org | From: b@example.org", "Answered: NoSender > Help to a@example.org"),
    (
        "",
        "join | <bob@example.net>",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    ("", "join | <>", "Ignored: Automatic(NullSender)"),
    ("", "join | Auto-Submitted: auto-replied", "Ignored: Automatic(AutoReplied)"),
    ("", "join | From: mylist@example.com | <anne@example.org>", "Ignored: Loop"),
    ("", "join | From: mylist-request@example.com | <anne@example.org>", "Ignored: Loop"),
    (
        "",
        "join | From: mylistx@example.com",
        "Asked: Asked(Join) mylistx@example.com > ask Join Confirm mylistx@example.com, ConfirmJoin (Asked) to mylistx@example.com",
    ),
    ("", "join | X-BeenThere: mylist.example.com", "Ignored: Loop"),
    (
        "open",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "open; trust",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "open; trust",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Done: Joined anne@example.org > join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "open",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "open; trust; changes",
        "join | Authentication-Results: mx.example.com; dmarc=pass header.from=example.org",
        "Done: Joined anne@example.org > join anne@example.org, Welcome! (Joined) to anne@example.org, OwnerJoined [Anne <anne@example.org>] to owners",
    ),
    (
        "open; trust; silent",
        "join | Authentication-Results: mx.example.com; dmarc=pass header.from=example.org",
        "Done: Joined anne@example.org > join anne@example.org",
    ),
    (
        "trust",
        "join | Authentication-Results: mx.example.com; dmarc=pass header.from=example.org",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "open; trust",
        "join | Authentication-Results: mx.example.com; dkim=fail header.d=example.org",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "open; trust; join 17 anne@example.org",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "moderate",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "moderate; trust",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Asked: AskedModerator anne@example.org > ask Join Moderate anne@example.org, OwnerAsks (Asked) [Anne <anne@example.org>] to owners, Waiting! to anne@example.org",
    ),
    (
        "moderate; trust; join 17 anne@example.org",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Asked: AskedModerator anne@example.org > moderator 17, OwnerAsks (Request(17)) [Anne <anne@example.org>] to owners, Waiting! to anne@example.org",
    ),
    (
        "moderate; trust; silent",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Asked: AskedModerator anne@example.org > ask Join Moderate anne@example.org, Waiting! to anne@example.org",
    ),
    (
        "both; trust",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "both",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    ("closed", "join", "Answered: Closed > Closed to anne@example.org"),
    ("closed", "join | <bob@example.net>", "Answered: Closed > Closed to anne@example.org"),
    (
        "closed; trust",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Answered: Closed > Closed to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "join",
        "Answered: Member anne@example.org > AlreadyMember to anne@example.org",
    ),
    (
        "member 7 Anne@example.org",
        "join | <bob@example.net>",
        "Answered: Member anne@example.org > AlreadyMember to anne@example.org",
    ),
    (
        "closed; member 7 anne@example.org",
        "join",
        "Answered: Member anne@example.org > AlreadyMember to anne@example.org",
    ),
    ("ban anne@example.org", "join", "Ignored: Banned anne@example.org"),
    ("ban @example.org", "join", "Ignored: Banned anne@example.org"),
    ("ban ^ann.*@", "join", "Ignored: Banned anne@example.org"),
    (
        "ban @example.net",
        "join | <bob@example.net>",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    ("ban anne@example.org; member 7 anne@example.org", "join", "Ignored: Banned anne@example.org"),
    (
        "join 17 anne@example.org",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "join 17 anne@example.org hour",
        "join",
        "Asked: Asked(Join) anne@example.org, OverLimit(Request) anne@example.org > ask Join Confirm anne@example.org",
    ),
    (
        "join 17 anne@example.org day",
        "join",
        "Asked: Asked(Join) anne@example.org, OverLimit(Request) anne@example.org > ask Join Confirm anne@example.org",
    ),
    ("join 17 anne@example.org moderator", "join", "Ignored: Waiting anne@example.org"),
    (
        "leave 17 anne@example.org hour",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "invite 17 anne@example.org",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "got anne@example.org 9 9",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "got anne@example.org 10 0",
        "join",
        "Asked: Asked(Join) anne@example.org, OverLimit(Address) anne@example.org > ask Join Confirm anne@example.org",
    ),
    (
        "got anne@example.org 0 100",
        "join",
        "Asked: Asked(Join) anne@example.org, OverLimit(Domain) anne@example.org > ask Join Confirm anne@example.org",
    ),
    (
        "bounced anne@example.org",
        "join",
        "Asked: Asked(Join) anne@example.org, Bounces anne@example.org > ask Join Confirm anne@example.org",
    ),
    ("full", "join", "Ignored: TooManyRequests"),
    ("full", "request | Subject: join", "Ignored: TooManyRequests"),
    ("full; closed", "join", "Answered: Closed > Closed to anne@example.org"),
    (
        "full; join 17 anne@example.org",
        "join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "full; open; trust",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Done: Joined anne@example.org > join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "full; moderate; trust",
        "join | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Ignored: TooManyRequests",
    ),
    (
        "full; member 7 anne@example.org",
        "leave",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org; got anne@example.org 10 0",
        "join",
        "Ignored: Member anne@example.org, OverLimit(Address) anne@example.org",
    ),
];

/// Rows about confirmations.
const CONFIRMATIONS: &[(&str, &str, &str)] = &[
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | In-Reply-To: <notice.3.17@example.com>",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | References: <1@x> <notice.3.17@example.com>",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | In-Reply-To: <notice.3.17@EXAMPLE.com>",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | In-Reply-To: <notice.3.18@example.com>",
        "Ignored: NotAReply",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | In-Reply-To: <notice.3.17@example.net>",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | In-Reply-To: <notice.3.17.1@example.com>",
        "Ignored: NotAReply",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | Subject: AW:  please confirm: JOIN mylist@example.com",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    ("join 17 anne@example.org", "confirm+{confirm:17}", "Ignored: NotAReply"),
    ("join 17 anne@example.org", "confirm+{confirm:17} | Subject: yes", "Ignored: NotAReply"),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | From: other@example.net | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | From: a@example.org, b@example.org | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | <> | Subject: {S}",
        "Ignored: Automatic(NullSender)",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | Auto-Submitted: auto-replied | Subject: {S}",
        "Ignored: Automatic(AutoReplied)",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | Precedence: bulk | Subject: {S}",
        "Ignored: Automatic(Precedence)",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | Subject: Automatic reply: {S}",
        "Ignored: Automatic(Subject)",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{confirm:17} | From: mailer-daemon@example.org | Subject: {S}",
        "Ignored: Automatic(Robot)",
    ),
    (
        "join 17 anne@example.org just",
        "confirm+{confirm:17} | Subject: {S}",
        "Asked: Early > early 17, ConfirmAgain! (Request(17)) to anne@example.org",
    ),
    (
        "join 17 anne@example.org unsent",
        "confirm+{confirm:17} | Subject: {S}",
        "Asked: Early > early 17, ConfirmAgain! (Request(17)) to anne@example.org",
    ),
    (
        "join 17 anne@example.org 5s",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    ("join 17 anne@example.org just early", "confirm+{confirm:17} | Subject: {S}", "Ignored: EarlyAgain"),
    (
        "join 17 anne@example.org early",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org future",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org moderator",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: Waiting anne@example.org",
    ),
    ("", "confirm+{confirm:17} | Subject: {S}", "Answered: UnknownSubject > AskAgain to anne@example.org"),
    (
        "over join 17 anne@example.org; member 8 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: Member anne@example.org",
    ),
    (
        "over invite 17 anne@example.org; member 8 anne@example.org",
        "confirm+{confirm:17} | <ANNE@example.org> | From: other@example.net",
        "Ignored: Member anne@example.org",
    ),
    ("over leave 17 anne@example.org", "confirm+{confirm:17}", "Ignored: NotMember anne@example.org"),
    (
        "over join 17 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Answered: UnknownSubject > AskAgain to anne@example.org",
    ),
    (
        "over leave 17 anne@example.org; member 8 anne@example.org",
        "confirm+{confirm:17}",
        "Answered: UnknownSubject > AskAgain to anne@example.org",
    ),
    // Silence would tell Bob that Anne is a member.
    (
        "over join 17 anne@example.org; member 8 anne@example.org",
        "confirm+{confirm:17} | <bob@example.net> | Subject: {S}",
        "Answered: UnknownSubject > AskAgain to bob@example.net",
    ),
    (
        "over join 17 anne@example.org; member 8 bob@example.net",
        "confirm+{confirm:17} | <bob@example.net> | Subject: {S}",
        "Answered: UnknownSubject > AskAgain to bob@example.net",
    ),
    (
        "join 18 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Answered: UnknownSubject > AskAgain to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{old:17} | Subject: {S}",
        "Answered: BadToken > AskAgain to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{leave:17} | Subject: {S}",
        "Answered: BadToken > AskAgain to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+{bounce:17} | Subject: {S}",
        "Answered: BadToken > AskAgain to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+aaaaaaaaaaaaaaaaaaaaaaaaaa | Subject: {S}",
        "Answered: BadToken > AskAgain to anne@example.org",
    ),
    (
        "join 17 anne@example.org",
        "confirm+x | Subject: {S}",
        "Answered: BadToken > AskAgain to anne@example.org",
    ),
    ("", "confirm+x | <bob@example.net> | Subject: {S}", "Answered: BadToken > AskAgain to bob@example.net"),
    (
        "got anne@example.org 10 0",
        "confirm+x | Subject: {S}",
        "Ignored: BadToken, OverLimit(Address) anne@example.org",
    ),
    ("bounced anne@example.org", "confirm+x | Subject: {S}", "Ignored: BadToken, Bounces anne@example.org"),
    ("ban anne@example.org", "confirm+x | Subject: {S}", "Ignored: Banned anne@example.org"),
    (
        "join 17 anne@example.org; got anne@example.org 10 100",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org; bounced anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org; ban anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: Banned anne@example.org > end 17",
    ),
    (
        "join 17 anne@example.org; ban bob@example.net",
        "confirm+{confirm:17} | From: bob@example.net | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org; member 7 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: Member anne@example.org > end 17",
    ),
    ("join 17 anne@example.org; closed", "confirm+{confirm:17} | Subject: {S}", "Ignored: Closed > end 17"),
    (
        "join 17 anne@example.org; open",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "join 17 anne@example.org; moderate",
        "confirm+{confirm:17} | Subject: {S}",
        "Asked: AskedModerator anne@example.org > moderator 17, OwnerAsks (Request(17)) [Name <anne@example.org>] to owners, Waiting! to anne@example.org",
    ),
    (
        "join 17 anne@example.org; both",
        "confirm+{confirm:17} | Subject: {S}",
        "Asked: AskedModerator anne@example.org > moderator 17, OwnerAsks (Request(17)) [Name <anne@example.org>] to owners, Waiting! to anne@example.org",
    ),
    (
        "join 17 anne@example.org; both; silent",
        "confirm+{confirm:17} | Subject: {S}",
        "Asked: AskedModerator anne@example.org > moderator 17, Waiting! to anne@example.org",
    ),
    (
        "join 17 anne@example.org; silent",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org",
    ),
    (
        "join 17 anne@example.org; changes",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org, OwnerJoined [Name <anne@example.org>] to owners",
    ),
    (
        "invite 17 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "invite 17 anne@example.org; closed",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "invite 17 anne@example.org; both",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    (
        "invite 17 anne@example.org; ban anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: Banned anne@example.org > end 17",
    ),
    (
        "invite 17 anne@example.org; member 7 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: Member anne@example.org > end 17",
    ),
    (
        "leave 17 anne@example.org; member 7 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Left anne@example.org > end 17, leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "leave 17 anne@example.org; member 7 anne@example.org; silent",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Left anne@example.org > end 17, leave 7",
    ),
    (
        "leave 17 anne@example.org; member 7 anne@example.org; changes",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Left anne@example.org > end 17, leave 7, Goodbye! (Former(7)) to anne@example.org, OwnerLeft [anne@example.org] to owners",
    ),
    (
        "leave 17 anne@example.org; member 7 anne@example.org; ban anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Done: Left anne@example.org > end 17, leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "leave 17 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Ignored: NotMember anne@example.org > end 17",
    ),
    (
        "leave 17 anne@example.org just; member 7 anne@example.org",
        "confirm+{confirm:17} | Subject: {S}",
        "Asked: Early > early 17, ConfirmAgain! (Request(17)) to anne@example.org",
    ),
    (
        "former 7 anne@example.org",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Done: Rejoined anne@example.org > rejoin 7, Welcome! (Joined) to anne@example.org",
    ),
    ("former 7 anne@example.org", "confirm+{rejoin:7}", "Ignored: NotAReply"),
    (
        "former 7 anne@example.org just",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Ignored: EarlyReturn",
    ),
    (
        "former 7 anne@example.org future",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Done: Rejoined anne@example.org > rejoin 7, Welcome! (Joined) to anne@example.org",
    ),
    (
        "former 7 anne@example.org; silent",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Done: Rejoined anne@example.org > rejoin 7",
    ),
    (
        "former 7 anne@example.org; closed",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Done: Rejoined anne@example.org > rejoin 7, Welcome! (Joined) to anne@example.org",
    ),
    (
        "former 7 anne@example.org; changes",
        "confirm+{rejoin:7} | From: other@example.net | In-Reply-To: <notice.9.0@example.com>",
        "Done: Rejoined anne@example.org > rejoin 7, Welcome! (Joined) to anne@example.org, OwnerJoined [anne@example.org] to owners",
    ),
    (
        "former 7 anne@example.org; member 8 anne@example.org",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Ignored: Member anne@example.org",
    ),
    (
        "former 7 anne@example.org; ban anne@example.org",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Ignored: Banned anne@example.org",
    ),
    (
        "former 8 anne@example.org",
        "confirm+{rejoin:7} | In-Reply-To: <notice.9.0@example.com>",
        "Answered: UnknownSubject > AskAgain to anne@example.org",
    ),
    (
        "former 7 anne@example.org",
        "confirm+{rejoin:7} | Auto-Submitted: auto-replied | In-Reply-To: <notice.9.0@example.com>",
        "Ignored: Automatic(AutoReplied)",
    ),
];

/// Rows about leaving.
const LEAVES: &[(&str, &str, &str)] = &[
    (
        "member 7 anne@example.org",
        "leave",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 Anne@Example.org",
        "leave",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm Anne@Example.org, ConfirmLeave (Asked) to Anne@Example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave | <bob@example.net>",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave | From: a@example.org, anne@example.org",
        "Answered: NoSender > Help to a@example.org",
    ),
    (
        "member 7 anne@example.org; ban anne@example.org",
        "leave",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org; leave 17 anne@example.org",
        "leave",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org; leave 17 anne@example.org hour",
        "leave",
        "Asked: Asked(Leave) anne@example.org, OverLimit(Request) anne@example.org > ask Leave Confirm anne@example.org",
    ),
    (
        "member 7 anne@example.org; leave 17 anne@example.org day",
        "leave",
        "Asked: Asked(Leave) anne@example.org, OverLimit(Request) anne@example.org > ask Leave Confirm anne@example.org",
    ),
    (
        "member 7 anne@example.org; got anne@example.org 10 0",
        "leave",
        "Asked: Asked(Leave) anne@example.org, OverLimit(Address) anne@example.org > ask Leave Confirm anne@example.org",
    ),
    (
        "member 7 anne@example.org; bounced anne@example.org",
        "leave",
        "Asked: Asked(Leave) anne@example.org, Bounces anne@example.org > ask Leave Confirm anne@example.org",
    ),
    (
        "member 7 anne@example.org; trust",
        "leave",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org; trust",
        "leave | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "member 7 anne@example.org; trust; silent",
        "leave | Authentication-Results: mx.example.com; dkim=pass header.d=example.org",
        "Done: Left anne@example.org > leave 7",
    ),
    (
        "member 7 anne@example.org; trust",
        "leave | Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=example.org",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    ("", "leave", "Answered: NotMember anne@example.org > NotMember to anne@example.org"),
    (
        "got anne@example.org 10 0",
        "leave",
        "Ignored: NotMember anne@example.org, OverLimit(Address) anne@example.org",
    ),
    ("", "leave | <>", "Ignored: Automatic(NullSender)"),
    (
        "owner anne@example.org",
        "leave",
        "Answered: NotMember anne@example.org > NotMember to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+{leave:7}",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+{leave:7} | From: other@example.net",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+{leave:7} | From: a@example.net, b@example.net",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+{leave:7} | Auto-Submitted: auto-replied",
        "Ignored: Automatic(AutoReplied)",
    ),
    (
        "member 7 anne@example.org; got anne@example.org 10 100",
        "leave+{leave:7}",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "member 7 anne@example.org; changes",
        "leave+{leave:7}",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org, OwnerLeft [anne@example.org] to owners",
    ),
    ("member 7 anne@example.org; silent", "leave+{leave:7}", "Done: Left anne@example.org > leave 7"),
    (
        "member 7 anne@example.org; ban anne@example.org",
        "leave+{leave:7}",
        "Done: Left anne@example.org > leave 7, Goodbye! (Former(7)) to anne@example.org",
    ),
    (
        "member 8 anne@example.org",
        "leave+{leave:7}",
        "Asked: UnknownSubject, Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 8 anne@example.org",
        "leave+{leave:7} | From: other@example.net",
        "Answered: UnknownSubject, NotMember other@example.net > NotMember to other@example.net",
    ),
    (
        "",
        "leave+{leave:7}",
        "Answered: UnknownSubject, NotMember anne@example.org > NotMember to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+{confirm:7}",
        "Asked: BadToken, Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+{bounce:7}",
        "Asked: BadToken, Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Asked: BadToken, Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "leave+detail",
        "Asked: BadToken, Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
];

/// Rows about held posts. Tokens do not expire.
const RULINGS: &[(&str, &str, &str)] = &[
    (
        "offer 31 3 mia@example.org",
        "confirm+{accept:31} | From: mia@example.org",
        "Done: Accepted 3 by mia@example.org > accept 31",
    ),
    (
        "offer 31 3 mia@example.org",
        "confirm+{reject:31} | From: mia@example.org",
        "Done: Rejected 3 by mia@example.org > reject 31",
    ),
    (
        "offer 31 3 Mia@Example.org",
        "confirm+{accept:31} | From: other@example.net",
        "Done: Accepted 3 by mia@example.org > accept 31",
    ),
    (
        "offer 31 3 mia@example.org; got mia@example.org 10 100; ban mia@example.org",
        "confirm+{accept:31} | From: a@example.net, b@example.net",
        "Done: Accepted 3 by mia@example.org > accept 31",
    ),
    (
        "offer 31 3 mia@example.org",
        "request | Subject: confirm {reject:31}",
        "Done: Rejected 3 by mia@example.org > reject 31",
    ),
    ("offer 31 3 mia@example.org", "confirm+{accept:31} | <>", "Ignored: Automatic(NullSender)"),
    (
        "offer 31 3 mia@example.org",
        "confirm+{accept:31} | Auto-Submitted: auto-replied",
        "Ignored: Automatic(AutoReplied)",
    ),
    (
        "offer 31 3 mia@example.org",
        "confirm+{accept:31} | Subject: Out of Office: A post waits",
        "Ignored: Automatic(Subject)",
    ),
    ("offer 31 3 mia@example.org", "confirm+{accept:31} | X-BeenThere: mylist.example.com", "Ignored: Loop"),
    (
        "offer 31 3 mia@example.org accepted",
        "confirm+{accept:31} | From: mia@example.org",
        "Answered: Ruled 3 accepted > OwnerRuled [3, accepted] to mia@example.org",
    ),
    (
        "offer 31 3 mia@example.org rejected",
        "confirm+{accept:31} | From: eve@example.net",
        "Answered: Ruled 3 rejected > OwnerRuled [3, rejected] to mia@example.org",
    ),
    (
        "offer 31 3 mia@example.org discarded; got mia@example.org 10 0",
        "confirm+{reject:31}",
        "Ignored: Ruled 3 discarded, OverLimit(Address) mia@example.org",
    ),
    ("offer 31 3 nobody", "confirm+{accept:31} | From: mia@example.org", "Ignored: NotModerator(3)"),
    ("offer 31 3 nobody accepted", "confirm+{reject:31}", "Ignored: NotModerator(3)"),
    ("", "confirm+{accept:31}", "Answered: UnknownSubject > AskAgain to anne@example.org"),
    (
        "join 31 anne@example.org",
        "confirm+{accept:31}",
        "Answered: UnknownSubject > AskAgain to anne@example.org",
    ),
    (
        "offer 31 3 mia@example.org",
        "confirm+{confirm:31} | From: mia@example.org",
        "Answered: UnknownSubject > AskAgain to mia@example.org",
    ),
    (
        "offer 31 3 mia@example.org; member 7 anne@example.org",
        "leave+{accept:31}",
        "Asked: BadToken, Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
];

/// Rows about `-request`, and `-confirm` without a token.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("", "request", "Answered: Help > Help to anne@example.org"),
    ("", "request | Subject: help", "Answered: Help > Help to anne@example.org"),
    ("", "request | Subject: help | <bob@example.net>", "Answered: Help > Help to bob@example.net"),
    ("", "request | Subject: hello there", "Answered: NotUnderstood > Help [hello] to anne@example.org"),
    (
        "",
        "request || nonsense\r\nmore nonsense",
        "Answered: NotUnderstood > Help [nonsense\nmore] to anne@example.org",
    ),
    (
        "",
        "request | Subject: subscribe",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "",
        "request || join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "",
        "request || subscribe address=victim@example.net",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "",
        "confirm | Subject: join",
        "Asked: Asked(Join) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "request | Subject: unsubscribe",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "request || leave\r\njoin",
        "Asked: Asked(Leave) anne@example.org > ask Leave Confirm anne@example.org, ConfirmLeave (Asked) to anne@example.org",
    ),
    (
        "",
        "request || join\r\nhelp",
        "Asked: Asked(Join) anne@example.org, Help > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org, Help to anne@example.org",
    ),
    ("", "request || stop\r\njoin", "Answered: Help > Help to anne@example.org"),
    (
        "join 17 anne@example.org",
        "request | Subject: confirm {confirm:17} | In-Reply-To: <notice.3.17@example.com>",
        "Done: Joined anne@example.org > end 17, join anne@example.org, Welcome! (Joined) to anne@example.org",
    ),
    ("join 17 anne@example.org", "request | Subject: confirm {confirm:17}", "Ignored: NotAReply"),
    (
        "",
        "request || confirm aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Answered: BadToken > AskAgain to anne@example.org",
    ),
    ("", "request | Subject: who", "Answered: RosterHidden > NoRoster to anne@example.org"),
    (
        "",
        "request | Subject: who | <bob@example.net>",
        "Answered: RosterHidden > NoRoster to anne@example.org",
    ),
    (
        "member 7 anne@example.org",
        "request | Subject: who",
        "Answered: RosterHidden > NoRoster to anne@example.org",
    ),
    (
        "owner anne@example.org",
        "request | Subject: who",
        "Answered: Roster > Roster [1, all] to anne@example.org",
    ),
    (
        "owner anne@example.org",
        "request | Subject: who | <bob@example.net>",
        "Answered: Roster > Roster [1, all] to anne@example.org",
    ),
    ("members", "request | Subject: who", "Answered: RosterHidden > NoRoster to anne@example.org"),
    (
        "members; member 7 anne@example.org",
        "request | Subject: who",
        "Answered: Roster > Roster [1, those who are shown] to anne@example.org",
    ),
    (
        "members; owner anne@example.org",
        "request | Subject: who",
        "Answered: Roster > Roster [1, all] to anne@example.org",
    ),
    (
        "public",
        "request | Subject: who",
        "Answered: Roster > Roster [1, those who are shown] to anne@example.org",
    ),
    // Mail that does not count leaves room for the answer after it.
    (
        "moderate; trust; silent; got anne@example.org 9 9",
        "request | Authentication-Results: mx.example.com; dkim=pass header.d=example.org || join\r\nhelp",
        "Asked: AskedModerator anne@example.org, Help > ask Join Moderate anne@example.org, Waiting! to anne@example.org, Help to anne@example.org",
    ),
    ("public; ban anne@example.org", "request | Subject: who", "Ignored: Banned anne@example.org"),
    (
        "public; got anne@example.org 10 0",
        "request | Subject: who",
        "Ignored: Roster, OverLimit(Address) anne@example.org",
    ),
    (
        "public",
        "request | Subject: who | From: a@example.org, b@example.org",
        "Answered: NoSender > Help to a@example.org",
    ),
    (
        "public; got anne@example.org 9 0",
        "request || join\r\nwho\r\nhelp",
        "Asked: Asked(Join) anne@example.org, Roster, OverLimit(Address) anne@example.org, Help, OverLimit(Address) anne@example.org > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org",
    ),
    // The mail of one decision counts together for an account and for a domain.
    (
        "public; got anne@example.org 9 9; got anne+x@example.org 9 9",
        "request | <anne+x@example.org> || who\r\nhelp",
        "Answered: Roster, Help, OverLimit(Address) anne+x@example.org > Roster [1, those who are shown] to anne@example.org",
    ),
    (
        "public; got anne@example.org 0 99; got bob@example.org 0 99",
        "request | <bob@example.org> || who\r\nhelp",
        "Answered: Roster, Help, OverLimit(Domain) bob@example.org > Roster [1, those who are shown] to anne@example.org",
    ),
    (
        "public",
        "request || join\r\nwho\r\nhelp",
        "Asked: Asked(Join) anne@example.org, Roster, Help > ask Join Confirm anne@example.org, ConfirmJoin (Asked) to anne@example.org, Roster [1, those who are shown] to anne@example.org, Help to anne@example.org",
    ),
    ("", "request | Subject: help | <>", "Ignored: Automatic(NullSender)"),
    ("", "request | Subject: help | Precedence: list", "Ignored: Automatic(Precedence)"),
    ("", "request | Subject: help | <mylist-owner@example.com>", "Ignored: Loop"),
    ("ban anne@example.org", "request | Subject: help", "Ignored: Banned anne@example.org"),
    (
        "got anne@example.org 10 0",
        "request | Subject: help",
        "Ignored: Help, OverLimit(Address) anne@example.org",
    ),
    ("bounced anne@example.org", "request | Subject: help", "Ignored: Help, Bounces anne@example.org"),
];

fn check(rows: &'static [(&'static str, &'static str, &'static str)]) {
    let mut wrong = String::new();
    for (state, mail, expected) in rows {
        let found = decided(state, &mail.replace("{S}", JOIN));
        if found != *expected {
            wrong += &format!("    ({state:?}, {mail:?}, {found:?}),\n");
        }
    }
    assert!(wrong.is_empty(), "decided otherwise:\n{wrong}");
}

#[test]
fn joining() {
    check(JOINS);
}

#[test]
fn confirming() {
    check(CONFIRMATIONS);
}

#[test]
fn deciding_about_held_posts() {
    check(RULINGS);
}

#[test]
fn leaving() {
    check(LEAVES);
}

#[test]
fn requesting() {
    check(REQUESTS);
}
