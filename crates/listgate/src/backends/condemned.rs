//! The end of the taking of mail.

use crate::error_chain::Chain;
use crate::model::StoreError;
use tokio::sync::watch;

/// Nothing more can be stored: a sync has failed, a thread panicked, or the files were replaced. It is reported once
/// and never taken back.
#[derive(Clone, Debug)]
pub(crate) struct Condemned(watch::Sender<bool>);

impl Default for Condemned {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Condemned {
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) fn set(&self, why: &StoreError) {
        let first = self.0.send_if_modified(|condemned| !std::mem::replace(condemned, true));
        if first {
            let end = why.after_the_end();
            tracing::error!("{}: no more mail is taken, and Listgate ends{end}", Chain(why));
        }
    }
}
