//! `kill -9` while people join by mail.

use crate::distribution::{Copies, Distribution};
use crate::ledger::MailServer;
use crate::support::PATIENCE;
use crate::support::disk::Chance;
use crate::support::smtp_server::{Manner, SmtpServer};
use crate::tools::{log, open};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::env;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How many people write before each kill.
const PEOPLE: u64 = 4;

/// A reply that comes sooner after the mail counts as one that a program has sent.
const SOONEST: Duration = Duration::from_secs(5);

/// A mail of one of the people.
struct Mail {
    from: String,
    to: String,
    message: String,
}

impl Mail {
    fn new(from: &str, to: &str, header: &str) -> Self {
        let message = format!("From: {from}\r\nTo: {to}\r\n{header}\r\nHello.\r\n");
        Self { from: from.to_owned(), to: to.to_owned(), message }
    }
}

/// Returns an address in a domain of its own, because the mail to each domain is limited.
fn person(n: u64) -> String {
    format!("anne@n{n}.example")
}

fn count(distribution: &Distribution, sql: &str) -> u64 {
    open(&distribution.site).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Returns how much mail is still to be handled, or to be sent.
fn unfinished(distribution: &Distribution) -> u64 {
    let sql = "SELECT (SELECT count(*) FROM entry) + (SELECT count(*) FROM post WHERE finished_at IS NULL)";
    count(distribution, sql)
}

/// Returns some of the mail that is still to be handled, and of what is still to be sent, to say why.
fn left(distribution: &Distribution) -> Vec<String> {
    let sql = "SELECT * FROM (
                   SELECT concat_ws(' ', 'entry', delivery, queue, state, 'attempt', attempts, reason, 'due in',
                                    available_at - unixepoch() * 1000) FROM entry LIMIT 5)
               UNION ALL SELECT * FROM (
                   SELECT concat_ws(' ', 'post', post.id, reason, state, 'doubts', doubts, 'due in',
                                    recipient.due_at - unixepoch() * 1000)
                   FROM post LEFT JOIN recipient ON recipient.post = post.id WHERE finished_at IS NULL LIMIT 5)";
    let database = open(&distribution.site);
    let mut rows = database.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Sends mail until all of it is taken, or the connection ends. What is taken leaves the queue.
fn deliver(address: SocketAddr, mails: &mut VecDeque<Mail>) {
    let Ok(mut server) = MailServer::connect(address) else { return };
    while let Some(Mail { from, to, message }) = mails.front() {
        let Ok(reply) = server.deliver(from, to, message) else { return };
        assert!(reply.starts_with("250"), "{reply}");
        mails.pop_front();
    }
}

/// Sends mail to a server that is killed this many times at random moments, then waits until all that it causes is done.
/// What was not taken is sent again. Returns how often a kill left something to do.
fn send(distribution: &Distribution, mails: Vec<Mail>, kills: u64, chance: &mut Chance) -> usize {
    let mut new: VecDeque<Mail> = mails.into();
    let mut waiting = VecDeque::new();
    let mut interrupted = 0;
    for _ in 0..kills {
        waiting.extend(new.drain(..new.len().min(usize::try_from(PEOPLE).unwrap())));
        let mut server = distribution.serve();
        let address = server.address;
        thread::scope(|scope| {
            scope.spawn(|| deliver(address, &mut waiting));
            thread::sleep(Duration::from_micros(chance.below(80_000)));
            server.signal("KILL");
            assert_eq!(server.wait(), None);
        });
        interrupted += usize::from(unfinished(distribution) > 0);
    }
    waiting.extend(new);
    let mut server = distribution.serve();
    deliver(server.address, &mut waiting);
    assert_eq!(waiting.len(), 0);
    let end = Instant::now() + PATIENCE;
    while unfinished(distribution) > 0 {
        assert!(Instant::now() < end, "not all mail is handled and sent: {:#?}", left(distribution));
        thread::sleep(Duration::from_millis(10));
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    interrupted
}

/// Returns the value of a field in the header of a message.
fn field(message: &str, name: &str) -> String {
    let value = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("{name} is not in {message}")).to_owned()
}

/// Returns the messages with a subject that each address got.
fn got(distribution: &Distribution, subject: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for taken in distribution.mail.taken() {
        let message = String::from_utf8(taken.message).unwrap();
        let [to] = &taken.to[..] else { panic!("a notice has one recipient: {:?}", taken.to) };
        if field(&message, "Subject") == subject {
            all.entry(to.clone()).or_default().push(message);
        }
    }
    all
}

fn too_many(got: &BTreeMap<String, Vec<String>>) -> u64 {
    got.values().map(|messages| messages.len() as u64 - 1).sum()
}

fn addresses(got: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    got.keys().cloned().collect()
}

#[test]
fn a_kill_at_any_moment_of_a_join_loses_no_mail_and_adds_only_those_who_confirm() {
    let rounds: u64 = env::var("LISTGATE_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    let mut chance = Chance(rounds);
    let kills = rounds.div_ceil(2);
    let mail = SmtpServer::start(Manner::default().delay(Duration::from_micros(200)));
    let distribution = Distribution::new(mail, 1, Copies::Personal);
    let members = || -> BTreeSet<String> {
        let connection = open(&distribution.site);
        let mut members = connection
            .prepare("SELECT address FROM member WHERE role = 'member' AND address <> 'm0@example.org'")
            .unwrap();
        members.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };

    let people: BTreeSet<String> = (0..kills * PEOPLE).map(person).collect();
    let ask = |who: &String| {
        Mail::new(who, "mylist-join@example.com", &format!("Message-ID: <join.{who}>\r\nSubject: Hello\r\n"))
    };
    let mut interrupted = send(&distribution, people.iter().map(ask).collect(), kills, &mut chance);
    let confirm = got(&distribution, "Please confirm that you want to join mylist");
    assert_eq!(addresses(&confirm), people, "each request was taken: {}", log(&distribution.site));
    assert_eq!(members(), BTreeSet::new(), "nobody has confirmed");
    let again = count(&distribution, "SELECT sum(asked - 1) FROM request");
    let doubted = distribution.posts().2;
    assert!(too_many(&confirm) <= doubted + again, "{} twice, {doubted} in doubt", too_many(&confirm));

    // Each mail was handed over before this.
    thread::sleep(SOONEST);
    distribution.mail.forget();
    let (replying, silent): (Vec<_>, Vec<_>) =
        confirm.iter().enumerate().partition(|(n, _)| n % PEOPLE as usize > 0);
    let reply = |(_, (who, messages)): &(usize, (&String, &Vec<String>))| {
        // Whichever of them arrived: they are the same.
        let [to, id] = ["Reply-To", "Message-ID"].map(|name| field(&messages[0], name));
        Mail::new(
            who,
            &to,
            &format!("Message-ID: <reply.{who}>\r\nIn-Reply-To: {id}\r\nSubject: Re: yes\r\n"),
        )
    };
    interrupted += send(&distribution, replying.iter().map(reply).collect(), kills, &mut chance);
    let confirmed: BTreeSet<String> = replying.iter().map(|(_, (who, _))| (*who).clone()).collect();
    assert_eq!(members(), confirmed, "{}", log(&distribution.site));
    let welcome = got(&distribution, "Welcome to mylist");
    assert_eq!(addresses(&welcome), confirmed);
    let since = distribution.posts().2 - doubted;
    assert!(too_many(&welcome) <= since, "{} welcome twice, {since} in doubt", too_many(&welcome));
    assert_eq!(count(&distribution, "SELECT count(*) FROM request"), silent.len() as u64);

    let status = distribution.site.json(&["queue", "status"]);
    let outgoing = status.iter().find(|queue| queue["queue"] == "outgoing").unwrap();
    assert_eq!(outgoing["doubted"], json!(doubted + since), "operators see it: {outgoing}");
    let extra = too_many(&confirm) + too_many(&welcome);
    eprintln!(
        "{rounds} rounds, {interrupted} with work left: {extra} too many, {} in doubt",
        doubted + since
    );
    assert!(interrupted > 0, "no kill came while something was done");
}
