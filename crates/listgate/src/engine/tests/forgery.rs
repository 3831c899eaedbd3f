//! Ten thousand forged commands: nobody gets more mail than documented, and nobody learns what is not about them.

use super::rig::{LIST_ID, Rig};
use super::token;
use crate::backends::{Members, Posts};
use crate::model::{MemberRole, NewMember, NoticeContent};
use listgate_engine::limits;
use listgate_engine::token::{Day, Purpose};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

const PEOPLE: u64 = 1_000;
const DOMAINS: u64 = 2;
const ROUNDS: u64 = 10;
const A_ROUND: u64 = 1_000;

/// Returns the address of a person. Four of them share an account.
fn person(n: u64) -> String {
    let detail = match n / DOMAINS % 4 {
        0 => String::new(),
        detail => format!("+{detail}"),
    };
    format!("p{}{detail}@d{}.example", n / DOMAINS / 4, n % DOMAINS)
}

/// Numbers that look random, and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn place(&mut self, most: usize) -> usize {
        usize::try_from(self.below(most as u64)).unwrap()
    }

    /// Returns a person; half of them are of the same ten.
    fn person(&mut self) -> u64 {
        if self.below(2) == 0 { self.below(10) } else { self.below(PEOPLE) }
    }
}

/// Where forged commands go: tokens that anyone may have seen, or made up.
async fn targets(rig: &Rig) -> Vec<String> {
    let keys = Posts::keys(&*rig.store).await.unwrap();
    let today = Day::of_seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let of = |list_id, purpose, day| token(&keys, list_id, purpose, day);
    let bounces = of(LIST_ID, Purpose::MemberBounce, today);
    let confirm = of("other.example.com", Purpose::Confirm, today);
    let leave = of("other.example.com", Purpose::Leave, today);
    let old = of(LIST_ID, Purpose::Confirm, Day::of_seconds(1_000_000_000));
    let unknown = of(LIST_ID, Purpose::Confirm, today);
    let made_up = "a".repeat(26);
    let plain = ["join", "join", "join", "leave", "leave", "request", "request", "request"];
    let forged = [
        ("confirm", &bounces),
        ("confirm", &confirm),
        ("confirm", &old),
        ("confirm", &unknown),
        ("confirm", &made_up),
        ("leave", &bounces),
        ("leave", &leave),
        ("leave", &confirm),
        ("leave", &made_up),
    ];
    let forged = forged.map(|(suffix, token)| format!("{suffix}+{token}"));
    plain.map(str::to_owned).into_iter().chain(forged).collect()
}

/// A forged mail.
struct Mail<'t> {
    to: &'t str,
    from: u64,
    sender: u64,
    subject: &'static str,
}

type Put<'m> = Pin<Box<dyn Future<Output = ()> + 'm>>;

impl<'t> Mail<'t> {
    fn new(numbers: &mut Numbers, targets: &'t [String]) -> Self {
        let (from, sender) = (numbers.person(), numbers.person());
        let to = &targets[numbers.place(targets.len())];
        let subjects = ["who", "help", "join", "leave", "confirm x"];
        Self { to, from, sender, subject: subjects[numbers.place(subjects.len())] }
    }

    /// Its Message-ID has the numbers of both persons.
    async fn put(&self, rig: &Rig) {
        let Self { to, from, sender, subject } = self;
        let more = format!("Subject: {subject}\r\nMessage-ID: <{from}.{sender}@x>\r\n");
        rig.put_command(to, &person(*from), &person(*sender), &more).await;
    }
}

/// Waits for all, which share commits.
async fn all(mut puts: Vec<Put<'_>>) {
    poll_fn(|context| {
        puts.retain_mut(|put| put.as_mut().poll(context).is_pending());
        if puts.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Checks the mail of one round against the mail that caused it.
fn check_recipients(rig: &Rig) {
    let sql = "SELECT template, notice.address, settings FROM notice JOIN post ON post.id = notice.post
               WHERE finished_at IS NULL";
    for row in rig.rows(sql) {
        let [template, to, content] = row.splitn(3, '|').collect::<Vec<_>>().try_into().unwrap();
        let content: NoticeContent = serde_json::from_str(content).unwrap();
        let id = content.in_reply_to.unwrap();
        let (from, sender) = id.trim_matches(['<', '>']).split_once('@').unwrap().0.split_once('.').unwrap();
        let public = matches!(template, "help" | "ask-again");
        let expected = person(if public { sender } else { from }.parse().unwrap());
        assert_eq!(to, expected, "{template} {id}");
        assert_eq!(content.values.contains_key("members"), template == "roster");
    }
}

#[tokio::test]
async fn forged_commands_reach_no_limit_twice_and_tell_nobody_about_others() {
    let rig = Rig::new().await;
    rig.set(&["member_roster_visibility=members", "admin_notify_mchanges=yes"]).await;
    let members: Vec<NewMember> = (0..PEOPLE)
        .filter(|n| n % 5 < 2)
        .map(|n| NewMember { named: person(n).parse().unwrap(), changes: Vec::new() })
        .collect();
    rig.console.add(LIST_ID, MemberRole::Member, &members).await.unwrap();
    let everybody = rig.rows("SELECT * FROM member ORDER BY seq");
    let targets = targets(&rig).await;
    let mut numbers = Numbers(1);
    for _ in 0..ROUNDS {
        let mut mails = (0..A_ROUND).map(|_| Mail::new(&mut numbers, &targets)).collect::<Vec<_>>();
        while !mails.is_empty() {
            let some = mails.split_off(mails.len().saturating_sub(100));
            all(some.iter().map(|mail| Box::pin(mail.put(&rig)) as Put<'_>).collect()).await;
        }
        rig.decide().await;
        // Some were outdated so often that they are retried later.
        while rig.count("entry") != "0" {
            rig.wait(20);
            rig.decide().await;
        }
        check_recipients(&rig);
        rig.hand_over().await;
        rig.wait(3_601);
    }
    assert_eq!([rig.count("decision"), rig.count("entry")], [(ROUNDS * A_ROUND).to_string(), "0".to_owned()]);
    assert_eq!(rig.rows("SELECT * FROM member ORDER BY seq"), everybody, "nobody joined or left");
    assert_eq!(rig.count("former_member"), "0");
    check_store(&rig);
    check_limits_are_reached(&rig);
}

/// Checks that all mail keeps the limits, and says nothing about others.
fn check_store(rig: &Rig) {
    // Each is a row of what must not be, and would say who.
    for sql in [
        "SELECT 'to owners', template FROM notice WHERE address IS NULL".to_owned(),
        "SELECT 'not counted', template FROM notice WHERE counted = 0".to_owned(),
        "SELECT outcome, reasons FROM decision WHERE outcome = 'done'".to_owned(),
        format!(
            "SELECT account, count(*) FROM notice GROUP BY account HAVING count(*) > {}",
            limits::ANSWERS_TO_ADDRESS
        ),
        format!(
            "SELECT one.domain, count(*) FROM notice one JOIN notice other ON other.domain = one.domain
                 AND other.at > one.at - 3600000 AND other.at <= one.at
             GROUP BY one.post HAVING count(*) > {}",
            limits::ANSWERS_TO_DOMAIN
        ),
        format!(
            "SELECT one.request, count(*) FROM notice one JOIN notice other ON other.request = one.request
                 AND other.at > one.at - 3600000 AND other.at <= one.at
             GROUP BY one.post HAVING count(*) > {}",
            limits::MAILS_IN_HOUR
        ),
        format!(
            "SELECT request, count(*) FROM notice WHERE request IS NOT NULL
             GROUP BY request HAVING count(*) > {}",
            limits::MAILS_IN_DAY
        ),
        "SELECT template, notice.address FROM notice LEFT JOIN request ON request.id = notice.subject
         WHERE subject IS NOT NULL AND (request.address IS NOT notice.address OR notice.request IS NOT subject)"
            .to_owned(),
        "SELECT template, address FROM notice
         WHERE (template IN ('confirm-leave', 'already-member', 'roster'))
               <> (address IN (SELECT address FROM member))
             AND template NOT IN ('help', 'ask-again')"
            .to_owned(),
        "SELECT address, count(*) FROM request GROUP BY address, kind HAVING count(*) > 1".to_owned(),
    ] {
        let found = rig.rows(&sql);
        assert!(found.is_empty(), "{sql}: {found:?}");
    }
}

/// Checks that each answer and each limit was met, or the test would show little.
fn check_limits_are_reached(rig: &Rig) {
    let templates = rig.rows("SELECT DISTINCT template FROM notice ORDER BY template");
    let all = [
        "already-member",
        "ask-again",
        "confirm-join",
        "confirm-leave",
        "help",
        "no-roster",
        "not-member",
        "roster",
    ];
    assert_eq!(templates, all);
    let most = "SELECT max(n) FROM (SELECT count(*) n FROM notice GROUP BY account)";
    assert_eq!(rig.rows(most), [limits::ANSWERS_TO_ADDRESS.to_string()]);
    let most =
        "SELECT max(n) FROM (SELECT count(*) n FROM notice WHERE request IS NOT NULL GROUP BY request)";
    assert_eq!(rig.rows(most), [limits::MAILS_IN_DAY.to_string()]);
    let most = "SELECT max(n) FROM (SELECT count(*) n FROM notice GROUP BY domain, at / 3600000)";
    assert_eq!(rig.rows(most), [limits::ANSWERS_TO_DOMAIN.to_string()]);
    for reason in ["in a day already", "in an hour already", "was asked already"] {
        let sql = format!("SELECT count(*) > 0 FROM decision WHERE reasons LIKE '%{reason}%'");
        assert_eq!(rig.rows(&sql), ["1"], "{reason}");
    }
}
