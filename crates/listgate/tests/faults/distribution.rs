//! A list, a post to it, and what its members got: for tests of the way out.

use crate::support::smtp_server::SmtpServer;
use crate::support::{Server, Site};
use crate::tools::{open, until};
use std::fs::File;
use std::process::Command;

const LIST: &str = "mylist@example.com";

/// A site with a list whose members get posts through a mail server of the test's own.
pub(crate) struct Distribution {
    pub(crate) site: Site,
    pub(crate) mail: SmtpServer,
    members: usize,
}

/// Whether each member gets a copy of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Copies {
    Personal,
    Bulk,
}

impl Copies {
    /// The greatest number of recipients of a batch.
    pub(crate) fn of_batch(self) -> usize {
        match self {
            Self::Personal => 16,
            Self::Bulk => 100,
        }
    }
}

impl Distribution {
    /// Makes a list with members `m0@example.org` and so on.
    pub(crate) fn new(mail: SmtpServer, members: usize, copies: Copies) -> Self {
        let site = Site::new();
        create(&site, members, copies, |args| drop(site.stdout(args)));
        Self { site, mail, members }
    }

    /// Returns a site on which the list was [created](create).
    pub(crate) fn on(site: Site, mail: SmtpServer, members: usize) -> Self {
        Self { site, mail, members }
    }

    /// Returns the command that runs the server with its engine. `base` runs Listgate, possibly under a tracer.
    pub(crate) fn command(&self, mut base: Command) -> Command {
        let config = self.site.data().join("listgate.toml");
        let text = format!(
            "[storage]\nmin_free = \"0B\"\n[server]\nshutdown_grace = \"2s\"\n[engine]\nenabled = true\n\
             [outgoing]\nto = \"smtp:{}\"\n",
            self.mail.address
        );
        std::fs::write(&config, text).unwrap();
        let log = File::options().create(true).append(true).open(self.site.data().join("log")).unwrap();
        base.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config).stderr(log);
        base
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(self.command(self.site.command()))
    }

    /// Delivers a post by one of the members, who gets a copy too.
    pub(crate) fn post(&self, server: &Server, id: &str) {
        let mut peer = server.peer();
        peer.command("LHLO client.example");
        let message = format!(
            "From: m0@example.org\r\nTo: {LIST}\r\nSubject: {id}\r\nMessage-ID: <{id}@example.org>\r\n\r\nHello.\r\n"
        );
        let replies = peer.deliver("m0@example.org", &[LIST], message);
        assert!(replies[0].starts_with("250"), "{replies:?}");
    }

    /// Returns how many posts there are, how many are not finished, and how many recipients may have got one twice.
    pub(crate) fn posts(&self) -> (u64, u64, u64) {
        let sql =
            "SELECT count(*), coalesce(sum(finished_at IS NULL), 0), coalesce(sum(doubted), 0) FROM post";
        open(&self.site).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    }

    /// Waits until so many posts have been distributed.
    pub(crate) fn finished(&self, posts: u64) {
        until("the posts are distributed", || self.are_finished(posts));
    }

    /// Returns whether so many posts have been distributed, and there are no others.
    pub(crate) fn are_finished(&self, posts: u64) -> bool {
        let (all, open, _) = self.posts();
        all == posts && open == 0
    }

    /// Checks that each member got each of so many posts, and that those who got one more often are counted. Returns how
    /// many copies were too many, and how many were in doubt.
    pub(crate) fn check(&self, posts: usize) -> Result<(usize, usize), String> {
        let record = self.mail.record();
        let missed = (0..self.members)
            .filter(|n| record.get(&format!("m{n}@example.org")).is_none_or(|times| *times < posts));
        let missed: Vec<usize> = missed.collect();
        if !missed.is_empty() {
            return Err(format!("{} were missed: {missed:?}", missed.len()));
        }
        if record.len() != self.members {
            return Err("others got it too".to_owned());
        }
        let extra: usize = record.values().map(|times| times - posts).sum();
        let doubted = usize::try_from(self.posts().2).unwrap();
        if extra > doubted {
            return Err(format!("{extra} copies too many, and {doubted} in doubt"));
        }
        Ok((extra, doubted))
    }
}

/// Makes a list with members `m0@example.org` and so on. `listgate` runs Listgate with these arguments.
pub(crate) fn create(site: &Site, members: usize, copies: Copies, mut listgate: impl FnMut(&[&str])) {
    listgate(&["list", "create", LIST, "--owner", "o@example.org"]);
    let file = site.data().join("members");
    let all: String = (0..members).map(|n| format!("m{n}@example.org\n")).collect();
    std::fs::write(&file, all).unwrap();
    listgate(&["member", "import", LIST, file.to_str().unwrap()]);
    let personal = if copies == Copies::Personal { "always" } else { "never" };
    listgate(&["list", "set", LIST, &format!("personal={personal}")]);
}
