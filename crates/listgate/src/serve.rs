//! Builds the house from the configuration and lives in it: start reading here.

use crate::admin;
use crate::backends::mailman::{self, Mailman};
use crate::backends::sqlite::{self, DataDir, Sqlite};
use crate::backends::{Addresses, Backend, LeaseStore};
use crate::capacity::Capacity;
use crate::config::{BackendKind, Config};
use crate::directory::Directory;
use crate::intake::{DeliveryKeys, Intake};
use crate::limits;
use crate::lmtp_server::{self, Shared};
use crate::message::Spool;
use crate::metrics::Metrics;
use crate::model::{Clock, Name};
use crate::net::{Admission, ListenAddress, Listener, Stage, accept, reached};
use crate::queue::Queue;
use crate::route::Rules;
use crate::services::Services;
use crate::socketmap::Socketmap;
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
    stages: watch::Sender<Stage>,
    condemned: watch::Receiver<bool>,
    leases: Option<Arc<dyn LeaseStore>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a gate cannot be opened, or had to end. The text names the thing and the mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GateError(String);

impl GateError {
    fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
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
        if config.listen.is_empty() {
            return Err(GateError::new("there is no address to listen on: give --listen 127.0.0.1:8024"));
        }
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
        let runtime = Builder::new_current_thread().enable_all().build().map_err(GateError::new)?;
        let lists = runtime.block_on(backend.count_lists()).unwrap_or_else(|why| {
            tracing::warn!("{why}; mail is put off until it answers");
            0
        });
        let (listeners, addresses) = bind(&runtime, &config.listen, LISTEN, config.socket_mode)?;
        let (socketmap, socketmap_addresses) =
            bind(&runtime, &config.socketmap, "socketmap.listen", config.socket_mode)?;
        let admin: Vec<ListenAddress> = config.admin.map(ListenAddress::Tcp).into_iter().collect();
        let (admin, admin_addresses) = bind(&runtime, &admin, "admin.listen", config.socket_mode)?;
        let (stages, watched) = watch::channel(Stage::Open);
        let house = House {
            listeners,
            socketmap,
            lmtp: addresses[0].clone(),
            admin,
            places: config.max_connections,
            grace: config.shutdown_grace,
            stages: stages.clone(),
            condemned: condemned.clone(),
            shared: Arc::new(shared(config, backend, spool, metrics, clock)?),
        };
        let run = move || runtime.block_on(house.live(watched));
        let thread = thread::Builder::new().name("gate".to_owned()).spawn(run).map_err(GateError::new)?;
        Ok(Self {
            addresses,
            socketmap: socketmap_addresses,
            admin: admin_addresses.into_iter().find_map(|address| address.tcp()),
            lists,
            stages,
            condemned,
            leases,
            thread: Some(thread),
        })
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
            return Err(GateError::new("the store has failed, as the log says"));
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
            let backend = Sqlite::open(&data, choices, metrics).map_err(GateError::new)?;
            Ok((Arc::new(backend), Spool::new(&data.spool())))
        }
        BackendKind::Mailman { config: cfg } => {
            let site = mailman::cfg::Site::read(cfg.as_deref()).map_err(GateError::new)?;
            let spool = mailman::spool(&site);
            let backend = Mailman::open(site, config.min_free, metrics).map_err(GateError::new)?;
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
        let listener = Listener::bind(address, key, socket_mode).map_err(GateError::new)?;
        let address = listener.address().map_err(GateError::new)?;
        Ok((listener, address))
    };
    addresses.iter().map(bind).collect()
}

fn shared(
    config: Config,
    backend: Arc<dyn Backend>,
    spool: Spool,
    metrics: Arc<Metrics>,
    clock: Clock,
) -> Result<Shared, GateError> {
    let capacity = Arc::new(Capacity::new(config.bounds()));
    let postmaster = config.postmaster.as_deref().map(str::parse).transpose();
    let postmaster = postmaster.map_err(|why| GateError::new(format!("postmaster: {why}")))?;
    let directory = Directory {
        store: Arc::clone(&backend) as Arc<dyn Addresses>,
        rules: Rules { verp_delimiter: config.verp_delimiter, postmaster },
        capacity: Arc::clone(&capacity),
        refuse_at: config.refuse_at,
    };
    let most = config.max_connections_per_caller();
    let services = Services {
        backend,
        directory,
        capacity,
        metrics,
        admission: Arc::new(Admission::new(config.allow.clone(), config.allow_uids.clone(), most)),
        mask_addresses: config.mask_addresses,
        write_timeout: config.command_timeout,
    };
    let settings = listgate_lmtp::Settings {
        hostname: config.hostname.clone(),
        software: format!("Listgate LMTP queue runner {}", env!("CARGO_PKG_VERSION")),
        bare_newline: config.bare_newline,
        limits: config.limits(),
    };
    let intake = Intake {
        services: Arc::new(services),
        spool,
        keys: Arc::new(DeliveryKeys::new()),
        hostname: config.hostname,
        add_received: config.add_received,
        clock,
    };
    Ok(Shared { intake, settings: Arc::new(settings) })
}

/// All that lives on the gate's thread.
struct House {
    listeners: Vec<Listener>,
    socketmap: Vec<Listener>,
    /// Where mail is to be delivered.
    lmtp: ListenAddress,
    admin: Vec<Listener>,
    places: usize,
    grace: Duration,
    stages: watch::Sender<Stage>,
    condemned: watch::Receiver<bool>,
    shared: Arc<Shared>,
}

impl House {
    /// Until the gate is stopped or its disk fails, and then until the sessions have ended. The backend
    /// goes last: its writer finishes what it was given.
    async fn live(mut self, mut stages: watch::Receiver<Stage>) {
        let (alive, mut all_gone) = mpsc::channel(1);
        let lmtp = {
            let (shared, stages) = (Arc::clone(&self.shared), stages.clone());
            move |accepted| lmtp_server::serve(accepted, &shared, &stages, &alive)
        };
        tokio::spawn(accept(self.listeners, self.places, stages.clone(), Stage::Draining, lmtp));
        // The others answer until the end: a mail server that finds no map defers the longer, and a gate that drains
        // can still be watched.
        let services = Arc::clone(&self.shared.intake.services);
        let socketmap = Arc::new(Socketmap::new(Arc::clone(&services), &self.lmtp));
        let maps = move |accepted| socketmap.serve(accepted);
        tokio::spawn(accept(
            self.socketmap,
            limits::SOCKETMAP_CONNECTIONS,
            stages.clone(),
            Stage::Ended,
            maps,
        ));
        let admin = {
            let stages = stages.clone();
            move |accepted| admin::serve(accepted, &services, &stages)
        };
        tokio::spawn(accept(self.admin, limits::ADMIN_CONNECTIONS, stages.clone(), Stage::Ended, admin));
        tokio::select! {
            () = reached(&mut stages, Stage::Draining) => {}
            _ = self.condemned.wait_for(|condemned| *condemned) => {}
        }
        self.stages.send_replace(Stage::Draining);
        // Nobody ever sends: it ends when the last session has dropped its sender.
        if tokio::time::timeout(self.grace, all_gone.recv()).await.is_err() {
            tracing::warn!("the grace time is over: what is in flight is given up, and its senders keep it");
            self.stages.send_replace(Stage::Ended);
            // Each session still says so to its peer.
            let _ = tokio::time::timeout(Duration::from_secs(1), all_gone.recv()).await;
        }
    }
}
