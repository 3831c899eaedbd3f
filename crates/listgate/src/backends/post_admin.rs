//! What operators see of posts, and can do to those that are held.

use super::answer::Answer;
use super::posts::Posts;
use super::stored_message::Messages;
use crate::model::{
    BatchId, BatchRecord, DecisionId, DecisionRecord, HeldId, HeldPost, NotStepped, OutgoingNow, PostId,
    PostRecord, RecipientRecord, Request, RequestId, Seq, Step, Stepped,
};

/// Posts on their way to members, held posts, and requests that wait, as operators see and decide them. Lists are named by their list_ids;
/// `None` stands for all. Nothing of lists that were removed is shown, and
/// notices are not posts.
pub(crate) trait PostAdmin: Posts + Messages {
    /// Returns what waits to leave.
    fn outgoing(&self) -> Answer<'_, OutgoingNow>;

    /// Returns the first octets of a test message that has come back, or `None` if it has not. `subject` is the one of its
    /// token.
    fn test_message(&self, subject: u64) -> Answer<'_, Option<Vec<u8>>>;

    /// Returns about how many members have not been in any batch of the posts that have the next turns.
    fn left(&self) -> Answer<'_, u64>;

    /// Returns up to `most` posts, those with the smallest ids above `after`, in order.
    fn posts_after<'a>(
        &'a self,
        list_id: Option<&'a str>,
        after: PostId,
        most: usize,
    ) -> Answer<'a, Vec<PostRecord>>;

    /// Returns a post, or `None` if there is none with this id.
    fn post(&self, id: PostId) -> Answer<'_, Option<PostRecord>>;

    /// Returns about how many recipients have not been in any batch of a post.
    fn left_of(&self, id: PostId) -> Answer<'_, u64>;

    /// Returns up to `most` batches of a post, those with the smallest ids above `after`, in order.
    fn batches_after(&self, post: PostId, after: BatchId, most: usize) -> Answer<'_, Vec<BatchRecord>>;

    /// Returns up to `most` recipients who did not get a post when it was offered, those with the smallest seqs above
    /// `after`, in order. With `None`, it begins with the first.
    fn exceptions_after(
        &self,
        post: PostId,
        after: Option<Seq>,
        most: usize,
    ) -> Answer<'_, Vec<RecipientRecord>>;

    /// Returns up to `most` held posts, those with the smallest ids above `after`, in order.
    fn held_after<'a>(
        &'a self,
        list_id: Option<&'a str>,
        after: HeldId,
        most: usize,
    ) -> Answer<'a, Vec<HeldPost>>;

    /// Returns up to `most` decisions about messages with this Message-ID, those with the smallest ids above `after`, in
    /// order.
    fn decisions_after<'a>(
        &'a self,
        message_id: &'a str,
        after: DecisionId,
        most: usize,
    ) -> Answer<'a, Vec<DecisionRecord>>;

    /// Returns up to `most` posts with this Message-ID, those with the smallest ids, in order.
    fn posts_with<'a>(&'a self, message_id: &'a str, most: usize) -> Answer<'a, Vec<PostRecord>>;

    /// Returns up to `most` held posts with this Message-ID, those with the smallest ids, in order.
    fn held_with<'a>(&'a self, message_id: &'a str, most: usize) -> Answer<'a, Vec<HeldPost>>;

    /// Returns up to `most` requests that wait, those with the smallest ids above `after`, in order.
    fn requests_after<'a>(
        &'a self,
        list_id: Option<&'a str>,
        after: RequestId,
        most: usize,
    ) -> Answer<'a, Vec<Request>>;

    /// Takes a step, completely or not at all.
    fn take<'a>(&'a self, step: &'a Step) -> Answer<'a, Stepped, NotStepped>;
}
