//! The surroundings of a process that determine, with mailman.cfg, what Mailman reads.

use super::error::CfgError;
use super::expand::absolute;
use crate::file_error::During;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The directories and environment variables that determine, with the file, what Mailman reads.
pub(super) struct Surroundings {
    pub(super) cwd: String,
    pub(super) home: Option<OsString>,
    /// `MAILMAN_CONFIG_FILE`
    pub(super) config_file: Option<OsString>,
    /// `MAILMAN_VAR_DIR`
    pub(super) var_dir: Option<String>,
}

impl Surroundings {
    /// Returns the surroundings of this process.
    pub(super) fn now() -> Result<Self, CfgError> {
        let cwd = env::current_dir().during("read", Path::new("."))?;
        Ok(Self {
            cwd: text(&cwd)?,
            home: env::var_os("HOME"),
            config_file: env::var_os("MAILMAN_CONFIG_FILE"),
            var_dir: env::var_os("MAILMAN_VAR_DIR").map(|dir| text(Path::new(&dir))).transpose()?,
        })
    }

    /// Finds the site's file. Mailman resolves symbolic links in the path of a file that it is given, but not of
    /// one that it finds.
    pub(super) fn find(&self, given: Option<&Path>) -> Result<Option<PathBuf>, CfgError> {
        let from_environment = self.config_file.as_deref().filter(|file| !file.is_empty()).map(Path::new);
        if let Some(path) = given.or(from_environment) {
            let real = Path::new(&self.cwd).join(path).canonicalize();
            return Ok(Some(real.during("read", path)?));
        }
        let home = self.home.as_ref().map(|home| Path::new(home).join(".mailman.cfg"));
        // Mailman then tries ../etc relative to its own program, and we do not know where that is.
        let places = [Some("mailman.cfg".into()), Some("var/etc/mailman.cfg".into()), home]
            .into_iter()
            .flatten()
            .chain(["/etc/mailman.cfg".into(), "/etc/mailman3/mailman.cfg".into()]);
        let found = places.map(|place| Path::new(&self.cwd).join(place)).find(|path| path.exists());
        found.map(|path| Ok(absolute(&self.cwd, &text(&path)?).into())).transpose()
    }
}

pub(super) fn text(path: &Path) -> Result<String, CfgError> {
    path.to_str().map(str::to_owned).ok_or_else(|| CfgError::NotText { path: path.to_owned() })
}
