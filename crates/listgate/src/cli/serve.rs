//! `listgate serve`

use super::error::CliError;
use super::log::{self, LogFormat};
use super::site::Site;
use crate::backends::sqlite::DataDir;
use crate::config::{BackendKind, Config, RefuseAt, Reload, Target};
use crate::engine::Engine;
use crate::error_chain::Chain;
use crate::limits;
use crate::net::ListenAddress;
use crate::outgoing::Outgoing;
use crate::serve::{Gate, Pulse};
use crate::systemd::{Notifier, SocketAddresses, Sockets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Write};
use std::path::{self, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};

#[derive(clap::Args)]
pub(super) struct Args {
    #[arg(
        help = "Listen on 127.0.0.1:8024, [::1]:8024 or unix:/path; may be repeated",
        long,
        value_name = "ADDR"
    )]
    listen: Vec<ListenAddress>,
    /// Leave all mail in the queues, for other programs, whatever engine.enabled is
    #[arg(long)]
    no_engine: bool,
    /// Where posts and answers leave to: smtp:HOST:PORT, or dir:PATH for files [default: outgoing.to]
    #[arg(long, value_name = "TO")]
    outgoing: Option<Target>,
    /// Not an option: it exists for the hint in its error.
    #[arg(long, hide = true, value_name = "PORT", value_parser = no_port)]
    port: Option<String>,
    /// The format of the log on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: LogFormat,
}

/// The error for `--port`, with the value given.
#[derive(Debug, thiserror::Error)]
#[error("the port is part of the address: write `--listen 127.0.0.1:{0}`")]
struct NoPort(String);

fn no_port(port: &str) -> Result<String, NoPort> {
    Err(NoPort(port.to_owned()))
}

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CliError::system("start the runtime"))?;
    // First of all, because SIGHUP ends a process that does not listen for it.
    let mut signals = Signals::listen(&runtime)?;
    let (systemd, sockets) = (Notifier::from_environment()?, Sockets::from_environment()?);
    let inherited = sockets.addresses();
    let configured = args.replaced(site.config()?.clone());
    log::start(args.log);
    report(&inherited, &configured);
    let config = on_sockets(configured, &inherited);
    warn(&config);
    let data = Data::of(&config);
    systemd.status(&format!("opening {}", data.path.display()));
    let shown = config.clone();
    let (gate, engine) = Gate::start_with_engine(config, sockets)?;
    welcome(&shown, &data, &inherited, &gate, engine.is_some())?;
    let status = status(&gate, engine.is_some());
    systemd.ready(&status);
    runtime.block_on(async {
        let mut alive = pin!(stay_alive(&systemd, gate.pulse()));
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break tracing::info!("SIGTERM: finishing what is in flight"),
                _ = signals.interrupt.recv() => break tracing::info!("Ctrl-C: finishing what is in flight"),
                _ = signals.hangup.recv() => {
                    systemd.reloading();
                    reload(site, &args, &inherited, &gate, engine.as_ref());
                    systemd.ready(&status);
                }
                () = gate.failed() => break,
                () = &mut alive => {}
            }
        }
    });
    systemd.stopping("finishing what is in flight");
    stop(&runtime, signals, gate, engine)?;
    runtime.shutdown_background();
    tracing::info!("closed");
    Ok(ExitCode::SUCCESS)
}

/// The signals that `serve` handles.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens for the signals from now on. Those that come before they are received wait.
    fn listen(runtime: &Runtime) -> Result<Self, CliError> {
        let _inside = runtime.enter();
        let listen = |kind| signal(kind).map_err(CliError::system("listen for signals"));
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// Gives systemd's watchdog its signs of life for as long as the gate makes progress: the thread of the sessions answers,
/// and the writer is not stuck in one commit. It never returns.
async fn stay_alive(systemd: &Notifier, pulse: Pulse) {
    let Some(patience) = systemd.watchdog() else { return std::future::pending().await };
    let pause = patience / 2;
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(pause, pulse.beat()).await {
            Ok(Some(busy)) if busy < limits::WRITER_STUCK => systemd.alive(),
            Ok(Some(busy)) => {
                tracing::error!(
                    "the store has been busy with one commit for {} s: no sign of life",
                    busy.as_secs()
                );
            }
            Ok(None) => std::future::pending().await,
            Err(_) => {
                tracing::error!("the thread of the sessions does not answer: no sign of life for systemd")
            }
        }
    }
}

/// Ends the engine, the way out and the gate, in the order that they need. A second signal ends this at once.
fn stop(
    runtime: &Runtime,
    mut signals: Signals,
    gate: Gate,
    engine: Option<(Engine, Outgoing)>,
) -> Result<(), CliError> {
    let stopping = runtime.spawn_blocking(|| {
        // The gate ends when nothing uses its backend any more.
        if let Some((engine, outgoing)) = engine {
            // It waits for the mail server while the engine ends.
            outgoing.begin_to_stop();
            engine.stop();
            outgoing.stop();
        }
        gate.stop()
    });
    runtime.block_on(async {
        tokio::select! {
            stopped = stopping => stopped?.map_err(CliError::from),
            // A second signal asks to stop without waiting. The senders keep the mail in flight and will retry.
            _ = signals.terminate.recv() => Err(CliError::StoppedAtOnce),
            _ = signals.interrupt.recv() => Err(CliError::StoppedAtOnce),
        }
    })
}

/// Warns about what an operator may not have intended, and raises the limit of open files.
fn warn(config: &Config) {
    if config.refuse_at == RefuseAt::Data {
        tracing::warn!(
            "lmtp.refuse_at is \"data\": every address is accepted at RCPT, so none can be verified"
        );
    }
    if let BackendKind::Mailman(site) = &config.backend
        && site.lmtp_runner
    {
        tracing::warn!("Mailman's own LMTP runner is switched on: {}", site.switch_off());
    }
    let connections = config.max_connections;
    let socketmap_connections = if config.socketmap.is_empty() { 0 } else { limits::SOCKETMAP_CONNECTIONS };
    if !raise_descriptor_limit(connections + socketmap_connections) {
        tracing::warn!(
            "the system's limit of open files is below server.max_connections = {connections}: raise it \
             (ulimit -n, LimitNOFILE=)"
        );
    }
}

impl Args {
    /// Returns the configuration with the values of the command-line options applied.
    fn replaced(&self, mut config: Config) -> Config {
        if !self.listen.is_empty() {
            config.listen.clone_from(&self.listen);
        }
        if self.no_engine {
            config.engine = Some(false);
        }
        if let Some(to) = &self.outgoing {
            config.outgoing_to.clone_from(to);
        }
        config
    }
}

/// Returns the configuration of a gate that uses these sockets: they replace the addresses of their kind.
fn on_sockets(mut config: Config, inherited: &SocketAddresses) -> Config {
    if !inherited.lmtp.is_empty() {
        config.listen.clone_from(&inherited.lmtp);
    }
    if !inherited.socketmap.is_empty() {
        config.socketmap.clone_from(&inherited.socketmap);
    }
    if let Some(address) = inherited.admin.first() {
        config.admin = address.tcp();
    }
    config
}

/// Logs which addresses of the configuration are replaced by sockets of systemd.
fn report(inherited: &SocketAddresses, config: &Config) {
    let admin: Vec<ListenAddress> = config.admin.map(ListenAddress::Tcp).into_iter().collect();
    for (key, sockets, addresses) in [
        ("server.listen", &inherited.lmtp, &config.listen),
        ("socketmap.listen", &inherited.socketmap, &config.socketmap),
        ("admin.listen", &inherited.admin, &admin),
    ] {
        let named = |all: &[ListenAddress]| {
            let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
            if texts.is_empty() { "unset".to_owned() } else { texts.join(", ") }
        };
        match sockets.iter().all(|socket| addresses.contains(socket)) {
            _ if sockets.is_empty() => {}
            true => tracing::info!("systemd has opened {}: {key} is not used", named(sockets)),
            false => tracing::warn!(
                "systemd has opened {}: {key} ({}) is not used here, but other commands use it, so give it the same \
                 addresses",
                named(sockets),
                named(addresses),
            ),
        }
    }
}

/// Reads the settings again. If they contain a mistake, the gate keeps its current settings.
fn reload(
    site: &Site,
    args: &Args,
    inherited: &SocketAddresses,
    gate: &Gate,
    engine: Option<&(Engine, Outgoing)>,
) {
    let reloaded = site.load().and_then(|loaded| {
        let reload = gate.reload(on_sockets(args.replaced(loaded.config), inherited))?;
        if let Some((engine, outgoing)) = engine {
            engine.configure(gate.engine_settings());
            outgoing.configure(gate.outgoing_settings());
        }
        Ok(reload)
    });
    match reloaded {
        Err(why) => {
            tracing::error!("SIGHUP: the settings stay as they were: {}", Chain(&why))
        }
        Ok(Reload { applied, at_restart }) if applied.is_empty() && at_restart.is_empty() => {
            tracing::info!("SIGHUP: settings read again; nothing has changed");
        }
        Ok(Reload { applied, at_restart }) => {
            if !applied.is_empty() {
                tracing::info!("SIGHUP: new connections use the new {}", applied.join(", "));
            }
            if !at_restart.is_empty() {
                tracing::warn!("SIGHUP: restart to apply the new {}", at_restart.join(", "));
            }
        }
    }
}

/// Raises the limit of open files to its maximum. Each connection is an open file, and the usual limit is meant for
/// programs that use select(2). Returns whether the limit then has room for `connections` connections and for the
/// other files.
fn raise_descriptor_limit(connections: usize) -> bool {
    let limit = getrlimit(Resource::Nofile);
    // Raising the limit this far is always allowed. If it fails anyway, the old limit applies.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let most = getrlimit(Resource::Nofile).current;
    most.is_none_or(|most| most >= connections as u64 + 100)
}

/// What the gate works on, as it was before the start.
struct Data {
    /// The absolute path.
    path: PathBuf,
    /// Whether the start creates it.
    is_new: bool,
}

impl Data {
    fn of(config: &Config) -> Self {
        match &config.backend {
            BackendKind::Sqlite => {
                let data = DataDir::new(&config.data_dir);
                Self { path: data.absolute(), is_new: data.is_new() }
            }
            BackendKind::Mailman(site) => Self {
                path: path::absolute(&site.var_dir).unwrap_or_else(|_| site.var_dir.clone()),
                is_new: false,
            },
        }
    }
}

/// Returns what the gate does, in the line that `systemctl status` shows.
fn status(gate: &Gate, engine: bool) -> String {
    let addresses: Vec<String> = gate.addresses().iter().map(ToString::to_string).collect();
    let taking = format!("taking mail on {}", addresses.join(", "));
    if engine { format!("{taking}; posts go to {}", gate.outgoing()) } else { taking }
}

fn welcome(
    config: &Config,
    data: &Data,
    inherited: &SocketAddresses,
    gate: &Gate,
    engine: bool,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Listgate {} takes mail by LMTP.", env!("CARGO_PKG_VERSION"))?;
    let of = |sockets: &[ListenAddress]| if sockets.is_empty() { "" } else { " (opened by systemd)" };
    for address in gate.addresses() {
        writeln!(out, "  listening on  {address}{}", of(&inherited.lmtp))?;
    }
    for address in gate.socketmap() {
        writeln!(out, "  socketmap at  {address}{}", of(&inherited.socketmap))?;
    }
    if let Some(admin) = gate.admin() {
        writeln!(out, "  metrics at    http://{admin}/metrics{}", of(&inherited.admin))?;
    }
    let new = if data.is_new { " (new)" } else { "" };
    writeln!(out, "  data in       {}{new}", data.path.display())?;
    writeln!(out, "  lists         {}", gate.lists())?;
    if engine {
        writeln!(out, "  posts go to   {}", gate.outgoing())?;
    }
    match &config.backend {
        _ if gate.lists() > 0 => {}
        BackendKind::Mailman(_) => {
            writeln!(out, "\nNo list yet, so no mail is taken: `mailman create mylist@example.com`")?;
        }
        BackendKind::Sqlite => {
            let option = match config.data_dir.to_str() {
                Some("./var") => String::new(),
                _ => format!(" --data-dir {}", config.data_dir.display()),
            };
            let owner = if engine && config.site_owner().is_none() { " --owner you@example.com" } else { "" };
            writeln!(out, "\nNo list yet, so no mail is taken. In another terminal:")?;
            writeln!(out, "  listgate{option} list create mylist@example.com{owner}")?;
        }
    }
    out.flush()
}
