//! `doctor --send-test`: sends a message through the mail server to an address that leads back, and examines what comes.

use super::finding::Finding;
use crate::backends::sqlite::{Console, DataDir};
use crate::backends::{Holder, ListAdmin, PostAdmin, Posts};
use crate::config::{Config, Target};
use crate::error_chain::Chain;
use crate::intake::mail_date;
use crate::limits;
use crate::model::{List, ascii_domain, milliseconds};
use crate::net::{MailClient, ServerAddress};
use crate::outgoing::{OutgoingSettings, Signer};
use listgate_engine::token::{Day, Purpose};
use listgate_engine::view::View;
use listgate_lmtp::{
    ClientEvent, Closed, Declared, ForwardPath, Mailbox, Recipient, ReversePath, Transaction,
};
use std::time::{Instant, SystemTime};
use tokio::time::sleep;

const TEST: &str = "test message";

/// The fields of the test message that must come back as they were sent. Some mail servers complete the address in
/// Reply-To.
const FIELDS: &[(&str, &str)] = &[("Subject", "A test of Listgate"), ("Reply-To", "anne")];

/// Its text. Lines like these are changed by mail servers that are not set up for lists.
const TEXT: &str = "This message shows whether mail to lists leaves and comes back unchanged.\r\n\
    .a line with a dot\r\nFrom a line\r\ntrailing blanks  \r\nGr\u{fc}\u{df}e\r\n";

/// Sends a test message from and to an address of a list in `domain`. It is a token address, so no list gets it. Passes each
/// finding to `report` as soon as it is known.
pub(crate) async fn send_test<E>(
    config: &Config,
    domain: &str,
    mut report: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    let test = match Test::prepare(config, domain).await {
        Ok(test) => test,
        Err(finding) => return report(finding),
    };
    match test.send().await {
        Ok(reply) => report(Finding::ok(TEST, format!("the mail server took it: {reply}")))?,
        Err(finding) => return report(finding),
    }
    let since = Instant::now();
    loop {
        match test.returned().await {
            Ok(Some(message)) => {
                let seconds = since.elapsed().as_secs();
                report(Finding::ok("test returned", format!("it came back within {} seconds", seconds + 1)))?;
                return judge(&test.domain, &message).into_iter().try_for_each(report);
            }
            Ok(None) if since.elapsed() < limits::TEST_PATIENCE => sleep(limits::TEST_POLL).await,
            Ok(None) => {
                return report(Finding::wrong(
                    "test returned",
                    format!("it has not come back within {} seconds", limits::TEST_PATIENCE.as_secs()),
                    format!(
                        "look for {} in the mail server's log, and see that `listgate serve` runs with the engine",
                        test.address
                    ),
                ));
            }
            Err(finding) => return report(finding),
        }
    }
}

/// A test message that is ready to be sent.
struct Test {
    console: Console,
    server: ServerAddress,
    settings: OutgoingSettings,
    /// The domain of the list.
    domain: String,
    address: Mailbox,
    subject: u64,
}

fn failed(why: &(dyn std::error::Error + 'static)) -> Finding {
    Finding::wrong(TEST, Chain(why).to_string(), "fix this, and try again")
}

impl Test {
    async fn prepare(config: &Config, domain: &str) -> Result<Self, Finding> {
        let settings = OutgoingSettings::new(config).map_err(|why| failed(&why))?;
        let Target::Smtp(server) = settings.to.clone() else {
            let to = &settings.to;
            return Err(Finding::wrong(
                TEST,
                format!("outgoing.to is {to}, so no mail leaves"),
                "set outgoing.to to the mail server, such as \"smtp:127.0.0.1:25\"",
            ));
        };
        let data = DataDir::new(&config.data_dir);
        if matches!(data.holder(), Ok(Holder::Nobody)) {
            let found = "no gate runs, so nothing would come back";
            return Err(Finding::wrong(TEST, found, "start `listgate serve`"));
        }
        let console = Console::open(&data).map_err(|why| failed(&why))?;
        let list = list_in(&console, domain).await?;
        let keys = console.keys().await.map_err(|why| failed(&why))?;
        let now = u64::try_from(milliseconds(SystemTime::now())).unwrap_or(0);
        let signer = Signer { keys, today: Day::of_seconds(now / 1000), delimiter: config.verp_delimiter };
        let list_parts = (list.list_id.as_str(), &list.address, list.alias.as_deref());
        let address = signer.address_of(list_parts, "bounces", Purpose::Test, now);
        Ok(Self { console, server, settings, domain: list.address.domain.clone(), address, subject: now })
    }

    fn message(&self) -> String {
        let Self { address, subject, .. } = self;
        let date = mail_date(SystemTime::now());
        let fields: String = FIELDS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!(
            "From: {address}\r\nTo: {address}\r\nDate: {date}\r\nMessage-ID: <{subject}.test@{}>\r\n{fields}\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
             \r\n{TEXT}",
            self.domain
        )
    }

    /// Hands the message to the mail server, and returns its reply.
    async fn send(&self) -> Result<String, Finding> {
        let refused = |why: String| {
            let fix =
                "docs/outgoing.md says what the mail server must allow; `listgate mta` prints its settings";
            Finding::wrong(TEST, format!("the mail server {} does not take it: {why}", self.server), fix)
        };
        let connected = MailClient::connect(&self.server, self.settings.client.clone()).await;
        let mut mail = connected.map_err(|why| refused(Chain(&why).to_string()))?;
        let message = self.message();
        let from = ReversePath::Mailbox(self.address.clone());
        let to = [Recipient::from(ForwardPath::Mailbox(self.address.clone()))];
        let mut is_sent = false;
        loop {
            match mail.event().await.map_err(|why| refused(Chain(&why).to_string()))? {
                ClientEvent::Ready if !is_sent => {
                    is_sent = true;
                    mail.client().send(&Transaction::new(&from, &to, Declared::of(message.as_bytes())));
                }
                ClientEvent::SendBody { .. } => {
                    let written = mail.body(message.as_bytes()).await;
                    written.map_err(|why| refused(Chain(&why).to_string()))?;
                    mail.client().end_of_body();
                }
                ClientEvent::Outcome { reply, .. } if reply.is_positive() => return Ok(reply.to_string()),
                ClientEvent::Outcome { reply, .. } => return Err(refused(reply.to_string())),
                ClientEvent::Closed { why: Closed::Refused { reply, .. }, .. } => {
                    return Err(refused(reply.to_string()));
                }
                ClientEvent::Closed { why, .. } => return Err(refused(why.to_string())),
                ClientEvent::Ready | ClientEvent::StartTls | ClientEvent::Refused { .. } => {}
            }
        }
    }

    async fn returned(&self) -> Result<Option<Vec<u8>>, Finding> {
        self.console.test_message(self.subject).await.map_err(|why| failed(&why))
    }
}

/// Returns a list in the domain, for its address that leads back.
async fn list_in(console: &Console, domain: &str) -> Result<List, Finding> {
    let wanted = ascii_domain(domain).unwrap_or_else(|| domain.to_owned());
    let lists = console.lists().await.map_err(|why| failed(&why))?;
    lists.into_iter().find(|list| list.address.domain == wanted).ok_or_else(|| {
        Finding::wrong(
            TEST,
            format!("{domain} has no list, so no mail to it comes here"),
            format!("name the domain of a list, or create one: `listgate list create NAME@{domain}`"),
        )
    })
}

/// Judges a test message that has come back: whether it is unchanged, and who has signed it.
fn judge(domain: &str, message: &[u8]) -> [Finding; 2] {
    let view = View::whole(message);
    let value = |name: &str| view.first(name).map(|field| field.unfolded().trim().to_owned());
    let mut changed: Vec<&str> = FIELDS
        .iter()
        .filter(|(name, sent)| value(name).as_deref() != Some(*sent))
        .map(|(name, _)| *name)
        .collect();
    if view.body_start() != TEXT.as_bytes() {
        changed.push("the text");
    }
    let unchanged = if changed.is_empty() {
        Finding::ok("test unchanged", "its fields and its text are as they were sent")
    } else {
        Finding::wrong(
            "test unchanged",
            format!("the mail server has changed {}", changed.join(", ")),
            "give the way out a service of its own, as `listgate mta` prints it",
        )
    };
    [unchanged, signature(domain, &view)]
}

/// Finds out whether a DKIM signature is the domain's (RFC 6376).
fn signature(domain: &str, view: &View<'_>) -> Finding {
    let signers: Vec<String> = view
        .named("DKIM-Signature")
        .filter_map(|field| {
            let text = field.unfolded();
            let tag = text.split(';').find_map(|tag| tag.trim().strip_prefix("d=").map(str::to_owned));
            tag.map(|signer| signer.trim().to_ascii_lowercase())
        })
        .collect();
    let check = "test signature";
    if signers.iter().any(|signer| signer == domain) {
        return Finding::ok(check, format!("it is signed with d={domain}"));
    }
    let fix = format!("have the mail server's DKIM signer sign mail from addresses of {domain}: docs/mta.md");
    match signers.is_empty() {
        true => {
            Finding::note(check, "it has no DKIM signature, so receivers cannot tell that it is yours", fix)
        }
        false => {
            Finding::note(check, format!("it is signed with d={}, not {domain}", signers.join(", d=")), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn judged(message: &str) -> Vec<(Verdict, String)> {
        let findings = judge("example.com", message.as_bytes());
        findings.into_iter().map(|finding| (finding.verdict, finding.found)).collect()
    }

    #[test]
    fn what_comes_back_is_compared_with_what_was_sent() {
        let fields = "Subject: A test of Listgate\r\nReply-To: anne\r\n";
        let signed = "DKIM-Signature: v=1; a=rsa-sha256;\r\n\td=Example.com; s=x; b=y\r\n";
        let found = judged(&format!("Received: x\r\n{signed}{fields}\r\n{TEXT}"));
        assert_eq!(found[0].0, Verdict::Ok);
        assert_eq!(found[1], (Verdict::Ok, "it is signed with d=example.com".to_owned()));
        let found = judged(&format!(
            "DKIM-Signature: d=other.example\r\n{}\r\n{TEXT}--\r\nfooter\r\n",
            fields.replace("Reply-To: anne", "Reply-To: anne@mx.example.com")
        ));
        assert_eq!(found[0], (Verdict::Wrong, "the mail server has changed Reply-To, the text".to_owned()));
        assert_eq!(
            found[1],
            (Verdict::Note, "it is signed with d=other.example, not example.com".to_owned())
        );
        assert_eq!(judged(&format!("{fields}\r\n{TEXT}"))[1].0, Verdict::Note);
    }
}
