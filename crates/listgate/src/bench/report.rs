//! The results of a run: counts, replies by code, and latencies.

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The highest latency recorded, in microseconds. Anything that takes longer than an hour counts as an hour.
const LONGEST: u64 = 3_600_000_000;

/// The messages of one size that were accepted for all their recipients.
struct OfSize {
    octets: u64,
    latency: Histogram<u64>,
}

/// The results of a run.
pub(crate) struct Report {
    sizes: Vec<OfSize>,
    /// Messages with a refused recipient.
    refused: u64,
    /// Messages whose session ended before all recipients were answered.
    unanswered: u64,
    /// The replies that decided about recipients, and those that ended sessions, by code.
    replies: BTreeMap<u16, u64>,
    /// The time from the first message to the last reply.
    pub(crate) elapsed: Duration,
}

/// The outcome of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum MessageOutcome {
    /// Accepted for all its recipients, after this time.
    Accepted(Duration),
    Refused,
    Unanswered,
}

impl Report {
    /// Creates a report for messages of these sizes, in octets.
    pub(super) fn new(sizes: impl Iterator<Item = usize>) -> Self {
        let of_size = |octets| OfSize { octets: octets as u64, latency: latencies() };
        Self {
            sizes: sizes.map(of_size).collect(),
            refused: 0,
            unanswered: 0,
            replies: BTreeMap::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Counts a message whose size is at the index `size`.
    pub(super) fn message(&mut self, size: usize, outcome: MessageOutcome) {
        match outcome {
            MessageOutcome::Accepted(after) => {
                let micros = u64::try_from(after.as_micros()).unwrap_or(LONGEST);
                self.sizes[size].latency.saturating_record(micros);
            }
            MessageOutcome::Refused => self.refused += 1,
            MessageOutcome::Unanswered => self.unanswered += 1,
        }
    }

    pub(super) fn reply(&mut self, code: u16) {
        *self.replies.entry(code).or_default() += 1;
    }

    /// Returns whether there is anything to report.
    pub(crate) fn has_begun(&self) -> bool {
        self.elapsed > Duration::ZERO
    }

    pub(crate) fn all_accepted(&self) -> bool {
        self.refused == 0 && self.unanswered == 0
    }

    fn accepted(&self) -> u64 {
        self.sizes.iter().map(|size| size.latency.len()).sum()
    }

    /// Returns the octets of the accepted messages.
    fn octets(&self) -> u64 {
        self.sizes.iter().map(|size| size.octets * size.latency.len()).sum()
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Returns the latencies of all sizes together.
    fn latency(&self) -> Histogram<u64> {
        let mut all = latencies();
        for size in &self.sizes {
            all.add(&size.latency).expect("all histograms have the same bounds");
        }
        all
    }

    /// Returns the report as one JSON object. Latencies are in microseconds.
    pub(crate) fn json(&self) -> Value {
        let size = |size: &OfSize| json!({"size": size.octets, "accepted": size.latency.len(), "latency_us": quantiles(&size.latency)});
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "accepted": self.accepted(),
            "refused": self.refused,
            "unanswered": self.unanswered,
            "octets": self.octets(),
            "messages_per_second": self.per_second(self.accepted()),
            "octets_per_second": self.per_second(self.octets()),
            "latency_us": quantiles(&self.latency()),
            "sizes": self.sizes.iter().map(size).collect::<Vec<_>>(),
            "replies": self.replies.iter().map(|(code, count)| (code.to_string(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are such as a histogram takes")
}

/// The quantiles shown for latencies, in this order.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

fn quantiles(latency: &Histogram<u64>) -> serde_json::Map<String, Value> {
    let quantile = |(name, share): (&str, f64)| (name.to_owned(), json!(latency.value_at_quantile(share)));
    QUANTILES.into_iter().map(quantile).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        writeln!(f, "{} messages accepted in {seconds:.2} s", self.accepted())?;
        if !self.all_accepted() {
            writeln!(f, "{} refused, {} without an answer", self.refused, self.unanswered)?;
        }
        let octets = bytesize::ByteSize::b(self.per_second(self.octets()) as u64);
        writeln!(f, "rate     {:.0} messages/s, {octets}/s", self.per_second(self.accepted()))?;
        line(f, "latency", &self.latency())?;
        for size in self.sizes.iter().filter(|_| self.sizes.len() > 1) {
            line(f, &bytesize::ByteSize::b(size.octets).to_string(), &size.latency)?;
        }
        write!(f, "replies ")?;
        for (at, (code, count)) in self.replies.iter().enumerate() {
            write!(f, "{} {count} times {code}", if at > 0 { "," } else { "" })?;
        }
        writeln!(f)
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, latency: &Histogram<u64>) -> fmt::Result {
    let quantile = |(name, share)| format!("{name} {}", milliseconds(latency.value_at_quantile(share)));
    writeln!(f, "{name:8} {}", QUANTILES.map(quantile).join(", "))
}

/// Formats a time with three digits, or more from one second on.
fn milliseconds(micros: u64) -> String {
    let millis = micros as f64 / 1000.0;
    match micros {
        ..10_000 => format!("{millis:.2} ms"),
        10_000..100_000 => format!("{millis:.1} ms"),
        _ => format!("{millis:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new([4096, 1 << 20].into_iter());
        for micros in 1..=1000 {
            report.message(0, MessageOutcome::Accepted(Duration::from_micros(micros)));
        }
        report.message(1, MessageOutcome::Accepted(Duration::from_millis(250)));
        report.message(1, MessageOutcome::Refused);
        report.reply(250);
        report.reply(452);
        report.elapsed = Duration::from_secs(2);
        report
    }

    #[test]
    fn the_json_report_is_complete() {
        let json = report().json();
        assert_eq!((json["accepted"].as_u64(), json["refused"].as_u64()), (Some(1001), Some(1)));
        assert_eq!(json["octets"], 4096 * 1000 + (1 << 20));
        assert_eq!(json["messages_per_second"], 500.5);
        assert_eq!(json["sizes"][0]["latency_us"]["p50"], 500);
        assert_eq!(json["replies"]["452"], 1);
    }

    #[test]
    fn a_report_fits_80_columns() {
        let text = report().to_string();
        assert!(text.contains("500 messages/s") || text.contains("501 messages/s"), "{text}");
        assert!(text.contains("replies  1 times 250, 1 times 452"), "{text}");
        assert!(text.contains("4.0 KiB  p50 0.50 ms"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(!report().all_accepted());
    }
}
