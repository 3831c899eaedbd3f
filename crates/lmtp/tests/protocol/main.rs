//! What the protocol crate promises, one scenario per file. `util` drives a `Session` and a `Client` in
//! memory, without sockets or clocks and with pieces of any size.

mod addresses;
mod ahead;
mod client;
mod client_tls;
mod client_trouble;
mod dialogue;
mod error_limit;
mod foreign;
mod outcomes;
mod pair;
mod parameters;
mod parameters_sent;
mod pipelining;
mod properties;
mod shutdown;
mod sizes;
mod smtp;
mod smtputf8;
mod smuggling;
mod starttls;
mod talk;
mod time;
mod util;
