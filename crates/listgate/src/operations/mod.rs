//! The operations of operators, with typed results and without printing. The command line renders them.

mod addresses;
mod domains;
mod error;
mod lists;
mod members;
mod open;
mod queues;

pub(crate) use addresses::{Checked, check};
pub(crate) use domains::{mail_domains, without_list};
pub(crate) use error::OperationError;
pub(crate) use lists::{Created, Limited, ListView, SubAddress, create, limit, rename, view};
pub(crate) use members::{Roster, roster};
pub(crate) use open::{Lists, NewDirectory, console, lists, own_data};
pub(crate) use queues::{AGES, QueueStatus, STATES, Shape, each_entry, queue_status};
