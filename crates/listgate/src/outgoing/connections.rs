//! Connects to the mail server when there is something to send, and leaves it alone when it cannot be used.

use super::directory::Directory;
use super::hub::Hub;
use super::sender::{Finished, Lost, Sender};
use super::target::OutgoingConfig;
use crate::error_chain::Chain;
use crate::limits;
use crate::model::{Advance, Claimed, StoreError};
use crate::net::MailClient;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Sends to the mail server over several connections, until `stop` is true.
pub(super) async fn to_server(
    hub: &Rc<Hub>,
    config: &Rc<OutgoingConfig>,
    wake: &Arc<Notify>,
    stop: &watch::Receiver<bool>,
) {
    let mut all = JoinSet::new();
    for index in 0..config.connections {
        let claims = Claims { hub: Rc::clone(hub), wake: Arc::clone(wake), stop: stop.clone(), index };
        all.spawn_local(connect_and_send(claims, Rc::clone(config)));
    }
    while all.join_next().await.is_some() {}
}

/// Writes into the directory until `stop` is true.
pub(super) async fn into_directory(
    hub: &Rc<Hub>,
    directory: &Directory,
    wake: &Arc<Notify>,
    stop: watch::Receiver<bool>,
) {
    let mut claims = Claims { hub: Rc::clone(hub), wake: Arc::clone(wake), stop, index: 0 };
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
async fn connect_and_send(mut claims: Claims, config: Rc<OutgoingConfig>) {
    let mut sender = Sender::new(Rc::clone(&claims.hub));
    while let Some(claimed) = claims.next().await {
        sender.take_on(claimed).await;
        while !sender.is_idle() {
            if *claims.stop.borrow() {
                sender.give_back();
            }
            if sender.has_batches() {
                use_connection(&mut sender, &claims.hub, &config, &mut claims.stop).await;
            }
            // The store has failed for good, and has said so.
            if sender.record().await.is_err() {
                return;
            }
        }
    }
}

/// Connects, sends what there is, and closes the connection.
async fn use_connection(
    sender: &mut Sender,
    hub: &Hub,
    config: &OutgoingConfig,
    stop: &mut watch::Receiver<bool>,
) {
    let mut mail = match MailClient::connect(&config.server).await {
        Ok(mail) => mail,
        Err(why) => {
            tracing::warn!("{}", Chain(&why));
            match why.permanent_refusal() {
                Some(reply) => hub.stop(&reply.to_string()),
                None => hub.failed(),
            }
            return sender.give_back();
        }
    };
    match sender.run(&mut mail, stop).await {
        Ok(Finished::Idle | Finished::Full) => mail.quit().await,
        Err(why) => {
            let in_doubt = mail.client().in_doubt();
            if !matches!(why, Lost::Refuses) {
                tracing::warn!(in_doubt = in_doubt.is_some(), "{}", Chain(&why));
                if !sender.has_sent() {
                    hub.failed();
                }
            }
            sender.lose(&Chain(&why).to_string(), in_doubt);
        }
    }
}

/// Waits for batches to send.
struct Claims {
    hub: Rc<Hub>,
    wake: Arc<Notify>,
    stop: watch::Receiver<bool>,
    /// The number of the connection.
    index: usize,
}

impl Claims {
    /// Returns the next batch that is due, or `None` when nothing more is to be sent.
    async fn next(&mut self) -> Option<Vec<Claimed>> {
        loop {
            let wake = Arc::clone(&self.wake);
            let mut woken = pin!(wake.notified());
            // From now on a notification counts, so none is missed while the store is asked.
            woken.as_mut().enable();
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
                () = woken => {}
                () = sleep_until(resume.max(Instant::now())), if may_try && resume > Instant::now() => {}
                () = sleep_until(poll) => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
        }
    }

    async fn claim(&self) -> Result<Vec<Claimed>, StoreError> {
        let claim = Some(self.hub.claim());
        let way_out = self.hub.take_way_out();
        let advance = Advance { claim, way_out: way_out.clone(), ..Advance::default() };
        let claimed = self.hub.store.advance(advance).await;
        claimed.inspect_err(|_| self.hub.put_back(way_out))
    }
}
