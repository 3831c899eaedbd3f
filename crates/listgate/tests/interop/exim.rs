//! A real Exim with its own configuration, spool and port.
//!
//! Exim is the one that LISTGATE_EXIM names, or the system's, or else the one that xtask unpacks in
//! `peers/exim` below the target directory that this test was built into.

use crate::mta::Smtp;
use crate::support::{free_address, installed, until};
use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

fn program() -> PathBuf {
    let variable = "LISTGATE_EXIM";
    let system = Path::new("/usr/sbin/exim4");
    if std::env::var_os(variable).is_none() && system.exists() {
        return system.to_owned();
    }
    installed(variable, "exim/usr/sbin/exim4")
}

pub(crate) struct Exim {
    dir: TempDir,
    child: Child,
    smtp: SocketAddr,
}

impl Exim {
    /// Starts an Exim. `sections` returns its configuration after the settings of every test, from its spool.
    pub(crate) fn start(sections: impl FnOnce(&Path) -> String) -> Self {
        Self::listening_on(free_address().port(), sections)
    }

    /// Starts an Exim like [`Self::start`], on this port.
    pub(crate) fn listening_on(port: u16, sections: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let spool = dir.path().join("spool");
        fs::create_dir(&spool).unwrap();
        assert!(Command::new("chown").arg("Debian-exim").arg(&spool).status().unwrap().success());
        let smtp = SocketAddr::from(([127, 0, 0, 1], port));
        let configuration = format!(
            "exim_path = {exim}\nkeep_environment =\nprimary_hostname = mx.example.net\n\
             spool_directory = {spool}\nlog_file_path = {spool}/%slog\npid_file_path = {spool}/pid\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\ntls_advertise_hosts =\n\
             acl_smtp_rcpt = acl_check_rcpt\n{sections}",
            exim = program().display(),
            sections = sections(&spool),
            spool = spool.display(),
        );
        let file = dir.path().join("exim.conf");
        fs::write(&file, configuration).unwrap();
        let output = File::create(dir.path().join("output")).unwrap();
        let mut command = Command::new(program());
        command.arg("-C").arg(&file).arg("-bdf").stdout(output.try_clone().unwrap()).stderr(output);
        let exim = Self { child: command.spawn().unwrap(), dir, smtp };
        until("Exim listens", || TcpStream::connect(smtp).is_ok());
        exim
    }

    /// Starts an Exim that sends mail for these domains to a gate by LMTP, and asks it about each recipient. `main`
    /// and `transport` are more lines of those sections.
    pub(crate) fn in_front_of(gate: SocketAddr, domains: &str, main: &str, transport: &str) -> Self {
        Self::start(|_| {
            format!(
                "smtp_accept_queue_per_connection = 0\nsmtp_max_synprot_errors = 100\n\
                 domainlist lists = {domains}\n{main}begin acl\nacl_check_rcpt:\n  accept\n    domains = +lists\n    \
                 endpass\n    verify = recipient/callout=30s,no_cache\n  deny\n\
                 begin routers\nlists:\n  driver = manualroute\n  domains = +lists\n  transport = lists\n  \
                 route_list = * {host}\n  self = send\n\
                 begin transports\nlists:\n  driver = smtp\n  protocol = lmtp\n  port = {port}\n  \
                 allow_localhost\n{transport}\
                 begin retry\n* * F,1h,1s\n",
                host = gate.ip(),
                port = gate.port(),
            )
        })
    }

    /// Returns a file in its spool as text; empty if there is none.
    pub(crate) fn in_spool(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join("spool").join(name)).unwrap_or_default()
    }

    /// Returns the recipients of all mail that it has delivered by dropping it.
    pub(crate) fn dropped(&self) -> Vec<String> {
        let log = self.in_spool("mainlog");
        let dropped = log.lines().filter_map(|line| line.split_once(" => :blackhole: <"));
        dropped.map(|(_, rest)| rest.split_once('>').unwrap().0.to_owned()).collect()
    }

    pub(crate) fn smtp(&self) -> Smtp {
        Smtp::connect(self.smtp)
    }

    pub(crate) fn log(&self) -> String {
        ["mainlog", "paniclog", "../output"].map(|name| self.in_spool(name)).concat()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
