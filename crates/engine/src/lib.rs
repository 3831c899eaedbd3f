//! The decisions of a mailing-list engine, without I/O: data in, data out.
//!
//! The caller reads messages and stores what was decided. It passes in everything that a decision depends on, the
//! time and the keys included, so that each decision can be tested as a table, repeated, and explained later.
//!
//! A decision asks for what it must know. The caller answers, and calls again:
//!
//! ```
//! use listgate_engine::posting::{Answer, Facts, Outcome, Question, Settings, Standing, decide};
//! use listgate_engine::view::View;
//!
//! let settings = Settings::new("mylist.example.com", "mylist@example.com".parse()?);
//! let message = b"From: Anne <anne@example.org>\r\nTo: mylist@example.com\r\n\
//!     Message-ID: <1@example.org>\r\n\r\nHello, list!\r\n";
//! let post = View::whole(message);
//!
//! let mut facts = Facts::new("anne@example.org".parse().map(ReversePath::Mailbox)?);
//! let Answer::Needs(questions) = decide(&settings, &facts, &post) else { unreachable!() };
//! for question in questions {
//!     match question {
//!         Question::Duplicate(_message_id) => facts.is_duplicate = Some(false),
//!         Question::Standing(address) => {
//!             facts.standings.insert(address, Standing::Unknown);
//!         }
//!     }
//! }
//! let Answer::Decided(decided) = decide(&settings, &facts, &post) else { unreachable!() };
//! assert_eq!(decided.outcome, Outcome::Hold);
//! println!("a moderator decides, because of {:?}", decided.reasons);
//! # use listgate_lmtp::ReversePath;
//! # Ok::<(), listgate_lmtp::InvalidAddress>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`author`] | whether the author of a post is notified that it is held or rejected |
//! | [`automatic`] | recognizes bounces, vacation replies and other mail of programs |
//! | [`ban`] | addresses whose mail a list refuses |
//! | [`bounce`] | recognizes what a bounce says, and whom it names |
//! | [`command`] | what a person asks for by mail, and what becomes of it |
//! | [`distribution`] | the changes of a post for the members, and of mail to `-owner` |
//! | [`comparable`] | the forms in which addresses and domains are compared |
//! | [`notice`] | writes the mail that a list sends by itself |
//! | [`posting`] | decides what becomes of a post |
//! | [`splice`] | changes a message: octets to remove and to insert |
//! | [`token`] | signs and checks what stands behind the `+` of `mylist-confirm+TOKEN@example.com` |
//! | [`view`] | what a decision sees of a message: its fields, their places, texts and addresses |
//!
//! # What is deliberately left out
//!
//! - I/O, clocks, random numbers, async and unsafe code: the caller passes in octets, times and keys.
//!
//! [`rules`] says where each rule is enforced, and which test shows it.
#![forbid(unsafe_code)]

mod address;
pub mod author;
pub mod automatic;
pub mod ban;
pub mod bounce;
pub mod command;
pub mod comparable;
pub mod distribution;
mod encode;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
pub mod notice;
mod placeholders;
pub mod posting;
pub mod rules;
pub mod splice;
mod text;
pub mod token;
pub mod view;
mod write;

pub use address::Address;
