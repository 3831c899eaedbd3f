//! The domains of a site.

use super::error::OperationError;
use crate::backends::Console;

/// The domains whose mail belongs to the site, alias domains included, in lower case and in order: for the
/// configuration of a mail server.
///
/// # Errors
/// There is none, or the backend could not be asked.
pub(crate) async fn mail_domains(console: &dyn Console) -> Result<Vec<String>, OperationError> {
    let mut domains = console.domains().await?;
    // What a mail server could read as anything else never comes to its configuration.
    domains.retain(|domain| listgate_lmtp::is_domain_name(domain));
    domains.iter_mut().for_each(|domain| domain.make_ascii_lowercase());
    domains.sort();
    domains.dedup();
    if domains.is_empty() { Err(OperationError::NoDomain) } else { Ok(domains) }
}
