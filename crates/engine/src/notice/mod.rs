//! Writes the mail that a list sends by itself: questions, answers and notices.
//!
//! A [`Template`] says which mail it is, and a [`Text`] what it says: the default one, or a site's own. A [`Notice`] has
//! the values that were known when it was decided, an [`Envelope`] those of the moment when it is sent. The same of all of
//! these give the same octets ([`compose()`]), so a notice that is sent again is the same mail.
//!
//! # Texts
//!
//! The first line of a text is its subject, an empty line follows, and then the body:
//!
//! ```text
//! Subject: Welcome to $list_name
//!
//! You are now on the mailing list $list_name, with the address ${address}.
//! ```
//!
//! `$name` and `${name}` stand for values, and `$$` for a dollar sign. [`Template::values`] lists the names that a template
//! knows; [`Text::parse`] reports others. A paragraph in which a value is empty is left out. The lines of a value are
//! indented as the line on which it stands.

mod compose;
mod date;
mod envelope;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod values;

pub use compose::{compose, subject};
pub use envelope::{Envelope, Notice, Rulings};
pub use template::{Source, Template, Value};
pub use text::{Problem, Text, TextError};
