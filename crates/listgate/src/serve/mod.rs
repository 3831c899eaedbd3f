//! Builds the house from the configuration and lives in it: start reading here.

mod error;
mod running;

pub use error::GateError;

use crate::admin;
use crate::backends::mailman::{self, Mailman};
use crate::backends::sqlite::{self, DataDir, Sqlite};
use crate::backends::{Backend, LeaseStore};
use crate::config::{BackendKind, Config, ConfigError, Reload};
use crate::error_chain::Chain;
use crate::limits;
use crate::lmtp_server;
use crate::message::Spool;
use crate::metrics::Metrics;
use crate::model::{Clock, Name};
use crate::net::{ListenAddress, Listener, Stage, accept, reached};
use crate::queue::Queue;
use crate::socketmap::{self, nexthop};
use running::{Parts, Running};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// Where the addresses for LMTP are chosen.
const LISTEN: &str = "--listen or server.listen";

/// A gate that takes mail until it is stopped. Dropping it stops it too, and waits.
pub struct Gate {
    addresses: Vec<ListenAddress>,
    socketmap: Vec<ListenAddress>,
    admin: Option<SocketAddr>,
    lists: u64,
    /// `None` once the gate has ended: it holds the backend, whose end is waited for.
    running: Option<watch::Sender<Arc<Running>>>,
    stages: watch::Sender<Stage>,
    condemned: watch::Receiver<bool>,
    leases: Option<Arc<dyn LeaseStore>>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// Opens the data directory, binds every address and takes mail on a thread of its own.
    ///
    /// # Errors
    /// Another gate holds the data directory, it cannot be used, or an address cannot be bound.
    pub fn start(config: Config) -> Result<Self, GateError> {
        Self::start_with_clock(config, Clock::default())
    }

    /// The same with another clock than the system's, as tests want it.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_with_clock(config: Config, clock: Clock) -> Result<Self, GateError> {
        config.check()?;
        let metrics = Arc::new(Metrics::default());
        let (backend, spool) = open_backend(&config, &metrics, clock.clone())?;
        Self::start_on(backend, spool, config, metrics, clock)
    }

    /// The same on a backend that is open.
    pub(crate) fn start_on(
        backend: Arc<dyn Backend>,
        spool: Spool,
        config: Config,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, GateError> {
        let condemned = backend.given_up();
        let leases = Arc::clone(&backend).leases();
        // One thread for all sessions beside the writer's: on few cores more of them only wake each
        // other up.
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("start the runtime"))?;
        let lists = runtime.block_on(backend.count_lists()).unwrap_or_else(|why| {
            tracing::warn!("{}; mail is deferred until it answers", Chain(&why));
            0
        });
        let (listeners, addresses) = bind(&runtime, &config.listen, LISTEN, config.socket_mode)?;
        let (socketmap, socketmap_addresses) =
            bind(&runtime, &config.socketmap, "socketmap.listen", config.socket_mode)?;
        let admin: Vec<ListenAddress> = config.admin.map(ListenAddress::Tcp).into_iter().collect();
        let (admin, admin_addresses) = bind(&runtime, &admin, "admin.listen", config.socket_mode)?;
        let (stages, watched) = watch::channel(Stage::Open);
        let places = config.max_connections;
        let running = Running::new(config, Parts { backend, spool, metrics, clock });
        let (running, now) = watch::channel(Arc::new(running));
        let house = House {
            listeners,
            socketmap,
            lmtp: addresses[0].clone(),
            admin,
            places,
            stages: stages.clone(),
            condemned: condemned.clone(),
            running: now,
        };
        let run = move || runtime.block_on(house.live(watched));
        let thread = thread::Builder::new().name("gate".to_owned()).spawn(run);
        let thread = thread.map_err(system("start the gate's thread"))?;
        Ok(Self {
            addresses,
            socketmap: socketmap_addresses,
            admin: admin_addresses.into_iter().find_map(|address| address.tcp()),
            lists,
            running: Some(running),
            stages,
            condemned,
            leases,
            thread: Some(thread),
        })
    }

    /// Uses other settings for the connections from now on, as far as they can change while the gate runs. Open
    /// connections keep theirs.
    ///
    /// # Errors
    /// The settings cannot be used; nothing has changed then.
    pub fn reload(&self, config: Config) -> Result<Reload, ConfigError> {
        config.check()?;
        let sender = self.running.as_ref().expect("a gate that has ended is gone");
        let (running, reload) = sender.borrow().reloaded(config);
        sender.send_replace(Arc::new(running));
        Ok(reload)
    }

    /// Where the gate listens; a port of 0 has become one.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// Where socketmap is served, if it is.
    pub fn socketmap(&self) -> &[ListenAddress] {
        &self.socketmap
    }

    /// Where metrics and health are served, if they are.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// How many lists there were at the start.
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// One of its queues, to be worked in this process: what is leased and settled shares the commits of arriving
    /// mail. `None` in a Mailman site, whose runners work its queues. The data directory stays this process's until
    /// the queue is dropped too.
    pub fn queue(&self, name: Name) -> Option<Queue> {
        self.leases.as_ref().map(|leases| Queue::of(Arc::clone(leases), name))
    }

    /// Waits until a failed sync has ended the gate; for ever, while all is well.
    pub async fn failed(&self) {
        // An error means that the gate is gone, which is a failure when nobody stopped it.
        let _ = self.condemned.clone().wait_for(|condemned| *condemned).await;
    }

    /// Stops: nothing more is accepted, idle sessions get 421, transactions in flight finish within
    /// the grace time. Waits until all of that is done.
    ///
    /// # Errors
    /// The gate had ended before, because the disk failed a sync or its store panicked.
    pub fn stop(mut self) -> Result<(), GateError> {
        self.end();
        if *self.condemned.borrow() {
            return Err(GateError::Failed);
        }
        Ok(())
    }

    fn end(&mut self) {
        self.stages.send_if_modified(|stage| {
            let open = *stage == Stage::Open;
            if open {
                *stage = Stage::Draining;
            }
            open
        });
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the gate's thread panicked");
        }
        self.leases = None;
        // The last to hold the backend: it is waited for here.
        self.running = None;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.end();
    }
}

/// The backend of the configuration, and where large bodies are kept while they arrive: on the disk that they are
/// stored on, if there is one.
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

/// Listeners, and where each really listens.
fn bind(
    runtime: &Runtime,
    addresses: &[ListenAddress],
    key: &'static str,
    socket_mode: u32,
) -> Result<(Vec<Listener>, Vec<ListenAddress>), GateError> {
    let _inside = runtime.enter();
    let bind = |address| {
        let listener = Listener::bind(address, key, socket_mode);
        let listener = listener.map_err(|why| GateError::Listen(why.into()))?;
        let address = listener.address().map_err(system("look up the address of a socket"))?;
        Ok((listener, address))
    };
    addresses.iter().map(bind).collect()
}

fn system(operation: &'static str) -> impl FnOnce(std::io::Error) -> GateError {
    move |source| GateError::System { operation, source }
}

/// All that lives on the gate's thread.
struct House {
    listeners: Vec<Listener>,
    socketmap: Vec<Listener>,
    /// Where mail is to be delivered.
    lmtp: ListenAddress,
    admin: Vec<Listener>,
    places: usize,
    stages: watch::Sender<Stage>,
    condemned: watch::Receiver<bool>,
    /// What a connection that begins now uses.
    running: watch::Receiver<Arc<Running>>,
}

impl House {
    /// Until the gate is stopped or its disk fails, and then until the sessions have ended. The backend
    /// goes last: its writer finishes what it was given.
    async fn live(mut self, mut stages: watch::Receiver<Stage>) {
        let (alive, mut all_gone) = mpsc::channel(1);
        let lmtp = {
            let (running, stages) = (self.running.clone(), stages.clone());
            move |accepted| lmtp_server::serve(accepted, &running.borrow().shared, &stages, &alive)
        };
        tokio::spawn(accept(self.listeners, self.places, stages.clone(), Stage::Draining, lmtp));
        // The others answer until the end: a mail server that finds no map defers the longer, and a gate that drains
        // can still be watched.
        let maps = {
            let (running, nexthop) = (self.running.clone(), nexthop(&self.lmtp).into());
            move |accepted| socketmap::serve(accepted, &running.borrow().shared.intake.services, &nexthop)
        };
        let places = limits::SOCKETMAP_CONNECTIONS;
        tokio::spawn(accept(self.socketmap, places, stages.clone(), Stage::Ended, maps));
        let admin = {
            let (running, stages) = (self.running.clone(), stages.clone());
            move |accepted| admin::serve(accepted, &running.borrow().shared.intake.services, &stages)
        };
        tokio::spawn(accept(self.admin, limits::ADMIN_CONNECTIONS, stages.clone(), Stage::Ended, admin));
        tokio::select! {
            () = reached(&mut stages, Stage::Draining) => {}
            _ = self.condemned.wait_for(|condemned| *condemned) => {}
        }
        self.stages.send_replace(Stage::Draining);
        let grace = self.running.borrow().config.shutdown_grace;
        // Nobody ever sends: it ends when the last session has dropped its sender.
        if tokio::time::timeout(grace, all_gone.recv()).await.is_err() {
            tracing::warn!("the grace time is over: what is in flight is given up, and its senders keep it");
            self.stages.send_replace(Stage::Ended);
            // Each session still says so to its peer.
            let _ = tokio::time::timeout(Duration::from_secs(1), all_gone.recv()).await;
        }
    }
}
