//! The envelope sender as GNU Mailman has it.

use listgate_lmtp::ReversePath;

/// The envelope sender as Mailman's runner has it, which knows members by it: aiosmtpd takes off quotes
/// that are not needed. That it decodes encoded words within an address is left out.
pub(crate) fn mail_from(sender: &ReversePath) -> String {
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
