//! The project's own errands: `cargo xtask test | deep | bench | package`.
//!
//! There is one file per errand, and shared code is in the library of this package. Nothing here is part of
//! the product.
#![allow(clippy::print_stdout, reason = "an errand reports on stdout")]

mod bench;
mod deep;
mod package;
mod steps;
mod tally;
mod test;

use std::process::ExitCode;
use xtask::run;

const USAGE: &str = "\
usage: cargo xtask ERRAND

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

/// An errand with its parsed arguments.
#[derive(Debug, PartialEq)]
enum Errand<'w> {
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
        Ok(Errand::Help) => {
            print!("{USAGE}");
            true
        }
        Ok(Errand::Test(options)) => test::run(options),
        Ok(Errand::Deep(part)) => deep::run(part),
        Ok(Errand::Package(options)) => package::run(&options),
        Ok(Errand::Bench(words)) => run::report(bench::run(words)),
        Err(reason) => {
            eprint!("xtask: {reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse<'w>(words: &'w [&'w str]) -> Result<Errand<'w>, String> {
    match words {
        [] => Err("no errand given".into()),
        ["help" | "--help" | "-h"] => Ok(Errand::Help),
        ["test", options @ ..] => test_options(options).map(Errand::Test),
        ["deep"] => Ok(Errand::Deep(None)),
        ["deep", part] if deep::Part::named(part).is_some() => Ok(Errand::Deep(deep::Part::named(part))),
        ["bench", rest @ ..] => Ok(Errand::Bench(rest)),
        ["package", options @ ..] => package_options(options).map(Errand::Package),
        ["deep", word, ..] => Err(format!("unexpected argument `{word}`")),
        [word, ..] => Err(format!("no such errand: `{word}`")),
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
    fn errands_and_their_options_are_parsed() {
        let options = |install, no_skips| Ok(Errand::Test(test::Options { install, no_skips }));
        assert_eq!(parse(&["test"]), options(false, false));
        assert_eq!(parse(&["test", "--no-skips"]), options(false, true));
        assert_eq!(parse(&["test", "--no-skips", "--install"]), options(true, true));
        assert_eq!(parse(&["deep"]), Ok(Errand::Deep(None)));
        assert_eq!(parse(&["deep", "fuzz"]), Ok(Errand::Deep(Some(deep::Part::Fuzz))));
        let packed = package::Options { version: "1.2", profile: "release" };
        let words = ["package", "--profile", "release", "--version", "1.2"];
        assert_eq!(parse(&words), Ok(Errand::Package(packed)));
        assert_eq!(parse(&["bench"]), Ok(Errand::Bench(&[])));
        assert_eq!(parse(&["bench", "sink", "--rounds", "3"]), Ok(Errand::Bench(&["sink", "--rounds", "3"])));
    }

    #[test]
    fn unknown_arguments_are_reported() {
        for (words, says) in [
            (&[][..], "no errand given"),
            (&["tset"], "no such errand: `tset`"),
            (&["test", "--no-skip"], "unexpected argument `--no-skip`"),
            (&["package", "--version", "-1"], "not a version, such as 1.2.3: `-1`"),
            (&["package", "--version"], "unexpected argument `--version`"),
            (&["deep", "down"], "unexpected argument `down`"),
        ] {
            assert_eq!(parse(words), Err(says.to_owned()), "{words:?}");
        }
    }
}
