//! What a database of Mailman's says.

/// What kept it from answering, in whosever words.
pub(super) type Why = Box<dyn std::error::Error + Send + Sync>;

/// `list_name`, `mail_host` and `list_id` of a list.
pub(super) type Found = [String; 3];
