//! What a backend knows of lists and domains.

use super::answer::Answer;
use crate::model::{Changes, List, Names};
use std::sync::Arc;
use std::time::Instant;

/// Lists and domains, as mail asks for them.
pub(crate) trait Registry: Send + Sync {
    /// How often lists and domains had changed at a moment not before `asked`; `None` where changes are not counted.
    fn changes(&self, asked: Instant) -> Answer<'_, Option<Changes>>;

    /// The list that answers for `names`, an alias domain replaced by the one it stands for, the whole name
    /// before the base name. A no is never older than `asked`.
    fn find<'a>(&'a self, names: &'a Names, asked: Instant) -> Answer<'a, Option<Arc<List>>>;

    /// Whether mail to `domain` belongs to this site, alias domains included.
    fn serves<'a>(&'a self, domain: &'a str) -> Answer<'a, bool>;

    /// The domains whose mail belongs to this site, alias domains included.
    fn domains(&self) -> Answer<'_, Vec<String>>;

    /// How many lists there are.
    fn count_lists(&self) -> Answer<'_, u64>;
}
