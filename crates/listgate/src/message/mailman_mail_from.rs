//! The envelope sender in GNU Mailman's form.

use super::mailman_ascii::ascii_address;
use listgate_lmtp::ReversePath;

/// Returns the envelope sender in the form that Mailman's runner gets it, by which it recognizes members:
/// aiosmtpd removes quotes that are not needed. It also decodes encoded words within an address, which this
/// function does not do. One that is not ASCII is written in ASCII.
pub(crate) fn mail_from(sender: &ReversePath) -> String {
    let address = unquoted(sender);
    if address.is_ascii() { address } else { ascii_address(address.as_bytes()) }
}

fn unquoted(sender: &ReversePath) -> String {
    const NEED_QUOTES: &[char] = &['(', ')', '<', '>', '@', ',', ':', ';', '\\', '"', '[', ']', ' '];
    let ReversePath::Mailbox(mailbox) = sender else { return sender.to_string() };
    if !mailbox.local().is_quoted() {
        return sender.to_string();
    }
    let (local, domain) = (mailbox.local().unquoted(), mailbox.domain().as_str());
    if local.is_empty() || local.contains(NEED_QUOTES) {
        let escaped = local.replace('\\', r"\\").replace('"', r#"\""#);
        return format!("\"{escaped}\"@{domain}");
    }
    format!("{local}@{domain}")
}
