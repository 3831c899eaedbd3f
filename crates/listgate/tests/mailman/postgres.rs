//! A PostgreSQL server of its own, reached by a Unix socket in its directory.

use crate::site::printed;
use crate::support::PATIENCE;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) struct Postgres {
    dir: TempDir,
    user: Option<(u32, u32)>,
    server: Child,
}

impl Postgres {
    /// Starts a server with an empty database `mailman`.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        let user = (dir.path().metadata().unwrap().uid() == 0).then(|| (id("-u"), id("-g")));
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let data = dir.path().join("data");
        let initdb = ["--auth=trust", "--username=mailman", "--encoding=UTF8", "--no-locale", "--no-sync"];
        printed(program("initdb", dir.path(), user).args(initdb).arg("--pgdata").arg(&data));
        let mut server = program("postgres", dir.path(), user);
        server.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-c", "listen_addresses=", "-F"]);
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let postgres = Self { dir, user, server };
        postgres.create_database();
        postgres
    }

    /// Returns the URL for Mailman's configuration. It names the driver, as SQLAlchemy's default depends on its
    /// version.
    pub(crate) fn url(&self) -> String {
        format!("postgresql+psycopg2://mailman@/mailman?host={}", self.dir.path().display())
    }

    /// Creates the database, which it tries until the server takes the command.
    fn create_database(&self) {
        let until = Instant::now() + PATIENCE;
        let mut createdb = program("createdb", self.dir.path(), self.user);
        createdb.args(["--username=mailman", "--host"]).arg(self.dir.path()).arg("mailman");
        while !createdb.stderr(Stdio::null()).status().unwrap().success() {
            assert!(Instant::now() < until, "PostgreSQL does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A killed server would leave its shared memory behind.
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

/// Returns the command for one of PostgreSQL's programs, to be run in its directory. Debian does not put them on
/// the PATH.
fn program(name: &str, dir: &Path, user: Option<(u32, u32)>) -> Command {
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
    let path = versions.map(|version| version.path().join("bin").join(name)).find(|path| path.is_file());
    let mut command = Command::new(path.unwrap_or(PathBuf::from(name)));
    command.current_dir(dir);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn id(which: &str) -> u32 {
    printed(Command::new("id").args([which, "postgres"])).trim().parse().unwrap()
}
