//! LMTP (RFC 2033), with the parts of RFC 5321 it builds on, as two state machines: a server's [`Session`]
//! and a [`Client`]. The client speaks SMTP (RFC 5321) as well.
//!
//! ```text
//!                 octets in                                  octets out
//!  from the peer ───────────►┌────────────────────────────┐───────────► to the peer
//!                            │ Session                    │
//!                            │  line → command → Event    │
//!                            │  data → Body, Complete     │
//!                            └────────────────────────────┘
//!                    Event │ ▲                    ▲
//!                          ▼ │ accept, refuse     │ finish, refuse_message
//!                        the caller: decides who is a recipient, and where the message goes
//! ```
//!
//! The caller passes octets to a session as they arrive and gets [`Event`]s back. Some events are questions:
//! whether to accept a sender or a recipient, and what became of a message. The caller answers, and the
//! session writes the reply. Types enforce the rules that matter most: a [`PerRecipient`] has as many
//! outcomes as the message has recipients, a [`Refusal`] cannot be a success, and a 250 after the data needs
//! a proof that only the caller can make.
//!
//! # A server
//!
//! ```
//! use listgate_lmtp::{Event, Refusal, Session, Settings};
//! use std::{sync::Arc, time::Instant};
//!
//! let mut settings = Settings::new("lists.example.com");
//! settings.software = "Listgate".to_owned();
//! let mut session = Session::new(Arc::new(settings));
//! let mut input = b"LHLO mail.example.org\r\nMAIL FROM:<ann@example.org>\r\n\
//!     RCPT TO:<list@example.com>\r\nRCPT TO:<other@example.com>\r\nDATA\r\n\
//!     Subject: hello\r\n\r\nHello.\r\n.\r\nQUIT\r\n".as_slice();
//! let mut message = Vec::new();
//! while let Some(event) = session.next(Instant::now(), &mut input) {
//!     match event {
//!         Event::Mail(_) => session.accept_mail(),
//!         Event::Recipient(path) if path.to_string() == "list@example.com" => {
//!             session.accept(path);
//!         }
//!         Event::Recipient(_) => session.refuse(&Refusal::new(550, 1, 1, "No such list")),
//!         Event::Body(text) => message.extend_from_slice(text),
//!         // Store the message here. The reply shows the proof to the peer.
//!         Event::Complete(recipients) => {
//!             session.finish(&recipients.map(|_| Ok("queued as 3f2a-1")));
//!         }
//!         Event::Unwanted | Event::Abandoned => message.clear(),
//!         // A server writes `session.output()` to the peer here, and empties it.
//!         Event::Flush | Event::Close => {}
//!         // The session has refused something beyond its limits. The event is for a log.
//!         Event::Refused { .. } => {}
//!         // Events added by a later version need no answer.
//!         _ => {}
//!     }
//! }
//! assert_eq!(message, b"Subject: hello\r\n\r\nHello.\r\n");
//! let replies = String::from_utf8_lossy(session.output()).into_owned();
//! assert!(replies.contains("550 5.1.1 No such list\r\n"));
//! assert!(replies.ends_with("250 2.0.0 Ok: queued as 3f2a-1\r\n221 2.0.0 Bye\r\n"));
//! ```
//!
//! # A client
//!
//! ```
//! use listgate_lmtp::{
//!     Client, ClientEvent, Declared, ForwardPath, Phase, Protocol, Recipient, ReversePath,
//!     Transaction,
//! };
//!
//! let list = Recipient::from(ForwardPath::Mailbox("list@example.com".parse()?));
//! let mut client = Client::new(Protocol::Lmtp, "mail.example.org");
//! let mut input = b"220 lists.example.com\r\n\
//!     250-lists.example.com\r\n250 PIPELINING\r\n".as_slice();
//! assert_eq!(client.next(&mut input), Some(ClientEvent::Ready));
//!
//! let recipients = [list];
//! let message = Transaction::new(&ReversePath::Null, &recipients, Declared::default());
//! let transaction = client.send(&message);
//! let commands = "LHLO mail.example.org\r\nMAIL FROM:<>\r\n\
//!     RCPT TO:<list@example.com>\r\nDATA\r\n";
//! assert_eq!(std::mem::take(client.output()), commands.as_bytes());
//!
//! let mut input = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n".as_slice();
//! assert_eq!(client.next(&mut input), Some(ClientEvent::SendBody { transaction }));
//! client.body(b"Subject: hello\r\n\r\n.\r\n");
//! assert_eq!(client.in_doubt(), None);
//! client.end_of_body();
//! assert_eq!(client.output(), b"Subject: hello\r\n\r\n..\r\n.\r\n");
//! // If the connection is lost here, the server may have taken the message.
//! assert_eq!(client.in_doubt(), Some(transaction));
//! // The server pipelines, so the next transaction need not wait for the reply.
//! assert!(client.may_send());
//!
//! let mut input = b"250 2.0.0 Ok: queued as 3f2a-1\r\n".as_slice();
//! match client.next(&mut input) {
//!     Some(ClientEvent::Outcome { recipient: 0, phase: Phase::Message, reply, .. }) => {
//!         assert!(reply.is_positive());
//!     }
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), listgate_lmtp::InvalidAddress>(())
//! ```
//!
//! # What is deliberately left out
//!
//! - I/O, clocks, async and unsafe code: the caller owns the socket and passes in the time.
//! - A server of SMTP.
//! - In the server, delivery status notifications (RFC 3461): a server that announces them must send them. Their
//!   parameters get 555. The client writes the parameters if the server announces DSN.
//! - In the server, AUTH (RFC 4954): not announced; the command gets 502, the parameter 555.
//! - CHUNKING and BINARYMIME (RFC 3030): not announced; their commands get 502, their parameters 555. Postfix and Exim
//!   use DATA if CHUNKING is not announced. The client does not use them.
//! - TLS itself: STARTTLS (RFC 3207) is an event, and the caller does the handshake.
//! - IDNA and Unicode normalization: addresses keep their text. The caller decides which are equal.
//! - Trace fields: the caller knows the peer, and whether the message may be changed.
//!
//! [`rules`] says where each rule of the RFCs is enforced, and which test shows it.
#![forbid(unsafe_code)]

mod client;
mod command;
mod data;
mod foreign;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
mod line;
mod mailbox;
mod per_recipient;
mod reply;
pub mod rules;
mod session;

pub use client::{
    Client, ClientEvent, Closed, Credentials, Declared, Dsn, EnvelopeId, InvalidCredentials,
    InvalidEnvelopeId, NoMechanism, Phase, Protocol, Recipient, Server, Transaction, TransactionId,
};
pub use command::Sender;
pub use data::encode_message;
pub use foreign::ForeignProtocol;
pub use limits::Limits;
pub use mailbox::{
    Domain, ForwardPath, InvalidAddress, LocalPart, Mailbox, ReversePath, is_domain, is_domain_name,
    is_dot_string, needs_no_quotes,
};
pub use per_recipient::PerRecipient;
pub use reply::{Refusal, Reply};
pub use session::{BareNewline, Event, Refused, Session, Settings};
