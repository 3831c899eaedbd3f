//! What `listgate serve --outgoing dir:PATH` leaves in its directory.

use crate::patience::until;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory that takes the place of a mail server.
pub struct Outbox(PathBuf);

/// A transaction that would have been made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// The name of its files, without the suffix. Names are in the order of the posts.
    pub name: String,
    /// The octets of the message.
    pub message: Vec<u8>,
    /// The envelope sender.
    pub mail_from: String,
    /// The recipients.
    pub recipients: Vec<String>,
    /// The list that the post was sent to.
    pub list_id: String,
    /// `post`, or `owner` for mail to the owners of the list.
    pub kind: String,
}

impl Outbox {
    /// Returns the outbox with this path. It need not exist yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self(path.as_ref().to_owned())
    }

    /// Returns the value of `--outgoing`.
    pub fn option(&self) -> String {
        format!("dir:{}", self.0.display())
    }

    /// Returns the number of transactions.
    pub fn len(&self) -> usize {
        self.names().len()
    }

    /// Returns whether it has no transactions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all transactions, in the order of the posts.
    pub fn transactions(&self) -> Vec<Transaction> {
        self.names().into_iter().map(|name| self.transaction(name)).collect()
    }

    /// Waits until there are this many transactions, and returns them.
    pub fn wait(&self, count: usize) -> Vec<Transaction> {
        until("all copies are in the outbox", || self.len() >= count);
        let all = self.transactions();
        assert_eq!(all.len(), count, "no more than expected");
        all
    }

    /// Returns the names of the transactions. The file about a transaction is written last.
    fn names(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(&self.0) else { return Vec::new() };
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let about = |name: String| name.strip_suffix(".json").map(ToOwned::to_owned);
        let mut names: Vec<String> = names.filter_map(about).collect();
        names.sort();
        names
    }

    fn transaction(&self, name: String) -> Transaction {
        let message = fs::read(self.0.join(format!("{name}.eml"))).unwrap();
        let about = fs::read(self.0.join(format!("{name}.json"))).unwrap();
        let about: serde_json::Value = serde_json::from_slice(&about).unwrap();
        let text = |key: &str| about[key].as_str().unwrap().to_owned();
        let recipients = about["recipients"].as_array().unwrap();
        let recipients = recipients.iter().map(|to| to.as_str().unwrap().to_owned()).collect();
        let (mail_from, list_id, kind) = (text("mail_from"), text("list_id"), text("kind"));
        Transaction { name, message, mail_from, recipients, list_id, kind }
    }
}
