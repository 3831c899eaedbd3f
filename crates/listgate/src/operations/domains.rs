//! The domains of a site.

use super::error::OperationError;
use crate::backends::Console;
use crate::model::{Names, comparable_domain, unicode_domain};
use std::time::Instant;

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

/// Returns `LOCAL@DOMAIN` for each of the local parts and domains, except for addresses of lists.
///
/// # Errors
/// The backend does not answer.
pub(crate) async fn without_list(
    console: &dyn Console,
    locals: &[&str],
    domains: &[String],
) -> Result<Vec<String>, OperationError> {
    let mut addresses = Vec::new();
    for domain in domains {
        for local in locals {
            let names = Names { whole: (*local).to_owned(), base: None, domain: comparable_domain(domain) };
            if console.find(&names, Instant::now()).await?.is_none() {
                addresses.push(format!("{local}@{domain}"));
            }
        }
    }
    Ok(addresses)
}
