//! A peer that speaks LMTP line by line.

use crate::patience::PATIENCE;
use crate::tls::{Authority, Issued};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// A client that sends what a test tells it to.
pub struct Peer {
    /// The connection, for whatever the methods do not cover. Only [`Peer::reply`] reads from it.
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
    tls: Option<StreamOwned<ClientConnection, TcpStream>>,
}

impl Peer {
    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Self { reader: BufReader::new(stream.try_clone().unwrap()), stream, tls: None };
        assert_eq!(&peer.reply()[..4], "220 ");
        peer
    }

    /// Returns the reply to RCPT for one address, in a transaction of its own.
    pub fn rcpt(&mut self, address: &str) -> String {
        self.command("MAIL FROM:<>");
        let reply = self.command(&format!("RCPT TO:<{address}>"));
        self.command("RSET");
        reply
    }

    /// Connects and sends LHLO.
    pub fn greeted(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        assert_eq!(&peer.command("LHLO client.example")[..3], "250");
        peer
    }

    /// Starts TLS, with a certificate of its own if `own` is given. Fails if the handshake does; the server's
    /// certificate must be signed by `authority`, for `lists.example.com`.
    pub fn start_tls(&mut self, authority: &Authority, own: Option<&Issued>) -> io::Result<()> {
        assert_eq!(self.command("STARTTLS"), "220 2.0.0 Ready to start TLS");
        self.handshake(authority, own)
    }

    /// Does the handshake after STARTTLS, as [`start_tls`](Self::start_tls) does.
    pub fn handshake(&mut self, authority: &Authority, own: Option<&Issued>) -> io::Result<()> {
        let mut stream = self.stream.try_clone().unwrap();
        let mut tls = authority.client(own);
        // With TLS 1.3, a server refuses a certificate after the client has ended its handshake.
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut stream)?;
        }
        self.tls = Some(StreamOwned::new(tls, stream));
        Ok(())
    }

    /// Returns the server's certificate, in DER.
    pub fn certificate(&self) -> Vec<u8> {
        let tls = &self.tls.as_ref().expect("TLS has started").conn;
        tls.peer_certificates().expect("a server has a certificate")[0].to_vec()
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        match &mut self.tls {
            Some(tls) => tls.write_all(octets.as_ref()).unwrap(),
            None => self.stream.write_all(octets.as_ref()).unwrap(),
        }
    }

    /// Returns the next whole reply: its lines joined by LF, without the last line end. Empty at the end of
    /// the connection.
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            let reader: &mut dyn BufRead = match &mut self.tls {
                Some(tls) => tls,
                None => &mut self.reader,
            };
            if reader.read_line(&mut line).unwrap() == 0 {
                return reply;
            }
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(line.strip_suffix("\r\n").expect("a reply line ends with CR LF"));
            if last {
                return reply;
            }
            reply.push('\n');
        }
    }

    /// Sends one command line and reads its reply.
    pub fn command(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Sends MAIL, RCPT for each recipient, and DATA; all must be accepted.
    pub fn begin(&mut self, from: &str, to: &[&str]) {
        let reply = self.command(&format!("MAIL FROM:<{from}>"));
        assert_eq!(&reply[..3], "250", "{reply}");
        for recipient in to {
            let reply = self.command(&format!("RCPT TO:<{recipient}>"));
            assert_eq!(&reply[..3], "250", "{recipient}: {reply}");
        }
        assert_eq!(&self.command("DATA")[..3], "354");
    }

    /// Sends a message (lines end with CR LF and none begins with a dot) and returns a reply for each recipient.
    pub fn deliver(&mut self, from: &str, to: &[&str], message: impl AsRef<[u8]>) -> Vec<String> {
        self.begin(from, to);
        self.send(message);
        self.send(".\r\n");
        to.iter().map(|_| self.reply()).collect()
    }

    /// Asserts that the session accepts another transaction as if nothing had happened.
    pub fn assert_usable(&mut self) {
        let replies = self.deliver("after@example.org", &["mylist@example.com"], "Subject: after\r\n\r\n");
        assert_eq!(&replies[0][..3], "250", "{}", replies[0]);
        assert_eq!(&self.command("NOOP")[..3], "250", "no reply is left over");
    }
}

/// Returns what a client sends of a message before the final dot: a line that begins with a dot has another before it. The
/// message ends with CR LF.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") && (sent.is_empty() || sent.ends_with(b"\r\n")) {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    sent
}

/// Returns the id in `250 2.0.0 Ok: queued as ID`.
pub fn queued_as(reply: &str) -> &str {
    reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}"))
}
