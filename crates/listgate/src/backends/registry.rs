//! What a backend knows about lists and domains.

use super::answer::Answer;
use crate::model::{Changes, List, Names};
use std::sync::Arc;
use std::time::Instant;

/// Lists and domains, as looked up for arriving mail.
pub(crate) trait Registry: Send + Sync {
    /// Returns how often lists and domains had changed at a moment not before `asked_at`, or `None` if the backend does
    /// not count changes.
    fn changes(&self, asked_at: Instant) -> Answer<'_, Option<Changes>>;

    /// Returns the list that answers for `names`. An alias domain is replaced by its main domain, and the whole name
    /// is tried before the base name. A negative answer is never older than `asked_at`.
    fn find<'a>(&'a self, names: &'a Names, asked_at: Instant) -> Answer<'a, Option<Arc<List>>>;

    /// Returns whether mail to `domain` belongs to this site; this includes alias domains.
    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool>;

    /// Returns the domains whose mail belongs to this site, including alias domains.
    fn domains(&self) -> Answer<'_, Vec<String>>;

    /// Returns the number of lists.
    fn count_lists(&self) -> Answer<'_, u64>;
}
