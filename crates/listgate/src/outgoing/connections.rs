//! Connects to the mail server when there is something to send, and leaves it alone when it cannot be used.

use super::directory::Directory;
use super::hub::Hub;
use super::sender::{Finished, Lost, Sender};
use super::settings::Reloadable;
use crate::error_chain::Chain;
use crate::guard::guarded;
use crate::limits;
use crate::model::{Advance, Claimed, StoreError};
use crate::net::{ClientTls, MailClient, MailClientError, MailClientSettings, Operation, ServerAddress};
use listgate_lmtp::{ClientEvent, Closed, Reply};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The reason that is recorded for batches that were claimed and not started.
const STOPPING: &str = "Listgate stopped before it was sent";

/// Sends to the mail server over several connections, until `stop` is true.
pub(super) async fn to_server(
    hub: &Rc<Hub>,
    (server, connections): (Server, usize),
    stop: &watch::Receiver<bool>,
) {
    let mut all = JoinSet::new();
    let server = Rc::new(server);
    for index in 0..connections {
        let claims = Claims { hub: Rc::clone(hub), posts: hub.store.posts(), stop: stop.clone(), index };
        all.spawn_local(keep_sending(claims, Rc::clone(&server)));
    }
    while all.join_next().await.is_some() {}
}

/// Sends until it is asked to stop, or the store has failed for good. After a panic it begins again; what was claimed then
/// waits until the next start.
async fn keep_sending(claims: Claims, server: Rc<Server>) {
    while guarded(pin!(connect_and_send(claims.clone(), Rc::clone(&server)))).await.is_err() {
        tracing::error!(
            "the way out goes on after an internal error; what it was sending waits for a restart"
        );
        let mut stop = claims.stop.clone();
        let _ = timeout(limits::STORE_PAUSE, stop.wait_for(|stop| *stop)).await;
    }
}

/// Writes into the directory until `stop` is true.
pub(super) async fn into_directory(hub: &Rc<Hub>, directory: &Directory, stop: watch::Receiver<bool>) {
    let mut claims = Claims { hub: Rc::clone(hub), posts: hub.store.posts(), stop, index: 0 };
    let mut sender = Sender::new(Rc::clone(hub));
    while let Some(claimed) = claims.next().await {
        sender.take_on(claimed).await;
        sender.write_into(directory).await;
        if sender.record().await.is_err() {
            return;
        }
    }
}

/// Sends over one connection after another.
async fn connect_and_send(mut claims: Claims, server: Rc<Server>) {
    let mut sender = Sender::new(Rc::clone(&claims.hub));
    while let Some(claimed) = claims.next().await {
        sender.take_on(claimed).await;
        while !sender.is_idle() {
            if *claims.stop.borrow() {
                sender.give_back(STOPPING);
            }
            if sender.has_batches() {
                use_connection(&mut sender, &claims.hub, &server, &mut claims.stop).await;
            }
            // The store has failed for good, and has said so.
            if sender.record().await.is_err() {
                return;
            }
        }
    }
}

/// Connects, sends what there is, and closes the connection.
async fn use_connection(sender: &mut Sender, hub: &Hub, server: &Server, stop: &mut watch::Receiver<bool>) {
    let connected = tokio::select! {
        connected = server.connect() => connected,
        _ = stop.wait_for(|stop| *stop) => return sender.give_back(STOPPING),
    };
    let mut mail = match connected {
        Ok(mail) => mail,
        Err(why) => {
            match &why {
                // The server refuses all mail.
                NotConnected::Refused(reply) if reply.code >= 500 => hub.stop(&reply.to_string()),
                _ => {
                    tracing::warn!("the mail server {}: {}; trying again", server.address, Chain(&why));
                    hub.failed();
                }
            }
            return sender.give_back(&format!("the mail server {}: {}", server.address, Chain(&why)));
        }
    };
    let mut asked = stop.clone();
    let ended = {
        let run = pin!(sender.run(&mut mail, stop));
        tokio::select! {
            ended = guarded(run) => ended.unwrap_or(Err(Lost::Panicked)),
            // A server may take ten minutes to answer.
            () = stopped_for(&mut asked, || server.reloadable.borrow().grace) => Err(Lost::Stopped),
        }
    };
    match ended {
        Ok(Finished::Idle | Finished::Full) => quit(mail).await,
        Err(why) => {
            let in_doubt = mail.client().in_doubt();
            if !matches!(why, Lost::Refuses) {
                tracing::warn!(in_doubt = in_doubt.is_some(), "{}", Chain(&why));
                if !sender.has_settled() && !why.is_ours() {
                    hub.failed();
                }
            }
            sender.lose(&why, in_doubt);
        }
    }
}

/// The site's mail server, and how it is spoken to.
pub(super) struct Server {
    pub(super) address: ServerAddress,
    pub(super) settings: MailClientSettings,
    pub(super) reloadable: watch::Receiver<Reloadable>,
}

/// The reason why the mail server cannot be used.
#[derive(Debug, thiserror::Error)]
enum NotConnected {
    #[error(transparent)]
    Client(#[from] MailClientError),
    #[error("the mail server refused the connection: {0}")]
    Refused(Reply),
    #[error("{0}")]
    Closed(Closed),
}

impl Server {
    /// Connects, and waits until the server is ready for mail. Where TLS is not required, a server with which it does not
    /// succeed is used without it.
    async fn connect(&self) -> Result<MailClient, NotConnected> {
        let opportunistic = matches!(self.settings.tls, ClientTls::Opportunistic(_));
        let name = self.reloadable.borrow().hostname.clone();
        let settings = MailClientSettings { name, ..self.settings.clone() };
        match self.connect_with(settings.clone()).await {
            Err(NotConnected::Client(MailClientError::Network {
                operation: Operation::Handshake,
                source,
            })) if opportunistic && self.settings.credentials.is_none() => {
                tracing::warn!(
                    "TLS with the mail server failed, so this connection does without it: {source}"
                );
                self.connect_with(MailClientSettings { tls: ClientTls::Off, ..settings }).await
            }
            connected => connected,
        }
    }

    async fn connect_with(&self, settings: MailClientSettings) -> Result<MailClient, NotConnected> {
        let mut mail = MailClient::connect(&self.address, settings).await?;
        match mail.event().await {
            Ok(ClientEvent::Ready) => Ok(mail),
            Ok(ClientEvent::Closed { why: Closed::Refused { reply, .. }, .. }) => {
                Err(NotConnected::Refused(reply))
            }
            Ok(ClientEvent::Closed { why, .. }) => Err(NotConnected::Closed(why)),
            Ok(event) => unreachable!("a session begins with a greeting, not with {event:?}"),
            Err(MailClientError::LoginRefused(reply) | MailClientError::TlsRefused(reply)) => {
                Err(NotConnected::Refused(reply))
            }
            Err(why) => Err(why.into()),
        }
    }
}

/// Ends the session. A server that does not answer is not waited for.
async fn quit(mut mail: MailClient) {
    mail.client().quit();
    let closed = async { while !matches!(mail.event().await, Ok(ClientEvent::Closed { .. }) | Err(_)) {} };
    let _ = timeout(limits::QUIT, closed).await;
}

/// Waits for batches to send.
#[derive(Clone)]
struct Claims {
    hub: Rc<Hub>,
    /// Changes when there is something to send.
    posts: Option<watch::Receiver<()>>,
    stop: watch::Receiver<bool>,
    /// The number of the connection.
    index: usize,
}

impl Claims {
    /// Returns the next batch that is due, or `None` when nothing more is to be sent.
    async fn next(&mut self) -> Option<Vec<Claimed>> {
        while !*self.stop.borrow() {
            // What changes from now on is noticed below.
            if let Some(posts) = &mut self.posts {
                posts.mark_unchanged();
            }
            // One connection finds out whether the server takes mail again.
            let may_try = !self.hub.is_stopped() || self.index == 0;
            let resume = Instant::from_std(self.hub.resume());
            if may_try && Instant::now() >= resume {
                match self.claim().await {
                    Ok(claimed) if claimed.is_empty() => {}
                    Ok(claimed) => return Some(claimed),
                    Err(why) if why.is_final() || why.is_closed() => return None,
                    Err(why) => tracing::warn!("{}; trying again", Chain(&why)),
                }
            }
            let poll = Instant::now() + limits::OUTGOING_POLL;
            tokio::select! {
                () = changed(&mut self.posts) => {}
                () = sleep_until(resume.max(Instant::now())), if may_try && resume > Instant::now() => {}
                () = sleep_until(poll) => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
            }
        }
        None
    }

    async fn claim(&self) -> Result<Vec<Claimed>, StoreError> {
        let claim = Some(self.hub.claim());
        let way_out = self.hub.take_way_out();
        let advance = Advance { claim, way_out: way_out.clone(), ..Advance::default() };
        let claimed = self.hub.store.advance(advance).await;
        claimed.inspect_err(|_| self.hub.put_back(way_out))
    }
}

/// Waits until the way out was asked to stop so long ago. `time` is asked for at the stop.
pub(super) async fn stopped_for(stop: &mut watch::Receiver<bool>, time: impl FnOnce() -> Duration) {
    let _ = stop.wait_for(|stop| *stop).await;
    sleep(time()).await;
}

/// Waits until there is a new post; forever if the store does not notice.
async fn changed(posts: &mut Option<watch::Receiver<()>>) {
    if let Some(posts) = posts
        && posts.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
