//! A client like Postfix that sends socketmap requests (socketmap_table(5)), octet by octet.

use crate::patience::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A connection to a socketmap server.
pub struct Socketmap(pub TcpStream);

impl Socketmap {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.0.write_all(octets.as_ref()).unwrap();
    }

    /// Returns the next answer without its frame; `None` at the end of the connection.
    pub fn answer(&mut self) -> Option<String> {
        let mut length = 0;
        loop {
            match self.octet()? {
                b':' => break,
                digit => length = length * 10 + usize::from(digit - b'0'),
            }
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).unwrap();
        assert_eq!(self.octet(), Some(b','));
        Some(String::from_utf8(text).unwrap())
    }

    fn octet(&mut self) -> Option<u8> {
        let mut octet = [0];
        match self.0.read(&mut octet) {
            Ok(0) => None,
            Ok(_) => Some(octet[0]),
            // The server closed the connection before it had read everything.
            Err(why) if why.kind() == ErrorKind::ConnectionReset => None,
            Err(why) => panic!("{why}"),
        }
    }

    /// Looks up a key in a map and returns the answer without its frame, such as `NOTFOUND `.
    pub fn query(&mut self, map: &str, key: &str) -> String {
        self.send(netstring(&format!("{map} {key}")));
        self.answer().expect("an answer")
    }
}

/// Returns a text in the frame that socketmap puts around requests and answers.
pub fn netstring(text: &str) -> String {
    format!("{}:{text},", text.len())
}
