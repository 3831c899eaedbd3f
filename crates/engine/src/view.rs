//! What a decision sees of a message: its header, the two ends of its body, and its size. Whatever the size of a
//! message, this has a bound, so it can be held in memory.

use crate::address::{self, Address};
use crate::limits;
use crate::splice::Splice;
use crate::text;
use std::fmt;
use std::ops::Range;

/// Octets from the beginning of a message that a [`View`] needs: the header, an empty line, and the body's beginning.
pub const START: usize = limits::HEADER + 2 + limits::BODY_START;

/// Octets from the end of a message that a [`View`] needs.
pub const END: usize = limits::BODY_END;

/// A message, as far as decisions see it.
///
/// Lines of the header end at CR, LF or CR LF. A line belongs to the header if it begins with a blank, with `From `,
/// or with a name and a colon. Blanks may stand between the name and the colon (RFC 5322 section 4.5.8). These are the
/// rules by which the gate found the end of the header when it took the message.
///
/// ```
/// use listgate_engine::view::View;
///
/// let message = b"From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\r\nHello.\r\n";
/// let view = View::whole(message);
/// assert_eq!(view.addresses("from")[0].mailbox.as_ref().unwrap().as_str(), "ann@example.org");
/// assert_eq!(view.first("Subject").unwrap().decoded(), "caf\u{e9}");
/// assert_eq!(view.body_start(), b"Hello.\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct View<'m> {
    start: &'m [u8],
    end: &'m [u8],
    size: u64,
    header: Header,
}

impl<'m> View<'m> {
    /// Reads the header of a message of `size` octets. `start` has its first [`START`] octets and `end` its last
    /// [`END`], or all of it if it has fewer.
    ///
    /// # Errors
    /// Returns an error if `start` or `end` has another length.
    pub fn new(start: &'m [u8], end: &'m [u8], size: u64) -> Result<Self, WrongLength> {
        let is_right = |part: &[u8], most: usize| part.len() as u64 == size.min(most as u64);
        if !is_right(start, START) || !is_right(end, END) {
            return Err(WrongLength { size });
        }
        Ok(Self { start, end, size, header: Header::read(start) })
    }

    /// Reads the header of a message that is in memory as a whole.
    pub fn whole(message: &'m [u8]) -> Self {
        let start = &message[..message.len().min(START)];
        let end = &message[message.len().saturating_sub(END)..];
        Self { start, end, size: message.len() as u64, header: Header::read(start) }
    }

    /// Returns the size of the message in octets.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether the whole header was read. If not, it has more than [`limits::HEADER`] octets, and only the
    /// fields that end before that are known.
    pub fn has_whole_header(&self) -> bool {
        self.header.is_whole
    }

    /// Returns the fields of the header, in their order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'m>> {
        let start = self.start;
        self.header.fields.iter().map(move |place| place.field(start))
    }

    /// Returns the fields of this name, in their order. The case of the name does not matter.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Field<'m>> {
        self.fields().filter(move |field| field.is(name))
    }

    /// Returns the first field of this name.
    pub fn first(&self, name: &str) -> Option<Field<'m>> {
        self.named(name).next()
    }

    /// Returns the addresses in all fields of this name.
    pub fn addresses(&self, name: &str) -> Vec<Address> {
        self.named(name).flat_map(|field| address::read(&field.unfolded())).collect()
    }

    /// Returns the offset at which a field can be put before all others: that of the first field, which a `From ` line
    /// may precede, or the end of a header without fields.
    pub fn first_field_at(&self) -> u64 {
        self.header.fields.first().map_or(self.header_end(), |first| first.start.into())
    }

    /// Returns the offset after the last line of the header, at which a field can be put after all others.
    pub fn header_end(&self) -> u64 {
        self.header.end as u64
    }

    /// Returns the splices that remove fields, and add others: `first` before all fields that stay, and `last` after
    /// them. Both are fields that end in CR LF. `last` must not be empty: a `From ` line within the header belongs to it
    /// only if something follows, and a line that ends in CR must not come directly before an LF, because the two would
    /// become one line end.
    ///
    /// The header ends where it did. If it ended without an empty line, one is added.
    pub(crate) fn edit(
        &self,
        is_unwanted: impl Fn(&Field<'m>) -> bool,
        first: &str,
        last: &str,
    ) -> Vec<Splice> {
        let mut splices = self.edit_fields(is_unwanted, first, last);
        splices.push(self.empty_line());
        splices
    }

    /// Returns the splices of [`edit`](Self::edit) without the last one, which is [`empty_line`](Self::empty_line). More
    /// fields can be inserted between the two, at the end of the header.
    pub(crate) fn edit_fields(
        &self,
        is_unwanted: impl Fn(&Field<'m>) -> bool,
        first: &str,
        last: &str,
    ) -> Vec<Splice> {
        let end = self.header_end();
        let removes_end =
            self.fields().last().is_some_and(|field| field.octets.end == end && is_unwanted(&field));
        let line_end = match self.start[..self.header.end].last() {
            None | Some(b'\r' | b'\n') => "",
            // What comes before a field that is removed ends in a line end.
            Some(_) if removes_end => "",
            Some(_) => "\r\n",
        };
        let unwanted = self.fields().filter(is_unwanted);
        let mut splices: Vec<_> = unwanted.map(|field| Splice::remove(field.octets)).collect();
        if self.header.fields.is_empty() {
            splices.push(Splice::insert(end, format!("{line_end}{first}{last}")));
        } else {
            splices.push(Splice::insert(self.first_field_at(), first));
            splices.push(Splice::insert(end, format!("{line_end}{last}")));
        }
        splices
    }

    /// Returns the splice that adds the empty line after the header, if there is none. Otherwise it changes nothing.
    pub(crate) fn empty_line(&self) -> Splice {
        let is_missing = self.header.body == self.header.end;
        Splice::insert(self.header_end(), if is_missing { "\r\n" } else { "" })
    }

    /// Returns the offset of the body, which is known only if the header is whole.
    pub(crate) fn body_at(&self) -> u64 {
        self.header.body as u64
    }

    /// Returns the whole body, if it has at most [`limits::BODY_START`] octets and the header is whole.
    pub(crate) fn whole_body(&self) -> Option<&'m [u8]> {
        let body = self.body_start();
        (self.header.is_whole && self.body_at() + body.len() as u64 == self.size).then_some(body)
    }

    /// Returns the message from its first octet on, as far as it was read: the header, and the beginning of the body.
    pub(crate) fn seen(&self) -> &'m [u8] {
        let end = self.header.body + self.body_start().len();
        &self.start[..end]
    }

    /// Returns a field as it was written, from its name to its last line end.
    pub(crate) fn written(&self, field: &Field<'m>) -> &'m [u8] {
        &self.start[field.octets.start as usize..field.octets.end as usize]
    }

    /// Returns the first [`limits::BODY_START`] octets of the body. If the header is not whole, there are none.
    pub fn body_start(&self) -> &'m [u8] {
        let body = &self.start[self.header.body..];
        if self.header.is_whole { &body[..body.len().min(limits::BODY_START)] } else { &[] }
    }

    /// Returns the last [`limits::BODY_END`] octets of the body. If the header is not whole, there are none.
    pub fn body_end(&self) -> &'m [u8] {
        let body_size = self.size - self.header.body as u64;
        let len = usize::try_from(body_size).unwrap_or(usize::MAX).min(self.end.len());
        if self.header.is_whole { &self.end[self.end.len() - len..] } else { &[] }
    }
}

/// One field of a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field<'m> {
    /// The name, as it was written.
    pub name: &'m [u8],
    /// Everything after the colon, with all line ends.
    pub value: &'m [u8],
    /// Where the field is in the message, from the name to the last line end.
    pub octets: Range<u64>,
}

impl Field<'_> {
    /// Returns whether the field has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns the offset of the value in the message, directly after the colon.
    pub(crate) fn value_at(&self) -> u64 {
        self.octets.end - self.value.len() as u64
    }

    /// Returns the value on one line. Octets that are not UTF-8 become U+FFFD.
    pub fn unfolded(&self) -> String {
        text::unfold(self.value)
    }

    /// Returns the value on one line, with encoded words decoded (RFC 2047), and without control characters.
    pub fn decoded(&self) -> String {
        text::decode(&self.unfolded())
    }
}

/// The part of a message that was given to [`View::new`] does not have the length that it must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongLength {
    /// The size of the message in octets.
    pub size: u64,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a view of {} octets needs the first {START} and the last {END} of them", self.size)
    }
}

impl std::error::Error for WrongLength {}

/// The places of a header's parts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Header {
    fields: Vec<Place>,
    /// The offset after the last line.
    end: usize,
    /// The offset of the body.
    body: usize,
    is_whole: bool,
}

/// The place of one field. A hostile header has hundreds of thousands, so this is small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    start: u32,
    name_end: u32,
    colon: u32,
    end: u32,
}

impl Place {
    fn field(self, message: &[u8]) -> Field<'_> {
        let Self { start, name_end, colon, end } = self;
        Field {
            name: &message[start as usize..name_end as usize],
            value: &message[colon as usize + 1..end as usize],
            octets: start.into()..end.into(),
        }
    }
}

/// The kind of a header line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    /// A field: the lengths of the name, and of everything before the colon.
    Field {
        name: usize,
        colon: usize,
    },
    /// It continues the line before.
    Continuation,
    /// A `From ` line.
    From,
    Empty,
    Body,
}

impl Header {
    /// Reads the header at the front of `message`, at most [`limits::HEADER`] octets.
    fn read(message: &[u8]) -> Self {
        let mut header = Self::default();
        let (mut at, mut last_is_field) = (0, false);
        // A `From ` line is part of the header if it is the first line, or if the header goes on after it.
        let mut undecided_from = None;
        while let Some(rest) = message.get(at..).filter(|rest| !rest.is_empty()) {
            let line = Line::at(rest);
            if matches!(line, Line::Empty | Line::Body) {
                break;
            }
            let end = at + line_len(rest);
            if end > limits::HEADER {
                header.end = at;
                header.body = message.len();
                return header;
            }
            undecided_from = (line == Line::From && at > 0).then_some(at);
            match line {
                Line::Field { name, colon } => header.fields.push(Place {
                    start: offset(at),
                    name_end: offset(at + name),
                    colon: offset(at + colon),
                    end: offset(end),
                }),
                Line::Continuation if last_is_field => {
                    let last = header.fields.last_mut().expect("the line before is part of a field");
                    last.end = offset(end);
                }
                _ => {}
            }
            last_is_field = matches!(line, Line::Field { .. }) || line == Line::Continuation && last_is_field;
            at = end;
        }
        header.end = undecided_from.unwrap_or(at);
        let is_empty_line = undecided_from.is_none() && Line::at(&message[at..]) == Line::Empty;
        header.body = header.end + if is_empty_line { line_len(&message[at..]) } else { 0 };
        header.is_whole = true;
        header
    }
}

impl Line {
    fn at(rest: &[u8]) -> Self {
        let is_name = |octet: &&u8| matches!(octet, 0x21..=0x39 | 0x3b..=0x7e);
        let is_blank = |octet: &&u8| matches!(octet, b' ' | b'\t');
        match rest.first() {
            None => return Self::Body,
            Some(b'\r' | b'\n') => return Self::Empty,
            Some(b' ' | b'\t') => return Self::Continuation,
            Some(_) => {}
        }
        let name = rest.iter().take_while(is_name).count();
        let colon = name + rest[name..].iter().take_while(is_blank).count();
        match rest.get(colon) {
            Some(b':') => Self::Field { name, colon },
            _ if rest.starts_with(b"From ") => Self::From,
            _ => Self::Body,
        }
    }
}

/// Returns the length of the first line with its line end, which is CR, LF or CR LF.
fn line_len(rest: &[u8]) -> usize {
    match memchr::memchr2(b'\r', b'\n', rest) {
        Some(at) if rest[at..].starts_with(b"\r\n") => at + 2,
        Some(at) => at + 1,
        None => rest.len(),
    }
}

fn offset(at: usize) -> u32 {
    const { assert!(limits::HEADER <= u32::MAX as usize) };
    u32::try_from(at).expect("an offset in the header is below its limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splice::Splices;
    use proptest::prelude::*;

    /// Returns each field as `name|value`.
    fn fields(message: &[u8]) -> Vec<String> {
        let show = |field: Field<'_>| format!("{}|{}", field.name.escape_ascii(), field.unfolded());
        View::whole(message).fields().map(show).collect()
    }

    #[test]
    fn fields_are_found_as_the_gate_finds_them() {
        for (message, expected, body) in [
            ("", vec![], ""),
            ("\r\nbody", vec![], "body"),
            ("body\r\n", vec![], "body\r\n"),
            ("A: b\r\nC: d\r\n\r\nbody", vec!["A|b", "C|d"], "body"),
            ("A: b\nC: d\n\nbody", vec!["A|b", "C|d"], "body"),
            ("A: b\rC: d\r\rbody", vec!["A|b", "C|d"], "body"),
            ("A: b\r\n c\r\n\td\r\n\r\n", vec!["A|b c\td"], ""),
            ("A: b", vec!["A|b"], ""),
            ("A:\r\nB:", vec!["A|", "B|"], ""),
            ("A : b\r\nC\t \t: d\r\n\r\n", vec!["A|b", "C|d"], ""),
            ("A: b: c\r\n: d\r\n\r\n", vec!["A|b: c", "|d"], ""),
            ("A: b\r\nno field\r\nC: d\r\n", vec!["A|b"], "no field\r\nC: d\r\n"),
            (" a\r\nA: b\r\n\r\n", vec!["A|b"], ""),
            ("From x\r\nA: b\r\n\r\nbody", vec!["A|b"], "body"),
            ("A: b\r\nFrom x\r\nC: d\r\n\r\nbody", vec!["A|b", "C|d"], "body"),
            ("A: b\r\nFrom x\r\n y\r\n\r\nbody", vec!["A|b"], "body"),
            ("A: b\r\nFrom x\r\n\r\nbody", vec!["A|b"], "From x\r\n\r\nbody"),
            ("From : a@b\r\n\r\n", vec!["From|a@b"], ""),
        ] {
            assert_eq!(fields(message.as_bytes()), expected, "{message:?}");
            let view = View::whole(message.as_bytes());
            assert_eq!(view.body_start().escape_ascii().to_string(), body.escape_default().to_string());
            assert_eq!(view.body_start(), view.body_end());
            assert!(view.has_whole_header());
        }
    }

    #[test]
    fn fields_have_their_places() {
        let message = b"From x\r\nA : b\r\n c\r\nD: e\r\n\r\nbody";
        let view = View::whole(message);
        let places: Vec<_> = view.fields().map(|field| field.octets).collect();
        assert_eq!(places, [8..19, 19..25]);
        assert_eq!((view.first_field_at(), view.header_end(), view.size()), (8, 25, 31));
        let field = view.first("a").unwrap();
        assert_eq!((field.name, field.value), (b"A".as_slice(), b" b\r\n c\r\n".as_slice()));
        assert_eq!(view.first("b"), None);
    }

    #[test]
    fn a_first_field_can_be_put_before_all_others() {
        for (message, at) in [
            ("A: b\r\n\r\n", 0),
            ("From x\r\nA: b\r\n\r\n", 8),
            (" x\r\nA: b\r\n\r\n", 4),
            ("From x\r\n y\r\nFrom z\r\nA: b\r\n\r\n", 20),
            ("From x\r\n\r\n", 8),
            ("\r\nA: b\r\n", 0),
        ] {
            assert_eq!(View::whole(message.as_bytes()).first_field_at(), at, "{message:?}");
        }
    }

    #[test]
    fn all_fields_of_a_name_count() {
        let view = View::whole(b"To: a@x\r\nCC: b@x\r\nto: C <c@x>,\r\n\td@x\r\n\r\n");
        let shown = |address: &Address| address.mailbox.as_ref().unwrap().to_string();
        let to: Vec<_> = view.addresses("To").iter().map(shown).collect();
        assert_eq!(to, ["a@x", "c@x", "d@x"]);
    }

    #[test]
    fn a_view_has_bounds() {
        let field = "A: b\r\n";
        let full = limits::HEADER / field.len();
        let end = field.len() * full;
        for (header, whole) in [
            (field.repeat(full), true),
            (field.repeat(full + 1), false),
            (format!("{}B:{}\r\n", field.repeat(full - 1), "x".repeat(limits::HEADER - end + 2)), true),
            (format!("{}B:{}\r\n", field.repeat(full - 1), "x".repeat(limits::HEADER - end + 3)), false),
        ] {
            let message = [header.as_bytes(), b"\r\n", &[b'x'; START]].concat();
            let view = View::whole(&message);
            assert_eq!(view.has_whole_header(), whole, "{}", header.len());
            let bodies = if whole { (limits::BODY_START, limits::BODY_END) } else { (0, 0) };
            assert_eq!((view.body_start().len(), view.body_end().len()), bodies);
            assert!(view.fields().all(|field| field.octets.end <= limits::HEADER as u64));
        }
    }

    #[test]
    fn the_two_ends_of_a_body_may_overlap_but_have_no_header() {
        let view = View::whole(b"A: b\r\n\r\nbody");
        assert_eq!((view.body_start(), view.body_end()), (b"body".as_slice(), b"body".as_slice()));
    }

    #[test]
    fn parts_of_the_wrong_length_are_refused() {
        let message = vec![b'x'; START + 1];
        let size = message.len() as u64;
        let end = &message[..END];
        assert!(View::new(&message[..START], end, size).is_ok());
        for (start, end, size) in [
            (&message[..START - 1], end, size),
            (&message[..], end, size),
            (&message[..START], &message[..END + 1], size),
            (&message[..10], &message[..10], 11),
            (&message[..10], &message[..9], 10),
        ] {
            assert_eq!(View::new(start, end, size).err(), Some(WrongLength { size }));
        }
    }

    #[test]
    fn fields_are_added_before_and_after_those_that_stay() {
        for (message, expected) in [
            ("A: b\r\n\r\nbody", "F: 1\r\nA: b\r\nL: 1\r\n\r\nbody"),
            ("X: a\r\nA: b\r\nX: c\r\n\r\nbody", "F: 1\r\nA: b\r\nL: 1\r\n\r\nbody"),
            ("From x\r\nA: b\n\nbody", "From x\r\nF: 1\r\nA: b\nL: 1\r\n\nbody"),
            (" x\r\nX: b\r\n\r\n", " x\r\nF: 1\r\nL: 1\r\n\r\n"),
            ("X: a\r\n b\r\nA: b\r\nx : c\r\n\tX: d\r\n\r\nX: d", "F: 1\r\nA: b\r\nL: 1\r\n\r\nX: d"),
            // CR and LF that end two lines do not come together.
            ("A: b\rX: c\nX: d\n\nbody", "F: 1\r\nA: b\rL: 1\r\n\nbody"),
            (" x\rX: b\n\nbody", " x\rF: 1\r\nL: 1\r\n\nbody"),
            ("A: b\r\nFrom x\r\nX: c\r\n\r\n", "F: 1\r\nA: b\r\nFrom x\r\nL: 1\r\n\r\n"),
            // The gate stores none of these.
            ("A: b", "F: 1\r\nA: b\r\nL: 1\r\n\r\n"),
            ("A: b\r\nX: c", "F: 1\r\nA: b\r\nL: 1\r\n\r\n"),
            ("X: c", "F: 1\r\nL: 1\r\n\r\n"),
            ("From x", "From x\r\nF: 1\r\nL: 1\r\n\r\n"),
            ("\r\nbody", "F: 1\r\nL: 1\r\n\r\nbody"),
            ("body", "F: 1\r\nL: 1\r\n\r\nbody"),
            ("", "F: 1\r\nL: 1\r\n\r\n"),
        ] {
            let message = message.as_bytes();
            let splices = View::whole(message).edit(|field| field.is("X"), "F: 1\r\n", "L: 1\r\n");
            let changed = Splices::new(splices).unwrap().apply(message);
            assert_eq!(String::from_utf8(changed).unwrap(), expected, "{}", message.escape_ascii());
            let splices = View::whole(message).edit(|field| field.is("X"), "", "L: 1\r\n");
            let changed = Splices::new(splices).unwrap().apply(message);
            assert_eq!(String::from_utf8(changed).unwrap(), expected.replace("F: 1\r\n", ""));
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_as_in_the_reference(
            lines in prop::collection::vec("(A|B|From) ?[:x ]{0,2}|[ \t]x|From x|", 0..8),
            ends in prop::collection::vec("\r|\n|\r\n", 8),
        ) {
            let message: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            crate::fuzz::view(message.as_bytes());
        }
    }
}
