//! The project's own errands: `cargo xtask test | deep | bench`.
//!
//! One file per errand. What they share is the library of this package. Nothing here is part of the
//! product.
#![allow(clippy::print_stdout, reason = "an errand reports on stdout")]

mod bench;
mod beside;
mod consumers;
mod deep;
mod fill;
mod hostile;
mod instructions;
mod load;
mod median;
mod server;
mod steps;
mod tally;
mod test;

use std::process::ExitCode;
use xtask::run;

const USAGE: &str = "\
usage: cargo xtask ERRAND

  test [--no-skips]                  formatting, lints, tests, documentation: the test command
                                     (--no-skips: a test that was not run is a failure)
  deep                               the tests with many more cases and rounds, fuzzing, mutants,
                                     coverage, then bench sink
  deep PART                          one of them: tests, fuzz, mutants, coverage, bench
  bench [--quick]                    listgate beside other servers and the hardware's floor: writes
                                     docs/performance.md; 25 minutes (--quick: 3, coarse)
  bench sink [--messages N] [--rounds N]
                                     its rate against Postfix's smtp-sink alone, which stores nothing
  bench mailman                      in the place of Mailman's own LMTP runner, against it
  bench hostile                      a normal peer's rate beside 2,500 hostile ones
  bench consumers                    the rate beside two processes that take the mail out
  bench instructions                 instructions of a transaction: one list against a million; of a
                                     lease: ten waiting entries against a million
";

/// An errand with its arguments understood.
#[derive(Debug, PartialEq)]
enum Errand {
    Help,
    Test { no_skips: bool },
    Deep(Option<deep::Part>),
    Bench(&'static bench::Plan),
    Sink(bench::sink::Plan),
    Mailman,
    Hostile,
    Consumers,
    Instructions,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match parse(&words) {
        Ok(Errand::Help) => {
            print!("{USAGE}");
            true
        }
        Ok(Errand::Test { no_skips }) => test::run(no_skips),
        Ok(Errand::Deep(part)) => deep::run(part),
        Ok(Errand::Bench(plan)) => run::told(bench::run(plan)),
        Ok(Errand::Sink(plan)) => run::told(bench::sink::run(&plan)),
        Ok(Errand::Mailman) => run::told(bench::drop_in::run()),
        Ok(Errand::Hostile) => run::told(hostile::run()),
        Ok(Errand::Consumers) => run::told(consumers::run()),
        Ok(Errand::Instructions) => run::told(instructions::run()),
        Err(reason) => {
            eprint!("xtask: {reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(words: &[&str]) -> Result<Errand, String> {
    match words {
        [] => Err("no errand given".into()),
        ["help" | "--help" | "-h"] => Ok(Errand::Help),
        ["test"] => Ok(Errand::Test { no_skips: false }),
        ["test", "--no-skips"] => Ok(Errand::Test { no_skips: true }),
        ["deep"] => Ok(Errand::Deep(None)),
        ["deep", part] if deep::Part::named(part).is_some() => Ok(Errand::Deep(deep::Part::named(part))),
        ["bench", "mailman"] => Ok(Errand::Mailman),
        ["bench", "hostile"] => Ok(Errand::Hostile),
        ["bench", "consumers"] => Ok(Errand::Consumers),
        ["bench", "instructions"] => Ok(Errand::Instructions),
        ["bench", "sink", options @ ..] => parse_sink(options).map(Errand::Sink),
        ["bench"] => Ok(Errand::Bench(&bench::Plan::FULL)),
        ["bench", "--quick"] => Ok(Errand::Bench(&bench::Plan::QUICK)),
        ["test" | "deep" | "bench", word, ..] => Err(format!("unexpected argument `{word}`")),
        [word, ..] => Err(format!("no such errand: `{word}`")),
    }
}

fn parse_sink(mut options: &[&str]) -> Result<bench::sink::Plan, String> {
    let mut plan = bench::sink::Plan::default();
    while let [option, rest @ ..] = options {
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
    fn errands_and_their_options() {
        assert_eq!(parse(&["test"]), Ok(Errand::Test { no_skips: false }));
        assert_eq!(parse(&["test", "--no-skips"]), Ok(Errand::Test { no_skips: true }));
        assert_eq!(parse(&["deep"]), Ok(Errand::Deep(None)));
        assert_eq!(parse(&["deep", "fuzz"]), Ok(Errand::Deep(Some(deep::Part::Fuzz))));
        assert_eq!(parse(&["bench", "instructions"]), Ok(Errand::Instructions));
        assert_eq!(parse(&["bench"]), Ok(Errand::Bench(&bench::Plan::FULL)));
        assert_eq!(parse(&["bench", "--quick"]), Ok(Errand::Bench(&bench::Plan::QUICK)));
        assert_eq!(
            parse(&["bench", "sink", "--rounds", "3", "--messages", "100"]),
            Ok(Errand::Sink(bench::sink::Plan { messages: 100, rounds: 3 }))
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (words, says) in [
            (&[][..], "no errand given"),
            (&["tset"], "no such errand: `tset`"),
            (&["test", "--no-skip"], "unexpected argument `--no-skip`"),
            (&["deep", "down"], "unexpected argument `down`"),
            (&["bench", "sink", "--rounds"], "--rounds wants a number"),
            (&["bench", "sink", "--rounds", "0"], "--rounds wants a number above zero, not `0`"),
            (&["bench", "instructions", "now"], "unexpected argument `instructions`"),
        ] {
            assert_eq!(parse(words), Err(says.to_owned()), "{words:?}");
        }
    }
}
