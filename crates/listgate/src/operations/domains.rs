//! The domains of a site.

use super::error::OperationError;
use crate::backends::Console;
use crate::model::{comparable_domain, unicode_domain};

/// Returns the domains whose mail belongs to the site, including alias domains, in lower case and sorted: for the
/// configuration of a mail server. A domain in another script is there twice, with A-labels and with U-labels,
/// because mail servers look up the form that the sender used.
///
/// # Errors
/// The site has no domains, or the backend does not answer.
pub(crate) async fn mail_domains(console: &dyn Console) -> Result<Vec<String>, OperationError> {
    let mut domains = console.domains().await?;
    // Leave out whatever a mail server could read in its configuration as something else.
    domains.retain(|domain| listgate_lmtp::is_domain_name(domain));
    let mut domains: Vec<String> = domains.iter().map(|domain| comparable_domain(domain)).collect();
    let unicode: Vec<String> = domains.iter().filter_map(|domain| unicode_domain(domain)).collect();
    domains.extend(unicode);
    domains.sort();
    domains.dedup();
    if domains.is_empty() { Err(OperationError::NoDomain) } else { Ok(domains) }
}
