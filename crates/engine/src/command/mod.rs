//! Commands by mail: what a person asks of a list with a mail to `-request`, `-join`, `-leave` or `-confirm`.

#[cfg(test)]
pub(crate) mod samples;
pub mod words;
