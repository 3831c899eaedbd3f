//! Resolves an address and decides whether it takes mail now. RCPT, socketmap and `listgate check` all get their
//! answers here.

use crate::backends::Addresses;
use crate::capacity::Capacity;
use crate::config::{Config, RefuseAt};
use crate::limits;
use crate::model::{
    Changes, Endpoint, List, ListAddress, Name, NotTaken, POSTMASTERS, Role, StoreError, comparable_domain,
};
use crate::route::{self, Reading, Rules};
use listgate_lmtp::ForwardPath;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The addresses of a site.
pub(crate) struct Directory {
    store: Arc<dyn Addresses>,
    pub(crate) rules: Rules,
    capacity: Arc<Capacity>,
    refuse_at: RefuseAt,
}

impl Directory {
    /// Creates a directory of the addresses in `store`, read by the rules of the configuration. `engine` says whether
    /// the engine runs.
    pub(crate) fn new(
        config: &Config,
        engine: bool,
        store: Arc<dyn Addresses>,
        capacity: Arc<Capacity>,
    ) -> Self {
        let postmaster = if engine { config.site_postmaster() } else { config.postmaster.clone() };
        let rules = Rules { verp_delimiter: config.verp_delimiter, postmaster, engine };
        Self { store, rules, capacity, refuse_at: config.refuse_at }
    }

    /// Returns the endpoint of an address if it takes a message of `size` octets now, as far as that is known.
    ///
    /// # Errors
    /// The reason it does not, whether or not RCPT reports it.
    pub(crate) async fn takes(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked_at: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.accepts(path, size, asked_at).await?;
        self.has_room(endpoint.role.queue()).await.map(|()| endpoint)
    }

    /// Returns the endpoint like [`takes`](Self::takes), but whether or not the queue has room.
    ///
    /// # Errors
    /// As for [`takes`](Self::takes).
    pub(crate) async fn accepts(
        &self,
        path: &ForwardPath,
        size: Option<u64>,
        asked_at: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let endpoint = self.find(path, asked_at).await?;
        endpoint.takes(size).map(|()| endpoint)
    }

    /// Returns the endpoint of an address, whether or not its list takes mail now. A negative answer is never older
    /// than `asked_at`.
    ///
    /// # Errors
    /// The address has no endpoint, or the backend could not be queried.
    pub(crate) async fn find(&self, path: &ForwardPath, asked_at: Instant) -> Result<Endpoint, NotTaken> {
        match path {
            ForwardPath::Postmaster => {
                // Its bounces need a domain that is this site's.
                let domain = self.store.domains().await?.into_iter().next().ok_or(NotTaken::NoSuchList)?;
                let [local, ..] = POSTMASTERS;
                self.postmaster(local, comparable_domain(&domain), asked_at).await
            }
            ForwardPath::Mailbox(mailbox) => {
                let reading = route::read(mailbox, &self.rules);
                if let Some(list) = self.store.find(&reading.names, asked_at).await? {
                    let by_whole_name = list.is_named(&reading.names.whole);
                    let role = if by_whole_name { Role::Post } else { reading.role };
                    return Ok(Endpoint { list, role, detail: reading.detail });
                }
                self.without_list(reading, asked_at).await
            }
        }
    }

    /// Returns the endpoint of an address that is not a list's: one of the postmasters of a domain, or the sender of
    /// mail to them.
    async fn without_list(&self, reading: Reading, asked_at: Instant) -> Result<Endpoint, NotTaken> {
        let Reading { names, role, detail } = reading;
        let named = |local: Option<&str>| POSTMASTERS.into_iter().find(|name| local == Some(name));
        let (postmaster, sender) = (named(Some(&names.whole)), named(names.base.as_deref()));
        if postmaster.or(sender).is_none() || !self.store.serves(&names.domain).await? {
            return Err(NotTaken::NoSuchList);
        }
        match (postmaster, sender) {
            (Some(local), _) => self.postmaster(local, names.domain, asked_at).await,
            (None, Some(local)) if role == Role::Bounces && self.rules.engine => {
                Ok(Endpoint { list: of_postmaster(local, names.domain), role, detail })
            }
            _ => Err(NotTaken::NoSuchList),
        }
    }

    /// Returns the endpoint of one of the [`POSTMASTERS`] of a domain.
    ///
    /// # Errors
    /// Nobody gets this mail, or a backend could not be queried.
    pub(crate) async fn postmaster(
        &self,
        local: &str,
        domain: String,
        asked_at: Instant,
    ) -> Result<Endpoint, NotTaken> {
        let role = Role::Owner;
        let to = self.rules.postmaster.as_ref().ok_or(NotTaken::NoPostmaster)?;
        let Reading { names, .. } = route::read(to, &self.rules);
        if let Some(list) = self.store.find(&names, asked_at).await? {
            let by_whole_name = list.is_named(&names.whole);
            let owners = Ok(Endpoint { list, role, detail: None });
            return if by_whole_name { owners } else { Err(NotTaken::NoPostmaster) };
        }
        // Mail to any other address of this site would come back here.
        if !self.rules.engine || self.store.serves(&names.domain).await? {
            return Err(NotTaken::NoPostmaster);
        }
        Ok(Endpoint { list: of_postmaster(local, domain), role, detail: None })
    }

    /// Returns whether mail to a domain belongs to this site.
    ///
    /// # Errors
    /// The backend could not be queried.
    pub(crate) async fn serves(&self, domain: &str) -> Result<bool, NotTaken> {
        Ok(self.store.serves(domain).await?)
    }

    /// Returns how often lists and domains had changed at a moment not before `asked_at`; `None` if changes are not
    /// counted.
    ///
    /// # Errors
    /// The backend could not be queried.
    pub(crate) async fn changes(&self, asked_at: Instant) -> Result<Option<Changes>, StoreError> {
        self.store.changes(asked_at).await
    }

    /// Returns whether the refusal is the reply to RCPT, rather than the recipient's reply after the data. A
    /// temporary refusal is reported at once, whatever `refuse_at` is.
    pub(crate) fn is_refused_at_rcpt(&self, why: &NotTaken) -> bool {
        why.is_temporary() || self.refuse_at == RefuseAt::Rcpt
    }

    /// Checks that a queue takes another entry. Other processes empty it, so one that looks full is checked again.
    async fn has_room(&self, queue: Name) -> Result<(), NotTaken> {
        let space = self.store.space().await?;
        let mut depth = self.store.depth(queue, limits::DEPTH_AGE).await?;
        if self.capacity.is_full(depth, space) {
            depth = self.store.depth(queue, Duration::ZERO).await?;
        }
        self.capacity.admits(queue, depth, space)
    }
}

/// Returns what stands in place of a list for mail to one of the [`POSTMASTERS`] of a domain.
fn of_postmaster(local: &str, domain: String) -> Arc<List> {
    Arc::new(List::of_postmaster(ListAddress { local: local.to_owned(), domain }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::memory::Memory;
    use crate::model::Clock;

    /// The mail to a postmaster: to whom it goes, or why it is refused.
    async fn found(engine: bool, site: (&str, &str), lists: &[&str], address: &str) -> String {
        let store = Memory::new(Clock::default());
        lists.iter().for_each(|list| store.create(list));
        let (owner, postmaster) = site;
        let mut config = Config { postmaster: postmaster.parse().ok(), ..Config::default() };
        if !owner.is_empty() {
            config.owner = owner.to_owned();
        }
        let capacity = Arc::new(Capacity::new(config.bounds()));
        let directory = Directory::new(&config, engine, Arc::new(store), capacity);
        let path = if address == "postmaster" {
            ForwardPath::Postmaster
        } else {
            ForwardPath::Mailbox(address.parse().unwrap())
        };
        match directory.takes(&path, Some(1), Instant::now()).await {
            Ok(Endpoint { list, role, detail }) => {
                format!(
                    "{} {}{}",
                    role.name(),
                    list.list_id,
                    detail.map(|text| format!(" {text}")).unwrap_or_default()
                )
            }
            Err(NotTaken::NoSuchList) => "no list".to_owned(),
            Err(NotTaken::NoPostmaster) => "nobody".to_owned(),
            Err(why) => format!("{why:?}"),
        }
    }

    const ON: bool = true;
    const OFF: bool = false;
    const OWNER: (&str, &str) = ("Olga@example.org", "");
    const POSTMASTER: (&str, &str) = ("", "Pia@example.org");
    const NOBODY: (&str, &str) = ("", "");

    #[tokio::test]
    async fn who_gets_mail_to_the_postmasters_of_a_domain() {
        let one = &["mylist@example.com"][..];
        let named = &["mylist@example.com", "postmaster@example.com", "abuse@example.com"][..];
        let (list, owners) = (("", "MyList@example.com"), ("mylist@example.com", ""));
        for (engine, site, lists, address, expected) in [
            // Whether the engine runs, and who is set.
            (OFF, NOBODY, one, "postmaster@example.com", "nobody"),
            (OFF, OWNER, one, "postmaster@example.com", "nobody"),
            (OFF, POSTMASTER, one, "postmaster@example.com", "nobody"),
            (OFF, POSTMASTER, one, "mailer-daemon@example.com", "nobody"),
            (ON, NOBODY, one, "postmaster@example.com", "nobody"),
            (ON, OWNER, one, "postmaster@example.com", "owner postmaster@example.com"),
            (ON, POSTMASTER, one, "postmaster@example.com", "owner postmaster@example.com"),
            // Each address, in any case.
            (ON, OWNER, one, "ABUSE@Example.COM", "owner abuse@example.com"),
            (ON, OWNER, one, "MAILER-DAEMON@example.com", "owner mailer-daemon@example.com"),
            (ON, OWNER, one, "postmaster+x@example.com", "owner postmaster@example.com"),
            (ON, OWNER, one, "postmaster", "owner postmaster@example.com"),
            (ON, OWNER, one, "webmaster@example.com", "no list"),
            (ON, OWNER, one, "postmaster-join@example.com", "no list"),
            (ON, OWNER, one, "postmaster-owner@example.com", "no list"),
            // Where bounces of this mail come back to.
            (ON, OWNER, one, "abuse-bounces+tok@example.com", "bounces abuse@example.com tok"),
            (ON, NOBODY, one, "abuse-bounces+tok@example.com", "bounces abuse@example.com tok"),
            (OFF, OWNER, one, "abuse-bounces+tok@example.com", "no list"),
            // Domains that are not this site's, or a site without any.
            (ON, OWNER, one, "postmaster@example.net", "no list"),
            (ON, OWNER, one, "abuse-bounces+tok@example.net", "no list"),
            (ON, NOBODY, one, "postmaster@example.net", "no list"),
            (ON, OWNER, &[], "postmaster", "no list"),
            // A list of the name wins.
            (ON, OWNER, named, "postmaster@example.com", "post postmaster.example.com"),
            (ON, OWNER, named, "abuse-bounces+tok@example.com", "bounces abuse.example.com tok"),
            (ON, OWNER, named, "mailer-daemon@example.com", "owner mailer-daemon@example.com"),
            // The owners of a list, with and without the engine.
            (OFF, list, one, "postmaster@example.com", "owner mylist.example.com"),
            (OFF, list, one, "postmaster", "owner mylist.example.com"),
            (ON, list, one, "mailer-daemon@example.com", "owner mylist.example.com"),
            (ON, owners, one, "abuse@example.com", "owner mylist.example.com"),
            (OFF, owners, one, "abuse@example.com", "nobody"),
            // Addresses of this site that are not lists: mail to them would come back.
            (ON, ("", "mylist-owner@example.com"), one, "postmaster@example.com", "nobody"),
            (ON, ("", "postmaster@example.com"), one, "postmaster@example.com", "nobody"),
            (ON, ("", "nolist@example.com"), one, "postmaster@example.com", "nobody"),
            (OFF, ("", "nolist@example.com"), one, "postmaster@example.com", "nobody"),
        ] {
            let answer = found(engine, site, lists, address).await;
            assert_eq!(answer, expected, "engine {engine}, {site:?}, {lists:?}, {address}");
        }
    }
}
