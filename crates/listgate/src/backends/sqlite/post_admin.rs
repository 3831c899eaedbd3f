//! Posts and held posts, as commands see and decide them.

use super::connection::write;
use super::console::Console;
use super::{former_members, members, notices, offers, outbox, posts, queues, requests, site_keys, steps};
use crate::backends::answer::{Answer, at_once};
use crate::backends::post_admin::PostAdmin;
use crate::backends::posts::Posts;
use crate::backends::stored_message::Messages;
use crate::model::{
    Answered, BatchId, BatchRecord, DecisionId, DecisionRecord, FormerMember, HeldId, HeldPost, ListNumber,
    ListSnapshot, Member, MemberAddress, MessageId, MessageIdHash, ModerationNow, NotStepped, Offer, OfferId,
    OutgoingNow, PostId, PostRecord, RecipientRecord, Request, RequestId, RequestKind, Seq, Step, Stepped,
};
use listgate_engine::token::KeyRing;

impl Posts for Console {
    fn snapshot<'a>(&'a self, list_id: &'a str) -> Answer<'a, Option<ListSnapshot>> {
        self.query("look up the list", |connection| posts::snapshot(connection, list_id))
    }

    fn standing<'a>(&'a self, list: ListNumber, address: &'a MemberAddress) -> Answer<'a, Vec<Member>> {
        self.query("look up a member", |connection| members::standing(connection, list, address))
    }

    fn is_posted(&self, list: ListNumber, message_id: MessageIdHash) -> Answer<'_, bool> {
        let now = self.now();
        self.query("look up a Message-ID", |connection| posts::is_posted(connection, list, message_id, now))
    }

    fn holds_too_many(&self, list: ListNumber) -> Answer<'_, bool> {
        self.query("count held posts", |connection| posts::holds_too_many(connection, list))
    }

    fn moderation(&self, list: ListNumber) -> Answer<'_, ModerationNow> {
        let now = self.now();
        self.query("look up the moderators", |connection| offers::moderation(connection, list, now))
    }

    fn offer(&self, list: ListNumber, id: OfferId) -> Answer<'_, Option<Offer>> {
        self.query("look up an offer", |connection| offers::offer(connection, list, id))
    }

    fn held_post(&self, id: HeldId) -> Answer<'_, Option<HeldPost>> {
        self.query("read the held post", |connection| posts::held_post(connection, id))
    }

    fn runs_by_default(&self) -> Answer<'_, bool> {
        self.query("look whether the engine runs", posts::runs_by_default)
    }

    fn keys(&self) -> Answer<'_, KeyRing> {
        self.query("read the keys", site_keys::ring)
    }

    fn request(&self, id: RequestId) -> Answer<'_, Option<Request>> {
        let now = self.now();
        self.query("look up a request", |connection| requests::request(connection, id, now))
    }

    fn asked(&self, id: RequestId) -> Answer<'_, Option<(MemberAddress, String)>> {
        self.query("look up a notice", |connection| notices::asked(connection, id))
    }

    fn request_of<'a>(
        &'a self,
        list: ListNumber,
        address: &'a MemberAddress,
        kind: RequestKind,
    ) -> Answer<'a, Option<Request>> {
        let now = self.now();
        self.query("look up a request", |connection| {
            requests::request_of(connection, list, address, kind, now)
        })
    }

    fn requests_to_join(&self, list: ListNumber, most: usize) -> Answer<'_, usize> {
        let now = self.now();
        self.query("count requests", |connection| requests::to_join(connection, list, most, now))
    }

    fn member_of_seq(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<Member>> {
        self.query("look up a member", |connection| members::by_seq(connection, list, seq))
    }

    fn former(&self, list: ListNumber, seq: Seq) -> Answer<'_, Option<FormerMember>> {
        let now = self.now();
        self.query("look up a former member", |connection| former_members::former(connection, list, seq, now))
    }

    fn answered<'a>(&'a self, to: &'a MemberAddress) -> Answer<'a, Answered> {
        let now = self.now();
        self.query("count the notices", |connection| notices::answered(connection, to, now))
    }

    fn roster(&self, list: ListNumber, most: usize) -> Answer<'_, Vec<Member>> {
        self.query("read the members", |connection| members::roster(connection, list, most))
    }
}

impl Messages for Console {
    fn read(&self, message: MessageId, offset: u64, length: usize) -> Answer<'_, Option<Vec<u8>>> {
        at_once(queues::read(&self.connection(), &self.spool(), message, offset, length))
    }
}

impl PostAdmin for Console {
    fn outgoing(&self) -> Answer<'_, OutgoingNow> {
        self.query("look at what leaves", outbox::now)
    }

    fn test_message(&self, subject: u64) -> Answer<'_, Option<Vec<u8>>> {
        self.query("look for a test message", |connection| posts::test_message(connection, subject))
    }

    fn left(&self) -> Answer<'_, u64> {
        self.query("count the recipients", outbox::left)
    }

    fn posts_after<'a>(
        &'a self,
        list_id: Option<&'a str>,
        after: PostId,
        most: usize,
    ) -> Answer<'a, Vec<PostRecord>> {
        self.query("read the posts", |connection| outbox::posts_after(connection, list_id, after, most))
    }

    fn post(&self, id: PostId) -> Answer<'_, Option<PostRecord>> {
        self.query("read the post", |connection| outbox::post(connection, id))
    }

    fn left_of(&self, id: PostId) -> Answer<'_, u64> {
        let now = self.now();
        self.query("count the recipients", |connection| outbox::left_of(connection, id, now))
    }

    fn batches_after(&self, post: PostId, after: BatchId, most: usize) -> Answer<'_, Vec<BatchRecord>> {
        self.query("read the batches", |connection| outbox::batches_after(connection, post, after, most))
    }

    fn exceptions_after(
        &self,
        post: PostId,
        after: Option<Seq>,
        most: usize,
    ) -> Answer<'_, Vec<RecipientRecord>> {
        self.query("read the recipients", |connection| {
            outbox::exceptions_after(connection, post, after, most)
        })
    }

    fn held_after<'a>(
        &'a self,
        list_id: Option<&'a str>,
        after: HeldId,
        most: usize,
    ) -> Answer<'a, Vec<HeldPost>> {
        self.query("read the held posts", |connection| posts::held_after(connection, list_id, after, most))
    }

    fn decisions_after<'a>(
        &'a self,
        message_id: &'a str,
        after: DecisionId,
        most: usize,
    ) -> Answer<'a, Vec<DecisionRecord>> {
        self.query("read the decisions", |connection| {
            posts::decisions_after(connection, message_id, after, most)
        })
    }

    fn posts_with<'a>(&'a self, message_id: &'a str, most: usize) -> Answer<'a, Vec<PostRecord>> {
        self.query("look for posts", |connection| outbox::posts_with(connection, message_id, most))
    }

    fn held_with<'a>(&'a self, message_id: &'a str, most: usize) -> Answer<'a, Vec<HeldPost>> {
        self.query("look for held posts", |connection| posts::held_with(connection, message_id, most))
    }

    fn requests_after<'a>(
        &'a self,
        list_id: Option<&'a str>,
        after: RequestId,
        most: usize,
    ) -> Answer<'a, Vec<Request>> {
        let now = self.now();
        self.query("read the requests", |connection| {
            requests::requests_after(connection, list_id, after, most, now)
        })
    }

    fn take<'a>(&'a self, step: &'a Step) -> Answer<'a, Stepped, NotStepped> {
        let now = self.now();
        at_once(write(&mut self.connection(), "take the step", |connection| {
            steps::take(connection, step, now)
        }))
    }
}
