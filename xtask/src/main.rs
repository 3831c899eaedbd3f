//! The project's own development commands: `cargo xtask test | deep | bench | package`.
//!
//! There is one file per command, and shared code is in the library of this package. Nothing here is part of
//! the product.
#![allow(clippy::print_stdout, reason = "a command reports on stdout")]

mod bench;
mod deep;
mod package;
mod steps;
mod tally;
mod test;

use std::process::ExitCode;
use xtask::run;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--install] [--no-skips]      formatting, lints, tests, documentation: the test command
                                     (--install: install the programs that tests need, as root
                                     on Debian; --no-skips: a test that was not run is a failure)
  deep                               the tests with many more cases and rounds, fuzzing, mutants,
                                     coverage, cargo-deny, package, then bench sink
  deep PART                          one of them: tests, fuzz, mutants, coverage, deny, package,
                                     bench
  bench [ARGUMENTS]                  the benchmarks against other servers, a tool of their own:
                                     `cargo xtask bench help` says which there are
  package [--version V] [--profile P]
                                     a Debian package, an RPM package, a tarball, the list of the
                                     program's parts and checksums, in target/packages (by default
                                     of this version, and built with the profile dist)
";

/// A command with its parsed arguments.
#[derive(Debug, PartialEq)]
enum Command<'w> {
    Help,
    Test(test::Options),
    Deep(Option<deep::Part>),
    /// The arguments for the benchmark tool.
    Bench(&'w [&'w str]),
    Package(package::Options<'w>),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match parse(&words) {
        Ok(Command::Help) => {
            print!("{USAGE}");
            true
        }
        Ok(Command::Test(options)) => test::run(options),
        Ok(Command::Deep(part)) => deep::run(part),
        Ok(Command::Package(options)) => package::run(&options),
        Ok(Command::Bench(words)) => run::report(bench::run(words)),
        Err(reason) => {
            eprint!("xtask: {reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse<'w>(words: &'w [&'w str]) -> Result<Command<'w>, String> {
    match words {
        [] => Err("no command given".into()),
        ["help" | "--help" | "-h"] => Ok(Command::Help),
        ["test", options @ ..] => test_options(options).map(Command::Test),
        ["deep"] => Ok(Command::Deep(None)),
        ["deep", part] if deep::Part::named(part).is_some() => Ok(Command::Deep(deep::Part::named(part))),
        ["bench", rest @ ..] => Ok(Command::Bench(rest)),
        ["package", options @ ..] => package_options(options).map(Command::Package),
        ["deep", word, ..] => Err(format!("unexpected argument `{word}`")),
        [word, ..] => Err(format!("no such command: `{word}`")),
    }
}

fn test_options(words: &[&str]) -> Result<test::Options, String> {
    let mut options = test::Options::default();
    for word in words {
        match *word {
            "--install" => options.install = true,
            "--no-skips" => options.no_skips = true,
            word => return Err(format!("unexpected argument `{word}`")),
        }
    }
    Ok(options)
}

fn package_options<'w>(mut words: &'w [&'w str]) -> Result<package::Options<'w>, String> {
    let mut options = package::Options::default();
    loop {
        words = match words {
            [] => return Ok(options),
            ["--version", version, rest @ ..] if package::is_version(version) => {
                options.version = version;
                rest
            }
            ["--version", version, ..] => return Err(format!("not a version, such as 1.2.3: `{version}`")),
            ["--profile", profile, rest @ ..] => {
                options.profile = profile;
                rest
            }
            [word, ..] => return Err(format!("unexpected argument `{word}`")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_options_are_parsed() {
        let options = |install, no_skips| Ok(Command::Test(test::Options { install, no_skips }));
        assert_eq!(parse(&["test"]), options(false, false));
        assert_eq!(parse(&["test", "--no-skips"]), options(false, true));
        assert_eq!(parse(&["test", "--no-skips", "--install"]), options(true, true));
        assert_eq!(parse(&["deep"]), Ok(Command::Deep(None)));
        assert_eq!(parse(&["deep", "fuzz"]), Ok(Command::Deep(Some(deep::Part::Fuzz))));
        let packed = package::Options { version: "1.2", profile: "release" };
        let words = ["package", "--profile", "release", "--version", "1.2"];
        assert_eq!(parse(&words), Ok(Command::Package(packed)));
        assert_eq!(parse(&["bench"]), Ok(Command::Bench(&[])));
        assert_eq!(
            parse(&["bench", "sink", "--rounds", "3"]),
            Ok(Command::Bench(&["sink", "--rounds", "3"]))
        );
    }

    #[test]
    fn unknown_arguments_are_reported() {
        for (words, says) in [
            (&[][..], "no command given"),
            (&["tset"], "no such command: `tset`"),
            (&["test", "--no-skip"], "unexpected argument `--no-skip`"),
            (&["package", "--version", "-1"], "not a version, such as 1.2.3: `-1`"),
            (&["package", "--version"], "unexpected argument `--version`"),
            (&["deep", "down"], "unexpected argument `down`"),
        ] {
            assert_eq!(parse(words), Err(says.to_owned()), "{words:?}");
        }
    }
}
