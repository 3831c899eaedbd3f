//! The signs of automatic mail, for people.

use listgate_engine::automatic::Sign;

/// Returns a sign as a sentence.
pub(super) fn text(sign: Sign) -> &'static str {
    match sign {
        Sign::NullSender => "it is automatic: its envelope sender is <>, as in bounces",
        Sign::AutoReplied => "it is automatic: a program's reply (Auto-Submitted)",
        Sign::AutoSubmitted => "it is automatic (Auto-Submitted)",
        Sign::Report => "it is automatic: a report about other mail (multipart/report)",
        Sign::ListField => "it is automatic: mail of a list (List-*)",
        Sign::Precedence => "it is automatic (Precedence)",
        Sign::Field => "it is automatic: it has a field that only programs write",
        Sign::NoAuthor => "it is automatic: From has no address",
        Sign::Robot => "it is automatic: no person has the address in From",
        Sign::Subject => "it is automatic: its subject is that of a vacation reply or a bounce",
        _ => "it is automatic",
    }
}
