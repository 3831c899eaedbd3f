//! The final state of a backend that can store nothing more.

use crate::error_chain::Chain;
use crate::model::StoreError;
use tokio::sync::watch;

/// A flag that is set when nothing more can be stored: a sync has failed, a thread has panicked, or the files were
/// replaced. It is logged once and never reset.
#[derive(Clone, Debug)]
pub(crate) struct FailStop(watch::Sender<bool>);

impl Default for FailStop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl FailStop {
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) fn set(&self, why: &StoreError) {
        let first = self.0.send_if_modified(|fail_stop| !std::mem::replace(fail_stop, true));
        if first {
            let end = why.after_the_end();
            tracing::error!("{}: Listgate accepts no more mail, and ends{end}", Chain(why));
        }
    }
}
