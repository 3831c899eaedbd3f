//! A file of members: CSV with a header, or one address a line.

use crate::limits;
use crate::model::{
    BanPattern, DisplayName, DisplayNameError, ListAddress, MemberChange, MemberChangeError, NamedAddress,
    NamedAddressError, NewMember,
};
use csv_core::ReadRecordResult;
use std::mem;

/// Names of the column with the addresses, in lower case.
const ADDRESS: [&str; 5] = ["address", "email", "e-mail", "mail", "email address"];

/// The characters that may stand between fields.
const DELIMITERS: [u8; 3] = *b",;\t";

/// The reason why a line was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("the line has more than {} octets", limits::MEMBER_LINE)]
    TooLong,
    #[error("the line is not UTF-8")]
    NotUtf8,
    #[error(transparent)]
    Address(#[from] NamedAddressError),
    #[error("{source}; a CSV file begins with a header such as address,name")]
    NoHeader { source: NamedAddressError },
    #[error("its address is empty")]
    NoAddress,
    #[error(transparent)]
    Name(#[from] DisplayNameError),
    #[error(transparent)]
    Setting(#[from] MemberChangeError),
    #[error("its quotes are not closed in the same line")]
    Quotes,
    #[error("it has more fields than the header: put quotes around a field with a delimiter in it")]
    Fields,
    #[error("it is banned by {0}")]
    Banned(BanPattern),
    #[error("{0} is the list itself: its posts would come back to it")]
    ListItself(ListAddress),
}

/// What a line says.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Line {
    /// It is blank or a comment.
    Nothing,
    /// It names the columns.
    Header {
        /// Columns that mean nothing here.
        ignored: Vec<String>,
    },
    New(NewMember),
}

/// Reads the lines of a file of members, in order.
#[derive(Default)]
pub(crate) enum MemberFile {
    /// The first line is yet to come.
    #[default]
    New,
    /// Each line is an address.
    Addresses,
    Csv {
        fields: Fields,
        columns: Vec<Column>,
    },
}

/// The meaning of a column.
pub(crate) enum Column {
    Address,
    Name,
    /// The key of a setting.
    Setting(String),
    Ignored,
}

impl MemberFile {
    /// Reads the next line, with or without its line end.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<Line, LineError> {
        if line.len() > limits::MEMBER_LINE {
            return Err(LineError::TooLong);
        }
        let line = str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
        // Windows programs begin a file with a byte order mark.
        let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(Line::Nothing);
        }
        match self {
            Self::New => {
                if let Some((fields, names)) = header(line) {
                    let columns: Vec<Column> = names.iter().map(|name| column(name)).collect();
                    let is_ignored = |(_, column): &(&String, &Column)| matches!(column, Column::Ignored);
                    let ignored = names.iter().zip(&columns).filter(is_ignored);
                    let ignored = ignored.map(|(name, _)| name.clone()).collect();
                    *self = Self::Csv { fields, columns };
                    return Ok(Line::Header { ignored });
                }
                *self = Self::Addresses;
                self.read(line.as_bytes())
            }
            Self::Addresses => match line.parse::<NamedAddress>() {
                Err(source) if line.contains(DELIMITERS.map(char::from)) => {
                    Err(LineError::NoHeader { source })
                }
                named => Ok(Line::New(named?.into())),
            },
            Self::Csv { fields, columns } => row(line, fields, columns).map(Line::New),
        }
    }
}

/// Returns the names of the columns, and what reads the next lines, if the line is a header.
fn header(line: &str) -> Option<(Fields, Vec<String>)> {
    DELIMITERS.into_iter().find_map(|delimiter| {
        let mut fields = Fields::new(delimiter);
        let names: Vec<String> = fields.read(line)?.iter().map(|name| name.trim().to_owned()).collect();
        names.iter().any(|name| is_address(name)).then_some((fields, names))
    })
}

fn is_address(name: &str) -> bool {
    ADDRESS.contains(&name.to_lowercase().as_str())
}

fn column(name: &str) -> Column {
    let key = name.to_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        _ if is_address(name) => Column::Address,
        "name" | "display_name" | "full_name" => Column::Name,
        key if MemberChange::has_key(key) => Column::Setting(key.to_owned()),
        _ => Column::Ignored,
    }
}

/// Reads the fields of lines with one delimiter.
pub(crate) struct Fields(Box<csv_core::Reader>);

impl Fields {
    fn new(delimiter: u8) -> Self {
        Self(Box::new(csv_core::ReaderBuilder::new().delimiter(delimiter).build()))
    }

    /// Returns the fields of a line, or `None` if its quotes are not closed.
    fn read(&mut self, line: &str) -> Option<Vec<String>> {
        if line.bytes().filter(|octet| *octet == b'"').count() % 2 == 1 {
            return None;
        }
        let (mut text, mut ends) = (vec![0; line.len() + 1], vec![0; line.len() + 1]);
        let (mut from, mut length, mut count) = (line.as_bytes(), 0, 0);
        self.0.reset();
        // Once the line is read, it is asked again with nothing, which stands for the end of a file.
        loop {
            let (result, taken, written, ended) =
                self.0.read_record(from, &mut text[length..], &mut ends[count..]);
            (from, length, count) = (&from[taken..], length + written, count + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return None,
            }
        }
        let begins = [0].into_iter().chain(ends.iter().copied());
        let field = |(begin, end): (usize, &usize)| String::from_utf8_lossy(&text[begin..*end]).into_owned();
        Some(begins.zip(&ends[..count]).map(field).collect())
    }
}

fn row(line: &str, fields: &mut Fields, columns: &[Column]) -> Result<NewMember, LineError> {
    let fields = fields.read(line).ok_or(LineError::Quotes)?;
    if fields.len() > columns.len() {
        return Err(LineError::Fields);
    }
    let (mut named, mut name, mut changes) = (None, None, Vec::new());
    for (field, column) in fields.iter().zip(columns).filter(|(field, _)| !field.trim().is_empty()) {
        match column {
            Column::Address => named = Some(field.parse::<NamedAddress>()?),
            Column::Name => name = DisplayName::parse(field)?,
            Column::Setting(key) => changes.push(MemberChange::parse(key, field)?),
            Column::Ignored => {}
        }
    }
    let mut named = named.ok_or(LineError::NoAddress)?;
    if name.is_some() {
        named.name = mem::take(&mut name);
    }
    Ok(NewMember { named, changes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each line's address, name and settings, or why it was refused.
    fn read(lines: &[&str]) -> Vec<String> {
        let mut file = MemberFile::default();
        let read = lines.iter().map(|line| match file.read(line.as_bytes()) {
            Ok(Line::Nothing) => "nothing".to_owned(),
            Ok(Line::Header { ignored }) => format!("header, without {ignored:?}"),
            Ok(Line::New(NewMember { named: NamedAddress { address, name }, changes })) => {
                let name = name.map(|name| format!(" {:?}", name.as_str())).unwrap_or_default();
                format!("{address}{name}{}", " and a setting".repeat(changes.len()))
            }
            Err(why) => format!("refused: {why}"),
        });
        read.collect()
    }

    #[test]
    fn a_file_has_an_address_in_each_line() {
        let lines = [
            "\u{feff}anne@example.org\r\n",
            "# our friends\n",
            "\n",
            "\"B, Bob\" <bob@example.org>",
            "carl",
            "dora@example.org, Dora",
        ];
        assert_eq!(
            read(&lines),
            [
                "anne@example.org",
                "nothing",
                "nothing",
                "bob@example.org \"B, Bob\"",
                "refused: write an address such as anne@example.com",
                "refused: write an address such as anne@example.com; a CSV file begins with a header such as \
                 address,name",
            ]
        );
    }

    #[test]
    fn a_csv_file_has_a_header_that_names_the_columns() {
        let lines = [
            "Name;E-Mail;City;own_posts;Delivery",
            "\"B; Bob\";bob@example.org;Bonn;no;off until 2099-01-01",
            ";\"Anne <anne@example.org>\"",
            "\"F \"\"Fi\"\" F\";fi@example.org;;",
            "Carl;;Bonn",
            "Dora;dora",
            "\"Eve;eve@example.org",
            "F;f@example.org;Bonn;yes;on;more",
            "G;g@example.org;Bonn;perhaps",
        ];
        assert_eq!(
            read(&lines),
            [
                "header, without [\"City\"]",
                "bob@example.org \"B; Bob\" and a setting and a setting",
                "anne@example.org \"Anne\"",
                "fi@example.org \"F \\\"Fi\\\" F\"",
                "refused: its address is empty",
                "refused: write an address such as anne@example.com",
                "refused: its quotes are not closed in the same line",
                "refused: it has more fields than the header: put quotes around a field with a delimiter in it",
                "refused: write own_posts=yes or own_posts=no",
            ]
        );
        assert_eq!(read(&["email address", "anne@example.org"])[1], "anne@example.org", "one column");
    }

    #[test]
    fn a_line_that_is_no_text_is_refused_alone() {
        let mut file = MemberFile::default();
        assert!(matches!(file.read(b"\xff@example.org"), Err(LineError::NotUtf8)));
        let long = format!("{}@example.org", "a".repeat(limits::MEMBER_LINE));
        assert!(matches!(file.read(long.as_bytes()), Err(LineError::TooLong)));
        assert!(matches!(file.read(b"anne@example.org"), Ok(Line::New(_))));
    }
}
