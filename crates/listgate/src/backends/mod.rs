//! The backends: where lists and queues are stored. Each backend owns its connections and its schema.
//!
//! A backend implements traits by purpose, as many as it can: `Registry` (lists and domains), `Rooms` (how full the
//! queues are), `IntakeStore` (arriving mail), [`LeaseStore`] (leases for consumers), `BrowseStore` (the queues, for
//! operators), [`ListAdmin`] (changes to lists and domains), [`Members`], [`Posts`] and `Outbox` (for the engine and the
//! outgoing side), [`PostAdmin`] (posts, for operators), and [`KeyAdmin`] (the keys that sign tokens).

mod addresses;
mod answer;
#[cfg(test)]
mod around;
mod backend;
mod begun;
mod browse;
#[cfg(test)]
mod contract;
mod delivery;
mod fail_stop;
mod held;
mod intake_store;
mod key_admin;
mod lease_store;
mod list_admin;
mod lock;
pub(crate) mod mailman;
mod members;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod memory_held;
#[cfg(test)]
mod memory_keys;
#[cfg(test)]
mod memory_members;
#[cfg(test)]
mod memory_posts;
#[cfg(test)]
mod memory_requests;
mod outbox;
mod post_admin;
mod posts;
mod queued;
mod recent_puts;
mod registry;
mod space;
pub(crate) mod sqlite;
mod sqlite_error;
mod stored_message;
mod worker_thread;

pub(crate) use addresses::Addresses;
pub(crate) use answer::Answer;
#[cfg(test)]
pub(crate) use around::Around;
pub(crate) use backend::{Backend, Console};
pub(crate) use begun::Begun;
pub(crate) use browse::Wanted;
pub(crate) use delivery::{Delivery, NotStored};
pub(crate) use key_admin::KeyAdmin;
pub(crate) use lease_store::{LeaseRequest, LeaseStore, Leased};
pub(crate) use list_admin::ListAdmin;
pub(crate) use lock::Holder;
pub(crate) use members::Members;
#[cfg(test)]
pub(crate) use outbox::Outbox;
pub(crate) use post_admin::PostAdmin;
pub(crate) use posts::{EngineStore, Posts};
pub(crate) use queued::Queued;
pub(crate) use space::space_at;
pub(crate) use stored_message::{Messages, read_part};
