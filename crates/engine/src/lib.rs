//! The decisions of a mailing-list engine, without I/O: data in, data out.
//!
//! The caller reads messages and stores what was decided. It passes in everything that a decision depends on, the
//! time and the keys included, so that each decision can be tested as a table, repeated, and explained later.
//!
//! | module | what |
//! |---|---|
//! | [`token`] | signs and checks what stands behind the `+` of `mylist-confirm+TOKEN@example.com` |
//!
//! # What is deliberately left out
//!
//! - I/O, clocks, random numbers, async and unsafe code: the caller passes in octets, times and keys.
//!
//! # Where each rule is enforced and tested
//!
//! Tests are named by module and function, in the `tests` module of a source file.
//!
//! | rule | enforced by | tested by |
//! |---|---|---|
//! | A token has 26 characters, 130 bits, and each part its place | [`token::Token`] | `token::tests::each_part_has_its_place`, `token::tests::tokens_in_circulation_stay_valid` |
//! | The case of a token, and of a list_id, does not matter | [`token::KeyRing::check`] | `token::tests::a_token_reads_back_in_any_case` |
//! | A token that was changed in any bit is not valid | [`token::KeyRing::check`] | `token::tests::a_change_of_any_bit_is_noticed` |
//! | A token is valid for one list, purpose, subject and day | [`token::KeyRing::check`] | `token::tests::no_other_purpose_list_subject_day_or_key_is_signed` |
//! | A token is valid up to the end of its last day | [`token::Claim::new`], [`token::KeyRing::check`] | `token::tests::it_expires_after_its_last_day` |
//! | A token is valid until its key is the fifth newest | [`token::KeyRing::rotate`] | `token::tests::a_key_verifies_until_the_fourth_rotation` |
#![forbid(unsafe_code)]

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod token;
