//! Changes a post for its distribution. Everything that is not named here stays as its author wrote it, octet for
//! octet, so a signature that covers only other fields stays valid (RFC 6376).

mod fields;
mod footer;
mod mime;
mod no_footer;
mod owners;
mod people;
mod settings;
mod subject;

pub use fields::HeaderTooLarge;
pub(crate) use fields::is_kept;
#[cfg(any(test, fuzzing))]
pub(crate) use fields::is_private;
pub use no_footer::NoFooter;
pub use owners::{for_owners, went_to_owners};
pub use settings::{Munge, ReplyGoesToList, Settings};

use crate::splice::{Splice, Splices};
use crate::view::{Field, View};
use crate::write::{field, list_id, mailto, without_controls};
use footer::{Footer, is_moved};
use listgate_lmtp::Mailbox;
use people::People;
use subject::Subject;

/// The changes of a post before it is sent to members. It is made once for a post, and gives the changes of each copy.
///
/// - Fields that are private or ask for something are removed.
/// - `List-*` (RFC 2369, RFC 2919) are removed, and the list's own are added after all other fields.
/// - X-BeenThere with the list_id is added before all other fields. Those of other lists stay.
/// - `Precedence: list` is added unless there is a Precedence.
/// - Subject, Reply-To, From and Cc change as the [`Settings`] say, and the body gets a footer. By default they stay.
///
/// ```
/// use listgate_engine::distribution::{Plan, Settings};
/// use listgate_engine::view::View;
///
/// let settings = Settings::new("mylist.example.com", "mylist@example.com".parse().unwrap());
/// let post = b"From: ann@example.org\r\nBcc: bob@example.org\r\n\r\nHello.\r\n";
/// let plan = Plan::new(&settings, &View::whole(post)).unwrap();
/// let copy = plan.copy(None).apply(post);
/// assert_eq!(String::from_utf8(copy).unwrap(), "X-BeenThere: mylist.example.com\r\n\
///     From: ann@example.org\r\n\
///     Precedence: list\r\n\
///     List-Id: <mylist.example.com>\r\n\
///     List-Help: <mailto:mylist-request@example.com?subject=help>\r\n\
///     List-Owner: <mailto:mylist-owner@example.com>\r\n\
///     List-Post: <mailto:mylist@example.com>\r\n\
///     List-Subscribe: <mailto:mylist-join@example.com>\r\n\
///     List-Unsubscribe: <mailto:mylist-leave@example.com>\r\n\
///     \r\n\
///     Hello.\r\n");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The changes up to the place of List-Unsubscribe, which is the end of the header.
    before: Vec<Splice>,
    /// The offset of that place.
    header_end: u64,
    /// The changes after it.
    after: Vec<Splice>,
    footer: Result<Footer, NoFooter>,
    posting_address: Mailbox,
}

impl Plan {
    /// Analyses a post: all work that does not depend on the copy.
    ///
    /// # Errors
    /// A post whose header was not read to its end cannot be cleaned. [`decide`](crate::posting::decide) rejects it.
    pub fn new(settings: &Settings, view: &View<'_>) -> Result<Self, HeaderTooLarge> {
        if !view.has_whole_header() {
            return Err(HeaderTooLarge);
        }
        let people = People::new(settings, view);
        let footer = Footer::new(settings, view);
        let wrapping = footer.as_ref().ok().and_then(|footer| footer.wrapping.as_ref());
        let mut last = people.added;
        let mut before = Vec::from_iter(people.insert);
        match Subject::new(settings.subject_prefix.as_deref(), view) {
            Subject::Kept => {}
            Subject::Insert(splice) => before.push(splice),
            Subject::Add(field) => last += &field,
        }
        last += wrapping.map_or("", |wrapping| &wrapping.fields);
        last += &own_fields(settings, view);
        let first = field("X-BeenThere", &without_controls(&settings.list_id));
        let is_unwanted = |field: &Field<'_>| {
            !is_kept(field)
                || people.removed.iter().any(|name| field.is(name))
                || wrapping.is_some() && is_moved(field)
        };
        before.extend(view.edit_fields(is_unwanted, &first, &last));
        let mut after = vec![view.empty_line()];
        after.extend(wrapping.map(|wrapping| wrapping.start.clone()));
        let (header_end, posting_address) = (view.header_end(), settings.posting_address.clone());
        Ok(Self { before, header_end, after, footer, posting_address })
    }

    /// Returns the reason why the post gets no footer, if it gets none.
    pub fn no_footer(&self) -> Option<NoFooter> {
        self.footer.as_ref().err().copied()
    }

    /// Returns the changes of one copy. `leave` is the address in List-Unsubscribe and in the footer: with a token, if the
    /// copy is for one member. `None` stands for the `-leave` address of the list.
    pub fn copy(&self, leave: Option<&Mailbox>) -> Splices {
        let uri = match leave {
            Some(leave) => mailto(leave, ""),
            None => mailto(&self.posting_address, "-leave"),
        };
        let unsubscribe = field("List-Unsubscribe", &format!("<{uri}>"));
        let mut splices = Vec::with_capacity(self.before.len() + self.after.len() + 2);
        splices.extend_from_slice(&self.before);
        splices.push(Splice::insert(self.header_end, unsubscribe));
        splices.extend_from_slice(&self.after);
        splices.extend(self.footer.as_ref().ok().map(|footer| footer.splice(leave)));
        Splices::new(splices).expect("fields do not overlap, and others are added between or within them")
    }
}

/// Returns the fields of the list that are the same in all copies.
fn own_fields(settings: &Settings, view: &View<'_>) -> String {
    let mut fields = String::new();
    if view.first("Precedence").is_none() {
        fields += &field("Precedence", "list");
    }
    let uri = |suffix: &str, query: &str| format!("<{}{query}>", mailto(&settings.posting_address, suffix));
    for (name, value) in [
        ("List-Id", list_id(&settings.display_name, &settings.list_id)),
        ("List-Help", uri("-request", "?subject=help")),
        ("List-Owner", uri("-owner", "")),
        ("List-Post", uri("", "")),
        ("List-Subscribe", uri("-join", "")),
    ] {
        fields += &field(name, &value);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::fields::{OF_LISTS, PRIVATE};
    use super::*;
    use crate::limits;
    use proptest::prelude::*;

    fn settings(address: &str) -> Settings {
        Settings::new("mylist.example.com", address.parse().unwrap())
    }

    fn distributed(settings: &Settings, post: &[u8]) -> Vec<u8> {
        Plan::new(settings, &View::whole(post)).unwrap().copy(None).apply(post)
    }

    const OWN: &str = "List-Id: <mylist.example.com>\r\n\
        List-Help: <mailto:mylist-request@example.com?subject=help>\r\n\
        List-Owner: <mailto:mylist-owner@example.com>\r\n\
        List-Post: <mailto:mylist@example.com>\r\n\
        List-Subscribe: <mailto:mylist-join@example.com>\r\n\
        List-Unsubscribe: <mailto:mylist-leave@example.com>\r\n";

    /// Checks that a post with these fields is distributed with `kept` in their place.
    fn check(fields: &str, kept: &str, precedence: &str) {
        let post = format!("From: ann@example.org\r\n{fields}Subject: x\r\n\r\nHello.\r\nBcc: x\r\n");
        let expected = format!(
            "X-BeenThere: mylist.example.com\r\nFrom: ann@example.org\r\n{kept}Subject: x\r\n\
            {precedence}{OWN}\r\nHello.\r\nBcc: x\r\n"
        );
        let copy = distributed(&settings("mylist@example.com"), post.as_bytes());
        assert_eq!(String::from_utf8(copy).unwrap(), expected);
    }

    #[test]
    fn private_fields_and_those_that_ask_for_something_are_removed() {
        for name in PRIVATE {
            check(&format!("{name}: a\r\n b\r\n{} : c\r\n", name.to_uppercase()), "", "Precedence: list\r\n");
        }
    }

    #[test]
    fn fields_of_other_lists_are_replaced() {
        for name in OF_LISTS {
            check(&format!("{name}: <mailto:other@example.net>,\r\n\t<x>\r\n"), "", "Precedence: list\r\n");
        }
    }

    #[test]
    fn all_else_stays_octet_for_octet() {
        for kept in [
            "",
            "X-BeenThere: other.example.net\r\n",
            "DKIM-Signature: v=1; h=from:subject;\r\n\tb=x\r\n",
            "To :  a@b ,\r\n  c@d\r\nCc:\r\n",
            "Reply-To: ann@example.org\r\nSender: x\r\nErrors-To: y\r\n",
            "Subject: again\nbare: LF\nX: \u{e4}\t \r\n",
            "List-Software: x\r\nX-List-Id: y\r\nX-Message-ID-Hash: z\r\n",
            "Received: from x\r\n\tby y\r\nAuthentication-Results: z\r\n",
        ] {
            check(kept, kept, "Precedence: list\r\n");
        }
        check("precedence: bulk\r\n", "precedence: bulk\r\n", "");
    }

    #[test]
    fn leave_addresses_may_have_a_token() {
        let leave = "m7+CE4IYAAAAAAAATMLR2R4YP2HFE@example.com".parse().unwrap();
        let post = b"From: a@b\r\n\r\n";
        let plan = Plan::new(&settings("mylist@example.com"), &View::whole(post)).unwrap();
        let copy = String::from_utf8(plan.copy(Some(&leave)).apply(post)).unwrap();
        let field = "List-Unsubscribe: <mailto:m7+CE4IYAAAAAAAATMLR2R4YP2HFE@example.com>\r\n";
        assert!(copy.ends_with(&format!("{field}\r\n")), "{copy}");
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_field() {
        let settings =
            Settings { list_id: "x>\r\nBcc: y\u{85}".to_owned(), ..settings("mylist@example.com") };
        let copy = String::from_utf8(distributed(&settings, b"From: a@b\r\n\r\n")).unwrap();
        assert!(copy.starts_with("X-BeenThere: x>Bcc: y\r\nFrom: a@b\r\n"), "{copy}");
        assert!(copy.contains("\r\nList-Id: <x>Bcc: y>\r\n"), "{copy}");
    }

    #[test]
    fn a_list_can_have_a_name() {
        for (name, value) in [
            ("", "<mylist.example.com>"),
            ("My List", "My List <mylist.example.com>"),
            ("Anna's \"List\" <x>", "\"Anna's \\\"List\\\" <x>\" <mylist.example.com>"),
            ("x\r\nBcc: y", "\"x Bcc: y\" <mylist.example.com>"),
            ("L\u{fc}ster", "=?utf-8?b?TMO8c3Rlcg==?= <mylist.example.com>"),
        ] {
            let settings = Settings { display_name: name.to_owned(), ..settings("mylist@example.com") };
            let copy = distributed(&settings, b"From: a@b\r\n\r\n");
            let view = View::whole(&copy);
            assert_eq!(view.first("List-Id").unwrap().unfolded(), value);
            assert_eq!(view.fields().count(), 9, "no field was added by the name");
        }
    }

    #[test]
    fn what_is_generated_has_a_bound() {
        let long = |text: &str| text.repeat(10_000);
        let address = |n: usize| {
            format!("{}{n:02}@{}x.org", "\u{20ac}".repeat(20), format!("{}.", "d".repeat(60)).repeat(4))
        };
        let list = format!("{}@{}.example", "%".repeat(50), "\u{20ac}".repeat(80)).parse().unwrap();
        let settings = Settings {
            display_name: long("\u{1f600}"),
            reply_goes_to_list: ReplyGoesToList::PointToList,
            subject_prefix: Some(long("\u{1f600}")),
            footer: Some("\u{20ac}".repeat(limits::FOOTER / 3 - 1)),
            munge: Munge::Always,
            ..Settings::new("l".repeat(255), list)
        };
        let name = format!("=?utf-8?q?{}?=", "=F0=9F=98=80".repeat(limits::NAME));
        let all = (0..99).map(|n| format!("{name} <{}>", address(n))).collect::<Vec<_>>().join(", ");
        let moved = "x".repeat(limits::MOVED - 100);
        let post = format!("From: {all}\r\nReply-To: {all}\r\nContent-Description: {moved}\r\n\r\nHello.");
        let plan = Plan::new(&settings, &View::whole(post.as_bytes())).unwrap();
        assert_eq!(plan.no_footer(), None);
        let added: usize = plan.copy(None).iter().map(|splice| splice.insert.len()).sum();
        assert!(added > 32 * 1024 && added <= limits::GENERATED, "{added}");
        let copy = plan.copy(None);
        let mut lines = copy.iter().flat_map(|splice| splice.insert.split(|&octet| octet == b'\n'));
        assert!(lines.all(|line| line.len() <= 998 || line.starts_with(b"Content-Description: ")));
    }

    #[test]
    fn a_header_that_was_not_seen_is_not_changed() {
        let post = [b"X: ".as_slice(), &vec![b'x'; limits::HEADER], b"\r\nBcc: a@b\r\n\r\n"].concat();
        assert_eq!(Plan::new(&settings("mylist@example.com"), &View::whole(&post)), Err(HeaderTooLarge));
    }

    /// Lines of which posts consist.
    const LINES: &[&str] = &[
        "From: Ann <ann@example.org>",
        "From: a@b, c@d",
        "From x",
        "Reply-To: a@x, MyList@example.com",
        "Reply-To: help@example.com",
        "Cc:",
        "Cc:b@x",
        " c@x, \u{fc}@x",
        "Subject: Re: [My List] hello",
        "Subject:",
        "Subject: =?utf-8?q?=C3=BC?=",
        "Bcc: b@x",
        "List-Id: <x>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8; format=flowed",
        "Content-Type: text/html",
        "Content-Type: multipart/mixed; boundary=b",
        "Content-Type: multipart/alternative; boundary=b",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: quoted-printable",
        "Content-Transfer-Encoding: 8bit",
        "Content-Disposition: attachment",
        "",
        "",
        "aGk=",
        "aGVsbG8u",
        "Hello ",
        "=",
        "--b",
        "--b--",
        "-----BEGIN PGP MESSAGE-----",
    ];

    proptest! {
        #[test]
        fn any_post_keeps_what_is_its_authors(
            choice: u8,
            text in "(\\[My List\\]|\r\nBcc: |=\\?utf-8\\?q\\?|\\$leave_address|\u{fc}|[ \"<>,\\\\a:.=-]){0,6}",
            lines in prop::collection::vec(prop::sample::select(LINES), 0..10),
            ends in prop::collection::vec("\r|\n|\r\n|\r\n|\r\n|\r\n", 10),
            is_cut: bool,
        ) {
            let post: String = lines.iter().zip(&ends).flat_map(|(line, end)| [*line, end.as_str()]).collect();
            let post = if is_cut { post.trim_end_matches(['\r', '\n']) } else { &post };
            let len = u8::try_from(text.len()).unwrap();
            crate::fuzz::distribution(&[[choice, len].as_slice(), text.as_bytes(), post.as_bytes()].concat());
        }
    }

    /// `LISTGATE_CORPORA` names a folder whose `bounces` has real messages, one a file, `*.eml`.
    #[test]
    fn the_mail_of_the_corpora_keeps_what_is_its_authors() {
        let Some(corpora) = std::env::var_os("LISTGATE_CORPORA") else {
            return eprintln!("skipped: LISTGATE_CORPORA is not set");
        };
        let text = b"[My List] $leave_address \xc3\xbc";
        let mut footers = 0;
        for file in std::fs::read_dir(std::path::Path::new(&corpora).join("bounces")).unwrap() {
            let post = std::fs::read(file.unwrap().path()).unwrap();
            for choice in [0, 0b11_1101, 0b111_1110] {
                crate::fuzz::distribution(&[[choice, text.len() as u8].as_slice(), text, &post].concat());
            }
            let settings = Settings { footer: Some("x".to_owned()), ..settings("mylist@example.com") };
            let plan = Plan::new(&settings, &View::whole(&post)).unwrap();
            footers += usize::from(plan.no_footer().is_none());
        }
        // Most are reports, which get none.
        assert!(footers > 50, "{footers} get a footer");
    }

    #[test]
    fn a_second_distribution_changes_the_mark_alone() {
        let settings = settings("mylist@example.com");
        let once = distributed(&settings, b"From: a@b\r\nList-Id: <x>\r\n\r\nHello.");
        let twice = distributed(&settings, &once);
        assert_eq!(twice, [b"X-BeenThere: mylist.example.com\r\n".as_slice(), &once].concat());
    }
}
