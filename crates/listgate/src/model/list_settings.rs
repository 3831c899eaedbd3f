//! The settings of a list: one table, from which they are read, written, checked and explained.
//!
//! A new setting is a field, its default and a row.

use super::list_setting_value::{
    ACTION, ADDRESS, ADDRESSES, FLAG, LINE, ListValueError, MUNGE, PERSONAL, RECIPIENTS, REPLY_MODE,
    ROSTER_VISIBILITY, ReplyMode, SIZE, SUBSCRIPTION_POLICY, TEXT,
};
use super::post::Personal;
use listgate_engine::ban::Bans;
use listgate_engine::command::{self, RosterVisibility, SubscriptionPolicy};
use listgate_engine::distribution::{self, Munge, ReplyGoesToList};
use listgate_engine::posting::{self, Action};
use listgate_lmtp::Mailbox;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The settings of a list that decide about posts and about what members get. Names and defaults are those of GNU
/// Mailman 3 where it has them. As JSON, it is an object with those that differ from the defaults, all as texts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<&'static str, String>")]
pub(crate) struct ListSettings {
    pub(crate) display_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) emergency: bool,
    pub(crate) default_member_action: Action,
    pub(crate) default_nonmember_action: Action,
    pub(crate) require_explicit_destination: bool,
    pub(crate) acceptable_aliases: Vec<Mailbox>,
    /// Octets of the largest post that is not held for its size; `None`: any size.
    pub(crate) max_message_size: Option<u64>,
    /// The number of addresses in To and Cc from which a post is held; `None`: any number.
    pub(crate) max_num_recipients: Option<usize>,
    reply_mode: ReplyMode,
    reply_to_address: Option<Mailbox>,
    /// Comes before the subject, with a space between.
    pub(crate) subject_prefix: Option<String>,
    /// Lines that end in LF, except for the last one.
    pub(crate) footer: Option<String>,
    pub(crate) munge: Munge,
    pub(crate) personal: Personal,
    pub(crate) subscription_policy: SubscriptionPolicy,
    pub(crate) member_roster_visibility: RosterVisibility,
    pub(crate) send_welcome_message: bool,
    pub(crate) send_goodbye_message: bool,
    pub(crate) admin_notify_mchanges: bool,
    pub(crate) admin_immed_notify: bool,
    pub(crate) respond_to_post_requests: bool,
}

impl Default for ListSettings {
    fn default() -> Self {
        Self {
            display_name: None,
            description: None,
            emergency: false,
            default_member_action: Action::Defer,
            default_nonmember_action: Action::Hold,
            require_explicit_destination: true,
            acceptable_aliases: Vec::new(),
            max_message_size: Some(1 << 20),
            max_num_recipients: Some(50),
            reply_mode: ReplyMode::NoMunging,
            reply_to_address: None,
            subject_prefix: None,
            footer: None,
            munge: Munge::Never,
            personal: Personal::Auto,
            subscription_policy: SubscriptionPolicy::Confirm,
            member_roster_visibility: RosterVisibility::Moderators,
            send_welcome_message: true,
            send_goodbye_message: true,
            admin_notify_mchanges: false,
            admin_immed_notify: true,
            respond_to_post_requests: true,
        }
    }
}

/// A setting: a row of the table.
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    /// What its values are.
    pub(crate) values: &'static str,
    /// What it does, in one line.
    pub(crate) help: &'static str,
    set: fn(&mut ListSettings, &str) -> Result<(), ListValueError>,
    get: fn(&ListSettings) -> String,
}

// A macro, because a function cannot take a field.
macro_rules! setting {
    ($key:literal, $field:ident, $kind:ident, $help:literal) => {
        Setting {
            key: $key,
            values: $kind.values,
            help: $help,
            set: |settings, text| ($kind.read)(text).map(|value| settings.$field = value),
            get: |settings| ($kind.write)(&settings.$field),
        }
    };
}

/// The settings of a list.
pub(crate) static LIST_SETTINGS: &[Setting] = &[
    setting!("display_name", display_name, LINE, "The name that people read, such as `My List`"),
    setting!("description", description, LINE, "What the list is about"),
    setting!("emergency", emergency, FLAG, "Whether all posts are held"),
    setting!("default_member_action", default_member_action, ACTION, "What is done with a member's post"),
    setting!(
        "default_nonmember_action",
        default_nonmember_action,
        ACTION,
        "What is done with a post of anyone else"
    ),
    setting!(
        "require_explicit_destination",
        require_explicit_destination,
        FLAG,
        "Whether a post is held that does not name the list in To or Cc"
    ),
    setting!(
        "acceptable_aliases",
        acceptable_aliases,
        ADDRESSES,
        "Other addresses in To or Cc that stand for the list"
    ),
    setting!("max_message_size", max_message_size, SIZE, "The largest post that is not held"),
    setting!(
        "max_num_recipients",
        max_num_recipients,
        RECIPIENTS,
        "A post with this many addresses in To and Cc is held"
    ),
    setting!("reply_goes_to_list", reply_mode, REPLY_MODE, "Where replies to a post go"),
    setting!(
        "reply_to_address",
        reply_to_address,
        ADDRESS,
        "The address for explicit_header and explicit_header_only"
    ),
    setting!("subject_prefix", subject_prefix, LINE, "Comes before each subject, with a space"),
    setting!("footer", footer, TEXT, "Comes after the text of each post"),
    setting!("munge", munge, MUNGE, "Whether From names the list instead of the author"),
    setting!("personal", personal, PERSONAL, "Whether each member gets a copy of their own"),
    setting!(
        "subscription_policy",
        subscription_policy,
        SUBSCRIPTION_POLICY,
        "Who may join, and who is asked first"
    ),
    setting!(
        "member_roster_visibility",
        member_roster_visibility,
        ROSTER_VISIBILITY,
        "Who may ask for the members by mail"
    ),
    setting!("send_welcome_message", send_welcome_message, FLAG, "Whether new members get a welcome"),
    setting!(
        "send_goodbye_message",
        send_goodbye_message,
        FLAG,
        "Whether members who leave get a goodbye, by which they can undo it"
    ),
    setting!(
        "admin_notify_mchanges",
        admin_notify_mchanges,
        FLAG,
        "Whether owners are notified of each member who joins or leaves"
    ),
    setting!(
        "admin_immed_notify",
        admin_immed_notify,
        FLAG,
        "Whether owners and moderators are notified of requests and posts that wait for a moderator"
    ),
    setting!(
        "respond_to_post_requests",
        respond_to_post_requests,
        FLAG,
        "Whether an author is notified that a post waits for a moderator"
    ),
];

impl Setting {
    /// Returns the setting with this key.
    ///
    /// # Errors
    /// There is none. The error names similar ones.
    pub(crate) fn of_key(key: &str) -> Result<&'static Self, ListSettingError> {
        let found = LIST_SETTINGS.iter().find(|setting| setting.key == key);
        found.ok_or_else(|| ListSettingError::NoSuchKey { key: key.to_owned(), similar: similar(key) })
    }

    /// Returns the value in `settings`, as it is written.
    pub(crate) fn value(&self, settings: &ListSettings) -> String {
        (self.get)(settings)
    }

    /// Returns the default, as it is written.
    pub(crate) fn default(&self) -> String {
        self.value(&ListSettings::default())
    }
}

/// Returns the keys most like a misspelt one, at most three, the best first.
fn similar(key: &str) -> Vec<&'static str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let likeness = |setting: &Setting| {
        let contains = !key.is_empty() && setting.key.split('_').any(|word| word == key);
        strsim::jaro_winkler(&key, setting.key).max(if contains { 0.9 } else { 0.0 })
    };
    let mut keys: Vec<_> = LIST_SETTINGS.iter().map(|setting| (likeness(setting), setting.key)).collect();
    keys.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let best = keys.first().map_or(0.0, |(likeness, _)| *likeness);
    let close = keys.into_iter().filter(|(likeness, _)| *likeness >= 0.75 && *likeness >= best - 0.1);
    close.map(|(_, key)| key).take(3).collect()
}

/// The reason why settings are not as they should be. Each text says what to write.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ListSettingError {
    #[error("write KEY=VALUE, such as emergency=yes")]
    NotASetting,
    #[error(
        "a list has no setting {key}{}; `listgate list set --help` explains all settings", did_you_mean(.similar)
    )]
    NoSuchKey { key: String, similar: Vec<&'static str> },
    #[error("{key}: {why}")]
    Value { key: &'static str, why: ListValueError },
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error(
        "this reply_goes_to_list needs an address: add reply_to_address=ADDRESS, or choose no_munging or \
         point_to_list"
    )]
    NoReplyToAddress,
}

fn did_you_mean(similar: &[&str]) -> String {
    match similar {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [others @ .., last] => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

impl ListSettings {
    /// Returns the settings with these keys and values, and the defaults of the others. Keys that this version does not
    /// know are skipped, because a newer one may have stored them.
    ///
    /// # Errors
    /// A value is not allowed, or two do not fit together.
    pub(crate) fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ListSettingError> {
        let mut settings = Self::default();
        for (key, value) in pairs {
            if let Ok(setting) = Setting::of_key(key.as_ref()) {
                let why = |why| ListSettingError::Value { key: setting.key, why };
                (setting.set)(&mut settings, value.as_ref()).map_err(why)?;
            }
        }
        if settings.reply_goes_to_list().is_none() {
            return Err(ListSettingError::NoReplyToAddress);
        }
        Ok(settings)
    }

    /// Returns the keys and values that differ from the defaults, in the order of the table.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let of = |setting: &Setting| (setting.key, setting.value(self), setting.default());
        LIST_SETTINGS
            .iter()
            .map(of)
            .filter_map(|(key, value, default)| (value != default).then_some((key, value)))
    }

    /// Returns where replies to posts go; `None` if the address is missing, which is refused when settings are read.
    fn reply_goes_to_list(&self) -> Option<ReplyGoesToList> {
        let address = self.reply_to_address.clone();
        match self.reply_mode {
            ReplyMode::NoMunging => Some(ReplyGoesToList::NoMunging),
            ReplyMode::PointToList => Some(ReplyGoesToList::PointToList),
            ReplyMode::ExplicitHeader => address.map(ReplyGoesToList::ExplicitHeader),
            ReplyMode::ExplicitHeaderOnly => address.map(ReplyGoesToList::ExplicitHeaderOnly),
        }
    }

    /// Returns the settings that decide about posts to the list with this list_id and address, where `bans` are its own
    /// and those of the site.
    pub(crate) fn posting(
        &self,
        list_id: impl Into<String>,
        posting_address: Mailbox,
        bans: Bans,
    ) -> posting::Settings {
        posting::Settings {
            bans,
            acceptable_aliases: self.acceptable_aliases.clone(),
            emergency: self.emergency,
            default_member_action: self.default_member_action,
            default_nonmember_action: self.default_nonmember_action,
            require_explicit_destination: self.require_explicit_destination,
            max_message_size: self.max_message_size,
            max_num_recipients: self.max_num_recipients,
            ..posting::Settings::new(list_id, posting_address)
        }
    }

    /// Returns the settings that decide about commands to the list with this list_id and address. `bans` are its own and
    /// those of the site.
    pub(crate) fn commands(
        &self,
        list_id: impl Into<String>,
        posting_address: Mailbox,
        bans: Bans,
    ) -> command::Settings {
        command::Settings {
            bans,
            subscription_policy: self.subscription_policy,
            member_roster_visibility: self.member_roster_visibility,
            send_welcome_message: self.send_welcome_message,
            send_goodbye_message: self.send_goodbye_message,
            admin_notify_mchanges: self.admin_notify_mchanges,
            admin_immed_notify: self.admin_immed_notify,
            ..command::Settings::new(list_id, posting_address)
        }
    }

    /// Returns the settings that decide how posts to the list with this list_id and address change.
    pub(crate) fn distribution(
        &self,
        list_id: impl Into<String>,
        posting_address: Mailbox,
    ) -> distribution::Settings {
        let reply_goes_to_list = self.reply_goes_to_list();
        distribution::Settings {
            display_name: self.display_name.clone().unwrap_or_default(),
            reply_goes_to_list: reply_goes_to_list.expect("it was checked when the settings were read"),
            subject_prefix: self.subject_prefix.clone(),
            footer: self.footer.clone(),
            munge: self.munge,
            ..distribution::Settings::new(list_id, posting_address)
        }
    }
}

impl TryFrom<BTreeMap<String, String>> for ListSettings {
    type Error = ListSettingError;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self, ListSettingError> {
        Self::from_pairs(pairs)
    }
}

impl From<ListSettings> for BTreeMap<&'static str, String> {
    fn from(settings: ListSettings) -> Self {
        settings.pairs().collect()
    }
}

/// A change of a setting, written `KEY=VALUE`. `KEY=` restores the default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListChange {
    pub(crate) key: &'static str,
    /// The value in the form in which it is stored; `None`: the default, which is not stored.
    pub(crate) value: Option<String>,
}

impl ListChange {
    /// Returns a change of the setting `key`.
    ///
    /// # Errors
    /// The key does not exist, or it has no such value.
    pub(crate) fn new(key: &str, value: &str) -> Result<Self, ListSettingError> {
        let setting = Setting::of_key(key)?;
        let mut settings = ListSettings::default();
        if !value.is_empty() {
            (setting.set)(&mut settings, value)
                .map_err(|why| ListSettingError::Value { key: setting.key, why })?;
        }
        let value = setting.value(&settings);
        Ok(Self { key: setting.key, value: (value != setting.default()).then_some(value) })
    }
}

impl FromStr for ListChange {
    type Err = ListSettingError;

    fn from_str(text: &str) -> Result<Self, ListSettingError> {
        let (key, value) = text.split_once('=').ok_or(ListSettingError::NotASetting)?;
        Self::new(key.trim(), value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[&str]) -> Result<ListSettings, ListSettingError> {
        let changes: Vec<ListChange> =
            changes.iter().map(|text| text.parse()).collect::<Result<_, ListSettingError>>()?;
        ListSettings::from_pairs(
            changes.into_iter().filter_map(|ListChange { key, value }| Some((key, value?))),
        )
    }

    fn stored(change: &str) -> Option<String> {
        change.parse::<ListChange>().unwrap().value
    }

    #[test]
    fn each_default_is_written_as_it_is_read() {
        for setting in LIST_SETTINGS {
            let change = ListChange::new(setting.key, &setting.default()).unwrap();
            assert_eq!(change, ListChange { key: setting.key, value: None });
            assert_eq!(change, ListChange::new(setting.key, "").unwrap());
        }
        assert_eq!(ListSettings::default().pairs().count(), 0);
    }

    #[test]
    fn a_value_is_stored_in_one_form() {
        for (change, value) in [
            ("display_name = My List ", Some("My List")),
            ("description=none", None),
            ("emergency=TRUE", Some("yes")),
            ("emergency=off", None),
            ("default_member_action=Hold", Some("hold")),
            ("default_nonmember_action=discard", Some("discard")),
            ("require_explicit_destination=0", Some("no")),
            ("acceptable_aliases=a@Example.org, b@example.org", Some("a@Example.org,b@example.org")),
            ("max_message_size=1024KiB", None),
            ("max_message_size=1536 KiB", Some("1536KiB")),
            ("max_message_size=2mb", Some("2000000B")),
            ("max_message_size=NONE", Some("none")),
            ("max_num_recipients=010", Some("10")),
            ("max_num_recipients=none", Some("none")),
            ("reply_goes_to_list=point_to_list", Some("point_to_list")),
            ("reply_to_address=staff@example.org", Some("staff@example.org")),
            ("subject_prefix=[My=List]", Some("[My=List]")),
            ("footer=one\r\n\ttwo\n\n", Some("one\n\ttwo")),
            ("munge=always", Some("always")),
            ("personal=never", Some("never")),
        ] {
            assert_eq!(stored(change).as_deref(), value, "{change}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_expected() {
        let long = format!("display_name={}", "n".repeat(256));
        let text = format!("footer={}", "n".repeat(4097));
        for (change, why) in [
            ("emergency", "write KEY=VALUE, such as emergency=yes"),
            ("emergency=perhaps", "emergency: write yes or no"),
            (
                "default_member_action=drop",
                "default_member_action: write accept, hold, reject, discard or defer",
            ),
            (
                "max_message_size=40",
                "max_message_size: write a size from 1KiB with its unit, such as 500KiB, or none",
            ),
            (
                "max_message_size=0KiB",
                "max_message_size: write a size from 1KiB with its unit, such as 500KiB, or none",
            ),
            ("max_num_recipients=1", "max_num_recipients: write a number from 2 to 1000000, or none"),
            (
                "acceptable_aliases=a@example.org b",
                "acceptable_aliases: \"b\" is not an address (no @ after the local part); separate several with commas",
            ),
            (
                "reply_goes_to_list=yes",
                "reply_goes_to_list: write no_munging, point_to_list, explicit_header or",
            ),
            (
                "reply_to_address=l@a\u{378}.example",
                "reply_to_address: the domain of l@a\u{378}.example is not valid",
            ),
            (
                "subject_prefix=a\r\nBcc: b@example.org",
                "subject_prefix: it has no control characters: U+000D is one",
            ),
            ("footer=a\u{1b}[2J", "footer: it has no control characters: U+001B is one"),
            ("munge=dmarc", "munge: write never or always"),
            ("personal=yes", "personal: write auto, always or never"),
            (&long, "display_name: it has at most 255 octets"),
            (&text, "footer: it has at most 4096 octets"),
        ] {
            let refused = change.parse::<ListChange>().unwrap_err().to_string();
            assert!(refused.starts_with(why), "{change}: {refused}");
        }
    }

    #[test]
    fn a_misspelt_key_names_the_nearest() {
        for (key, near) in [
            ("foter", "; did you mean footer?;"),
            ("Subject-Prefix", "; did you mean subject_prefix?;"),
            ("reply_to", "; did you mean reply_to_address"),
            ("message_size", "max_message_size"),
            ("nonmember_action", "default_nonmember_action"),
            ("default_action", "default_member_action or default_nonmember_action"),
            ("prefix", "; did you mean subject_prefix?;"),
            ("zzz", "a list has no setting zzz; `listgate list set --help` explains all settings"),
        ] {
            let refused = ListChange::new(key, "x").unwrap_err().to_string();
            assert!(refused.contains(near), "{key}: {refused}");
        }
    }

    #[test]
    fn an_explicit_header_needs_an_address() {
        for mode in ["reply_goes_to_list=explicit_header", "reply_goes_to_list=explicit_header_only"] {
            assert_eq!(with(&[mode]).unwrap_err(), ListSettingError::NoReplyToAddress);
        }
        let staff: Mailbox = "staff@example.org".parse().unwrap();
        for (mode, expected) in [
            ("no_munging", ReplyGoesToList::NoMunging),
            ("point_to_list", ReplyGoesToList::PointToList),
            ("explicit_header", ReplyGoesToList::ExplicitHeader(staff.clone())),
            ("explicit_header_only", ReplyGoesToList::ExplicitHeaderOnly(staff)),
        ] {
            let mode = format!("reply_goes_to_list={mode}");
            let settings = with(&[&mode, "reply_to_address=staff@example.org"]).unwrap();
            assert_eq!(settings.reply_goes_to_list(), Some(expected), "{mode}");
        }
    }

    #[test]
    fn a_snapshot_reads_back_as_the_same_settings() {
        let settings =
            with(&["footer=one\ntwo", "max_message_size=none", "acceptable_aliases=a@b.example,c@d.example"])
                .unwrap();
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            json,
            r#"{"acceptable_aliases":"a@b.example,c@d.example","footer":"one\ntwo","max_message_size":"none"}"#
        );
        assert_eq!(serde_json::from_str::<ListSettings>(&json).unwrap(), settings);
        let newer = r#"{"digests":"daily","emergency":"yes"}"#;
        assert!(serde_json::from_str::<ListSettings>(newer).unwrap().emergency, "other keys do not matter");
        assert!(serde_json::from_str::<ListSettings>(r#"{"emergency":"maybe"}"#).is_err());
    }

    /// The engine has the same defaults, and gets each value.
    #[test]
    fn settings_become_those_of_the_engine() {
        let address: Mailbox = "mylist@example.com".parse().unwrap();
        let posting = |settings: ListSettings| {
            format!("{:?}", settings.posting("mylist.example.com", address.clone(), Bans::default()))
        };
        let default = posting::Settings::new("mylist.example.com", address.clone());
        assert_eq!(posting(ListSettings::default()), format!("{default:?}"));
        let bans = || Bans::from_iter(["@example.net".parse().unwrap()]);
        let expected = posting::Settings {
            list_id: "mylist.example.com".to_owned(),
            posting_address: address.clone(),
            acceptable_aliases: vec!["a@example.org".parse().unwrap()],
            bans: bans(),
            emergency: true,
            default_member_action: Action::Hold,
            default_nonmember_action: Action::Reject,
            require_explicit_destination: false,
            max_message_size: Some(2048),
            max_num_recipients: None,
        };
        let settings = with(&[
            "acceptable_aliases=a@example.org",
            "emergency=yes",
            "default_member_action=hold",
            "default_nonmember_action=reject",
            "require_explicit_destination=no",
            "max_message_size=2KiB",
            "max_num_recipients=none",
        ]);
        let made = settings.unwrap().posting("mylist.example.com", address.clone(), bans());
        assert_eq!(format!("{made:?}"), format!("{expected:?}"));
    }
    #[test]
    fn settings_become_those_of_the_distribution() {
        let address: Mailbox = "mylist@example.com".parse().unwrap();
        let made = |settings: ListSettings| settings.distribution("mylist.example.com", address.clone());
        let default = distribution::Settings::new("mylist.example.com", address.clone());
        assert_eq!(made(ListSettings::default()), default);
        let settings = with(&[
            "display_name=My List",
            "reply_goes_to_list=point_to_list",
            "subject_prefix=[My List]",
            "footer=one\ntwo",
            "munge=always",
        ]);
        let expected = distribution::Settings {
            list_id: "mylist.example.com".to_owned(),
            posting_address: address.clone(),
            display_name: "My List".to_owned(),
            reply_goes_to_list: ReplyGoesToList::PointToList,
            subject_prefix: Some("[My List]".to_owned()),
            footer: Some("one\ntwo".to_owned()),
            munge: Munge::Always,
        };
        assert_eq!(made(settings.unwrap()), expected);
    }
}
