//! Builds a gate from the configuration and runs it: start reading here.

mod error;
mod pulse;
mod running;

pub use error::GateError;
pub(crate) use pulse::Pulse;
pub(crate) use running::Parts;

use crate::admin;
use crate::backends::mailman::{self, Mailman};
use crate::backends::sqlite::{self, DataDir, Sqlite};
use crate::backends::{Backend, EngineStore, LeaseStore};
use crate::config::{BackendKind, Config, ConfigError, Reload, Target};
use crate::engine::{self, Engine, EngineSettings};
use crate::error_chain::Chain;
use crate::limits;
use crate::lmtp_server;
use crate::log_lines::{Gathering, write_gathered};
use crate::message::Spool;
use crate::metrics::Metrics;
use crate::model::{Clock, Name, StoreError};
use crate::net::{
    BindError, Inherited, ListenAddress, Listener, ShutdownPhase, Tls, accept, greeting, reached,
};
use crate::outgoing::{self, Outgoing, OutgoingSettings, Reloadable};
use crate::queue::Queue;
use crate::socketmap::{self, nexthop};
use crate::systemd::Sockets;
use error::MailmanListens;
use pulse::{Heart, pulse};
use running::Running;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// The settings that choose the addresses for LMTP.
const LISTEN: &str = "--listen or server.listen";

/// A gate that accepts mail until it is stopped. Dropping it also stops it, and waits until it has ended.
pub struct Gate {
    addresses: Vec<ListenAddress>,
    socketmap: Vec<ListenAddress>,
    admin: Option<SocketAddr>,
    lists: u64,
    /// The settings and the backend, which the gate waits for when it ends; `None` afterwards.
    running: Option<watch::Sender<Arc<Running>>>,
    phases: watch::Sender<ShutdownPhase>,
    fail_stop: watch::Receiver<bool>,
    leases: Option<Arc<dyn LeaseStore>>,
    pulse: Pulse,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// Opens the data directory, binds every address, and accepts mail on a thread of its own.
    ///
    /// # Errors
    /// Another gate holds the data directory, it cannot be used, or an address cannot be bound.
    pub fn start(config: Config) -> Result<Self, GateError> {
        Self::start_with_clock(config, Clock::default())
    }

    /// Starts a gate with a clock other than the system's, for tests.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_with_clock(config: Config, clock: Clock) -> Result<Self, GateError> {
        config.check()?;
        let tls = config.load_tls()?;
        let metrics = Arc::new(Metrics::default());
        let (backend, spool) = open_backend(&config, &metrics, clock.clone())?;
        let parts = Parts { backend, spool, metrics, clock, engine: false };
        Self::start_on(config, tls, parts, Sockets::default())
    }

    /// Starts a gate, and the engine and the way out beside it, if the configuration says so, or if the data directory is
    /// one where they run by default. Stop them before the gate, which otherwise waits until they are dropped. `sockets`
    /// take the place of the addresses of the same kind in the configuration.
    ///
    /// All that can be wrong with the files of the configuration is found before an address is bound, so that no mail is
    /// taken by a gate that then cannot start.
    ///
    /// # Errors
    /// As for [`start`](Self::start); or a file for outgoing mail cannot be used, or the system has no thread.
    pub(crate) fn start_with_engine(
        config: Config,
        sockets: Sockets,
    ) -> Result<(Self, Option<(Engine, Outgoing)>), GateError> {
        config.check()?;
        let tls = config.load_tls()?;
        let settings = OutgoingSettings::if_used(&config)?;
        let (metrics, clock) = (Arc::new(Metrics::default()), Clock::default());
        let (backend, spool) = open_backend(&config, &metrics, clock.clone())?;
        let store = engine_store(&config, &backend).map_err(|why| GateError::Backend(why.into()))?;
        let beside = store.zip(settings);
        if let Some((_, settings)) = &beside {
            Outgoing::prepare(settings)?;
        }
        let parts = Parts { backend, spool, metrics, clock, engine: beside.is_some() };
        let gate = Self::start_on(config, tls, parts, sockets)?;
        let beside = beside.map(|(store, settings)| gate.start_beside(store, settings)).transpose()?;
        Ok((gate, beside))
    }

    /// Starts a gate on a backend that is already open.
    pub(crate) fn start_on(
        config: Config,
        tls: Option<Tls>,
        parts: Parts,
        sockets: Sockets,
    ) -> Result<Self, GateError> {
        let backend = &parts.backend;
        let fail_stop = backend.given_up();
        let leases = Arc::clone(backend).leases();
        // All sessions share one thread, beside the writer's: on few cores, more threads only wake each other up.
        let runtime = Builder::new_current_thread().enable_all().on_thread_park(write_gathered).build();
        let runtime = runtime.map_err(system("start the runtime"))?;
        let lists = runtime.block_on(backend.count_lists()).unwrap_or_else(|why| {
            tracing::warn!("{}; mail is deferred until it answers", Chain(&why));
            0
        });
        let (listeners, addresses) = listen(&runtime, sockets.lmtp, &config.listen, LISTEN, &config)?;
        let (socketmap, socketmap_addresses) =
            listen(&runtime, sockets.socketmap, &config.socketmap, "socketmap.listen", &config)?;
        let admin: Vec<ListenAddress> = config.admin.map(ListenAddress::Tcp).into_iter().collect();
        let (admin, admin_addresses) = listen(&runtime, sockets.admin, &admin, "admin.listen", &config)?;
        let (phases, watched) = watch::channel(ShutdownPhase::Open);
        let places = config.max_connections;
        let (pulse, heart) = pulse();
        let running = Running::new(config, tls, parts);
        let (running, now) = watch::channel(Arc::new(running));
        let on_thread = GateThread {
            listeners,
            socketmap,
            lmtp: addresses[0].clone(),
            admin,
            places,
            phases: phases.clone(),
            fail_stop: fail_stop.clone(),
            running: now,
            heart,
        };
        let run = move || {
            let _gathering = Gathering::start();
            runtime.block_on(on_thread.run(watched))
        };
        let thread = thread::Builder::new().name("gate".to_owned()).spawn(run);
        let thread = thread.map_err(system("start the gate's thread"))?;
        Ok(Self {
            addresses,
            socketmap: socketmap_addresses,
            admin: admin_addresses.into_iter().find_map(|address| address.tcp()),
            lists,
            running: Some(running),
            phases,
            fail_stop,
            leases,
            pulse,
            thread: Some(thread),
        })
    }

    /// Applies other settings to connections from now on, as far as they can change while the gate runs. Open
    /// connections keep theirs.
    ///
    /// # Errors
    /// The settings cannot be used; nothing has changed then.
    pub fn reload(&self, config: Config) -> Result<Reload, ConfigError> {
        config.check()?;
        let sender = self.running.as_ref().expect("a gate that has ended is gone");
        let (running, reload) = sender.borrow().reloaded(config)?;
        sender.send_replace(Arc::new(running));
        Ok(reload)
    }

    /// Returns the addresses where the gate listens, with the real port in place of 0.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// Returns the addresses where socketmap is served, if any.
    pub fn socketmap(&self) -> &[ListenAddress] {
        &self.socketmap
    }

    /// Returns the address where metrics and health are served, if any.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Returns how many lists there were at the start.
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// Returns what gives signs of life of this gate.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Returns one of the gate's queues, to be worked in this process: leases and steps share the commits of
    /// arriving mail. `None` for a Mailman site, whose runners work its queues. This process keeps the data
    /// directory until the queue is dropped too.
    pub fn queue(&self, name: Name) -> Option<Queue> {
        self.leases.as_ref().map(|leases| Queue::of(Arc::clone(leases), name))
    }

    /// Starts the engine and the way out on the gate's backend.
    ///
    /// # Errors
    /// The system has no thread.
    fn start_beside(
        &self,
        store: Arc<dyn EngineStore>,
        settings: OutgoingSettings,
    ) -> Result<(Engine, Outgoing), GateError> {
        let running = self.running.as_ref().expect("a gate that has ended is gone").borrow().clone();
        let intake = &running.shared.intake;
        // No other process works the engine's queues.
        if let Err(why) = pollster::block_on(store.free_leases(&engine::QUEUES)) {
            tracing::warn!("{}; what an earlier engine had leased waits until its lease lapses", Chain(&why));
        }
        let texts = settings.texts.clone();
        let (metrics, clock) = (Arc::clone(&intake.services.metrics), intake.clock.clone());
        let parts = outgoing::Parts {
            store: Arc::clone(&store),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
        };
        let outgoing = Outgoing::start(parts, settings)?;
        let engine = Engine::start(store, (self.engine_settings(), texts), metrics, clock);
        Ok((engine.map_err(system("start the engine's thread"))?, outgoing))
    }

    /// Returns where posts leave to.
    pub(crate) fn outgoing(&self) -> Target {
        self.running.as_ref().expect("a gate that has ended is gone").borrow().config.outgoing_to.clone()
    }

    /// Returns the current settings for an engine.
    pub(crate) fn engine_settings(&self) -> EngineSettings {
        EngineSettings::new(&self.running.as_ref().expect("a gate that has ended is gone").borrow().config)
    }

    /// Returns the current settings for a way out, as far as a reload changes them.
    pub(crate) fn outgoing_settings(&self) -> Reloadable {
        Reloadable::new(&self.running.as_ref().expect("a gate that has ended is gone").borrow().config)
    }

    /// Waits until a failure of the store has ended the gate; forever, while all is well.
    pub async fn failed(&self) {
        // An error means that the gate is gone, which is a failure unless it was stopped.
        let _ = self.fail_stop.clone().wait_for(|fail_stop| *fail_stop).await;
    }

    /// Stops the gate: no more connections are accepted, idle sessions get 421, and transactions in flight finish
    /// within the grace time. Waits until all of that is done.
    ///
    /// # Errors
    /// The gate had already ended, because the disk failed a sync or its store panicked.
    pub fn stop(mut self) -> Result<(), GateError> {
        self.end();
        if *self.fail_stop.borrow() {
            return Err(GateError::Failed);
        }
        Ok(())
    }

    fn end(&mut self) {
        self.phases.send_if_modified(|phase| {
            let open = *phase == ShutdownPhase::Open;
            if open {
                *phase = ShutdownPhase::Draining;
            }
            open
        });
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the gate's thread panicked");
        }
        self.leases = None;
        // This usually drops the backend, which waits until it has ended.
        self.running = None;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.end();
    }
}

/// Opens the backend of the configuration. Returns it with the spool that keeps large bodies while they arrive,
/// on the disk where they will be stored if there is one.
fn open_backend(
    config: &Config,
    metrics: &Arc<Metrics>,
    clock: Clock,
) -> Result<(Arc<dyn Backend>, Spool), GateError> {
    match &config.backend {
        BackendKind::Sqlite => {
            let (redelivery, owner) = (config.redelivery, config.owner.clone());
            let choices = sqlite::Choices { redelivery, owner, clock };
            let data = DataDir::new(&config.data_dir);
            let backend =
                Sqlite::open(&data, choices, metrics).map_err(|why| GateError::Backend(why.into()))?;
            Ok((Arc::new(backend), Spool::new(&data.spool())))
        }
        BackendKind::Mailman(site) => {
            let spool = mailman::spool(site);
            let backend = Mailman::open(site, config.min_free, metrics);
            let backend = backend.map_err(|why| GateError::Backend(why.into()))?;
            Ok((Arc::new(backend), Spool::new(&spool)))
        }
    }
}

/// Returns the backend as the engine sees it, if the engine runs on it.
fn engine_store(
    config: &Config,
    backend: &Arc<dyn Backend>,
) -> Result<Option<Arc<dyn EngineStore>>, StoreError> {
    if config.engine_runs() == Some(false) {
        return Ok(None);
    }
    let Some(store) = Arc::clone(backend).engine()? else { return Ok(None) };
    let runs = config.engine_runs().map_or_else(|| pollster::block_on(store.runs_by_default()), Ok)?;
    Ok(runs.then_some(store))
}

/// Uses the sockets, or binds the addresses if there are none. Returns the listeners, and the address where each really
/// listens.
fn listen(
    runtime: &Runtime,
    sockets: Vec<Inherited>,
    addresses: &[ListenAddress],
    key: &'static str,
    config: &Config,
) -> Result<(Vec<Listener>, Vec<ListenAddress>), GateError> {
    let _inside = runtime.enter();
    let bind = |address| {
        let listener = Listener::bind(address, key, config.socket_mode);
        listener.map_err(|why| refused(why, &config.backend))
    };
    let inherit = |socket| Listener::inherit(socket).map_err(system("use a socket from systemd"));
    let listeners: Vec<Listener> = if sockets.is_empty() {
        addresses.iter().map(bind).collect::<Result<_, _>>()?
    } else {
        sockets.into_iter().map(inherit).collect::<Result<_, _>>()?
    };
    let addresses = listeners.iter().map(Listener::address).collect::<Result<_, _>>();
    Ok((listeners, addresses.map_err(system("look up the address of a socket"))?))
}

/// Returns the error about an address. If Mailman's own LMTP runner has the address, it names the runner and how to
/// end it, since a gate on another address would get no mail.
fn refused(why: BindError, backend: &BackendKind) -> GateError {
    match why {
        BindError::Bind { address, key, source }
            if source.kind() == io::ErrorKind::AddrInUse
                && greeting(&address).is_ok_and(|line| mailman::is_own_runner(&line)) =>
        {
            let fix = backend.fix_for_mailmans_runner(key);
            GateError::Listen(Box::new(MailmanListens { address, fix, source }))
        }
        other => GateError::Listen(other.into()),
    }
}

fn system(operation: &'static str) -> impl FnOnce(std::io::Error) -> GateError {
    move |source| GateError::System { operation, source }
}

/// Everything that runs on the gate's thread.
struct GateThread {
    listeners: Vec<Listener>,
    socketmap: Vec<Listener>,
    /// The address to which mail servers deliver.
    lmtp: ListenAddress,
    admin: Vec<Listener>,
    places: usize,
    phases: watch::Sender<ShutdownPhase>,
    fail_stop: watch::Receiver<bool>,
    /// The settings and state for new connections.
    running: watch::Receiver<Arc<Running>>,
    heart: Heart,
}

impl GateThread {
    /// Runs until the gate is stopped or its store fails, and then until the sessions have ended. The backend
    /// ends last: its writer finishes what it was given.
    async fn run(mut self, mut phases: watch::Receiver<ShutdownPhase>) {
        let (alive, mut all_gone) = mpsc::channel(1);
        let backend = Arc::clone(&self.running.borrow().shared.intake.services.backend);
        tokio::spawn(self.heart.run(backend));
        let lmtp = {
            let (running, phases) = (self.running.clone(), phases.clone());
            move |accepted| lmtp_server::serve(accepted, &running.borrow().shared, &phases, &alive)
        };
        tokio::spawn(accept(self.listeners, self.places, phases.clone(), ShutdownPhase::Draining, lmtp));
        // The other listeners answer until the end: a mail server that gets no answer from a map defers mail for
        // longer, and a gate can still be monitored while it drains.
        let maps = {
            let (running, nexthop) = (self.running.clone(), nexthop(&self.lmtp).into());
            move |accepted| socketmap::serve(accepted, &running.borrow().shared.intake.services, &nexthop)
        };
        let places = limits::SOCKETMAP_CONNECTIONS;
        tokio::spawn(accept(self.socketmap, places, phases.clone(), ShutdownPhase::Ended, maps));
        let admin = {
            let (running, phases) = (self.running.clone(), phases.clone());
            move |accepted| admin::serve(accepted, &running.borrow().shared.intake.services, &phases)
        };
        tokio::spawn(accept(
            self.admin,
            limits::ADMIN_CONNECTIONS,
            phases.clone(),
            ShutdownPhase::Ended,
            admin,
        ));
        tokio::select! {
            () = reached(&mut phases, ShutdownPhase::Draining) => {}
            _ = self.fail_stop.wait_for(|fail_stop| *fail_stop) => {}
        }
        self.phases.send_replace(ShutdownPhase::Draining);
        let grace = self.running.borrow().config.shutdown_grace;
        // No session ever sends: the channel closes when the last session has dropped its sender.
        if tokio::time::timeout(grace, all_gone.recv()).await.is_err() {
            tracing::warn!("the grace time is over: what is in flight is given up, and its senders keep it");
            self.phases.send_replace(ShutdownPhase::Ended);
            // Give each session time to tell its peer.
            let _ = tokio::time::timeout(Duration::from_secs(1), all_gone.recv()).await;
        }
    }
}
