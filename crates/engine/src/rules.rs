//! Where each rule is enforced and tested.
//!
//! Tests are named by module and function, in the `tests` module of a source file.
//!
//! - A token has 26 characters, 130 bits, and each part its place. Enforced by [`token::Token`](crate::token::Token);
//!   tested by `token::tests::each_part_has_its_place`, `token::tests::tokens_in_circulation_stay_valid`.
//! - The case of a token, and of a list_id, does not matter. Enforced by
//!   [`token::KeyRing::check`](crate::token::KeyRing::check); tested by `token::tests::a_token_reads_back_in_any_case`.
//! - A token that was changed in any bit is not valid. Enforced by
//!   [`token::KeyRing::check`](crate::token::KeyRing::check); tested by `token::tests::a_change_of_any_bit_is_noticed`.
//! - A token is valid for one list, purpose, subject and day. Enforced by
//!   [`token::KeyRing::check`](crate::token::KeyRing::check); tested by
//!   `token::tests::no_other_purpose_list_subject_day_or_key_is_signed`.
//! - A token is valid up to the end of its last day. Enforced by [`token::Claim::new`](crate::token::Claim::new),
//!   [`token::KeyRing::check`](crate::token::KeyRing::check); tested by `token::tests::it_expires_after_its_last_day`.
//! - A token is valid until its key is the fifth newest. Enforced by
//!   [`token::KeyRing::rotate`](crate::token::KeyRing::rotate); tested by
//!   `token::tests::a_key_verifies_until_the_fourth_rotation`.
//! - All octets that no splice removes stay, in their order. Enforced by
//!   [`splice::Splices::pieces`](crate::splice::Splices::pieces); tested by
//!   `splice::tests::octets_are_removed_inserted_and_replaced`,
//!   `splice::tests::a_message_changes_as_in_the_reference_in_any_chunks`.
//! - No two splices concern the same octet. Enforced by [`splice::Splices::new`](crate::splice::Splices::new); tested
//!   by `splice::tests::splices_that_overlap_or_end_nowhere_are_refused`.
//! - The size of a changed message is known beforehand. Enforced by
//!   [`splice::Splices::size_after`](crate::splice::Splices::size_after); tested by
//!   `splice::tests::splices_beyond_the_message_have_no_size`.
//! - RFC 5322 2.2: a header ends where the gate found its end. Enforced by [`view::View::new`](crate::view::View::new);
//!   tested by `view::tests::fields_are_found_as_the_gate_finds_them`,
//!   `view::tests::any_header_is_read_as_in_the_reference`.
//! - RFC 5322 2.2.3, RFC 2047: the text of a field is one line, decoded. Enforced by
//!   [`view::Field::decoded`](crate::view::Field::decoded); tested by `text::tests::a_folded_value_is_one_line`,
//!   `text::tests::encoded_words_are_decoded`.
//! - RFC 5322 3.4: addresses, also malformed ones, and none that hides in a name. Enforced by
//!   [`view::View::addresses`](crate::view::View::addresses); tested by
//!   `address::tests::addresses_are_read_as_people_and_programs_write_them`,
//!   `address::tests::what_is_not_an_address_is_counted`.
//! - Removed and added fields leave the end of the header where it was. Enforced by `View::edit` in
//!   [`view`](crate::view); tested by `view::tests::fields_are_added_before_and_after_those_that_stay`.
//! - What a decision sees has a bound. Enforced by [`limits`](crate::limits),
//!   [`view::View::has_whole_header`](crate::view::View::has_whole_header); tested by `view::tests::a_view_has_bounds`.
//! - RFC 3834 2: automatic mail gives no command and gets no answer. Enforced by
//!   [`automatic::of_command`](crate::automatic::of_command); tested by
//!   `automatic::tests::replies_of_programs_are_recognized_in_commands_and_posts`,
//!   `automatic::tests::other_signs_count_for_commands_alone`,
//!   `automatic::tests::the_bounces_of_the_corpora_are_recognized`.
//!   - But a post of a cron job or another list is not held for that. Enforced by
//!     [`automatic::of_post`](crate::automatic::of_post); tested by
//!     `automatic::tests::other_signs_count_for_commands_alone`.
//!   - And mail of people is not taken for automatic. Enforced by
//!     [`automatic::of_command`](crate::automatic::of_command); tested by
//!     `automatic::tests::mail_of_people_is_not_automatic`.
//! - A post is decided by rules in one fixed order, after one round of questions. Enforced by
//!   [`posting::decide`](crate::posting::decide); tested by `posting::tests::rules_that_decide_alone_end_the_search`,
//!   `posting::tests::all_questions_are_asked_at_once`, `posting::tests::there_is_an_end_of_questions`.
//!   - And moderators see all reasons for which it is held. Enforced by [`posting::decide`](crate::posting::decide);
//!     tested by `posting::tests::all_reasons_to_hold_are_given_in_the_order_of_the_rules`,
//!     `posting::tests::each_reason_to_hold_is_found`.
//! - Settings have the documented defaults. Enforced by [`posting::Settings::new`](crate::posting::Settings::new);
//!   tested by `posting::tests::defaults_are_as_documented`.
//! - A member's own action comes first, then the list's. Enforced by [`posting::decide`](crate::posting::decide);
//!   tested by `posting::tests::moderation_follows_the_sender_then_the_list`.
//! - Only a member, or an author whom the mail server has verified, is notified of a held or rejected post; a program never is.
//!   Enforced by [`author::author`](crate::author::author),
//!   [`author::Author::may_hear`](crate::author::Author::may_hear); tested by
//!   `author::tests::members_and_verified_authors_hear_of_their_posts`.
//! - A ban is an address, a domain or a pattern. Enforced by [`ban::Ban`](crate::ban::Ban),
//!   [`ban::Bans`](crate::ban::Bans); tested by `ban::tests::an_address_a_domain_or_a_pattern_is_banned`.
//! - RFC 2369, RFC 2919: a list's own fields replace those of other lists. Enforced by
//!   [`distribution::Plan`](crate::distribution::Plan); tested by
//!   `distribution::tests::fields_of_other_lists_are_replaced`,
//!   `distribution::tests::a_second_distribution_changes_the_mark_alone`.
//! - RFC 2919 3: the name of a list is a phrase, whatever it contains. Enforced by
//!   [`distribution::Settings::display_name`](crate::distribution::Settings::display_name); tested by
//!   `distribution::tests::a_list_can_have_a_name`, `write::tests::names_are_phrases`,
//!   `write::tests::long_names_are_cut_and_folded`.
//! - Reply-To stays, unless the list says otherwise, and has each address once. Enforced by
//!   [`distribution::ReplyGoesToList`](crate::distribution::ReplyGoesToList); tested by
//!   `distribution::people::tests::replies_go_where_the_setting_says`.
//! - RFC 7960 4.1.3.1: the list takes the author's place in From only if set, and the author can be reached. Enforced
//!   by [`distribution::Munge`](crate::distribution::Munge); tested by
//!   `distribution::people::tests::the_list_takes_the_place_of_the_author`,
//!   `distribution::people::tests::the_author_goes_to_cc_if_replies_go_to_the_list`.
//! - A subject has its prefix once, and else stays octet for octet. Enforced by
//!   [`distribution::Settings::subject_prefix`](crate::distribution::Settings::subject_prefix); tested by
//!   `distribution::subject::tests::a_prefix_comes_once_before_the_octets_of_the_author`,
//!   `distribution::subject::tests::a_prefix_reads_as_it_was_set`.
//! - What is private, or asks receivers for something, is removed. Enforced by
//!   [`distribution::Plan`](crate::distribution::Plan); tested by
//!   `distribution::tests::private_fields_and_those_that_ask_for_something_are_removed`,
//!   `distribution::tests::a_header_that_was_not_seen_is_not_changed`.
//! - All else stays octet for octet (RFC 6376). Enforced by [`distribution::Plan`](crate::distribution::Plan); tested
//!   by `distribution::tests::all_else_stays_octet_for_octet`.
//! - A footer is added to the text of a post, in its charset and encoding, or as a part of its own. Enforced by
//!   [`distribution::Settings::footer`](crate::distribution::Settings::footer); tested by
//!   `distribution::footer::tests::a_footer_is_added_to_a_text_that_has_room_for_it`,
//!   `distribution::footer::tests::a_footer_is_written_in_the_charset_and_encoding_of_the_text`,
//!   `distribution::footer::tests::a_footer_is_added_to_base64`,
//!   `distribution::footer::tests::a_footer_is_the_last_part_of_mixed_content`,
//!   `distribution::footer::tests::a_post_without_room_becomes_a_part`.
//!   - But never to a signed or encrypted post, to one that was not seen, or in doubt. Enforced by
//!     [`distribution::NoFooter`](crate::distribution::NoFooter); tested by
//!     `distribution::footer::tests::signed_and_encrypted_posts_have_no_footer`,
//!     `distribution::footer::tests::a_large_post_has_its_footer_if_its_end_is_seen`,
//!     `distribution::footer::tests::a_post_that_could_be_read_in_two_ways_has_no_footer`,
//!     `distribution::footer::tests::other_posts_have_no_footer`.
//! - What is added to a post has a bound. Enforced by [`limits::GENERATED`](crate::limits::GENERATED); tested by
//!   `distribution::tests::what_is_generated_has_a_bound`.
//! - Owners get mail to `-owner` without what is private, and once. Enforced by
//!   [`distribution::for_owners`](crate::distribution::for_owners),
//!   [`distribution::went_to_owners`](crate::distribution::went_to_owners); tested by
//!   `distribution::owners::tests::owners_get_mail_without_what_is_private`,
//!   `distribution::owners::tests::the_mark_of_this_list_is_recognized`,
//!   `distribution::owners::tests::a_header_that_was_not_seen_does_not_go_to_owners`.
//! - RFC 3464 2.3: the status of a recipient says what a bounce means, and where it is vague, other codes and words.
//!   Enforced by [`bounce::classify`](crate::bounce::classify); tested by `bounce::tests::a_delivery_status_decides`,
//!   `bounce::class::tests::status_codes_have_their_meanings`.
//!   - Without one, codes and phrases of the text do. Enforced by [`bounce::classify`](crate::bounce::classify); tested
//!     by `bounce::tests::codes_and_phrases_of_a_text_decide`,
//!     `bounce::tests::the_bounces_of_the_corpora_have_classes`.
//! - RFC 3464 2.3.1: the recipients of a bounce are those the sender wrote. Enforced by
//!   [`bounce::Bounce::recipients`](crate::bounce::Bounce::recipients); tested by
//!   `bounce::tests::recipients_that_failed_are_named_as_the_sender_wrote_them`,
//!   `bounce::tests::other_ways_to_name_recipients_and_messages_are_read`.
//! - Vacation replies, challenges, complaints and receipts are not bounces. Enforced by
//!   [`bounce::NotABounce`](crate::bounce::NotABounce); tested by `bounce::tests::other_mail_is_not_a_bounce`.
//! - A command is the first word of a subject or line, in any case; no address is taken from its arguments. Enforced by
//!   [`command::words::read`](crate::command::words::read); tested by
//!   `command::words::tests::the_first_word_of_a_line_is_the_command`, `command::words::tests::a_token_may_be_folded`.
//!   - And the subject of a reply is read without its prefixes (RFC 5322 3.6.5). Enforced by
//!     [`command::words::read`](crate::command::words::read); tested by
//!     `command::words::tests::subjects_of_replies_are_read_without_what_programs_add`.
//!   - But quotes, signatures, and what follows an introduction of a quote give no commands. Enforced by
//!     [`command::words::read`](crate::command::words::read); tested by
//!     `command::words::tests::only_what_the_author_wrote_counts`,
//!     `command::words::tests::the_replies_of_ten_mail_programs_give_no_command`.
//! - RFC 2045, RFC 2046: commands are in the first text of a mail, plain or HTML, in any charset and encoding. Enforced
//!   by [`command::words::read`](crate::command::words::read); tested by
//!   `command::words::tests::the_first_text_of_several_parts_counts`, `command::words::tests::html_is_read_as_text`,
//!   `command::words::tests::any_charset_and_encoding_is_read`,
//!   `command::words::tests::the_commands_of_ten_mail_programs_are_read`,
//!   `command::words::tests::the_html_of_ten_mail_programs_says_what_their_text_says`.
//! - What is read from a mail with commands has a bound, in time, too. Enforced by
//!   [`limits::COMMANDS`](crate::limits::COMMANDS), [`limits::COMMAND_LINES`](crate::limits::COMMAND_LINES); tested by
//!   `command::words::tests::there_are_limits`, `command::words::tests::lines_that_are_not_understood_are_named`,
//!   `command::words::tests::hostile_mail_takes_no_longer_than_other_mail`.
//! - A command has one sender, its policy, and at most one effect; no address is taken from its text. Enforced by
//!   [`command::decide`](crate::command::decide); tested by `command::tests::table::joining`,
//!   `command::tests::table::leaving`, `command::tests::table::requesting`.
//! - Possession of a token confirms, once, as a reply to our mail, and not sooner than a person could. Enforced by
//!   [`command::decide`](crate::command::decide); tested by `command::tests::table::confirming`,
//!   `command::tests::programs::a_plain_reply_confirms`.
//! - A moderator's token decides about a held post, once, and only while they are a moderator. Enforced by
//!   [`command::decide`](crate::command::decide); tested by `command::tests::table::deciding_about_held_posts`.
//! - RFC 3834 2: mail of programs confirms nothing and gets no answer. Enforced by
//!   [`command::decide`](crate::command::decide); tested by
//!   `command::tests::automatic::vacation_replies_confirm_nothing_and_get_no_answer`,
//!   `command::tests::automatic::the_mail_of_the_corpora_confirms_nothing_and_gets_no_answer`.
//! - RFC 8601 5: only what the site's own server says of a signature or DMARC spares a confirmation. Enforced by
//!   [`command::Facts::authserv_id`](crate::command::Facts::authserv_id); tested by
//!   `command::trust::tests::only_a_pass_of_the_domain_by_our_own_server_counts`.
//! - Each notice has a text, plain and short, which says what to do. Enforced by
//!   [`notice::Template`](crate::notice::Template); tested by
//!   `notice::tests::the_default_notices_are_as_they_were_reviewed`,
//!   `notice::tests::default_texts_are_short_and_use_their_names`, `notice::tests::templates_have_names`.
//! - A site can have its own texts; what is wrong with one is reported with its line. Enforced by
//!   [`notice::Text::parse`](crate::notice::Text::parse); tested by `notice::tests::a_site_can_have_its_own_texts`,
//!   `notice::text::tests::a_text_is_a_subject_and_a_body`,
//!   `notice::text::tests::what_is_wrong_with_a_text_is_reported_with_its_line`,
//!   `notice::text::tests::errors_say_where_and_what_to_do`.
//! - RFC 3834 5: a notice is recognized as automatic, and its own list discards it as a post. Enforced by
//!   [`notice::compose()`](crate::notice::compose()); tested by
//!   `notice::tests::two_list_servers_do_not_talk_to_each_other`,
//!   `notice::tests::an_answer_names_the_mail_that_it_answers`.
//! - A notice that says something about an address goes only there. Enforced by
//!   [`notice::Template::is_secret`](crate::notice::Template::is_secret); tested by
//!   `notice::tests::notices_are_secret_unless_they_say_the_same_to_everyone`.
//! - The tokens of a moderator are links in the text; a reply goes to all owners. Enforced by
//!   [`notice::Envelope::rulings`](crate::notice::Envelope::rulings); tested by
//!   `notice::tests::a_moderator_decides_by_a_link_if_there_is_one`.
//! - Any other token is in Reply-To, or in the welcome, and nowhere else. Enforced by
//!   [`notice::compose()`](crate::notice::compose()); tested by
//!   `notice::tests::replies_go_to_the_token_or_to_the_owners`.
//! - RFC 5322, RFC 2047, RFC 2045: no value begins another field of a notice, and its lines are short. Enforced by
//!   [`notice::compose()`](crate::notice::compose()); tested by `notice::tests::nothing_can_be_smuggled_into_a_notice`,
//!   `notice::tests::a_message_id_has_what_it_may_have`, `notice::tests::an_address_without_end_is_left_out`,
//!   `notice::tests::a_body_is_encoded_only_if_it_must_be`, `write::tests::fields_are_folded_where_they_have_blanks`.
//! - RFC 5322 3.3: its date is in UTC. Enforced by [`notice::Envelope::at`](crate::notice::Envelope::at); tested by
//!   `notice::date::tests::dates_are_those_of_the_calendar`, `notice::date::tests::each_day_is_read_back`.
//! - Nobody can have a text of their own sent to others, except the subject of a held post to its moderators. Enforced by
//!   [`notice::Source::Words`](crate::notice::Source::Words); tested by
//!   `notice::tests::words_of_others_are_not_passed_on_as_texts`.
//! - A notice has a bound, and says what it leaves out. Enforced by [`limits::GENERATED`](crate::limits::GENERATED);
//!   tested by `notice::tests::a_large_roster_is_cut_at_a_line`, `notice::tests::whatever_is_long_has_a_bound`.
//! - RFC 6068 2: addresses are encoded in URIs. Enforced by [`distribution::Plan`](crate::distribution::Plan),
//!   [`notice::compose()`](crate::notice::compose()); tested by `write::tests::addresses_are_encoded_in_uris`.
