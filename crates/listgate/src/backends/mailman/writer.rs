//! The first part of storing a delivery in Mailman's queues.

use super::pck::{Mail, PutError, Queues, Synced};
use super::pickle::Metadata;
use super::publish::{Answer, Ready};
use crate::backends::delivery::Delivery;
use crate::backends::lock::Lock;
use crate::backends::worker_thread::WorkerThread;
use crate::file_error::FileError;
use crate::message::Style;
use crate::model::{Name, StoreError};
use std::io;
use std::sync::Arc;

/// The writer of deliveries. It writes several in parallel, and hands them to the publisher.
pub(super) struct Writer {
    pub(super) queues: Arc<Queues>,
    pub(super) site_owner: String,
    pub(super) publisher: WorkerThread<Ready>,
    /// Held until the last delivery is published.
    pub(super) _lock: Lock,
}

impl Writer {
    pub(super) fn write(&self, delivery: Delivery, answer: Answer) {
        let key = delivery.key;
        let synced = self.synced(&delivery);
        // It removes the spool file of a large message, which must be gone when the delivery is answered.
        drop(delivery);
        match synced {
            Err(why) => answer.send(Err(why)),
            Ok(files) => {
                if let Err(Ready { answer, .. }) = self.publisher.send(Ready { key, files, answer }) {
                    answer.send(Err(StoreError::closed()));
                }
            }
        }
    }

    /// Writes and syncs one file for each endpoint.
    fn synced(&self, delivery: &Delivery) -> Result<Synced, StoreError> {
        let Delivery { envelope, message, to, .. } = delivery;
        let mail_from = Style::Mailman.mail_from(&envelope.mail_from);
        let original_size = message.original_size;
        let metadata: Vec<Metadata<'_>> = to
            .iter()
            .map(|addressed| Metadata {
                list_id: &addressed.endpoint.list.list_id,
                original_size,
                received_at: envelope.received_at,
                role: addressed.endpoint.role,
                site_owner: &self.site_owner,
            })
            .collect();
        let mail = Mail { body: &message.body, original_size, mail_from: &mail_from, to: &metadata };
        let written = self.queues.write(&mail).map_err(|why| match why {
            PutError::Store(why) => why,
            PutError::TooLong(why) => {
                FileError::new("write a file into", self.queues.dir(Name::In), io::Error::other(why)).into()
            }
        })?;
        written.sync()
    }
}
