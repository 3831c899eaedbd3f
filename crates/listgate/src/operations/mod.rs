//! The operations of operators, with typed results and without printing. The command line renders them.

mod addresses;
mod bans;
mod domains;
mod error;
mod explain;
mod import;
mod keys;
mod lists;
mod member_file;
mod members;
mod open;
mod posts;
mod queues;
mod requests;
mod take;

pub(crate) use addresses::{Checked, Postmaster, check, postmaster};
pub(crate) use bans::{BanScope, bans};
pub(crate) use domains::{mail_domains, without_list};
pub(crate) use error::OperationError;
pub(crate) use explain::{Known, explain};
pub(crate) use import::{Import, Imported, Remark};
pub(crate) use keys::{PlannedRotation, keys};
pub(crate) use lists::{Created, Limited, ListView, SubAddress, create, limit, rename, set, view};
pub(crate) use members::{Roster, roster};
pub(crate) use open::{Lists, NewDirectory, console, engine_runs, lists, may_work, own_data};
pub(crate) use posts::{Moderation, Posts, posts};
pub(crate) use queues::{AGES, QueueStatus, STATES, Shape, each_entry, outgoing, queue_status};
pub(crate) use requests::{OnRequest, Requests, requests};
