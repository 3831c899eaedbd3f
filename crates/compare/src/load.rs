//! One run of `listgate bench`, and its results.

use crate::server::Gate;
use serde_json::Value;
use std::net::SocketAddr;
use xtask::run::{self, Outcome};

/// What is sent. The default is the base point, from which the benchmarks change one thing at a time.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) sessions: usize,
    /// The size in the format of `listgate bench --size`.
    pub(crate) size: String,
    pub(crate) recipients: usize,
    /// The number of lists to which messages are sent in turn.
    pub(crate) lists: usize,
    pub(crate) pipelining: bool,
    pub(crate) length: Length,
    /// Messages per second; `None` means as fast as they are accepted.
    pub(crate) rate: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Seconds(f64),
    Messages(usize),
}

impl Load {
    /// Returns the base point: eight sessions without pipelining, messages of 4 KiB to one of four lists.
    pub(crate) fn base(seconds: f64) -> Self {
        Self {
            sessions: 8,
            size: "4KiB".to_owned(),
            recipients: 1,
            lists: 4,
            pipelining: false,
            length: Length::Seconds(seconds),
            rate: None,
        }
    }

    /// Runs the load against a server; a message that is not accepted is an error.
    pub(crate) fn run(&self, gate: &Gate, server: SocketAddr) -> Outcome<Measured> {
        let mut bench = gate.command();
        bench.args(["bench", "--json", "--to", "list{}@example.com", "--server", &server.to_string()]);
        bench.args(["--sessions", &self.sessions.to_string(), "--size", &self.size]);
        bench.args(["--recipients", &self.recipients.to_string(), "--numbers", &self.lists.to_string()]);
        bench.arg(if self.pipelining { "--pipelining" } else { "--no-pipelining" });
        match self.length {
            Length::Seconds(seconds) => bench.args(["--duration", &format!("{:.0}ms", seconds * 1000.0)]),
            Length::Messages(messages) => bench.args(["--messages", &messages.to_string()]),
        };
        if let Some(rate) = self.rate {
            bench.args(["--rate", &format!("{rate:.3}")]);
        }
        let output = run::output(&mut bench)?;
        Measured::read(&output).ok_or_else(|| format!("listgate bench printed {output:?}"))
    }
}

/// The results of a run. Latencies are in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) accepted: f64,
    /// Messages per second.
    pub(crate) rate: f64,
    /// Octets of messages per second.
    pub(crate) octets: f64,
    pub(crate) latency: Latency,
    /// The latencies for each size of a distribution.
    pub(crate) of_sizes: Vec<Latency>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Measured {
    fn read(json: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(json).ok()?;
        let sizes = json["sizes"].as_array()?;
        Some(Self {
            accepted: json["accepted"].as_f64()?,
            rate: json["messages_per_second"].as_f64()?,
            octets: json["octets_per_second"].as_f64()?,
            latency: Latency::read(&json["latency_us"])?,
            of_sizes: sizes.iter().map(|size| Latency::read(&size["latency_us"])).collect::<Option<_>>()?,
        })
    }
}

impl Latency {
    fn read(json: &Value) -> Option<Self> {
        let millis = |key: &str| Some(json[key].as_f64()? / 1000.0);
        Some(Self { p50: millis("p50")?, p99: millis("p99")?, max: millis("max")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_listgate_bench_is_read() {
        let latency = r#"{"p50":100,"p90":150,"p99":2000,"p99.9":2500,"max":3000}"#;
        let json = format!(
            r#"{{"accepted":7,"messages_per_second":3.5,"octets_per_second":14336.0,"latency_us":{latency},
                "sizes":[{{"size":4096,"accepted":7,"latency_us":{latency}}}]}}"#
        );
        let latency = Latency { p50: 0.1, p99: 2.0, max: 3.0 };
        let expected =
            Measured { accepted: 7.0, rate: 3.5, octets: 14336.0, latency, of_sizes: vec![latency] };
        assert_eq!(Measured::read(&json), Some(expected));
        assert_eq!(Measured::read("{}"), None);
    }
}
