//! `listgate bench`: sends many messages and measures how fast a server takes them.

use super::error::CliError;
use super::send;
use super::site::Site;
use crate::bench::mail::{Mail, Recipients, Sizes};
use crate::bench::{self, BenchError, Plan, Until};
use crate::net::ListenAddress;
use indicatif::{ProgressBar, ProgressStyle};
use listgate_lmtp::ReversePath;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The explanation of the figures, shown after the help.
const MEANING: &str = "\
Each message is different and has a Message-ID. Its latency is the time from its start to its last reply; \
with --rate it starts when the message is due, so that waiting for a slow server counts too. Latencies and \
octets count accepted messages only. The exit code is 1 if a message was not accepted for all its \
recipients.";

#[derive(clap::Args)]
#[command(after_help = MEANING)]
pub(super) struct Args {
    #[arg(
        help = "The server: 127.0.0.1:8024, [::1]:8024 or unix:/path [default: the first of server.listen]",
        long,
        value_name = "ADDR"
    )]
    server: Option<ListenAddress>,
    /// A recipient of each message; may be repeated. {} in it stands for a number from 1
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1..)]
    to: Vec<String>,
    /// Recipients of each message, if the address has {} in it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    recipients: u64,
    /// Continue {} from message to message, up to N, then from 1 again [default: each message starts at 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    numbers: Option<u64>,
    /// The envelope sender
    #[arg(long, value_name = "ADDRESS", default_value = "bench@example.org", value_parser = send::sender)]
    from: ReversePath,
    /// Concurrent sessions
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    sessions: u16,
    /// Total number of messages
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Run for this time instead of a number of messages: 10s, 5m
    #[arg(long, value_name = "TIME", conflicts_with = "messages", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Octets of a message with its header, or shares of sizes: 95%:4KiB,5%:1MiB
    #[arg(long, value_name = "SIZE", default_value = "4KiB")]
    size: Sizes,
    /// Messages per second, whether or not the server keeps up [default: as fast as it accepts them]
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Send MAIL, RCPT and DATA together, as Postfix does, if the server announces PIPELINING (the default)
    #[arg(long, overrides_with = "no_pipelining")]
    pipelining: bool,
    /// Send one command at a time
    #[arg(long)]
    no_pipelining: bool,
    /// Send all messages of a session over one connection (the default)
    #[arg(long, overrides_with = "one_message_per_connection")]
    reuse: bool,
    /// Open a connection for each message
    #[arg(long)]
    one_message_per_connection: bool,
    /// Allow a server that is not on this machine
    #[arg(long)]
    allow_remote: bool,
    /// Print one JSON object; its latencies are in microseconds
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("write a number of messages per second, such as 500"),
    }
}

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let server = site.server(args.server)?;
    if !args.allow_remote && !bench::is_local(&server) {
        return Err(BenchError::Remote(server).into());
    }
    let to = Recipients::new(&args.to, args.recipients, args.numbers)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let plan = Plan {
        server,
        sessions: args.sessions.into(),
        until: args.duration.map_or(Until::Messages(args.messages), Until::Elapsed),
        mail: Mail::new(args.from, to, &args.size, since.as_nanos() as u64),
        rate: args.rate,
        pipelining: !args.no_pipelining,
        reuse: !args.one_message_per_connection,
    };
    let bar = bar(plan.until);
    let (report, done) = bench::run(&plan, |messages, elapsed| {
        bar.set_message(format!("{messages} messages"));
        bar.set_position(match plan.until {
            Until::Messages(_) => messages,
            Until::Elapsed(_) => elapsed.as_millis() as u64,
        });
    });
    bar.finish_and_clear();
    // Report what was measured even if the run ended with an error.
    if done.is_ok() || report.has_begun() {
        let text = if args.json { format!("{}\n", report.json()) } else { report.to_string() };
        io::stdout().lock().write_all(text.as_bytes())?;
    }
    done?;
    Ok(if report.all_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns a progress bar on standard error, hidden if that is not a terminal.
fn bar(until: Until) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let length = match until {
        Until::Messages(messages) => messages,
        Until::Elapsed(duration) => duration.as_millis() as u64,
    };
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {elapsed}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
