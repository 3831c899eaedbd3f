//! The domains of a site.

use super::error::OperationError;
use crate::backends::Console;

/// Returns the domains whose mail belongs to the site, including alias domains, in lower case and sorted: for the
/// configuration of a mail server.
///
/// # Errors
/// The site has no domains, or the backend does not answer.
pub(crate) async fn mail_domains(console: &dyn Console) -> Result<Vec<String>, OperationError> {
    let mut domains = console.domains().await?;
    // Leave out whatever a mail server could read in its configuration as something else.
    domains.retain(|domain| listgate_lmtp::is_domain_name(domain));
    domains.iter_mut().for_each(|domain| domain.make_ascii_lowercase());
    domains.sort();
    domains.dedup();
    if domains.is_empty() { Err(OperationError::NoDomain) } else { Ok(domains) }
}
