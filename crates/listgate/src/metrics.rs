//! Metrics for Prometheus. Dashboards and alerts depend on their names; docs/metrics.md lists them all.

use crate::model::{Duplicate, Endpoint, OutgoingNow, QueueNow, Space, StoreError};
use listgate_lmtp::Refusal;
use memchr::memchr;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::time::{Instant, SystemTime};

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EndpointLabel {
    queue: &'static str,
    endpoint: &'static str,
}

/// The labels of a refusal: `stage` is `mail`, `rcpt` or `data`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RefusalLabel {
    stage: &'static str,
    code: u16,
    enhanced: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Code {
    code: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct MapLabel {
    map: &'static str,
    answer: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DecisionLabel {
    endpoint: &'static str,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct BounceLabel {
    class: &'static str,
    token: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// The metrics of a gate.
pub(crate) struct Metrics {
    registry: Registry,
    sessions: Counter,
    open_sessions: Gauge,
    turned_away: Family<Reason, Counter>,
    tls_handshakes: Family<Outcome, Counter>,
    transactions: Family<Outcome, Counter>,
    recipients: Family<EndpointLabel, Counter>,
    refusals: Family<RefusalLabel, Counter>,
    redeliveries: Family<Action, Counter>,
    replies: Family<Code, Counter>,
    /// The counters of the replies that nearly every message gets. They need not be looked up in their family.
    usual_replies: [(u16, Counter); 2],
    map_answers: Family<MapLabel, Counter>,
    octets: Counter,
    in_flight: Gauge,
    free: Gauge,
    commit_deliveries: Histogram,
    commit_seconds: Histogram,
    checkpoint_seconds: Histogram,
    lookup_seconds: Histogram,
    failures: Family<Reason, Counter>,
    outgoing: Family<Outcome, Counter>,
    entries: Family<Queue, Gauge>,
    queue_octets: Family<Queue, Gauge>,
    oldest: Family<Queue, Gauge>,
    decisions: Family<DecisionLabel, Counter>,
    bounces: Family<BounceLabel, Counter>,
    posts: Posts,
}

/// What waits to leave, and posts that wait for moderators.
#[derive(Default)]
struct Posts {
    outgoing: Gauge,
    oldest: Gauge,
    deferred: Gauge,
    doubted: Gauge,
    stopped: Gauge,
    held: Gauge,
}

/// Returns a histogram from 10 microseconds to 10 seconds, with four buckets per decade.
fn seconds() -> Histogram {
    Histogram::new((0..25).map(|step| 1e-5 * 10_f64.powf(f64::from(step) / 4.0)))
}

impl Default for Metrics {
    fn default() -> Self {
        let replies: Family<Code, Counter> = Family::default();
        let usual_replies = [250, 354].map(|code| (code, replies.get_or_create_owned(&Code { code })));
        let mut metrics = Self {
            registry: Registry::with_prefix("listgate"),
            sessions: Counter::default(),
            open_sessions: Gauge::default(),
            turned_away: Family::default(),
            tls_handshakes: Family::default(),
            transactions: Family::default(),
            recipients: Family::default(),
            refusals: Family::default(),
            redeliveries: Family::default(),
            replies,
            usual_replies,
            map_answers: Family::default(),
            octets: Counter::default(),
            in_flight: Gauge::default(),
            free: Gauge::default(),
            commit_deliveries: Histogram::new((0..10).map(|power| f64::from(1 << power))),
            commit_seconds: seconds(),
            checkpoint_seconds: seconds(),
            lookup_seconds: seconds(),
            failures: Family::default(),
            outgoing: Family::default(),
            entries: Family::default(),
            queue_octets: Family::default(),
            oldest: Family::default(),
            decisions: Family::default(),
            bounces: Family::default(),
            posts: Posts::default(),
        };
        metrics.register_sessions();
        metrics.register_store();
        metrics.register_engine();
        metrics
    }
}

impl Metrics {
    fn register_sessions(&mut self) {
        let registry = &mut self.registry;
        let version = Info::new(Version { version: env!("CARGO_PKG_VERSION") });
        registry.register("build", "This program", version);
        registry.register("sessions", "Sessions started", self.sessions.clone());
        registry.register("open_sessions", "Sessions now", self.open_sessions.clone());
        registry.register("turned_away", "Connections turned away", self.turned_away.clone());
        registry.register("tls_handshakes", "TLS handshakes", self.tls_handshakes.clone());
        registry.register("transactions", "Transactions by how they ended", self.transactions.clone());
        registry.register("recipients", "Recipients queued, by endpoint", self.recipients.clone());
        registry.register("refusals", "MAIL, RCPT and recipients refused", self.refusals.clone());
        registry.register(
            "redeliveries",
            "Recipients whose mail had been received before",
            self.redeliveries.clone(),
        );
        registry.register("replies", "Replies by code", self.replies.clone());
        registry.register("map_answers", "Answers by socketmap", self.map_answers.clone());
        registry.register_with_unit("received", "Of messages", Unit::Bytes, self.octets.clone());
        registry.register_with_unit(
            "in_flight",
            "Of messages on their way in",
            Unit::Bytes,
            self.in_flight.clone(),
        );
    }

    fn register_store(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "free",
            "For mail, on the disk and within the database",
            Unit::Bytes,
            self.free.clone(),
        );
        registry.register("commit_deliveries", "Deliveries in a commit", self.commit_deliveries.clone());
        let (commit, checkpoint) = (self.commit_seconds.clone(), self.checkpoint_seconds.clone());
        registry.register_with_unit("commit", "Time of a commit", Unit::Seconds, commit);
        registry.register_with_unit("checkpoint", "Time of a checkpoint", Unit::Seconds, checkpoint);
        registry.register_with_unit("lookup", "Time of a lookup", Unit::Seconds, self.lookup_seconds.clone());
        registry.register("failures", "What the store could not do", self.failures.clone());
        registry.register("outgoing_recipients", "Recipients of posts, by outcome", self.outgoing.clone());
        registry.register("queue_entries", "Entries of a queue", self.entries.clone());
        registry.register_with_unit("queue", "Of a queue's messages", Unit::Bytes, self.queue_octets.clone());
        let oldest = self.oldest.clone();
        registry.register_with_unit("queue_oldest", "Age of a queue's oldest entry", Unit::Seconds, oldest);
    }

    fn register_engine(&mut self) {
        let registry = &mut self.registry;
        registry.register("decisions", "What became of posts and of mail to owners", self.decisions.clone());
        registry.register("bounces", "Bounces recorded", self.bounces.clone());
        let Posts { outgoing, oldest, deferred, doubted, stopped, held } = &self.posts;
        registry.register("outgoing_posts", "Posts that are not finished", outgoing.clone());
        let help = "Age of the oldest post that is not finished";
        registry.register_with_unit("outgoing_oldest", help, Unit::Seconds, oldest.clone());
        registry.register("outgoing_deferred", "Recipients who are tried again", deferred.clone());
        registry.register(
            "outgoing_doubted",
            "Recipients who may have got a post of the last 30 days twice",
            doubted.clone(),
        );
        registry.register("outgoing_stopped", "Whether the mail server refuses all mail", stopped.clone());
        registry.register("held_posts", "Posts that wait for moderators", held.clone());
    }

    pub(crate) fn session_begins(&self) {
        self.sessions.inc();
        self.open_sessions.inc();
    }

    pub(crate) fn session_ends(&self) {
        self.open_sessions.dec();
    }

    pub(crate) fn turned_away(&self, reason: &'static str) {
        self.turned_away.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn handshake(&self, succeeded: bool) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.tls_handshakes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a transaction. The outcome is `queued`, `refused` or `abandoned`.
    pub(crate) fn transaction(&self, outcome: &'static str, octets: u64) {
        self.transactions.get_or_create(&Outcome { outcome }).inc();
        self.octets.inc_by(octets);
    }

    pub(crate) fn queued(&self, endpoint: &Endpoint, duplicate: Duplicate) {
        let label = EndpointLabel { queue: endpoint.role.queue().as_str(), endpoint: endpoint.role.name() };
        let action = match duplicate {
            Duplicate::No => None,
            Duplicate::Marked => Some("marked"),
            Duplicate::Suppressed | Duplicate::Handled => Some("suppressed"),
        };
        if duplicate.is_stored() {
            self.recipients.get_or_create(&label).inc();
        }
        if let Some(action) = action {
            self.redeliveries.get_or_create(&Action { action }).inc();
        }
    }

    pub(crate) fn refused(&self, stage: &'static str, refusal: &Refusal) {
        let text = refusal.to_string();
        let enhanced = text.split(' ').nth(1).unwrap_or_default().to_owned();
        self.refusals.get_or_create(&RefusalLabel { stage, code: refusal.code(), enhanced }).inc();
    }

    /// Counts the replies in output that is about to be written. It consists of whole lines, and the last line of a
    /// reply has a space after its code.
    pub(crate) fn replies(&self, output: &[u8]) {
        let mut rest = output;
        while let Some(end) = memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] = line {
                let digit = |octet: &u8| u16::from(octet - b'0');
                let code = digit(a) * 100 + digit(b) * 10 + digit(c);
                match self.usual_replies.iter().find(|(usual, _)| *usual == code) {
                    Some((_, counter)) => counter.inc(),
                    None => self.replies.get_or_create(&Code { code }).inc(),
                };
            }
        }
    }

    /// Counts an answer of socketmap. `map` is `none` if the request names no map.
    pub(crate) fn looked_up_for_a_map(&self, map: &'static str, answer: &'static str) {
        self.map_answers.get_or_create(&MapLabel { map, answer }).inc();
    }

    pub(crate) fn committed(&self, deliveries: usize, since: Instant) {
        // Exact: a batch has far fewer than 2^52 deliveries.
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        self.commit_deliveries.observe(deliveries as f64);
        self.commit_seconds.observe(since.elapsed().as_secs_f64());
    }

    pub(crate) fn checkpointed(&self, since: Instant) {
        self.checkpoint_seconds.observe(since.elapsed().as_secs_f64());
    }

    pub(crate) fn looked_up(&self, since: Instant) {
        self.lookup_seconds.observe(since.elapsed().as_secs_f64());
    }

    pub(crate) fn failed(&self, why: &StoreError) {
        self.failures.get_or_create(&Reason { reason: why.label() }).inc();
    }

    /// Counts recipients of posts by what became of them.
    pub(crate) fn left(&self, outcomes: impl IntoIterator<Item = (&'static str, u64)>) {
        for (outcome, recipients) in outcomes.into_iter().filter(|(_, recipients)| *recipients > 0) {
            self.outgoing.get_or_create(&Outcome { outcome }).inc_by(recipients);
        }
    }

    /// Counts a post, or mail to the owners of a list. `reason` is the first one.
    pub(crate) fn decided(&self, endpoint: &'static str, outcome: &'static str, reason: &'static str) {
        self.decisions.get_or_create(&DecisionLabel { endpoint, outcome, reason }).inc();
    }

    /// Counts a bounce. `token` is what the token in its address is about, or `none`.
    pub(crate) fn bounced(&self, class: &'static str, token: &'static str) {
        self.bounces.get_or_create(&BounceLabel { class, token }).inc();
    }

    /// Notes what waits to leave.
    pub(crate) fn outgoing(&self, now: &OutgoingNow) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let age = now.oldest.and_then(|oldest| SystemTime::now().duration_since(oldest).ok());
        self.posts.outgoing.set(gauge(now.posts));
        self.posts.oldest.set(gauge(age.unwrap_or_default().as_secs()));
        self.posts.deferred.set(gauge(now.deferred));
        self.posts.doubted.set(gauge(now.doubted));
        self.posts.stopped.set(now.stopped.is_some().into());
        self.posts.held.set(gauge(now.held));
    }

    /// Returns all metrics in Prometheus's text format.
    pub(crate) fn render(&self, queues: &[QueueNow], space: Option<Space>, in_flight: u64) -> String {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for QueueNow { name: queue, entries, octets, oldest } in queues {
            let label = Queue { queue };
            self.entries.get_or_create(&label).set(gauge(*entries));
            self.queue_octets.get_or_create(&label).set(gauge(*octets));
            self.oldest.get_or_create(&label).set(gauge(*oldest));
        }
        self.in_flight.set(gauge(in_flight));
        self.free.set(gauge(space.map_or(0, Space::octets)));
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a String does not fail");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_once_however_many_lines_they_have() {
        let metrics = Metrics::default();
        metrics.replies(b"250-a\r\n250-b\r\n250 c\r\n550 5.1.1 no\r\n250 2.0.0 Ok\r\n");
        let text = metrics.render(&[], None, 0);
        assert!(text.contains("listgate_replies_total{code=\"250\"} 2\n"), "{text}");
        assert!(text.contains("listgate_replies_total{code=\"550\"} 1\n"), "{text}");
    }
}
