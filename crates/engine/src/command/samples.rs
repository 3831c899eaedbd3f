//! Mail as ten mail programs write it, for tests. `samples/README.md` says where the formats are from.

use std::fs;
use std::path::Path;

/// The names of the mail programs.
pub(crate) const PROGRAMS: [&str; 10] = [
    "gmail",
    "outlook",
    "outlook-web",
    "apple-mail",
    "iphone",
    "thunderbird",
    "k9",
    "mutt",
    "yahoo",
    "proton",
];

/// Returns a plain reply to a mail that asks for a confirmation.
pub(crate) fn reply(program: &str) -> Vec<u8> {
    read(&format!("{program}-reply.eml"))
}

/// Returns a mail to `-request` with a command.
pub(crate) fn command(program: &str) -> Vec<u8> {
    read(&format!("{program}-command.eml"))
}

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.replace('\n', "\r\n").into_bytes()
}
