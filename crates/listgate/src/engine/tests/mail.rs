//! Mail with commands, and what the store has afterwards.

use super::rig::{LIST_ID, Rig};
use crate::backends::{PostAdmin, Posts};
use crate::engine::{accept_request, invite, reject_request, remove_request};
use crate::model::{Request, RequestId, Role, Step};
use listgate_engine::token::{Claim, Day, Purpose, Subject};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The result of a check that dmarc has passed for the author of a mail.
pub(super) const AUTHENTICATED: &str =
    "Authentication-Results: mx.example.com; dmarc=pass header.from=example.org\r\n";

/// A notice with a token that was stored.
pub(super) struct Asked {
    pub(super) token: String,
    /// The field of a reply that names it.
    pub(super) reply: String,
}

impl Rig {
    /// Decides about mail to a sub-address, such as `join` or `confirm+TOKEN`. `more` are further fields of its header.
    pub(super) async fn command(&self, to: &str, from: &str, more: &str) {
        let sender = from.split_once('<').map_or(from, |(_, address)| address.trim_end_matches('>'));
        self.put_command(to, from, sender, more).await;
        self.decide().await;
        self.hand_over().await;
    }

    /// Stores a command whose envelope sender may be another address than that in From.
    pub(super) async fn put_command(&self, to: &str, from: &str, sender: &str, more: &str) {
        let (suffix, detail) =
            to.split_once('+').map_or((to, None), |(suffix, detail)| (suffix, Some(detail)));
        let id = if more.contains("Message-ID") { "" } else { "Message-ID: <1@example.org>\r\n" };
        let message = format!("From: {from}\r\n{more}{id}\r\n");
        self.put(Role::of_subaddress(suffix).unwrap(), detail, sender, message.as_bytes()).await;
    }

    /// Returns the token that a mail of today has.
    pub(super) async fn token(&self, purpose: Purpose, subject: u64) -> String {
        let keys = Posts::keys(&*self.store).await.unwrap();
        let now = self.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claim = Claim::new(purpose, Subject::new(subject).unwrap(), Day::of_seconds(now));
        keys.sign(LIST_ID, claim).to_string()
    }

    fn now(&self) -> SystemTime {
        let fast = self.fast();
        let by = Duration::from_secs(fast.unsigned_abs());
        if fast < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }

    /// Returns the last notice that waits for a reply.
    pub(super) async fn asked(&self) -> Asked {
        let sql = "SELECT template, subject, message_id FROM notice JOIN post ON post.id = notice.post
                   WHERE template IN ('confirm-join', 'confirm-leave', 'confirm-again', 'invite', 'goodbye')
                   ORDER BY post DESC LIMIT 1";
        let row = self.rows(sql).remove(0);
        let [template, subject, id] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
        let purpose = if template == "goodbye" { Purpose::Rejoin } else { Purpose::Confirm };
        let token = self.token(purpose, subject.parse().unwrap()).await;
        Asked { token, reply: format!("In-Reply-To: {id}\r\n") }
    }

    /// Answers the last notice that waits for a reply.
    pub(super) async fn confirm(&self, from: &str) {
        let Asked { token, reply } = self.asked().await;
        self.command(&format!("confirm+{token}"), from, &reply).await;
    }

    /// Returns the token with which the member who joined last can leave.
    pub(super) async fn leave_token(&self) -> String {
        let seq = self.rows("SELECT max(seq) FROM member WHERE role = 'member'").remove(0);
        self.token(Purpose::Leave, seq.parse().unwrap()).await
    }

    /// Takes the step that an operator decides on for the last request.
    pub(super) async fn operate(&self, how: &str) {
        let id = self.rows("SELECT max(id) FROM request").remove(0).parse::<RequestId>().unwrap();
        let request: Request = Posts::request(&self.console, id).await.unwrap().unwrap();
        let step = match how {
            "accept" => accept_request(&self.console, &request, None).await.unwrap().unwrap(),
            "reject" => reject_request(&self.console, &request).await.unwrap().unwrap(),
            _ => remove_request(&request),
        };
        self.take(step).await;
    }

    /// Invites an address. Returns whether it could be invited.
    pub(super) async fn invite(&self, named: &str) -> bool {
        match invite(&self.console, LIST_ID, named.parse().unwrap()).await.unwrap() {
            Some(step) => {
                self.take(step).await;
                true
            }
            None => false,
        }
    }

    async fn take(&self, step: Step) {
        self.console.take(&step).await.unwrap();
        self.hand_over().await;
    }

    /// Returns a line for each member, former member, request and notice, and how each command was decided.
    pub(super) fn state(&self) -> Vec<String> {
        [
            "SELECT 'member ' || coalesce(given, address) || iif(verified_at IS NULL, '', ' verified') ||
                    iif(name IS NULL, '', ' (' || name || ')')
             FROM member WHERE role = 'member' ORDER BY seq",
            "SELECT 'former ' || address FROM former_member ORDER BY seq",
            "SELECT 'request to ' || kind || ' of ' || address || ', asked ' || asked || ', waits to ' || phase ||
                    iif(early, ', early', '') || iif(confirmed, ', confirmed', '')
             FROM request ORDER BY id",
            "SELECT template || ' to ' || coalesce(notice.address, 'owners') || iif(counted, ', counted', '') ||
                    CASE WHEN subject IS NULL THEN ''
                         WHEN notice.subject = notice.request THEN ', a request'
                         ELSE ', a membership' END
             FROM notice ORDER BY post",
            "SELECT outcome || ': ' || reasons FROM decision ORDER BY id",
        ]
        .into_iter()
        .flat_map(|sql| self.rows(sql))
        .collect()
    }
}
