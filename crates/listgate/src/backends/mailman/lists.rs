//! The only cache in front of Mailman's database: it keeps positive answers for a second.

use super::database::{Database, Source, SourceError};
use crate::error_chain::Chain;
use crate::limits;
use crate::model::List;
use crate::model::Names;
use crate::model::StoreError;
use crate::model::unicode_domain;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The lists of a Mailman site.
pub(crate) struct Lists {
    source: Source,
    answers: Answers,
}

impl Lists {
    pub(crate) fn open(database: &Database) -> Result<Self, SourceError> {
        Ok(Self { source: Source::open(database)?, answers: Answers::default() })
    }

    /// Returns the list that answers for `names`; Mailman stores a domain as its owner wrote it, with A-labels or
    /// with U-labels. A negative answer always comes from a query that was sent after this call. `asked_at` is the
    /// time of the caller's question: all commands of one packet share one instant, and so do all recipients that are
    /// looked up after the data.
    pub(crate) async fn find(&self, names: &Names, asked_at: Instant) -> Result<Option<List>, StoreError> {
        let query = async {
            match (self.source.find(names).await?, unicode_domain(&names.domain)) {
                (None, Some(domain)) => self.source.find(&Names { domain, ..names.clone() }).await,
                (found, _) => Ok(found),
            }
        };
        self.answers.find(names, asked_at, query).await
    }

    /// Returns whether mail to `domain` belongs to the site.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, StoreError> {
        if self.source.serves(domain).await? {
            return Ok(true);
        }
        match unicode_domain(domain) {
            Some(domain) => self.source.serves(&domain).await,
            None => Ok(false),
        }
    }

    /// Returns the domains whose mail belongs to the site.
    pub(crate) async fn domains(&self) -> Result<Vec<String>, StoreError> {
        self.source.domains().await
    }

    pub(crate) async fn count_lists(&self) -> Result<u64, StoreError> {
        self.source.count_lists().await
    }
}

type Answer = Result<Option<List>, StoreError>;

/// The answers of the source that are remembered, and the queries that are running.
#[derive(Default)]
struct Answers {
    known: Mutex<HashMap<Names, Known>>,
    /// One for all callers that ask about the same names; removed with the last of them.
    flights: Mutex<HashMap<Names, Arc<Flight>>>,
    /// When the latest query was sent and why it failed; `None` if it was answered.
    away: Mutex<Option<(Instant, StoreError)>>,
}

/// A positive answer, and when it was asked for.
struct Known {
    asked_at: Instant,
    list: List,
}

/// The queries for the same names, one after the other. They are numbered, because a clock cannot tell which of two
/// events within one tick came first.
#[derive(Default)]
struct Flight {
    begun: AtomicU64,
    /// Locked during a query. A caller that is dropped meanwhile leaves the query to the next one.
    last: tokio::sync::Mutex<Option<(u64, Answer)>>,
}

impl Answers {
    /// Answers from memory, or awaits `query`, which starts only then and may never be awaited.
    async fn find(&self, names: &Names, asked_at: Instant, query: impl Future<Output = Answer>) -> Answer {
        if let Some(list) = self.known(names, limits::YES_AGE) {
            return Ok(Some(list));
        }
        // If a query failed after `asked_at`, do not send another: each address of a transaction would wait for the
        // timeout, and the mail server would not wait that long for all of them.
        let away = lock(&self.away).clone();
        if let Some((_, why)) = away.filter(|(since, _)| *since >= asked_at) {
            return self.known(names, limits::YES_AGE_AWAY).map(Some).ok_or(why);
        }
        let guard = FlightGuard::take(self, names);
        let before = guard.flight.begun.load(Ordering::Relaxed);
        let mut last = guard.flight.last.lock().await;
        match &*last {
            // This query was sent after we came, so its answer is valid for us, whatever it is.
            Some((number, answer)) if *number > before => return answer.clone(),
            _ => {}
        }
        // The last query was sent before we came: its positive answer will do if it is less than a second old, a
        // negative one will not.
        if let Some(list) = self.known(names, limits::YES_AGE) {
            return Ok(Some(list));
        }
        let number = guard.flight.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let put = Instant::now();
        let answer = self.noted(names, put, query.await);
        *last = Some((number, answer.clone()));
        answer
    }

    fn known(&self, names: &Names, age: Duration) -> Option<List> {
        let known = lock(&self.known);
        known.get(names).filter(|known| known.asked_at.elapsed() < age).map(|known| known.list.clone())
    }

    /// Remembers a positive answer, and forgets it when it has become negative. While the source is unavailable, an
    /// earlier positive answer still counts.
    fn noted(&self, names: &Names, asked_at: Instant, answer: Answer) -> Answer {
        let away = answer.as_ref().err().map(|why| (asked_at, why.clone()));
        let was_away = std::mem::replace(&mut *lock(&self.away), away).is_some();
        if was_away && answer.is_ok() {
            tracing::info!("Mailman's database answers again");
        }
        match answer {
            Ok(Some(list)) => {
                let mut known = lock(&self.known);
                make_room(&mut known);
                known.insert(names.clone(), Known { asked_at, list: list.clone() });
                Ok(Some(list))
            }
            Ok(None) => {
                lock(&self.known).remove(names);
                Ok(None)
            }
            Err(why) => {
                if !was_away {
                    tracing::warn!(
                        "{}; lists that it named recently still take mail, other mail waits",
                        Chain(&why)
                    );
                }
                self.known(names, limits::YES_AGE_AWAY).map(Some).ok_or(why)
            }
        }
    }
}

/// Makes room by forgetting answers that are too old to be used, or all of them if that is not enough. They can be
/// queried again.
fn make_room(known: &mut HashMap<Names, Known>) {
    if known.len() >= limits::KNOWN_YESES {
        known.retain(|_, known| known.asked_at.elapsed() < limits::YES_AGE);
    }
    if known.len() >= limits::KNOWN_YESES {
        known.clear();
    }
}

/// A caller's reference to a flight.
struct FlightGuard<'a> {
    answers: &'a Answers,
    names: &'a Names,
    flight: Arc<Flight>,
}

impl<'a> FlightGuard<'a> {
    fn take(answers: &'a Answers, names: &'a Names) -> Self {
        let flight = Arc::clone(lock(&answers.flights).entry(names.clone()).or_default());
        Self { answers, names, flight }
    }
}

impl Drop for FlightGuard<'_> {
    fn drop(&mut self) {
        let mut flights = lock(&self.answers.flights);
        // Only the map and this caller have it, and no other caller can take it while the map is locked.
        if Arc::strong_count(&self.flight) == 2 {
            flights.remove(self.names);
        }
    }
}

/// Locks a mutex, even after a panic: a panic under one of these locks leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ListState;
    use crate::model::StoreErrorKind;
    use std::cell::Cell;
    use std::rc::Rc;
    use tokio::task::{JoinHandle, LocalSet};
    use tokio::time::{advance, sleep};

    /// A source that takes a tenth of a second for a query, and counts queries.
    #[derive(Clone, Default)]
    struct Site {
        answers: Rc<Answers>,
        state: Rc<Cell<State>>,
        queries: Rc<Cell<u32>>,
    }

    #[derive(Clone, Copy, PartialEq, Default)]
    enum State {
        #[default]
        Has,
        HasNot,
        Away,
    }

    fn names(whole: &str) -> Names {
        Names { whole: whole.to_owned(), base: None, domain: "x.example".to_owned() }
    }

    impl Site {
        async fn find(&self, whole: &str) -> Result<bool, ()> {
            self.find_at(whole, Instant::now()).await
        }

        async fn find_at(&self, whole: &str, asked_at: Instant) -> Result<bool, ()> {
            let query = async {
                self.queries.set(self.queries.get() + 1);
                let state = self.state.get();
                sleep(Duration::from_millis(100)).await;
                let address = "test@x.example".parse().unwrap();
                let list = List {
                    list_id: "test.x.example".into(),
                    address,
                    state: ListState::Open,
                    max_size: None,
                    alias: None,
                };
                match state {
                    State::Has => Ok(Some(list)),
                    State::HasNot => Ok(None),
                    State::Away => Err(StoreError::database(StoreErrorKind::Database, "ask", "for a test")),
                }
            };
            self.answers.find(&names(whole), asked_at, query).await.map(|list| list.is_some()).map_err(drop)
        }

        /// Starts a lookup, as another session would.
        async fn begin(&self) -> JoinHandle<Result<bool, ()>> {
            let site = self.clone();
            let task = tokio::task::spawn_local(async move { site.find("test").await });
            tokio::task::yield_now().await;
            task
        }

        fn are(&self, state: State) {
            self.state.set(state);
        }
    }

    fn run(test: impl AsyncFnOnce(Site)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        LocalSet::new().block_on(&runtime.unwrap(), async {
            let site = Site::default();
            test(site.clone()).await;
            assert!(lock(&site.answers.flights).is_empty(), "a flight was left behind");
        });
    }

    #[test]
    fn a_found_list_is_remembered_for_a_second_from_the_query() {
        run(async |site| {
            assert_eq!(site.find("test").await, Ok(true));
            site.are(State::HasNot);
            advance(Duration::from_millis(899)).await;
            assert_eq!((site.find("test").await, site.queries.get()), (Ok(true), 1));
            advance(Duration::from_millis(1)).await;
            assert_eq!((site.find("test").await, site.queries.get()), (Ok(false), 2));
        });
    }

    #[test]
    fn an_unknown_list_is_never_remembered() {
        run(async |site| {
            site.are(State::HasNot);
            assert_eq!(site.find("test").await, Ok(false));
            site.are(State::Has);
            assert_eq!((site.find("test").await, site.queries.get()), (Ok(true), 2));
        });
    }

    #[test]
    fn concurrent_lookups_share_one_query() {
        run(async |site| {
            let mut tasks = Vec::new();
            for _ in 0..50 {
                tasks.push(site.begin().await);
            }
            for task in tasks {
                assert_eq!(task.await.unwrap(), Ok(true));
            }
            assert_eq!(site.queries.get(), 1);
        });
    }

    #[test]
    fn a_later_lookup_does_not_reuse_an_earlier_refusal() {
        run(async |site| {
            site.are(State::HasNot);
            let first = site.begin().await;
            site.are(State::Has);
            let later = [site.begin().await, site.begin().await, site.begin().await];
            assert_eq!(first.await.unwrap(), Ok(false));
            for task in later {
                assert_eq!(task.await.unwrap(), Ok(true));
            }
            assert_eq!(site.queries.get(), 2, "one query for all calls after the first began");
        });
    }

    #[test]
    fn lookups_waiting_for_an_aborted_query_are_answered() {
        run(async |site| {
            let (first, second, third) = (site.begin().await, site.begin().await, site.begin().await);
            first.abort();
            assert_eq!((second.await.unwrap(), third.await.unwrap()), (Ok(true), Ok(true)));
            assert_eq!(site.queries.get(), 2);
            advance(limits::YES_AGE).await;
            let alone = site.begin().await;
            alone.abort();
            assert!(alone.await.unwrap_err().is_cancelled());
        });
    }

    #[test]
    fn a_found_list_is_remembered_longer_only_while_the_source_is_down() {
        run(async |site| {
            assert_eq!(site.find("test").await, Ok(true));
            site.are(State::Away);
            advance(Duration::from_secs(4 * 60)).await;
            assert_eq!((site.find("test").await, site.queries.get()), (Ok(true), 2));
            assert_eq!(site.find("unknown").await, Err(()));
            assert_eq!(
                (site.find("test").await, site.queries.get()),
                (Ok(true), 4),
                "queried again each time"
            );
            advance(Duration::from_secs(60)).await;
            assert_eq!(site.find("test").await, Err(()), "for five minutes");
        });
    }

    #[test]
    fn a_source_that_is_down_is_asked_once_per_transaction() {
        run(async |site| {
            assert_eq!(site.find("test").await, Ok(true));
            site.are(State::Away);
            advance(limits::YES_AGE).await;
            let asked_at = Instant::now();
            for (name, answer) in [("unknown", Err(())), ("other", Err(())), ("test", Ok(true))] {
                assert_eq!(site.find_at(name, asked_at).await, answer, "{name}");
            }
            assert_eq!(site.queries.get(), 2);
            assert_eq!(
                (site.find("other").await, site.queries.get()),
                (Err(()), 3),
                "again in the next transaction"
            );
            site.are(State::Has);
            assert_eq!((site.find("other").await, site.queries.get()), (Ok(true), 4));
            assert_eq!(site.find_at("unknown", asked_at).await, Ok(true), "it is back");
        });
    }

    #[test]
    fn a_removed_list_does_not_come_back_while_the_source_is_down() {
        run(async |site| {
            assert_eq!(site.find("test").await, Ok(true));
            site.are(State::HasNot);
            advance(limits::YES_AGE).await;
            assert_eq!(site.find("test").await, Ok(false));
            site.are(State::Away);
            assert_eq!(site.find("test").await, Err(()));
        });
    }

    #[test]
    fn the_number_of_remembered_lists_is_bounded() {
        let mut known = HashMap::new();
        let list: List = List {
            list_id: "l".into(),
            address: "l@x".parse().unwrap(),
            state: ListState::Open,
            max_size: None,
            alias: None,
        };
        for n in 0..3 * limits::KNOWN_YESES {
            make_room(&mut known);
            known.insert(names(&n.to_string()), Known { asked_at: Instant::now(), list: list.clone() });
            assert!(known.len() <= limits::KNOWN_YESES);
        }
    }

    #[test]
    fn lookup_futures_are_send() {
        fn is_send<T: Send>(_: &T) {}
        let dir = tempfile::tempdir().unwrap();
        let lists = Lists::open(&Database::Sqlite(dir.path().join("mailman.db"))).unwrap();
        is_send(&lists.find(&names("test"), Instant::now()));
        is_send(&lists.serves("x.example"));
    }
}
