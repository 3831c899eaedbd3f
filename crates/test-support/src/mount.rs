//! A disk that really is small: a tmpfs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs that is unmounted at the end, even while something uses it.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts one of 16 MiB on this directory, which only root can do.
    pub fn on(dir: &Path) -> Self {
        Self::with(dir, 16)
    }

    /// With so many MiB.
    pub fn with(dir: &Path, mib: u32) -> Self {
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir).status();
        assert!(mounted.unwrap().success());
        Self(dir.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
