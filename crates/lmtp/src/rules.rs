//! Where each rule is enforced and tested.
//!
//! Tests are named by module and function: in `tests/protocol/`, or in the `tests` module of a source file.
//!
//! - RFC 2033 4.1: LHLO is understood, HELO and EHLO are not. Enforced by `command::parse`; tested by
//!   `dialogue::helo_and_ehlo_are_not_understood`.
//! - RFC 2033 4.2: DATA without an accepted recipient gets 503. Enforced by `session::begin_data`; tested by
//!   `dialogue::data_without_an_accepted_recipient_is_503`.
//! - RFC 2033 4.2: one reply for each accepted recipient, in order. Enforced by `session::finish`,
//!   `session::refuse_message`, [`PerRecipient`](crate::PerRecipient); tested by
//!   `outcomes::recipients_have_outcomes_of_their_own`,
//!   `properties::each_accepted_recipient_gets_one_reply_and_every_line_is_well_formed`.
//!   - Also for a recipient named twice. Enforced by `session::accept`; tested by
//!     `outcomes::a_recipient_named_twice_gets_two_replies`.
//!   - Also for a refused message. Enforced by `session::end_of_data`; tested by
//!     `sizes::too_large_is_552_for_each_recipient_and_the_session_continues`,
//!     `sizes::a_bare_newline_can_be_refused_for_each_recipient`.
//!   - And a client assigns each reply to its recipient. Enforced by `client::end_of_body`; tested by
//!     `client::replies_after_the_data_may_have_many_lines`.
//! - RFC 2033 4.2: a 250 takes responsibility. Enforced by `session::finish`, which requires a proof; tested by
//!   `outcomes::outcomes_of_an_earlier_transaction_are_not_accepted`.
//! - RFC 5321 3.2, 4.1.1.1: a client says EHLO, and HELO if it is refused. Enforced by `client::answered`; tested by
//!   `smtp::helo_follows_a_refused_ehlo`.
//! - RFC 5321 3.3: in SMTP, one reply after the data is for all recipients. Enforced by `client::message_answered`;
//!   tested by `smtp::one_reply_after_the_dot_is_for_all_recipients`.
//! - A client knows what is in doubt if the connection is lost: a message from its dot to its reply. Enforced by
//!   `client::in_doubt`; tested by `smtp::a_transaction_is_in_doubt_from_the_dot_to_its_reply`,
//!   `smtp::in_lmtp_a_transaction_is_in_doubt_until_its_last_reply`, `ahead::only_the_transaction_before_is_in_doubt`.
//! - A refusal names its phase, and is an outcome once. Enforced by `client::decide`; tested by
//!   `smtp::a_refused_mail_is_the_outcome_of_every_recipient`, `smtp::a_refused_session_names_its_phase`,
//!   `fuzz::tests::a_client_reports_each_outcome_once_however_replies_are_split`.
//! - RFC 5321 2.3.8: only CR LF ends a line. Enforced by `line::LineReader`; tested by
//!   `dialogue::only_cr_lf_ends_a_command`.
//! - RFC 5321 3.8: an unknown command gets 500, and the session continues. Enforced by `command::parse`; tested by
//!   `dialogue::unknown_commands_are_500_and_unimplemented_ones_502`.
//! - RFC 5321 3.8: 421 at shutdown. Enforced by `session::drain`, `session::stop`; tested by
//!   `shutdown::an_open_transaction_is_finished_first`, `shutdown::a_session_in_any_state_can_be_stopped`.
//! - RFC 5321 4.1.1: the syntax of commands. Enforced by `command::parse`; tested by `dialogue::syntax_errors_are_501`,
//!   `parameters::an_unknown_parameter_is_555`.
//! - RFC 5321 4.1.1.3, F.2: source routes are ignored. Enforced by `mailbox::skip_source_route`; tested by
//!   `addresses::source_routes_are_ignored`.
//! - RFC 5321 4.1.1.4: only CR LF `.` CR LF ends the data. Enforced by `data::DataReader`; tested by
//!   `smuggling::no_variant_of_the_final_dot_ends_the_data`,
//!   `data::tests::only_crlf_dot_crlf_ends_the_data_however_it_is_split`.
//! - RFC 5321 4.1.1.5: RSET gets 250. Enforced by `session::rset`; tested by
//!   `dialogue::rset_and_a_second_lhlo_abandon_the_transaction`.
//! - RFC 5321 4.1.2, 4.1.3: the syntax of addresses. Enforced by `mailbox::take_mailbox`; tested by
//!   `addresses::invalid_addresses_are_501`, `properties::a_mailbox_reads_back_as_it_was_written`.
//! - Another protocol ends the session with one 421, before anything is executed. Enforced by `foreign::of_line`,
//!   `foreign::of_beginning`, `session::refuse_protocol`; tested by `foreign::a_request_of_a_browser_sends_no_mail`,
//!   `foreign::a_request_of_curl_sends_no_mail`, `foreign::other_protocols_are_refused_at_their_first_octets`,
//!   `foreign::lines_of_lmtp_are_not_taken_for_another_protocol`.
//! - A line that ends in a bare LF gets its error after two seconds of silence. Enforced by `session::input`; tested by
//!   `time::a_line_that_ends_in_a_bare_lf_is_answered_after_two_seconds`.
//! - Dots may be anywhere in a local part, as people use them. Enforced by [`needs_no_quotes`](crate::needs_no_quotes); tested
//!   by `addresses::dots_may_be_anywhere`, `properties::a_mailbox_reads_back_as_it_was_written`.
//! - RFC 5321 4.1.4: the order of commands; a second LHLO resets. Enforced by `session::command`; tested by
//!   `dialogue::out_of_order_is_503_and_keeps_the_state`.
//! - RFC 5321 4.1.4: NOOP, HELP, VRFY, RSET need no greeting. Enforced by `session::command`; tested by
//!   `dialogue::some_commands_need_no_greeting`.
//! - RFC 5321 4.2: one well-formed reply to each command. Enforced by `reply::encode_line`, `reply::ReplyReader`;
//!   tested by `dialogue::foreign_text_cannot_break_a_reply`, `properties::a_reply_reads_back_as_it_was_written`.
//! - RFC 5321 4.5.1: `<Postmaster>`. Enforced by `mailbox::take_forward_path`; tested by
//!   `addresses::postmaster_needs_no_domain_and_ignores_case`.
//! - RFC 5321 4.5.2: transparency of dots. Enforced by `data::DataReader`, `data::DataWriter`; tested by
//!   `data::tests::written_data_reads_back`, `properties::a_message_arrives_as_it_was_sent`.
//! - RFC 5321 4.5.3.1.4: long command lines. Enforced by `line::LineReader`, [`limits`](crate::limits); tested by
//!   `dialogue::an_overlong_line_is_one_error_however_it_arrives`.
//! - RFC 5321 4.5.3.1.10: recipients beyond the limit get 452. Enforced by `session::rcpt`; tested by
//!   `outcomes::too_many_recipients_are_452_and_the_others_are_served`.
//! - RFC 5321 4.5.3.2: timeouts. Enforced by `session::end_if_due`; tested by `time::a_command_has_a_timeout`,
//!   `time::in_data_each_piece_restarts_the_timeout`.
//! - RFC 1870 3: the syntax of SIZE; stuffed dots are not counted. Enforced by `command::declared_size`,
//!   `session::message::text`; tested by `parameters::size_and_body_are_known`, `sizes::stuffed_dots_are_not_counted`.
//! - RFC 1870 6.1: 552 at MAIL if the declared size is too large. Enforced by `session::mail`; tested by
//!   `sizes::a_declared_size_over_the_limit_is_552_at_mail`.
//! - RFC 1870 6.3: SIZE does not determine where the message ends. Enforced by `session::message::text`; tested by
//!   `sizes::a_wrong_declaration_changes_nothing`.
//! - RFC 2034 4: enhanced codes have the class of the reply code, and are absent from the greeting, the reply to LHLO
//!   and 354. Enforced by [`Refusal`](crate::Refusal), `reply::encode_line`; tested by
//!   `properties::each_accepted_recipient_gets_one_reply_and_every_line_is_well_formed`,
//!   `dialogue::a_message_is_delivered_and_the_session_quits`.
//! - RFC 2920 3.1: a client groups commands only if the server announces PIPELINING. Enforced by
//!   `client::write_planned`; tested by `client::commands_are_grouped_only_if_the_server_offers_pipelining`.
//!   - Also a transaction behind the final dot of another. Enforced by `client::may_send`; tested by
//!     `ahead::the_next_transaction_waits_where_it_must`, `ahead::outcomes_arrive_in_order_and_name_their_transaction`.
//!   - And a client ends data that was accepted for nobody with a single dot. Enforced by `client::data_answered`; tested by
//!     `smtp::data_that_is_accepted_for_nobody_is_ended_with_a_dot`.
//! - RFC 2920 3.1: a MAIL may share a packet with a final dot. Enforced by `data::DataReader`; tested by
//!   `pipelining::a_whole_session_in_one_packet_is_answered_in_order`.
//! - RFC 2920 3.2: replies in order, sent at once where they must not wait. Enforced by
//!   [`Event::Flush`](crate::Event::Flush); tested by `pipelining::replies_that_must_not_wait_are_flushed`,
//!   `properties::the_splitting_of_the_input_does_not_matter`.
//! - Too many errors, or too many commands without a message, end the session. Enforced by `session::counts`; tested by
//!   `error_limit::a_peers_own_mistakes_count`, `error_limit::commands_without_a_message_end_the_session`,
//!   `error_limit::idle_commands_end_the_session_earlier`,
//!   `error_limit::a_quit_is_answered_however_many_commands_there_were`.
//! - RFC 3207 4: STARTTLS is announced where it is offered, has no parameter, and MAIL may require it (with 451, not
//!   530, so that mail waits). Enforced by `session::tls`; tested by
//!   `starttls::it_is_announced_and_accepted_where_it_is_offered`, `starttls::mail_may_require_it`.
//! - RFC 3207 4.2: nothing from before the handshake is kept, and plaintext behind STARTTLS has no effect. Enforced by
//!   `session::encrypted`, `session::next_command`; tested by `starttls::what_was_said_before_is_forgotten`,
//!   `properties::nothing_pipelined_behind_starttls_has_an_effect`.
//! - RFC 3207 4.2, 6: a client forgets what it learned before the handshake, and plaintext before it ends the session.
//!   Enforced by `client::tls_started`, `client::next`; tested by
//!   `client_tls::what_was_announced_before_the_handshake_is_forgotten`,
//!   `client_tls::plaintext_before_the_handshake_ends_the_session`.
//! - RFC 3461 4: a client writes DSN parameters only if the server announces DSN, as xtext. Enforced by
//!   `client::transaction`; tested by `parameters_sent::parameters_are_sent_to_servers_that_announce_them`,
//!   `parameters_sent::an_original_recipient_is_encoded`.
//! - RFC 4954 4: a client logs in with PLAIN or LOGIN. Enforced by `client::login`; tested by
//!   `client_tls::a_client_logs_in_with_plain`, `client_tls::a_client_logs_in_with_login`.
//!   - And does not show the password. Enforced by [`Credentials`](crate::Credentials), `client::fmt`; tested by
//!     `client_tls::a_password_is_not_shown`.
//! - RFC 6533 3: ORCPT with UTF-8. Enforced by `client::transaction`; tested by
//!   `parameters_sent::an_original_recipient_is_in_utf8_only_with_smtputf8`.
//! - RFC 9422: a client reads the limits of a server. Enforced by [`Server`](crate::Server); tested by
//!   `smtp::what_a_server_announces_is_known`.
//! - RFC 6531 3.2: SMTPUTF8 is announced, and a client sends UTF-8 in addresses only to servers that announce it.
//!   Enforced by `session::replies`, `client::send`; tested by `smtputf8::it_is_announced`,
//!   `smtputf8::a_client_says_it_where_it_is_needed_and_offered`,
//!   `smtputf8::a_client_does_not_send_what_the_server_does_not_take`.
//! - RFC 6531 3.3: UTF-8 in addresses, in source routes, and as the argument of LHLO and VRFY. Enforced by
//!   `mailbox::checked_text`, `command::parse`; tested by `addresses::addresses_are_kept_as_written`,
//!   `smtputf8::utf8_is_accepted_in_every_place`, `addresses::invalid_utf8_is_refused_with_the_reason`.
//! - RFC 6531 3.4: the syntax of SMTPUTF8. Enforced by `command::mail`; tested by
//!   `smtputf8::the_parameter_has_no_value_and_is_passed_on`.
//! - RFC 6152 2, 3: BODY is understood, and 8-bit data is kept unchanged. Enforced by `command::check_body`,
//!   `data::DataReader`; tested by `parameters::size_and_body_are_known`,
//!   `properties::a_message_arrives_as_it_was_sent`.
