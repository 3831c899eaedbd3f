//! The shared libraries that a program needs, read from its symbols.

use crate::run::{self, Outcome, command};
use std::path::Path;

/// The libraries of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Libraries {
    /// The lowest version of glibc that has all symbols, as major and minor number.
    pub glibc: (u32, u32),
    /// Whether it needs GCC's support library.
    support: bool,
}

impl Libraries {
    /// Reads a program's dynamic symbols with objdump.
    ///
    /// # Errors
    /// objdump is not there, or the program needs a library that no package here is known for.
    pub fn of(program: &Path) -> Outcome<Self> {
        Self::read(&run::output(command("objdump").arg("-p").arg(program))?)
    }

    fn read(headers: &str) -> Outcome<Self> {
        let needed = headers.lines().filter_map(|line| line.trim().strip_prefix("NEEDED"));
        let needed: Vec<&str> = needed.map(str::trim).collect();
        let is_of_glibc =
            |name: &&str| ["libc.so.", "libm.so.", "ld-linux"].iter().any(|of| name.starts_with(of));
        let support = |name: &&str| name.starts_with("libgcc_s.so.");
        if let Some(name) = needed.iter().find(|name| !is_of_glibc(name) && !support(name)) {
            return Err(format!(
                "the program needs {name}: add its package to xtask/src/packages/libraries.rs"
            ));
        }
        let versions = headers.split_whitespace().filter_map(|word| version(word.strip_prefix("GLIBC_")?));
        let glibc = versions.max().ok_or("the program has no symbols of glibc")?;
        Ok(Self { glibc, support: needed.iter().any(support) })
    }

    /// Returns Debian's packages of them, as a list of dependencies.
    pub fn of_debian(&self) -> String {
        let (major, minor) = self.glibc;
        // The version of GCC's library since which it has all symbols that Rust uses, in each Debian since 2008.
        let support = if self.support { ", libgcc-s1 (>= 4.2)" } else { "" };
        format!("libc6 (>= {major}.{minor}){support}")
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str = "Dynamic Section:\n  NEEDED               libgcc_s.so.1\n  NEEDED               libc.so.6\n\
        Version References:\n  required from libc.so.6:\n    0x06 0x00 05 GLIBC_2.9\n    0x06 0x00 04 GLIBC_2.34\n\
        0x09 0x00 03 GLIBC_2.3.4\n  required from libgcc_s.so.1:\n    0x09 0x00 02 GCC_4.2.0\n";

    #[test]
    fn the_lowest_glibc_is_that_of_the_newest_symbol() {
        let libraries = Libraries::read(HEADERS).map(|libraries| (libraries.glibc, libraries.of_debian()));
        assert_eq!(libraries, Ok(((2, 34), "libc6 (>= 2.34), libgcc-s1 (>= 4.2)".to_owned())));
    }

    #[test]
    fn an_unknown_library_is_reported() {
        let reason = Libraries::read(&HEADERS.replace("libgcc_s", "libz")).map(drop);
        assert!(reason.is_err_and(|reason| reason.contains("libz.so.1")));
    }
}
