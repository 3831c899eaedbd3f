//! A clean Debian system in a folder of its own, in which commands run by chroot(2).

use crate::said;
use crate::support::installed;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Root(PathBuf);

impl Root {
    /// Copies the root that xtask has made.
    pub(crate) fn copy(to: &Path) -> Self {
        let root = installed("LISTGATE_DEBIAN", "debian");
        if to.exists() {
            fs::remove_dir_all(to).unwrap();
        }
        said(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(root).arg(to));
        Self(to.to_owned())
    }

    /// Returns the path outside of the root.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside.trim_start_matches('/'))
    }

    /// Returns a command of root's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut chroot = self.chroot(&[]);
        chroot.arg(program);
        chroot
    }

    pub(crate) fn run(&self, program: &str, arguments: &[impl AsRef<OsStr>]) -> String {
        said(self.command(program).args(arguments))
    }

    /// Returns `listgate` with the installed configuration, as the user of the package.
    pub(crate) fn listgate(&self) -> Command {
        let mut chroot = self.chroot(&["--userspec=listgate:listgate"]);
        chroot.args(["/usr/bin/listgate", "--config", "/etc/listgate/listgate.toml"]);
        chroot
    }

    fn chroot(&self, options: &[&str]) -> Command {
        let mut chroot = Command::new("chroot");
        chroot.args(options).arg(&self.0).env_clear();
        chroot.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        chroot
    }

    /// Installs a package, or upgrades to it.
    pub(crate) fn install(&self, package: &Path) -> String {
        fs::copy(package, self.path("tmp/listgate.deb")).unwrap();
        self.run("dpkg", &["--install", "/tmp/listgate.deb"])
    }

    /// Returns the user and the permissions of a file.
    pub(crate) fn owner(&self, path: &str) -> String {
        self.run("stat", &["--format=%U:%G %a", path]).trim().to_owned()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // It is large, and a failed test says what was wrong.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A gate that runs in a root.
pub(crate) struct Gate(Child);

impl Gate {
    pub(crate) fn start(root: &Root) -> Self {
        let log = fs::File::create(root.0.with_extension("log")).unwrap();
        Self(root.listgate().arg("serve").stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Has the gate end, as a service manager does.
    pub(crate) fn stop(mut self) {
        said(Command::new("kill").arg(self.0.id().to_string()));
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
