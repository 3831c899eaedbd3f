//! The rate of a normal peer while something disturbs the gate, compared to its rate alone.

use crate::median::median;
use crate::server::{Gate, Scratch, Server, smtp_source};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;
use xtask::peers;
use xtask::run::{self, Outcome};
use xtask::system;

pub(crate) const LIST: &str = "mylist@example.com";
pub(crate) const SESSIONS: usize = 8;
pub(crate) const MESSAGES: usize = 10_000;
const ROUNDS: usize = 5;

/// A gate with one list, and the peer that puts it under load.
pub(crate) struct Normal {
    source: PathBuf,
    server: Server,
    pub(crate) gate: Gate,
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    _scratch: Scratch,
}

impl Normal {
    /// Starts the gate with this configuration.
    pub(crate) fn start(name: &str, configuration: &str) -> Outcome<Self> {
        peers::install(&["postfix"]);
        let source = system::require("smtp-source", "Postfix")?;
        let gate = Gate::build()?;
        let scratch = Scratch::new(name)?;
        let data = scratch.join("data");
        gate.create_lists(&data, &[LIST.to_owned()])?;
        let config = scratch.join("listgate.toml");
        std::fs::write(&config, configuration).map_err(|error| format!("{}: {error}", config.display()))?;
        let (server, address) = gate.serve_with(&data, &[], &["--config".as_ref(), config.as_ref()])?;
        Ok(Self { source, server, gate, address, data, _scratch: scratch })
    }

    /// Measures alone and disturbed in turns, and prints the median of the ratios and whether it meets `target`.
    pub(crate) fn rounds<D>(
        &self,
        target: f64,
        start_disturbance: impl Fn() -> Outcome<D>,
        end_disturbance: impl Fn(D) -> Outcome,
    ) -> Outcome {
        self.rate()?;
        let mut ratios = Vec::new();
        for round in 1..=ROUNDS {
            let alone = self.rate()?;
            let disturbance = start_disturbance()?;
            let beside = self.rate()?;
            end_disturbance(disturbance)?;
            let ratio = beside / alone;
            ratios.push(ratio);
            println!("  round {round}: alone {alone:>6.0}, beside them {beside:>6.0}, ratio {ratio:.2}");
        }
        let ratio = median(ratios.into_iter());
        let verdict = if ratio >= target { "met" } else { "missed" };
        println!("median ratio {ratio:.2}, target {target}: {verdict}");
        Ok(())
    }

    pub(crate) fn stop(self) -> Outcome {
        self.server.stop()
    }

    fn rate(&self) -> Outcome<f64> {
        let start = Instant::now();
        run::succeed(&mut smtp_source(&self.source, self.address, LIST, SESSIONS, MESSAGES))?;
        Ok(MESSAGES as f64 / start.elapsed().as_secs_f64())
    }
}
