//! Where lists and queues are stored. Each backend owns its connections and its schema.

pub(crate) mod beside;
mod condemned;
mod delivery;
mod hand_off;
mod held;
mod home;
mod lock;
pub(crate) mod mailman;
mod queued;
mod space;
pub(crate) mod sqlite;

pub(crate) use delivery::{Delivery, NotStored, Outcomes};
pub(crate) use home::Home;
pub(crate) use lock::Holder;
pub(crate) use queued::Queued;
pub(crate) use space::space_at;
