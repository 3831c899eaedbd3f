//! A real Exim with its own configuration, spool and port.
//!
//! Exim is the one that LISTGATE_EXIM names, or the system's, or else the one that xtask unpacks in
//! `peers/exim` below the target directory that this test was built into.

use crate::mta::Smtp;
use crate::support::{free_address, until};
use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

fn program() -> PathBuf {
    std::env::var_os("LISTGATE_EXIM").map(PathBuf::from).unwrap_or_else(|| {
        let system = Path::new("/usr/sbin/exim4");
        let test = std::env::current_exe().unwrap();
        let unpacked = test.ancestors().nth(3).unwrap().join("peers/exim/usr/sbin/exim4");
        if system.exists() { system.to_owned() } else { unpacked }
    })
}

pub(crate) struct Exim {
    dir: TempDir,
    child: Child,
    smtp: SocketAddr,
}

impl Exim {
    /// Starts an Exim that sends mail for these domains to a gate by LMTP, and asks it about each recipient. `main`
    /// and `transport` are more lines of those sections.
    pub(crate) fn start(gate: SocketAddr, domains: &str, main: &str, transport: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let spool = dir.path().join("spool");
        fs::create_dir(&spool).unwrap();
        assert!(Command::new("chown").arg("Debian-exim").arg(&spool).status().unwrap().success());
        let smtp = free_address();
        let configuration = format!(
            "exim_path = {exim}\nkeep_environment =\nprimary_hostname = mx.example.net\n\
             spool_directory = {spool}\nlog_file_path = {spool}/%slog\npid_file_path = {spool}/pid\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {smtp_port}\ntls_advertise_hosts =\n\
             acl_smtp_rcpt = acl_check_rcpt\nsmtp_accept_queue_per_connection = 0\n\
             smtp_max_synprot_errors = 100\n\
             domainlist lists = {domains}\n{main}begin acl\nacl_check_rcpt:\n  accept\n    domains = +lists\n    \
             endpass\n    verify = recipient/callout=30s,no_cache\n  deny\n\
             begin routers\nlists:\n  driver = manualroute\n  domains = +lists\n  transport = lists\n  \
             route_list = * {host}\n  self = send\n\
             begin transports\nlists:\n  driver = smtp\n  protocol = lmtp\n  port = {port}\n  \
             allow_localhost\n{transport}\
             begin retry\n* * F,1h,1s\n",
            exim = program().display(),
            spool = spool.display(),
            smtp_port = smtp.port(),
            host = gate.ip(),
            port = gate.port(),
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

    pub(crate) fn smtp(&self) -> Smtp {
        Smtp::connect(self.smtp)
    }

    pub(crate) fn log(&self) -> String {
        let files = ["spool/mainlog", "spool/paniclog", "output"].map(|file| self.dir.path().join(file));
        files.map(|file| fs::read_to_string(file).unwrap_or_default()).concat()
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
