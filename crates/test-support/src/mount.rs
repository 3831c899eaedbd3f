//! A disk that really is small: a tmpfs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted at the end, whoever still uses it.
pub struct Mount(PathBuf);

impl Mount {
    /// With 16 MiB.
    pub fn on(dir: &Path) -> Self {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(dir).status();
        assert!(mounted.unwrap().success());
        Self(dir.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
