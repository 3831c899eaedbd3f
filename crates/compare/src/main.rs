//! The benchmarks that `cargo xtask bench` runs: Listgate compared to other servers, to the limits of the
//! hardware, and to itself under other loads.
//!
//! `bench/` produces docs/performance.md; each of the other files has one benchmark, or code that several
//! share. Nothing here is part of the product.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measures")]

mod bench;
mod beside;
mod consumers;
mod fill;
mod hostile;
mod instructions;
mod load;
mod median;
mod outgoing;
mod processor;
mod server;

use std::process::ExitCode;
use xtask::run;

const USAGE: &str = "\
usage: cargo xtask bench [BENCHMARK]

  [--quick]                          compares listgate with other servers and with the disk, and writes
                                     docs/performance.md; 25 minutes (--quick: 3, less precise)
  sink [--messages N] [--rounds N] [--before PROGRAM]
                                     its rate and processor time compared with those of Postfix's smtp-sink,
                                     which stores nothing, of the plainest server that stores, and of another
                                     listgate, such as an earlier one
  mailman                            its rate as Mailman's LMTP runner, compared with Mailman's own
  outgoing                           how fast posts reach members, compared with Mailman and smtp-source
  hostile                            a normal peer's rate while 2,500 hostile ones are connected
  consumers                          the rate while two processes empty the queues
  instructions                       instructions of a transaction with one list and with a million, and
                                     of a lease with ten waiting entries and with a million
";

/// A benchmark with its parsed arguments.
#[derive(Debug, PartialEq)]
enum Benchmark {
    Help,
    Page(&'static bench::Plan),
    Sink(bench::sink::Plan),
    Mailman,
    Outgoing,
    Hostile,
    Consumers,
    Instructions,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match parse(&words) {
        Ok(Benchmark::Help) => {
            print!("{USAGE}");
            Ok(())
        }
        Ok(Benchmark::Page(plan)) => bench::run(plan),
        Ok(Benchmark::Sink(plan)) => bench::sink::run(&plan),
        Ok(Benchmark::Mailman) => bench::drop_in::run(),
        Ok(Benchmark::Outgoing) => outgoing::run(),
        Ok(Benchmark::Hostile) => hostile::run(),
        Ok(Benchmark::Consumers) => consumers::run(),
        Ok(Benchmark::Instructions) => instructions::run(),
        Err(reason) => {
            eprint!("error: {reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if run::report(done) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(words: &[&str]) -> Result<Benchmark, String> {
    match words {
        ["help" | "--help" | "-h"] => Ok(Benchmark::Help),
        ["mailman"] => Ok(Benchmark::Mailman),
        ["outgoing"] => Ok(Benchmark::Outgoing),
        ["hostile"] => Ok(Benchmark::Hostile),
        ["consumers"] => Ok(Benchmark::Consumers),
        ["instructions"] => Ok(Benchmark::Instructions),
        ["sink", options @ ..] => parse_sink(options).map(Benchmark::Sink),
        [] => Ok(Benchmark::Page(&bench::Plan::FULL)),
        ["--quick"] => Ok(Benchmark::Page(&bench::Plan::QUICK)),
        [
            "mailman" | "outgoing" | "hostile" | "consumers" | "instructions" | "--quick" | "help",
            word,
            ..,
        ] => Err(format!("unexpected argument `{word}`")),
        [word, ..] => Err(format!("no such benchmark: `{word}`")),
    }
}

fn parse_sink(mut options: &[&str]) -> Result<bench::sink::Plan, String> {
    let mut plan = bench::sink::Plan::default();
    while let [option, rest @ ..] = options {
        if let ("--before", [program, rest @ ..]) = (*option, rest) {
            (plan.before, options) = (Some(program.into()), rest);
            continue;
        }
        let field = match *option {
            "--messages" => &mut plan.messages,
            "--rounds" => &mut plan.rounds,
            _ => return Err(format!("unexpected argument `{option}`")),
        };
        let [number, rest @ ..] = rest else { return Err(format!("{option} wants a number")) };
        *field = match number.parse() {
            Ok(number) if number > 0 => number,
            _ => return Err(format!("{option} wants a number above zero, not `{number}`")),
        };
        options = rest;
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_and_their_options_are_parsed() {
        assert_eq!(parse(&["instructions"]), Ok(Benchmark::Instructions));
        assert_eq!(parse(&[]), Ok(Benchmark::Page(&bench::Plan::FULL)));
        assert_eq!(parse(&["--quick"]), Ok(Benchmark::Page(&bench::Plan::QUICK)));
        assert_eq!(
            parse(&["sink", "--rounds", "3", "--messages", "100"]),
            Ok(Benchmark::Sink(bench::sink::Plan { messages: 100, rounds: 3, before: None }))
        );
    }

    #[test]
    fn unknown_arguments_are_reported() {
        for (words, says) in [
            (&["snik"][..], "no such benchmark: `snik`"),
            (&["sink", "--rounds"], "--rounds wants a number"),
            (&["sink", "--rounds", "0"], "--rounds wants a number above zero, not `0`"),
            (&["instructions", "now"], "unexpected argument `now`"),
            (&["help", "sink"], "unexpected argument `sink`"),
        ] {
            assert_eq!(parse(words), Err(says.to_owned()), "{words:?}");
        }
    }
}
