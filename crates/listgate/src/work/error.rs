//! Errors that end a worker.

use crate::model::{Id, rfc3339};
use std::error::Error;
use std::io;
use std::time::SystemTime;

/// The reason why a worker ended before it was asked to, or at once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    #[error(transparent)]
    Queue(#[from] crate::queue::Error),
    #[error("cannot {operation}")]
    System { operation: &'static str, source: io::Error },
    /// No entry can be processed.
    #[error(transparent)]
    Processor(Box<dyn Error + Send + Sync>),
    #[error("stopped at once; {}", left(leased))]
    Stopped {
        /// The entries that could not be settled or released, and when each lease ends.
        leased: Vec<(Id, SystemTime)>,
    },
}

/// Describes what became of the entries that were being processed.
fn left(leased: &[(Id, SystemTime)]) -> String {
    const NAMED: usize = 10;
    if leased.is_empty() {
        return "what ran waits again".to_owned();
    }
    let named = leased.iter().take(NAMED);
    let named = named.map(|(id, until)| format!("{id} stays leased until {}", rfc3339(*until)));
    let mut all = named.collect::<Vec<_>>().join(" and ");
    if let Some(more @ 1..) = leased.len().checked_sub(NAMED) {
        all.push_str(&format!(" and {more} more like these"));
    }
    format!("the database could not be written: {all} at the latest")
}
