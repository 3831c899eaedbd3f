//! The servers that are compared, each set up on this machine for the benchmark only.

use crate::processor::ProcessorTime;
use crate::server::{Gate, Server, free_address};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use xtask::mailman;
use xtask::peers;
use xtask::run::{self, Outcome, command};
use xtask::system;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Listgate,
    ListgateMailman,
    Sink,
    Dovecot,
    Mailman,
    Aiosmtpd,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Listgate, Self::ListgateMailman, Self::Sink, Self::Dovecot, Self::Mailman, Self::Aiosmtpd];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Listgate => "Listgate",
            Self::ListgateMailman => "Listgate, Mailman backend",
            Self::Sink => "smtp-sink",
            Self::Dovecot => "Dovecot LMTP",
            Self::Mailman => "Mailman's runner",
            Self::Aiosmtpd => "aiosmtpd",
        }
    }

    /// Describes what the server does with a message before it replies 250.
    pub(super) fn keeps(self) -> &'static str {
        match self {
            Self::Listgate => "SQLite backend, default settings: stores and syncs it",
            Self::ListgateMailman => {
                "`serve --mailman`: writes a file to Mailman's queue, syncs file and directory"
            }
            Self::Sink => "Postfix's `smtp-sink -L`: discards it; the ceiling",
            Self::Dovecot => "writes it to a Maildir and syncs it (default `mail_fsync`); accepts any user",
            Self::Mailman => "GNU Mailman's own LMTP runner: writes a file to its queue, syncs the file",
            Self::Aiosmtpd => "its LMTP class, with a handler that discards the message",
        }
    }

    /// Returns why the server cannot take part, if it cannot.
    pub(super) fn missing(self) -> Option<String> {
        let program = match self {
            Self::Listgate => return None,
            Self::Sink => "smtp-sink",
            Self::Dovecot => "dovecot",
            Self::ListgateMailman | Self::Mailman | Self::Aiosmtpd => "mailman",
        };
        peers::program(program).is_none().then(|| format!("{program} is not installed"))
    }
}

/// A server with its own folder, stopped when this value is dropped.
pub(super) struct Running {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    server: Option<Server>,
    folder: PathBuf,
    admin: Option<SocketAddr>,
}

impl Running {
    /// Starts a server that accepts mail to `list1@example.com` and so on, for this many lists. `folder` must
    /// not exist.
    pub(super) fn start(kind: Kind, gate: &Gate, folder: &Path, lists: usize) -> Outcome<Self> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut running =
            Self { kind, address: free_address()?, server: None, folder: folder.to_owned(), admin: None };
        let server = match kind {
            Kind::Listgate => running.listgate(gate, lists)?,
            Kind::ListgateMailman => running.listgate_mailman(gate, lists)?,
            Kind::Sink => running.sink()?,
            Kind::Dovecot => running.dovecot()?,
            Kind::Mailman => running.mailman(lists)?,
            Kind::Aiosmtpd => running.aiosmtpd()?,
        };
        running.server = Some(server);
        Ok(running)
    }

    /// Returns the counts of commits, which only Listgate with its own backend reports.
    pub(super) fn commits(&self) -> Option<Commits> {
        let mut stream = TcpStream::connect(self.admin?).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).ok()?;
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<f64>().ok()
        };
        let sum = value("listgate_commit_deliveries_sum ")?;
        Some(Commits { deliveries: sum, commits: value("listgate_commit_deliveries_count ")? })
    }

    /// Returns the processor time of the server so far.
    pub(super) fn processor_time(&self) -> Outcome<ProcessorTime> {
        ProcessorTime::of(self.server.as_ref().map(Server::id).ok_or("the server has ended")?)
    }

    /// Returns a value from the server's `/proc/PID/status`, in KiB.
    pub(super) fn memory(&self, key: &str) -> Outcome<f64> {
        let pid = self.server.as_ref().map(Server::id).ok_or("the server has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))
            .map_err(|error| format!("the memory of a server: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or(format!("no {key}"))?;
        let kib = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        kib.parse().map_err(|error| format!("{key} {kib}: {error}"))
    }

    fn listgate(&mut self, gate: &Gate, lists: usize) -> Outcome<Server> {
        let data = self.folder.join("data");
        gate.create_lists(&data, &addresses(lists))?;
        self.serve(gate, &data)
    }

    /// Starts Listgate on a data directory that exists already and is kept.
    pub(super) fn on(gate: &Gate, data: &Path, folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let address = free_address()?;
        let mut running =
            Self { kind: Kind::Listgate, address, server: None, folder: folder.to_owned(), admin: None };
        running.server = Some(running.serve(gate, data)?);
        Ok(running)
    }

    fn serve(&mut self, gate: &Gate, data: &Path) -> Outcome<Server> {
        let admin = free_address()?;
        let config = self.file("listgate.toml", &format!("[admin]\nlisten = \"{admin}\"\n"))?;
        let options = ["--config".as_ref(), config.as_ref()];
        let (server, address) = gate.serve_with(data, &[], &options)?;
        self.admin = Some(admin);
        self.address = address;
        Ok(server)
    }

    fn listgate_mailman(&mut self, gate: &Gate, lists: usize) -> Outcome<Server> {
        let cfg = self.mailman_site(lists)?;
        let options = ["--mailman".as_ref(), cfg.as_ref()];
        let (server, address) = gate.serve_with(&self.folder.join("data"), &[], &options)?;
        self.address = address;
        Ok(server)
    }

    fn sink(&self) -> Outcome<Server> {
        let mut sink = command(system::require("smtp-sink", "Postfix")?);
        if system::is_root() {
            sink.args(["-u", "nobody"]);
        }
        sink.args(["-L", &self.address.to_string(), "1000"]);
        Server::start(&mut sink, self.address, &self.folder.join("log"))
    }

    /// Starts Dovecot as the current user, or as nobody if that is root, for whom Dovecot does not deliver.
    fn dovecot(&self) -> Outcome<Server> {
        let (user, group) = if system::is_root() {
            ("nobody".to_owned(), "nogroup".to_owned())
        } else {
            let id = |option| run::output(command("id").arg(option)).map(|name| name.trim().to_owned());
            (id("-un")?, id("-gn")?)
        };
        let mail = self.folder.join("mail");
        fs::create_dir_all(&mail).map_err(|error| format!("{}: {error}", mail.display()))?;
        if system::is_root() {
            run::succeed(command("chown").arg(format!("{user}:{group}")).arg(&mail))?;
        }
        let config = DOVECOT
            .replace("FOLDER", &self.folder.display().to_string())
            .replace("USER", &user)
            .replace("GROUP", &group)
            .replace("PORT", &self.address.port().to_string());
        let config = self.file("dovecot.conf", &config)?;
        let mut dovecot = command(system::require("dovecot", "dovecot-lmtpd")?);
        dovecot.arg("-F").arg("-c").arg(config);
        Server::start(&mut dovecot, self.address, &self.folder.join("log"))
    }

    fn mailman(&self, lists: usize) -> Outcome<Server> {
        let cfg = self.mailman_site(lists)?;
        let mut runner = mailman_program(&self.folder, "runner")?;
        runner.arg("-C").arg(cfg).arg("--runner=lmtp:0:1");
        Server::start(&mut runner, self.address, &self.folder.join("log"))
    }

    /// Creates a Mailman site on SQLite. Mailman itself creates at most four lists; the others are copies of
    /// their rows, because it would take minutes to create thousands.
    fn mailman_site(&self, lists: usize) -> Outcome<PathBuf> {
        let var = self.folder.join("var");
        fs::create_dir(&var).map_err(|error| format!("{}: {error}", var.display()))?;
        let cfg = format!(
            "[mailman]\nlayout: bench\n[paths.bench]\nvar_dir: {}\n[mta]\nincoming: mailman.mta.null.NullMTA\n\
             lmtp_host: 127.0.0.1\nlmtp_port: {}\n[runner.lmtp]\nstart: no\n",
            var.display(),
            self.address.port()
        );
        let cfg = self.file("mailman.cfg", &cfg)?;
        let mut python = mailman_program(&self.folder, "python")?;
        python.arg("-c").arg(MAILMAN_LISTS).arg(&cfg).arg(var.join("data/mailman.db"));
        run::succeed(python.arg(lists.to_string()))?;
        Ok(cfg)
    }

    fn aiosmtpd(&self) -> Outcome<Server> {
        let mut python = mailman_program(&self.folder, "python")?;
        python.args(["-c", AIOSMTPD, &self.address.port().to_string()]);
        Server::start(&mut python, self.address, &self.folder.join("log"))
    }

    fn file(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Dovecot's child processes end with their master only if it is asked to stop. How the others end
        // does not matter.
        if let Some(server) = self.server.take() {
            let _ = server.stop();
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("error: {}: {error}", self.folder.display());
        }
    }
}

/// The counts of a Listgate since its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commits {
    deliveries: f64,
    commits: f64,
}

impl Commits {
    /// Returns the mean number of messages in a commit since an earlier count; at least one.
    pub(super) fn batch_since(self, earlier: Self) -> f64 {
        let commits = (self.commits - earlier.commits).max(1.0);
        ((self.deliveries - earlier.deliveries) / commits).max(1.0)
    }
}

/// Returns `list1@example.com` and so on, for this many lists.
pub(super) fn addresses(lists: usize) -> Vec<String> {
    (1..=lists).map(|number| format!("list{number}@example.com")).collect()
}

/// Returns a program of the virtual environment that contains Mailman and aiosmtpd.
pub(crate) fn mailman_program(folder: &Path, name: &str) -> Outcome<std::process::Command> {
    let mut program = command(mailman::folder()?.join("bin").join(name));
    program.env_remove("MAILMAN_CONFIG_FILE").env_remove("MAILMAN_VAR_DIR").current_dir(folder);
    Ok(program)
}

const DOVECOT: &str = include_str!("peers/dovecot.conf");

const MAILMAN_LISTS: &str = include_str!("peers/mailman_lists.py");

const AIOSMTPD: &str = include_str!("peers/aiosmtpd_forgets.py");
