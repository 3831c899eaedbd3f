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
    value("accept", Source::Line, "the command that accepts the request, for a terminal on the server");
const REJECT: Value = value("reject", Source::Line, "the command that declines it");

const ANSWER: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO];
const QUESTION: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, REPLY, DAYS];
const WELCOME: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, OWN_LEAVE, TO];
const OF_HELP: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, PROBLEM];
const ROSTER: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, TO, MEMBERS, COUNT];
const TO_OWNERS: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, PERSON];
const OWNER_ASKS: &[Value] = &[LIST, LIST_NAME, OWNER, HELP, JOIN, LEAVE, PERSON, ACCEPT, REJECT];

impl Template {
    /// All templates.
    pub const ALL: [Self; 18] = [
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
    /// | `person` | `owner-…` | from the notice: the address, after the name if there is one, as in `Ann <ann@example.org>` |
    /// | `accept`, `reject` | `owner-asks` | from the notice: the commands that decide the request, for a terminal |
    pub fn values(self) -> &'static [Value] {
        self.parts().2
    }

    /// Returns the purpose of the token that the notice carries: in its Reply-To, or, for a token that lets a member leave,
    /// in its text and List-Unsubscribe.
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
    /// ask again" go to the return path, and notices to owners go to them.
    pub fn is_secret(self) -> bool {
        !self.is_for_owners() && !matches!(self, Self::Help | Self::AskAgain)
    }

    /// Returns whether the notice goes to the owners and moderators.
    pub fn is_for_owners(self) -> bool {
        matches!(self, Self::OwnerJoined | Self::OwnerLeft | Self::OwnerAsks)
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
        }
    }
}
