//! Peers that speak another protocol: what an operator can do about it.

use listgate_lmtp::ForeignProtocol;

/// Returns what to do about a peer that speaks this protocol, as one or two sentences for the log.
pub(super) fn advice(protocol: ForeignProtocol) -> &'static str {
    match protocol {
        ForeignProtocol::Http => {
            "Metrics and health are at admin.listen. If a browser sent this, a web page tried to send mail: \
             server.allow limits who may connect"
        }
        ForeignProtocol::Tls => {
            "Use STARTTLS, which needs tls.certificate, and turn off TLS from the first octet (Postfix: \
             lmtp_tls_wrappermode = no)"
        }
        ForeignProtocol::Proxy => {
            "Turn off the PROXY protocol for this port (HAProxy: send-proxy; nginx: \
             proxy_protocol)"
        }
        _ => "A client uses the wrong port, or scans it: server.allow limits who may connect",
    }
}
