//! The greeting of a server, which shows what listens on an address.

use super::address::ListenAddress;
use super::connect::connect;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

/// How long to wait for a greeting: far longer than any gate takes that has a free connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// The maximum octets of a reply line (RFC 5321 section 4.5.3.1.5).
const GREETING: u64 = 512;

/// Returns the first line that the server at `address` sends, without its line end.
///
/// # Errors
/// Nothing listens there, or nothing is sent within three seconds.
pub(crate) fn greeting(address: &ListenAddress) -> io::Result<String> {
    let mut stream = connect(address, PATIENCE)?;
    let mut line = Vec::new();
    let read = BufReader::new((&mut stream).take(GREETING)).read_until(b'\n', &mut line);
    match read {
        Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
            let why =
                "the connection is accepted, but nothing is answered; are all server.max_connections taken?";
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        other => other?,
    };
    // QUIT saves the server from waiting for a timeout. Whether it arrives does not matter.
    let _ = stream.write_all(b"QUIT\r\n");
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
