//! Where replies go, and who stands in From: Reply-To, From and Cc.

use super::settings::{Munge, ReplyGoesToList, Settings};
use crate::address::Address;
use crate::comparable::Comparable;
use crate::limits;
use crate::splice::Splice;
use crate::view::{Field, View};
use crate::write::{address, field, one_line};
use listgate_lmtp::Mailbox;
use std::collections::BTreeSet;

/// The changes of these fields.
#[derive(Debug, Default)]
pub(super) struct People {
    /// The names of the fields that are removed.
    pub(super) removed: Vec<&'static str>,
    /// The fields that are added.
    pub(super) added: String,
    /// What is inserted in a field that stays.
    pub(super) insert: Option<Splice>,
}

impl People {
    pub(super) fn new(settings: &Settings, view: &View<'_>) -> Self {
        let mut people = Self::default();
        let authors = munged_authors(settings, view);
        people.reply_to(settings, view, &authors);
        if !authors.is_empty() {
            people.replace("From", &munged_from(settings, &authors));
            if settings.reply_goes_to_list != ReplyGoesToList::NoMunging {
                people.copy_to(view, &authors);
            }
        }
        people
    }

    fn replace(&mut self, name: &'static str, value: &str) {
        self.removed.push(name);
        self.added += &field(name, value);
    }

    /// Changes Reply-To, unless it would have the same addresses.
    fn reply_to(&mut self, settings: &Settings, view: &View<'_>, authors: &[Person]) {
        let own = || people(view.addresses("Reply-To"));
        let one = |name: &str, mailbox: &Mailbox| Person { name: name.to_owned(), mailbox: mailbox.clone() };
        let wanted = match &settings.reply_goes_to_list {
            ReplyGoesToList::NoMunging if authors.is_empty() => return,
            ReplyGoesToList::NoMunging => [own(), authors.to_vec()].concat(),
            ReplyGoesToList::PointToList => {
                // The list comes last, as in Mailman, and the others may not push it out.
                let mut wanted = own();
                wanted.truncate(limits::ADDRESSES - 1);
                wanted.push(one(&settings.display_name, &settings.posting_address));
                wanted
            }
            ReplyGoesToList::ExplicitHeader(mailbox) => [vec![one("", mailbox)], own()].concat(),
            ReplyGoesToList::ExplicitHeaderOnly(mailbox) => vec![one("", mailbox)],
        };
        let wanted = without_duplicates(wanted, &BTreeSet::new());
        let is_single = view.named("Reply-To").take(2).count() == 1;
        if !(is_single && keys(&wanted) == keys(&own())) {
            self.replace("Reply-To", &shown(&wanted));
        }
    }

    /// Adds the authors to Cc, where people see them and a reply to all reaches them.
    fn copy_to(&mut self, view: &View<'_>, authors: &[Person]) {
        let present = keys(&people(view.addresses("Cc"))).into_iter().collect();
        let missing = without_duplicates(authors.to_vec(), &present);
        if missing.is_empty() {
            return;
        }
        let shown = shown(&missing);
        match view.first("Cc") {
            None => self.added += &field("Cc", &shown),
            Some(cc) => self.insert = Some(before_value(&cc, &shown)),
        }
    }
}

/// Returns the splice that puts addresses before those of a field.
fn before_value(cc: &Field<'_>, shown: &str) -> Splice {
    let rest = match cc.value.first() {
        _ if cc.value.trim_ascii().is_empty() => "",
        // The value continues on the same line, or on the next one.
        Some(b'\r' | b'\n') => ",",
        Some(b' ' | b'\t') => ",\r\n",
        _ => ",\r\n ",
    };
    Splice::insert(cc.value_at(), format!(" {shown}{rest}"))
}

#[derive(Clone, Debug)]
struct Person {
    name: String,
    mailbox: Mailbox,
}

fn people(addresses: Vec<Address>) -> Vec<Person> {
    let person = |address: Address| Some(Person { name: address.name, mailbox: address.mailbox? });
    let people = addresses.into_iter().filter_map(person);
    people.filter(|person| person.mailbox.as_str().len() <= limits::ADDRESS).collect()
}

fn keys(people: &[Person]) -> Vec<Comparable> {
    people.iter().map(|person| Comparable::new(&person.mailbox)).collect()
}

/// Returns those who are not present yet, each once.
fn without_duplicates(people: Vec<Person>, present: &BTreeSet<Comparable>) -> Vec<Person> {
    let mut seen = present.clone();
    let mut once = people;
    once.retain(|person| seen.insert(Comparable::new(&person.mailbox)));
    once
}

fn shown(people: &[Person]) -> String {
    let people = people.iter().take(limits::ADDRESSES);
    let shown: Vec<_> = people.map(|person| address(&person.name, &person.mailbox)).collect();
    shown.join(",\r\n ")
}

/// Returns the authors whose place the list takes in From. There are none, and From stays, if it has no valid address or
/// if it names the list already.
fn munged_authors(settings: &Settings, view: &View<'_>) -> Vec<Person> {
    if settings.munge == Munge::Never {
        return Vec::new();
    }
    let list = BTreeSet::from([Comparable::new(&settings.posting_address)]);
    let mut authors = without_duplicates(people(view.addresses("From")), &list);
    authors.truncate(limits::AUTHORS);
    authors
}

/// Returns the value of From with the list's address. It names the first author, but has no address of theirs: some
/// receivers take a second domain in From for a forgery.
fn munged_from(settings: &Settings, authors: &[Person]) -> String {
    let author = authors.first().expect("a From that is munged has an author");
    let name = one_line(&author.name);
    let name = match name.split('@').next() {
        Some(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => author.mailbox.local().unquoted(),
    };
    // The two names share the characters that a name may have.
    let half = |name: &str| -> String { one_line(name).chars().take(limits::NAME / 2 - 3).collect() };
    let name = format!("{} via {}", half(&name), half(&settings.shown_name()));
    address(&name, &settings.posting_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(reply_goes_to_list: ReplyGoesToList, munge: Munge) -> Settings {
        let list = Settings::new("mylist.example.com", "mylist@example.com".parse().unwrap());
        Settings { display_name: "My List".to_owned(), reply_goes_to_list, munge, ..list }
    }

    /// Returns which fields are removed, those that are added, and what is inserted.
    fn changes(settings: &Settings, header: &str) -> (String, String, String) {
        let message = format!("{header}\r\n");
        let people = People::new(settings, &View::whole(message.as_bytes()));
        let insert = people.insert.map_or_else(Vec::new, |splice| splice.insert);
        (people.removed.join(" "), people.added, String::from_utf8(insert).unwrap())
    }

    #[test]
    fn replies_go_where_the_setting_says() {
        let help = || "help@example.com".parse().unwrap();
        let (point, first, only) = (
            ReplyGoesToList::PointToList,
            ReplyGoesToList::ExplicitHeader(help()),
            ReplyGoesToList::ExplicitHeaderOnly(help()),
        );
        let list = "My List <mylist@example.com>";
        let ann = "Reply-To: Ann <ann@example.org>\r\n";
        for (setting, header, value) in [
            (&ReplyGoesToList::NoMunging, ann, None),
            (&point, "", Some(list.to_owned())),
            (&point, ann, Some(format!("Ann <ann@example.org>,\r\n {list}"))),
            (&point, "Reply-To: a@x\r\nreply-to: b@x, A@X\r\n", Some(format!("a@x,\r\n b@x,\r\n {list}"))),
            (
                &point,
                "Reply-To: a@x, not an address, Team: b@x;\r\n",
                Some(format!("a@x,\r\n b@x,\r\n {list}")),
            ),
            (&point, "Reply-To: (the list) MyList@Example.com\r\n", None),
            (&point, "Reply-To:\r\n", Some(list.to_owned())),
            (&first, "", Some("help@example.com".to_owned())),
            (&first, ann, Some("help@example.com,\r\n Ann <ann@example.org>".to_owned())),
            (&first, "Reply-To: help@example.com, a@x\r\n", None),
            (&only, ann, Some("help@example.com".to_owned())),
            (&only, "Reply-To: Help <help@example.com>\r\n", None),
        ] {
            let changed = changes(&settings(setting.clone(), Munge::Never), header);
            let removed = value.as_ref().map_or("", |_| "Reply-To");
            let added = value.map_or_else(String::new, |value| format!("Reply-To: {value}\r\n"));
            assert_eq!(changed, (removed.to_owned(), added, String::new()), "{setting:?} {header}");
        }
    }

    #[test]
    fn the_list_is_never_pushed_out_of_reply_to() {
        let many: Vec<_> = (0..100).map(|n| format!("a{n}@example.org")).collect();
        let header = format!("Reply-To: {}\r\n", many.join(","));
        let (_, added, _) = changes(&settings(ReplyGoesToList::PointToList, Munge::Never), &header);
        assert_eq!(added.matches('@').count(), limits::ADDRESSES);
        assert!(added.ends_with(" My List <mylist@example.com>\r\n"), "{added}");
    }

    #[test]
    fn the_list_takes_the_place_of_the_author() {
        for (from, name, author) in [
            ("Ann <ann@example.org>", "Ann via My List", "Ann <ann@example.org>"),
            ("ann@example.org", "ann via My List", "ann@example.org"),
            (
                "\"ann@example.org\" <ann@example.org>",
                "ann via My List",
                "\"ann@example.org\" <ann@example.org>",
            ),
            ("\"@x\" <ann@example.org>", "ann via My List", "\"@x\" <ann@example.org>"),
            (
                "=?utf-8?q?J=C3=BCrg?= <j@example.org>",
                "=?utf-8?b?SsO8cmcgdmlhIE15IExpc3Q=?=",
                "=?utf-8?b?SsO8cmc=?= <j@example.org>",
            ),
            (
                "=?utf-8?q?a=0D=0ABcc=3A_x?= <ann@example.org>",
                "\"a Bcc: x via My List\"",
                "\"a Bcc: x\" <ann@example.org>",
            ),
            (
                "Ann <ann@example.org>, Bob <bob@x>",
                "Ann via My List",
                "Ann <ann@example.org>,\r\n Bob <bob@x>",
            ),
        ] {
            let header = format!("From: {from}\r\n");
            let changed = changes(&settings(ReplyGoesToList::NoMunging, Munge::Always), &header);
            let added = format!("Reply-To: {author}\r\nFrom: {name} <mylist@example.com>\r\n");
            assert_eq!(changed, ("Reply-To From".to_owned(), added, String::new()), "{from}");
        }
    }

    #[test]
    fn a_from_that_cannot_be_read_or_is_of_the_list_stays() {
        for from in ["", "From: ann smith@example.org\r\n", "From: Ann via My List <mylist@example.com>\r\n"]
        {
            let changed = changes(&settings(ReplyGoesToList::NoMunging, Munge::Always), from);
            assert_eq!(changed, (String::new(), String::new(), String::new()), "{from}");
        }
    }

    #[test]
    fn the_author_goes_to_cc_if_replies_go_to_the_list() {
        for (cc, added, insert) in [
            ("", "Cc: Ann <ann@example.org>\r\n", ""),
            ("Cc: bob@x\r\n", "", " Ann <ann@example.org>,\r\n"),
            ("Cc:bob@x\r\n", "", " Ann <ann@example.org>,\r\n "),
            ("Cc:\r\n bob@x\r\n", "", " Ann <ann@example.org>,"),
            ("Cc: \r\n", "", " Ann <ann@example.org>"),
            ("Cc: Team: bob@x;\r\nCc: c@x\r\n", "", " Ann <ann@example.org>,\r\n"),
            ("Cc: bob@x, ANN@example.org\r\n", "", ""),
        ] {
            let header = format!("From: Ann <ann@example.org>\r\n{cc}");
            let (removed, all, inserted) =
                changes(&settings(ReplyGoesToList::PointToList, Munge::Always), &header);
            let from = "From: Ann via My List <mylist@example.com>\r\n";
            assert_eq!(removed, "Reply-To From");
            assert_eq!(all, format!("Reply-To: My List <mylist@example.com>\r\n{from}{added}"), "{cc}");
            assert_eq!(inserted, insert, "{cc}");
        }
    }
}
