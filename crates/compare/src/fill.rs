//! Fills a queue over LMTP, a thousand entries per message.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use xtask::run::Outcome;

/// Recipients of a message, as many as a gate accepts by default.
const RECIPIENTS: usize = 1_000;

/// Returns the address of one of the lists.
pub(crate) fn list(number: usize) -> String {
    format!("list{number}@example.com")
}

/// Puts `entries` entries into the queue `command`, for each of the lists in turn.
pub(crate) fn fill(to: SocketAddr, lists: usize, entries: usize) -> Outcome {
    let failed = |error| format!("filling a queue: {error}");
    let mut peer = Peer::connect(to).map_err(failed)?;
    for first in (0..entries).step_by(RECIPIENTS) {
        let some = first..(first + RECIPIENTS).min(entries);
        peer.deliver(some, lists).map_err(failed)?;
    }
    Ok(())
}

struct Peer {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Peer {
    fn connect(to: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        let mut peer = Self { replies: BufReader::new(stream.try_clone()?), stream };
        peer.expect("2")?;
        peer.stream.write_all(b"LHLO compare\r\n")?;
        peer.expect("2")?;
        Ok(peer)
    }

    fn deliver(&mut self, entries: std::ops::Range<usize>, lists: usize) -> std::io::Result<()> {
        let mut script = "MAIL FROM:<>\r\n".to_owned();
        for entry in entries.clone() {
            // Each has its own token, so that none is an entry that already exists.
            script.push_str(&format!("RCPT TO:<list{}-confirm+{entry}@example.com>\r\n", entry % lists));
        }
        script.push_str("DATA\r\n");
        self.stream.write_all(script.as_bytes())?;
        (0..=entries.len()).try_for_each(|_| self.expect("2"))?;
        self.expect("3")?;
        self.stream.write_all(b"Subject: confirm\r\n\r\n.\r\n")?;
        entries.into_iter().try_for_each(|_| self.expect("2"))
    }

    /// Reads a reply, which must begin with `class`.
    fn expect(&mut self, class: &str) -> std::io::Result<()> {
        loop {
            let mut line = String::new();
            self.replies.read_line(&mut line)?;
            if !line.starts_with(class) {
                return Err(std::io::Error::other(format!("the gate says {line:?}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}
