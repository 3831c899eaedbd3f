//! The README's first message, run word for word: its commands in their order, and what it shows compared with
//! what is printed here.
//!
//! The gate is started with the program that was built, in place of `cargo run`.

use crate::page::{Step, readme, serve};
use crate::reader::Reader;

#[test]
#[ignore = "needs script"]
fn word_for_word() {
    let mut reader = Reader::new("true");
    reader.follow(&Step::Run { command: serve(), shown: "listening on  127.0.0.1:8024".to_owned() });
    for step in readme() {
        reader.follow(&step);
    }
    reader.leave();
}
