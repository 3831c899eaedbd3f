//! Prints an error with its causes.

use std::error::Error;
use std::fmt;

/// An error that is displayed with all its causes, as `what: why: why`. An error's own text does not repeat its
/// cause.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(why) = cause {
            write!(f, ": {why}")?;
            cause = why.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_error::During;
    use std::io;
    use std::path::Path;

    #[derive(Debug, thiserror::Error)]
    #[error("no backup was made")]
    struct NoBackup(#[source] Box<dyn Error>);

    #[test]
    fn each_cause_is_printed_once_and_in_order() {
        let full: io::Result<()> = Err(io::Error::other("no space"));
        let failed = full.during("create", Path::new("/data/x")).unwrap_err();
        assert_eq!(failed.to_string(), "cannot create /data/x");
        assert_eq!(Chain(&failed).to_string(), "cannot create /data/x: no space");
        let no_backup = NoBackup(failed.into());
        assert_eq!(Chain(&no_backup).to_string(), "no backup was made: cannot create /data/x: no space");
        assert_eq!(Chain(&fmt::Error).to_string(), fmt::Error.to_string(), "it has no cause");
    }
}
