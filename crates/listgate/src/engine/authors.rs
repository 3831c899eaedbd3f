//! Tells the author of a post that it is held or rejected.

use super::lists::Compiled;
use super::not_decided::NotDecided;
use super::why::Why;
use crate::backends::Posts;
use crate::limits;
use crate::model::{
    About, Answered, Effect, Expect, MemberAddress, MemberRole, NewNotice, NoticeContent, NoticeTo, Step,
};
use listgate_engine::author::author;
use listgate_engine::command;
use listgate_engine::comparable::Comparable;
use listgate_engine::limits::{ANSWERS_TO_ADDRESS, ANSWERS_TO_DOMAIN};
use listgate_engine::notice::Template;
use listgate_engine::view::View;
use listgate_lmtp::ReversePath;
use std::collections::BTreeMap;

/// A post whose author may be notified.
#[derive(Clone, Copy)]
pub(super) struct Post<'p> {
    pub(super) view: &'p View<'p>,
    pub(super) sender: &'p ReversePath,
    pub(super) message_id: &'p str,
    /// The name under which the site's mail server writes Authentication-Results.
    pub(super) authserv_id: Option<&'p str>,
}

/// Adds to a step a mail to the author of a post, if the author may get one. `reasons` returns the reasons that it gives, for
/// the address of the author. Returns the step, and either whom it notifies or why it notifies nobody.
pub(super) async fn tell(
    store: &(impl Posts + ?Sized),
    list: &Compiled,
    post: Post<'_>,
    (template, reasons): (Template, impl FnOnce(&Comparable) -> Vec<String>),
    step: Step,
) -> Result<(Step, Why), NotDecided> {
    let author = match author(post.view, post.sender, post.authserv_id) {
        Ok(author) => author,
        Err(silence) => return Ok((step, Why::AuthorSilent(silence))),
    };
    let to: MemberAddress =
        author.mailbox.as_str().parse().expect("the rules take only addresses that members can have");
    let roles = store.standing(list.number, &to).await?;
    let is_member = roles.iter().any(|role| role.role == MemberRole::Member);
    let Answered { account_day, domain_hour, bounced } = store.answered(&to).await?;
    let answered =
        command::Answered { account_in_day: account_day, domain_in_hour: domain_hour, has_bounced: bounced };
    if let Err(silence) = author.may_hear(is_member, answered) {
        return Ok((step, Why::AuthorSilent(silence)));
    }
    // Anyone can write the address of a member in From, and must not have a text of their own sent there.
    let subject = post.view.first("Subject").filter(|_| author.is_authenticated);
    let subject = subject.map(|subject| subject.decoded()).unwrap_or_default();
    let values = BTreeMap::from([
        ("subject".to_owned(), subject.chars().take(limits::NOTICE_SUBJECT).collect()),
        ("reasons".to_owned(), reasons(&author.address).join("\n")),
    ]);
    let in_reply_to = Some(post.message_id.chars().take(limits::NOTICE_MESSAGE_ID).collect());
    let content = NoticeContent { values, list_name: list.display_name.clone(), in_reply_to }.to_json();
    let notice = NewNotice {
        list: list.number,
        to: NoticeTo::Address(to.clone()),
        about: About::Nothing,
        counted: true,
        template: template.as_str(),
        content,
    };
    // Others that are decided at the same time must not take this one beyond a limit. How many there are does not matter.
    let (account_day, domain_hour) = (ANSWERS_TO_ADDRESS - 1, ANSWERS_TO_DOMAIN - 1);
    let step = step
        .expecting(Expect::Answered { to, account_day, domain_hour })?
        .with(Effect::Notify(Box::new(notice)))?;
    Ok((step, Why::AuthorNotified(author.address)))
}
