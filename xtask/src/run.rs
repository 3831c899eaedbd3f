//! Running commands and reporting errors.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Success, or a sentence that says what went wrong.
pub type Outcome<T = ()> = Result<T, String>;

/// Returns the repository's top folder. It is taken from cargo at run time: a target folder shared by two
/// working copies may hold a program that was built in the other one.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let top = Path::new(&package).ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    top.map(Path::to_owned).unwrap_or_default()
}

/// Returns cargo's target folder: the one that this program, or its test, was built into, however it was
/// configured. Cargo marks it with a file.
pub fn target() -> Outcome<PathBuf> {
    let exe = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map(Path::to_owned).ok_or_else(|| format!("{} is in no target folder", exe.display()))
}

/// Returns a command that reads nothing from the terminal.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Returns the cargo that runs us as a command in the top folder.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(root());
    cargo
}

/// Runs a command to its end; its output goes to the same place as ours.
pub fn succeed(command: &mut Command) -> Outcome {
    let program = name_of(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program}: {status}")),
        Err(error) => Err(format!("cannot run {program}: {error}")),
    }
}

/// Runs a command to its end and returns what it writes to stdout.
pub fn output(command: &mut Command) -> Outcome<String> {
    let program = name_of(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{program}: {}", output.status))
    }
}

/// Runs a command to its end, copies its stdout to `on` as it arrives, and passes each line to `read`.
///
/// stderr is not included, because the complaints of a test's child processes would break the lines.
pub fn stream(command: &mut Command, mut on: impl Write, mut read: impl FnMut(&str)) -> Outcome {
    let program = name_of(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("the pipe for stdout was not created")?);
    let mut line = Vec::new();
    // Whether the output is still read (`| head`) does not matter: the tests run to their end.
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let _ = on.write_all(&line);
        read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program}: {status}")),
        Err(error) => Err(format!("lost {program}: {error}")),
    }
}

/// Prints the error to stderr, if there is one, and returns whether there was none.
pub fn report(outcome: Outcome) -> bool {
    if let Err(reason) = &outcome {
        eprintln!("error: {reason}");
    }
    outcome.is_ok()
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_and_the_exit_code_counts() {
        let mut lines = Vec::new();
        let mut passed_on = Vec::new();
        let mut script = command("sh");
        script.args(["-c", "echo one; printf two; exit 3"]);
        let outcome = stream(&mut script, &mut passed_on, |line| lines.push(line.to_owned()));
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(passed_on, b"one\ntwo");
        assert_eq!(outcome, Err("sh: exit status: 3".to_owned()));
    }
}
