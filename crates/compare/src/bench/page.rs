//! docs/performance.md: a run writes the part between two marks, and people write the rest.

use std::fmt::Write;
use std::path::Path;
use xtask::run::Outcome;

const BEGIN: &str = "<!-- measured: begin. `cargo xtask bench` overwrites this part -->";
const END: &str = "<!-- measured: end -->";

/// The page before the first run.
const NEW: &str = "\
# Performance

`cargo xtask bench` measured the figures below, on one machine and one day. Rely on the ratios rather
than on the rates: the compared servers took turns. Every rate counts accepted mail only.

MARKS

## What limits the rate

Nothing is written here yet.
";

/// A section of the page.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) targets: Vec<Target>,
}

/// A target, and whether it was met.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) what: String,
    pub(super) wanted: String,
    pub(super) measured: String,
    pub(super) met: bool,
}

impl Target {
    /// Returns a target for a ratio that should be at least `wanted`; `measured` is `None` if it could not be
    /// measured.
    pub(super) fn at_least(what: &str, wanted: f64, measured: Option<f64>) -> Self {
        let met = measured.is_some_and(|measured| measured >= wanted);
        Self::of(what, format!("at least {wanted}"), measured, met)
    }

    /// Returns a target for a ratio that should be at most `wanted`.
    pub(super) fn at_most(what: &str, wanted: f64, measured: Option<f64>) -> Self {
        let met = measured.is_some_and(|measured| measured <= wanted);
        Self::of(what, format!("at most {wanted}"), measured, met)
    }

    fn of(what: &str, wanted: String, measured: Option<f64>, met: bool) -> Self {
        let measured = measured.map_or("not measured".to_owned(), ratio);
        Self { what: what.to_owned(), wanted, measured, met }
    }
}

/// Composes the measured part: the machine, the sections, then the targets.
pub(super) fn compose(machine: &str, sections: &[Section]) -> String {
    let mut text = format!("## The machine\n\n{machine}");
    for section in sections {
        writeln!(text, "\n## {}\n\n{}", section.title, section.text.trim_end())
            .expect("writing to a String does not fail");
    }
    text.push_str("\n## Targets\n\n| target | wanted | measured | |\n|---|--:|--:|---|\n");
    for target in sections.iter().flat_map(|section| &section.targets) {
        let Target { what, wanted, measured, met } = target;
        let verdict = if *met { "met" } else { "**missed**" };
        writeln!(text, "| {what} | {wanted} | {measured} | {verdict} |")
            .expect("writing to a String does not fail");
    }
    text
}

/// Puts the measured part into the page, which is created if it does not exist.
pub(super) fn write(path: &Path, measured: &str) -> Outcome {
    let failed = |error| format!("{}: {error}", path.display());
    let old = match std::fs::read_to_string(path) {
        Ok(old) => old,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            NEW.replace("MARKS", &format!("{BEGIN}\n{END}"))
        }
        Err(error) => return Err(failed(error)),
    };
    std::fs::write(path, replaced(&old, measured)?).map_err(failed)
}

fn replaced(old: &str, measured: &str) -> Outcome<String> {
    let parts = old.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts
        .ok_or_else(|| format!("the page has no room for what was measured, between\n{BEGIN}\nand\n{END}"))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", measured.trim()))
}

/// Formats a number of things, with commas.
pub(super) fn count(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a ratio to about three digits.
pub(super) fn ratio(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => count(number),
    }
}

pub(super) fn mebibytes(octets: f64) -> String {
    digits(octets / 1_048_576.0)
}

/// Formats milliseconds with about three digits.
pub(super) fn millis(millis: f64) -> String {
    format!("{} ms", digits(millis))
}

/// Formats a number with about three digits.
pub(super) fn digits(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask::run;

    #[test]
    fn hand_written_text_is_kept() {
        let page = format!("# Title\n\n{BEGIN}\nold\n{END}\n\n## Mine\n");
        let new = replaced(&page, "new\n").expect("the marks are there");
        assert_eq!(new, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\n## Mine\n"));
        assert_eq!(replaced(&new, "new").expect("the marks are still there"), new);
        assert!(replaced("# Title\n", "new").is_err());
    }

    #[test]
    fn the_performance_page_has_its_marks() {
        let page =
            std::fs::read_to_string(run::root().join("docs/performance.md")).expect("the page is there");
        assert!(replaced(&page, "new").is_ok());
    }

    #[test]
    fn a_target_that_was_not_measured_is_not_met() {
        assert!(!Target::at_least("x", 0.0, None).met);
        assert!(!Target::at_most("x", 9.0, None).met);
        assert!(Target::at_least("x", 1.0, Some(1.0)).met);
        let section = Section {
            title: "T".to_owned(),
            text: "text\n".to_owned(),
            targets: vec![Target::at_most("x", 3.0, Some(4.0))],
        };
        let page = compose("| a | b |\n", &[section]);
        assert!(page.contains("| x | at most 3 | 4.00 | **missed** |\n"), "{page}");
    }

    #[test]
    fn numbers_are_formatted_for_reading() {
        assert_eq!(
            (count(1234567.4), count(999.6), count(12.34)),
            ("1,234,567".into(), "1,000".into(), "12.3".into())
        );
        assert_eq!(
            (ratio(0.777), ratio(12.34), ratio(1234.5)),
            ("0.78".into(), "12.3".into(), "1,234".into())
        );
        assert_eq!((millis(0.123), millis(45.67)), ("0.12 ms".into(), "45.7 ms".into()));
    }
}
