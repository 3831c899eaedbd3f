//! What the protocol crate promises, one scenario per file. `util` drives a `Session` and a `Client` in
//! memory, without sockets or clocks and with pieces of any size.

mod addresses;
mod client;
mod client_trouble;
mod dialogue;
mod documentation;
mod error_limit;
mod foreign;
mod outcomes;
mod pair;
mod parameters;
mod pipelining;
mod properties;
mod shutdown;
mod sizes;
mod smtputf8;
mod smuggling;
mod starttls;
mod time;
mod util;
