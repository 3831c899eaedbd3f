//! The notices that there are.

use crate::token::Purpose;

/// Which mail a notice is. The name is also that of the file with which a site replaces its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Template {
    /// Asks whether an address shall join.
    ConfirmJoin,
    /// Asks whether a member shall leave.
    ConfirmLeave,
    /// Asks someone to join, because an owner wants it.
    Invite,
    /// Asks for a confirmation once more, because it came so quickly that a program may have sent it.
    ConfirmAgain,
    /// Says that a reply belongs to no request.
    AskAgain,
    /// Says that an address has joined.
    Welcome,
    /// Says that an address has left.
    Goodbye,
    /// Answers a request to join: the address is a member.
    AlreadyMember,
    /// Answers a request to leave: the address is not a member.
    NotMember,
    /// Answers a request to join: nobody can join by mail.
    Closed,
    /// Answers a request to join: the owners decide.
    Waiting,
    /// Answers a request to join: the owners have declined it.
    Rejected,
    /// Says what people can do by mail.
    Help,
    /// Says who the members are.
    Roster,
    /// Says that the sender may not see who the members are.
    NoRoster,
    /// To the owners: someone has joined.
    OwnerJoined,
    /// To the owners: a member has left.
    OwnerLeft,
    /// To the owners: someone asks to join, and they decide.
    OwnerAsks,
    /// To a moderator: a post is held, and they decide.
    OwnerHeld,
    /// To a moderator who wants to decide about a held post: it was decided before.
    OwnerRuled,
    /// To the author of a post: it is held.
    PostHeld,
    /// To the author of a post: it was rejected.
    PostRejected,
}

/// A name that the text of a template may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value {
    /// The name, without its dollar sign.
    pub name: &'static str,
    /// Where the value comes from.
    pub source: Source,
    /// What it is, for people who write texts.
    pub about: &'static str,
}

/// Where a value comes from, and how much of it is shown. The first ones are known when a notice is sent, the last three
/// come with the [`Notice`](super::Notice).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The address of the list.
    List,
    /// Its name.
    ListName,
    /// The address of the list with this suffix.
    Suffix(&'static str),
    /// The address with the token, or the one with this suffix if there is none.
    Token(&'static str),
    /// The link to the address with the token that accepts a held post; empty if there is none.
    Accept,
    /// The link to the address with the token that rejects it.
    Reject,
    /// Who gets the notice.
    To,
    /// For how many days the token is valid.
    Days,
    /// The notice. The value is shown on one line.
    Line,
    /// The notice. The value may have several lines.
    Lines,
    /// The notice: words of someone's mail, one on a line. Only letters, digits and hyphens are shown, and at most
    /// [`limits::UNKNOWN_WORDS`](crate::limits::UNKNOWN_WORDS), so that nobody can have a text sent to others.
    Words,
}

const fn value(name: &'static str, source: Source, about: &'static str) -> Value {
    Value { name, source, about }
}

const LIST: Value = value("list", Source::List, "the address of the list, to which posts are sent");
const LIST_NAME: Value =
    value("list_name", Source::ListName, "the name of the list, or the part of its address before the @");
const OWNER: Value = value("owner", Source::Suffix("-owner"), "the address of the owners");
const HELP: Value =
    value("help", Source::Suffix("-request"), "the address for commands, which also sends help");
const JOIN: Value =
    value("join", Source::Suffix("-join"), "the address to which mail is sent in order to join");
const LEAVE: Value =
    value("leave", Source::Suffix("-leave"), "the address to which mail is sent in order to leave");
const OWN_LEAVE: Value = value(
    "leave",
    Source::Token("-leave"),
    "the address to which mail is sent in order to leave; it is a secret",
);
const TO: Value = value("address", Source::To, "the address to which this mail goes");
const REPLY: Value =
    value("reply", Source::Token("-request"), "the address to which a reply goes; it is a secret");
const DAYS: Value = value("days", Source::Days, "for how many days a reply is accepted");
const PROBLEM: Value = value("problem", Source::Words, "the words that were not understood, if any");
const MEMBERS: Value = value("members", Source::Lines, "the members, one on a line");
const COUNT: Value = value("count", Source::Line, "how many members there are");
const PERSON: Value = value("person", Source::Line, "the address, after the name if there is one");
const ACCEPT: Value =
    value("accept", Source::Line, "the command that accepts it, for a terminal on the server");
const REJECT: Value = value("reject", Source::Line, "the command that rejects it");
const SHOW: Value = value("show", Source::Line, "the command that shows the post");
const ACCEPT_LINK: Value =
    value("accept_link", Source::Accept, "the link to the address that accepts the post; it is a secret");
const REJECT_LINK: Value =
    value("reject_link", Source::Reject, "the link to the address that rejects the post; it is a secret");
const HELD: Value = value("held", Source::Line, "the number of the held post");
const AUTHOR: Value = value("author", Source::Line, "the author of the post");
const SUBJECT: Value =
    value("subject", Source::Line, "the subject of the post; an author sees it only if they are verified");
const SIZE: Value = value("size", Source::Line, "the size of the post in octets");
const REASONS: Value = value("reasons", Source::Lines, "why, one reason on a line");
const WAITING: Value = value("waiting", Source::Line, "how many posts of the list wait for a moderator");
const LIMIT: Value =
    value("limit", Source::Line, "how many mails about posts of this list are sent in an hour at most");
const RULING: Value = value("ruling", Source::Line, "what became of the post, such as accepted");

const ANSWER: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO];
const QUESTION: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, REPLY, DAYS];
const WELCOME: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, OWN_LEAVE, TO];
const OF_HELP: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, PROBLEM];
const ROSTER: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, MEMBERS, COUNT];
const TO_OWNERS: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, PERSON];
const OWNER_ASKS: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, PERSON, ACCEPT, REJECT];
const OWNER_HELD: &[Value] = &[
    LIST,
    LIST_NAME,
    OWNER,
    HELP,
    JOIN,
    LEAVE,
    HELD,
    AUTHOR,
    SUBJECT,
    SIZE,
    REASONS,
    ACCEPT_LINK,
    REJECT_LINK,
    SHOW,
    ACCEPT,
    REJECT,
    WAITING,
    LIMIT,
];
const OWNER_RULED: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, HELD, RULING];
const OF_POST: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, SUBJECT, REASONS];

impl Template {
    /// All templates.
    pub const ALL: [Self; 22] = [
        Self::ConfirmJoin,
        Self::ConfirmLeave,
        Self::Invite,
        Self::ConfirmAgain,
        Self::AskAgain,
        Self::Welcome,
        Self::Goodbye,
        Self::AlreadyMember,
        Self::NotMember,
        Self::Closed,
        Self::Waiting,
        Self::Rejected,
        Self::Help,
        Self::Roster,
        Self::NoRoster,
        Self::OwnerJoined,
        Self::OwnerLeft,
        Self::OwnerAsks,
        Self::OwnerHeld,
        Self::OwnerRuled,
        Self::PostHeld,
        Self::PostRejected,
    ];

    /// Returns the name, such as `confirm-join`.
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }

    /// Returns the template of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == name)
    }

    /// Returns the text that is used unless a site has its own. Lines end in LF.
    pub fn default_text(self) -> &'static str {
        self.parts().1
    }

    /// Returns the names that a text may use.
    ///
    /// | name | templates | what |
    /// |---|---|---|
    /// | `list` | all | the address of the list, to which posts are sent |
    /// | `list_name` | all | the name of the list, or the part of its address before the `@` |
    /// | `owner`, `help`, `join` | all | the addresses `-owner`, `-request` and `-join` of the list |
    /// | `leave` | all | the address `-leave`; in `welcome`, the one with the member's token |
    /// | `address` | all but `owner-…` | the address to which the mail goes |
    /// | `reply`, `days` | `confirm-…`, `invite`, `goodbye` | the address with a token to which a reply goes, and for how many days it is valid |
    /// | `problem` | `help` | from the notice: the words that were not understood, one on a line; empty if there are none |
    /// | `members`, `count` | `roster` | from the notice: the members, one on a line, and how many there are |
    /// | `person` | `owner-joined`, `owner-left`, `owner-asks` | from the notice: the address, after the name if there is one, as in `Ann <ann@example.org>` |
    /// | `accept`, `reject` | `owner-asks`, `owner-held` | from the notice: the commands that decide, for a terminal |
    /// | `accept_link`, `reject_link` | `owner-held` | links to the addresses with tokens that decide about a held post |
    /// | `held`, `author`, `size`, `show`, `waiting`, `limit` | `owner-held` | from the notice: what is known of a held post |
    /// | `held`, `ruling` | `owner-ruled` | from the notice: the number of a held post, and what became of it |
    /// | `subject`, `reasons` | `owner-held`, `post-…` | from the notice: the subject of a post, and why it is held or rejected |
    pub fn values(self) -> &'static [Value] {
        self.parts().2
    }

    /// Returns the purpose of the token that the notice carries: in its Reply-To, or, for a token that lets a member leave,
    /// in its text and List-Unsubscribe. The two tokens of `owner-held` are in its text alone.
    pub fn purpose(self) -> Option<Purpose> {
        match self {
            Self::ConfirmJoin | Self::ConfirmLeave | Self::Invite | Self::ConfirmAgain => {
                Some(Purpose::Confirm)
            }
            Self::Welcome => Some(Purpose::Leave),
            Self::Goodbye => Some(Purpose::Rejoin),
            _ => None,
        }
    }

    /// Returns whether the notice goes only to the address that it is about: it has a token or a roster, or says whether
    /// the address is a member. An answer that nobody may join is one, too, because members get another. Help and "please
    /// ask again" go to the return path, and notices to all owners go to them.
    pub fn is_secret(self) -> bool {
        use Template::{AskAgain, Help, OwnerAsks, OwnerJoined, OwnerLeft};
        !matches!(self, AskAgain | Help | OwnerJoined | OwnerLeft | OwnerAsks)
    }

    /// Returns whether the notice goes to the owners and moderators, or to one of them. A reply goes to all of them, and
    /// decides nothing.
    pub fn is_for_owners(self) -> bool {
        use Template::{OwnerAsks, OwnerHeld, OwnerJoined, OwnerLeft, OwnerRuled};
        matches!(self, OwnerJoined | OwnerLeft | OwnerAsks | OwnerHeld | OwnerRuled)
    }

    /// Returns the name, the default text and the values.
    fn parts(self) -> (&'static str, &'static str, &'static [Value]) {
        match self {
            Self::ConfirmJoin => ("confirm-join", include_str!("texts/confirm-join.txt"), QUESTION),
            Self::ConfirmLeave => ("confirm-leave", include_str!("texts/confirm-leave.txt"), QUESTION),
            Self::Invite => ("invite", include_str!("texts/invite.txt"), QUESTION),
            Self::ConfirmAgain => ("confirm-again", include_str!("texts/confirm-again.txt"), QUESTION),
            Self::AskAgain => ("ask-again", include_str!("texts/ask-again.txt"), ANSWER),
            Self::Welcome => ("welcome", include_str!("texts/welcome.txt"), WELCOME),
            Self::Goodbye => ("goodbye", include_str!("texts/goodbye.txt"), QUESTION),
            Self::AlreadyMember => ("already-member", include_str!("texts/already-member.txt"), ANSWER),
            Self::NotMember => ("not-member", include_str!("texts/not-member.txt"), ANSWER),
            Self::Closed => ("closed", include_str!("texts/closed.txt"), ANSWER),
            Self::Waiting => ("waiting", include_str!("texts/waiting.txt"), ANSWER),
            Self::Rejected => ("rejected", include_str!("texts/rejected.txt"), ANSWER),
            Self::Help => ("help", include_str!("texts/help.txt"), OF_HELP),
            Self::Roster => ("roster", include_str!("texts/roster.txt"), ROSTER),
            Self::NoRoster => ("no-roster", include_str!("texts/no-roster.txt"), ANSWER),
            Self::OwnerJoined => ("owner-joined", include_str!("texts/owner-joined.txt"), TO_OWNERS),
            Self::OwnerLeft => ("owner-left", include_str!("texts/owner-left.txt"), TO_OWNERS),
            Self::OwnerAsks => ("owner-asks", include_str!("texts/owner-asks.txt"), OWNER_ASKS),
            Self::OwnerHeld => ("owner-held", include_str!("texts/owner-held.txt"), OWNER_HELD),
            Self::OwnerRuled => ("owner-ruled", include_str!("texts/owner-ruled.txt"), OWNER_RULED),
            Self::PostHeld => ("post-held", include_str!("texts/post-held.txt"), OF_POST),
            Self::PostRejected => ("post-rejected", include_str!("texts/post-rejected.txt"), OF_POST),
        }
    }
}
