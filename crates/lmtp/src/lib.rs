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
//!         Event::Recipient(path) if path.to_string() == "list@example.com" => session.accept(path),
//!         Event::Recipient(_) => session.refuse(&Refusal::new(550, 1, 1, "No such list")),
//!         Event::Body(text) => message.extend_from_slice(text),
//!         // Store the message here. The reply shows the proof to the peer.
//!         Event::Complete(recipients) => session.finish(&recipients.map(|_| Ok("queued as 3f2a-1"))),
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
//!     Client, ClientEvent, Declared, ForwardPath, Phase, Protocol, Recipient, ReversePath, Transaction,
//! };
//!
//! let list = Recipient::from(ForwardPath::Mailbox("list@example.com".parse()?));
//! let mut client = Client::new(Protocol::Lmtp, "mail.example.org");
//! let mut input = b"220 lists.example.com\r\n250-lists.example.com\r\n250 PIPELINING\r\n".as_slice();
//! assert_eq!(client.next(&mut input), Some(ClientEvent::Ready));
//!
//! let transaction = client.send(&Transaction::new(&ReversePath::Null, &[list], Declared::default()));
//! let commands = "LHLO mail.example.org\r\nMAIL FROM:<>\r\nRCPT TO:<list@example.com>\r\nDATA\r\n";
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
//! # Where each rule is enforced and tested
//!
//! Tests are named by module and function: in `tests/protocol/`, or in the `tests` module of a source file.
//!
//! | rule | enforced by | tested by |
//! |---|---|---|
//! | RFC 2033 4.1: LHLO is understood, HELO and EHLO are not | `command::parse` | `dialogue::helo_and_ehlo_are_not_understood` |
//! | RFC 2033 4.2: DATA without an accepted recipient gets 503 | `session::begin_data` | `dialogue::data_without_an_accepted_recipient_is_503` |
//! | RFC 2033 4.2: one reply for each accepted recipient, in order | `session::finish`, `session::refuse_message`, [`PerRecipient`] | `outcomes::recipients_have_outcomes_of_their_own`, `properties::each_accepted_recipient_gets_one_reply_and_every_line_is_well_formed` |
//! | … also for a recipient named twice | `session::accept` | `outcomes::a_recipient_named_twice_gets_two_replies` |
//! | … also for a refused message | `session::end_of_data` | `sizes::too_large_is_552_for_each_recipient_and_the_session_continues`, `sizes::a_bare_newline_can_be_refused_for_each_recipient` |
//! | … and a client assigns each reply to its recipient | `client::end_of_body` | `client::replies_after_the_data_may_have_many_lines` |
//! | RFC 2033 4.2: a 250 takes responsibility | `session::finish` requires a proof | `outcomes::outcomes_of_an_earlier_transaction_are_not_accepted` |
//! | RFC 5321 3.2, 4.1.1.1: a client says EHLO, and HELO if it is refused | `client::answered` | `smtp::helo_follows_a_refused_ehlo` |
//! | RFC 5321 3.3: in SMTP, one reply after the data is for all recipients | `client::message_answered` | `smtp::one_reply_after_the_dot_is_for_all_recipients` |
//! | No RFC: a client knows what is in doubt if the connection is lost: a message from its dot to its reply | `client::in_doubt` | `smtp::a_transaction_is_in_doubt_from_the_dot_to_its_reply`, `smtp::in_lmtp_a_transaction_is_in_doubt_until_its_last_reply`, `ahead::only_the_transaction_before_is_in_doubt` |
//! | No RFC: a refusal names its phase, and is an outcome once | `client::decide` | `smtp::a_refused_mail_is_the_outcome_of_every_recipient`, `smtp::a_refused_session_names_its_phase`, `fuzz::tests::a_client_reports_each_outcome_once_however_replies_are_split` |
//! | RFC 5321 2.3.8: only CR LF ends a line | `line::LineReader` | `dialogue::only_cr_lf_ends_a_command` |
//! | RFC 5321 3.8: an unknown command gets 500, and the session continues | `command::parse` | `dialogue::unknown_commands_are_500_and_unimplemented_ones_502` |
//! | RFC 5321 3.8: 421 at shutdown | `session::drain`, `session::stop` | `shutdown::an_open_transaction_is_finished_first`, `shutdown::a_session_in_any_state_can_be_stopped` |
//! | RFC 5321 4.1.1: the syntax of commands | `command::parse` | `dialogue::syntax_errors_are_501`, `parameters::an_unknown_parameter_is_555` |
//! | RFC 5321 4.1.1.3, F.2: source routes are ignored | `mailbox::skip_source_route` | `addresses::source_routes_are_ignored` |
//! | RFC 5321 4.1.1.4: only CR LF `.` CR LF ends the data | `data::DataReader` | `smuggling::no_variant_of_the_final_dot_ends_the_data`, `data::tests::only_crlf_dot_crlf_ends_the_data_however_it_is_split` |
//! | RFC 5321 4.1.1.5: RSET gets 250 | `session::rset` | `dialogue::rset_and_a_second_lhlo_abandon_the_transaction` |
//! | RFC 5321 4.1.2, 4.1.3: the syntax of addresses | `mailbox::take_mailbox` | `addresses::invalid_addresses_are_501`, `properties::a_mailbox_reads_back_as_it_was_written` |
//! | No RFC: another protocol ends the session with one 421, before anything is executed | `foreign::of_line`, `foreign::of_beginning`, `session::refuse_protocol` | `foreign::a_request_of_a_browser_sends_no_mail`, `foreign::a_request_of_curl_sends_no_mail`, `foreign::other_protocols_are_refused_at_their_first_octets`, `foreign::lines_of_lmtp_are_not_taken_for_another_protocol` |
//! | No RFC: a line that ends in a bare LF gets its error after two seconds of silence | `session::input` | `time::a_line_that_ends_in_a_bare_lf_is_answered_after_two_seconds` |
//! | No RFC: dots anywhere in a local part, as people use them | [`needs_no_quotes`] | `addresses::dots_may_be_anywhere`, `properties::a_mailbox_reads_back_as_it_was_written` |
//! | RFC 5321 4.1.4: the order of commands; a second LHLO resets | `session::command` | `dialogue::out_of_order_is_503_and_keeps_the_state` |
//! | RFC 5321 4.1.4: NOOP, HELP, VRFY, RSET need no greeting | `session::command` | `dialogue::some_commands_need_no_greeting` |
//! | RFC 5321 4.2: one well-formed reply to each command | `reply::encode_line`, `reply::ReplyReader` | `dialogue::foreign_text_cannot_break_a_reply`, `properties::a_reply_reads_back_as_it_was_written` |
//! | RFC 5321 4.5.1: `<Postmaster>` | `mailbox::take_forward_path` | `addresses::postmaster_needs_no_domain_and_ignores_case` |
//! | RFC 5321 4.5.2: transparency of dots | `data::DataReader`, `data::DataWriter` | `data::tests::written_data_reads_back`, `properties::a_message_arrives_as_it_was_sent` |
//! | RFC 5321 4.5.3.1.4: long command lines | `line::LineReader`, [`limits`] | `dialogue::an_overlong_line_is_one_error_however_it_arrives` |
//! | RFC 5321 4.5.3.1.10: recipients beyond the limit get 452 | `session::rcpt` | `outcomes::too_many_recipients_are_452_and_the_others_are_served` |
//! | RFC 5321 4.5.3.2: timeouts | `session::end_if_due` | `time::a_command_has_a_timeout`, `time::in_data_each_piece_restarts_the_timeout` |
//! | RFC 1870 3: the syntax of SIZE; stuffed dots are not counted | `command::declared_size`, `session::message::text` | `parameters::size_and_body_are_known`, `sizes::stuffed_dots_are_not_counted` |
//! | RFC 1870 6.1: 552 at MAIL if the declared size is too large | `session::mail` | `sizes::a_declared_size_over_the_limit_is_552_at_mail` |
//! | RFC 1870 6.3: SIZE does not determine where the message ends | `session::message::text` | `sizes::a_wrong_declaration_changes_nothing` |
//! | RFC 2034 4: enhanced codes have the class of the reply code, and are absent from the greeting, the reply to LHLO and 354 | [`Refusal`], `reply::encode_line` | `properties::each_accepted_recipient_gets_one_reply_and_every_line_is_well_formed`, `dialogue::a_message_is_delivered_and_the_session_quits` |
//! | RFC 2920 3.1: a client groups commands only if the server announces PIPELINING | `client::write_planned` | `client::commands_are_grouped_only_if_the_server_offers_pipelining` |
//! | … also a transaction behind the final dot of another | `client::may_send` | `ahead::the_next_transaction_waits_where_it_must`, `ahead::outcomes_arrive_in_order_and_name_their_transaction` |
//! | … and ends data that was accepted for nobody with a single dot | `client::data_answered` | `smtp::data_that_is_accepted_for_nobody_is_ended_with_a_dot` |
//! | RFC 2920 3.1: a MAIL may share a packet with a final dot | `data::DataReader` | `pipelining::a_whole_session_in_one_packet_is_answered_in_order` |
//! | RFC 2920 3.2: replies in order, sent at once where they must not wait | [`Event::Flush`] | `pipelining::replies_that_must_not_wait_are_flushed`, `properties::the_splitting_of_the_input_does_not_matter` |
//! | No RFC: too many errors, or too many commands without a message, end the session | `session::counts` | `error_limit::a_peers_own_mistakes_count`, `error_limit::commands_without_a_message_end_the_session`, `error_limit::idle_commands_end_the_session_earlier`, `error_limit::a_quit_is_answered_however_many_commands_there_were` |
//! | RFC 3207 4: STARTTLS is announced where it is offered, has no parameter, and MAIL may require it (with 451, not 530, so that mail waits) | `session::tls` | `starttls::it_is_announced_and_accepted_where_it_is_offered`, `starttls::mail_may_require_it` |
//! | RFC 3207 4.2: nothing from before the handshake is kept, and plaintext behind STARTTLS has no effect | `session::encrypted`, `session::next_command` | `starttls::what_was_said_before_is_forgotten`, `properties::nothing_pipelined_behind_starttls_has_an_effect` |
//! | RFC 3207 4.2, 6: a client forgets what it learned before the handshake, and plaintext before it ends the session | `client::tls_started`, `client::next` | `client_tls::what_was_announced_before_the_handshake_is_forgotten`, `client_tls::plaintext_before_the_handshake_ends_the_session` |
//! | RFC 3461 4: a client writes DSN parameters only if the server announces DSN, as xtext | `client::transaction` | `parameters_sent::parameters_are_sent_to_servers_that_announce_them`, `parameters_sent::an_original_recipient_is_encoded` |
//! | RFC 4954 4: a client logs in with PLAIN or LOGIN | `client::login` | `client_tls::a_client_logs_in_with_plain`, `client_tls::a_client_logs_in_with_login` |
//! | … and does not show the password | [`Credentials`], `client::fmt` | `client_tls::a_password_is_not_shown` |
//! | RFC 6533 3: ORCPT with UTF-8 | `client::transaction` | `parameters_sent::an_original_recipient_is_in_utf8_only_with_smtputf8` |
//! | RFC 9422: a client reads the limits of a server | [`Server`] | `smtp::what_a_server_announces_is_known` |
//! | RFC 6531 3.2: SMTPUTF8 is announced, and a client sends UTF-8 in addresses only to servers that announce it | `session::replies`, `client::send` | `smtputf8::it_is_announced`, `smtputf8::a_client_says_it_where_it_is_needed_and_offered`, `smtputf8::a_client_does_not_send_what_the_server_does_not_take` |
//! | RFC 6531 3.3: UTF-8 in addresses, in source routes, and as the argument of LHLO and VRFY | `mailbox::checked_text`, `command::parse` | `addresses::addresses_are_kept_as_written`, `smtputf8::utf8_is_accepted_in_every_place`, `addresses::invalid_utf8_is_refused_with_the_reason` |
//! | RFC 6531 3.4: the syntax of SMTPUTF8 | `command::mail` | `smtputf8::the_parameter_has_no_value_and_is_passed_on` |
//! | RFC 6152 2, 3: BODY is understood, and 8-bit data is kept unchanged | `command::check_body`, `data::DataReader` | `parameters::size_and_body_are_known`, `properties::a_message_arrives_as_it_was_sent` |
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
