//! Recognizes peers that speak another protocol, by their first line or their first octets.

use std::fmt;

/// A protocol other than LMTP that a peer speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ForeignProtocol {
    /// A request of HTTP/1 (RFC 9112) or the preface of HTTP/2 (RFC 9113 section 3.4).
    Http,
    /// A TLS hello without STARTTLS.
    Tls,
    /// A header of the PROXY protocol, version 1 or 2.
    Proxy,
    /// The banner of SSH (RFC 4253 section 4.2).
    Ssh,
    /// Octets that begin no command of a text protocol.
    Binary,
}

impl fmt::Display for ForeignProtocol {
    /// Writes what was heard, as in "This is LMTP, not HTTP".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Tls => "TLS",
            Self::Proxy => "the PROXY protocol",
            Self::Ssh => "SSH",
            Self::Binary => "a binary protocol",
        })
    }
}

/// The first octets of a connection with a header of the PROXY protocol, version 2.
pub(crate) const PROXY_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The methods of HTTP (RFC 9110 section 9, RFC 5789), and the first word of HTTP/2. None is a command of LMTP.
const METHODS: [&[u8]; 10] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI"];

impl ForeignProtocol {
    /// Recognizes a line without its line end. The middle of a long line may be missing: its first and its last 16
    /// octets are enough.
    pub(crate) fn of_line(line: &[u8]) -> Option<Self> {
        let verb =
            line.split(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n')).next().unwrap_or_default();
        if METHODS.iter().any(|method| verb.eq_ignore_ascii_case(method)) || ends_as_a_request(line) {
            return Some(Self::Http);
        }
        if verb == b"PROXY" {
            return Some(Self::Proxy);
        }
        line.starts_with(b"SSH-").then_some(Self::Ssh)
    }

    /// Recognizes a line by its first octets, of which there is at least one; its end need not have arrived.
    /// `greeted` is whether the peer has said LHLO: it speaks LMTP, and any other octet is a mistake of its own.
    pub(crate) fn of_beginning(octets: [Option<u8>; 2], greeted: bool) -> Option<Self> {
        match octets {
            [Some(0x16), Some(0x03)] => Some(Self::Tls),
            // The next octet decides.
            [Some(0x16), None] => None,
            [Some(b'\t' | b'\r' | b'\n'), _] => None,
            [Some(first), _] if first.is_ascii_control() && !greeted => Some(Self::Binary),
            _ => None,
        }
    }
}

/// Returns whether a line ends in ` HTTP/` and a version, as a request with any method does (RFC 9112 section 3).
fn ends_as_a_request(line: &[u8]) -> bool {
    let version = line.trim_ascii_end().rsplit(|&octet| octet == b' ').next().unwrap_or_default();
    version.len() < line.trim_ascii_end().len()
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use super::ForeignProtocol::{self, Binary, Http, Proxy, Ssh, Tls};

    #[test]
    fn lines_of_other_protocols_are_recognized() {
        for (line, expected) in [
            ("GET / HTTP/1.1", Http),
            ("GET /", Http),
            ("get / http/1.1", Http),
            ("GET", Http),
            ("HEAD / HTTP/1.0", Http),
            ("POST /a?b=c HTTP/1.1", Http),
            ("PUT /\nHost: x", Http),
            ("DELETE * HTTP/1.1", Http),
            ("CONNECT example.com:25 HTTP/1.1", Http),
            ("OPTIONS * HTTP/1.1", Http),
            ("TRACE / HTTP/1.1", Http),
            ("patch /\tx", Http),
            ("PRI * HTTP/2.0", Http),
            ("PROPFIND / HTTP/1.1", Http),
            ("NOOP / HTTP/1.1 ", Http),
            ("LHLO / HTTP/9x", Http),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2", Proxy),
            ("PROXY UNKNOWN", Proxy),
            ("SSH-2.0-OpenSSH_9.6", Ssh),
        ] {
            assert_eq!(ForeignProtocol::of_line(line.as_bytes()), Some(expected), "{line:?}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            " ",
            "NOOP",
            "HELP",
            "VRFY GET",
            "VRFY get@example.com",
            "GETX",
            "GETX /",
            "XGET /",
            "POSTMASTER",
            "PUTS",
            "HEADER: x",
            "PRIVATE",
            "OPTION",
            "HTTP/1.1",
            "NOOP HTTP/",
            "NOOP HTTP/x",
            "NOOP HTTP/1.1 200",
            "NOOP xHTTP/1.1",
            "NOOP http/1.1",
            "PROXYTCP4",
            "proxy x",
            "SSH",
            "ssh-2.0",
            "LHLO ssh-2.0",
            "Host: example.com",
            "HELO mail.example.org",
            "EHLO mail.example.org",
            "MAIL FROM:<get@example.com>",
        ] {
            assert_eq!(ForeignProtocol::of_line(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn first_octets_of_other_protocols_are_recognized() {
        for (first, second, before, after) in [
            (0x16, Some(0x03), Some(Tls), Some(Tls)),
            (0x16, None, None, None),
            (0x16, Some(0x04), Some(Binary), None),
            (0, None, Some(Binary), None),
            (0x03, Some(0), Some(Binary), None),
            (0x7f, None, Some(Binary), None),
            (b'\r', Some(b'\n'), None, None),
            (b'\n', None, None, None),
            (b'\t', None, None, None),
            (b' ', None, None, None),
            (b'G', Some(b'E'), None, None),
            (0x80, Some(0x2e), None, None),
            (0xc3, Some(0xbc), None, None),
        ] {
            let octets = [Some(first), second];
            assert_eq!(ForeignProtocol::of_beginning(octets, false), before, "{octets:?}");
            assert_eq!(ForeignProtocol::of_beginning(octets, true), after, "{octets:?}");
        }
    }
}
