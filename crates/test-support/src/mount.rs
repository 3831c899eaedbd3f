//! A disk that really is small: a tmpfs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs that is unmounted when it is dropped, even if it is in use.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts a tmpfs of 16 MiB on this directory, which only root can do.
    pub fn on(dir: &Path) -> Self {
        Self::with(dir, 16)
    }

    /// Mounts a tmpfs of this many MiB on the directory.
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
