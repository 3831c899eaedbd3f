//! The lists that were looked up, ready for decisions.

use super::not_decided::NotDecided;
use crate::backends::Posts;
use crate::limits;
use crate::model::{
    Changes, ListAddress, ListNumber, ListSettingError, ListSettings, ListSnapshot, Personal,
};
use listgate_engine::ban::{Ban, Bans};
use listgate_engine::command;
use listgate_engine::posting::Settings;
use listgate_lmtp::Mailbox;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A list, ready for decisions.
pub(super) struct Compiled {
    pub(super) number: ListNumber,
    pub(super) address: ListAddress,
    /// The count of changes at which all of this is valid.
    pub(super) changes: Changes,
    /// What decides about posts.
    pub(super) posting: Settings,
    /// What decides about commands.
    pub(super) commands: command::Settings,
    /// The name of the list for people; empty if it has none.
    pub(super) display_name: String,
    /// The settings that differ from the defaults, as JSON.
    pub(super) settings: String,
    pub(super) personal: Personal,
    /// Whether an author is notified that a post is held.
    pub(super) respond_to_post_requests: bool,
}

impl Compiled {
    pub(super) fn new(snapshot: ListSnapshot) -> Result<Self, ListSettingError> {
        let ListSnapshot { number, list, settings, bans, changes } = snapshot;
        let settings = ListSettings::from_pairs(settings)?;
        // A pattern that is not valid, which this version never stores, bans no address.
        let bans: Bans = bans.iter().filter_map(|pattern| pattern.as_str().parse::<Ban>().ok()).collect();
        let commands = settings.commands(list.list_id.clone(), mailbox(&list.address), bans.clone());
        let posting = settings.posting(list.list_id, mailbox(&list.address), bans);
        let display_name = settings.display_name.clone().unwrap_or_default();
        let personal = settings.personal;
        let respond_to_post_requests = settings.respond_to_post_requests;
        let settings = match number {
            // The way out has no list to look up.
            ListNumber::SITE => serde_json::to_string(&list.address),
            _ => serde_json::to_string(&settings),
        };
        let settings = settings.expect("texts are valid JSON");
        Ok(Self {
            number,
            address: list.address,
            changes,
            posting,
            commands,
            display_name,
            settings,
            personal,
            respond_to_post_requests,
        })
    }
}

pub(super) fn mailbox(address: &ListAddress) -> Mailbox {
    address.to_string().parse().expect("the address of a list is one of a mailbox")
}

/// The lists that were looked up. What a list has become since is found when a step that relies on it is outdated.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<String, Arc<Compiled>>>);

impl Lists {
    /// Returns the list with this list_id, or `None` if it does not exist.
    pub(super) async fn get(
        &self,
        store: &(impl Posts + ?Sized),
        list_id: &str,
    ) -> Result<Option<Arc<Compiled>>, NotDecided> {
        if let Some(list) = self.known().get(list_id) {
            return Ok(Some(Arc::clone(list)));
        }
        let Some(snapshot) = store.snapshot(list_id).await? else { return Ok(None) };
        let list = Arc::new(Compiled::new(snapshot)?);
        let mut known = self.known();
        if known.len() >= limits::COMPILED_LISTS {
            known.clear();
        }
        known.insert(list_id.to_owned(), Arc::clone(&list));
        Ok(Some(list))
    }

    /// Has a list looked up again.
    pub(super) fn forget(&self, list_id: &str) {
        self.known().remove(list_id);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Compiled>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
