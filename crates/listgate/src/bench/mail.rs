//! The messages to send, each different and of a requested size, and their recipients.

use crate::limits;
use bytesize::ByteSize;
use listgate_lmtp::{ForwardPath, InvalidAddress, Recipient, ReversePath, encode_message};
use std::borrow::Cow;
use std::io::Write;
use std::str::FromStr;

/// Octets at the beginning of each message that make it unique: `Message-ID: <RUN.NUMBER@bench.invalid>` and its
/// line end. All messages of a size share the rest.
pub(crate) const HEAD: usize = 63;

/// Sizes in octets, each with its share of the messages in percent. The shares add up to 100.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sizes(Vec<(u64, usize)>);

/// The reason a text does not specify message sizes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SizesError {
    #[error("write a size such as 4KiB")]
    NotASize,
    #[error("a message has {least} octets to 1 GiB", least = limits::BENCH_MESSAGE.start())]
    OutOfRange,
    #[error("write a size with its share, such as 95%:4KiB")]
    NotAShare,
    #[error("write a share from 1% to 100%")]
    Percent,
    #[error("the shares add up to {0} %, not to 100 %")]
    Sum(u64),
    /// One of several shares is wrong.
    #[error("{share:?}")]
    Share { share: String, source: Box<SizesError> },
}

impl FromStr for Sizes {
    type Err = SizesError;

    /// Parses sizes such as `4KiB` or `95%:4KiB,5%:1MiB`.
    fn from_str(text: &str) -> Result<Self, SizesError> {
        if !text.contains('%') {
            return Ok(Self(vec![(100, size(text)?)]));
        }
        let named = |text: &str| {
            share(text).map_err(|why| SizesError::Share { share: text.to_owned(), source: why.into() })
        };
        let shares = text.split(',').map(named).collect::<Result<Vec<_>, _>>()?;
        let sum: u64 = shares.iter().map(|(percent, _)| percent).sum();
        if sum == 100 { Ok(Self(shares)) } else { Err(SizesError::Sum(sum)) }
    }
}

/// Parses a size such as `4KiB`.
fn size(text: &str) -> Result<usize, SizesError> {
    let size: ByteSize = text.parse().map_err(|_| SizesError::NotASize)?;
    let octets = usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    if limits::BENCH_MESSAGE.contains(&octets) { Ok(octets) } else { Err(SizesError::OutOfRange) }
}

/// Parses a share such as `95%:4KiB`.
fn share(text: &str) -> Result<(u64, usize), SizesError> {
    let (percent, octets) = text.split_once("%:").ok_or(SizesError::NotAShare)?;
    match percent.parse() {
        Ok(percent @ 1..=100) => Ok((percent, size(octets)?)),
        _ => Err(SizesError::Percent),
    }
}

/// The recipients of each message.
#[derive(Clone, Debug)]
pub(crate) enum Recipients {
    /// The same recipients for all messages.
    Fixed(Vec<Recipient>),
    /// The next `each` of `numbers` addresses, starting over after the last.
    Numbered { pattern: String, each: u64, numbers: u64 },
}

/// The reason addresses and numbers do not make recipients.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecipientsError {
    #[error("{each} recipients of a message want at least {each} numbers")]
    TooFewNumbers { each: u64 },
    #[error("several recipients from one --to want {{}} in it, for their numbers")]
    NoPattern,
    #[error("{address} is not an address such as mylist@example.com")]
    Address { address: String, source: InvalidAddress },
}

impl Recipients {
    /// Creates the recipients from addresses. A single address may be a pattern, in which `{}` stands for a number
    /// from 1.
    ///
    /// # Errors
    /// A text is not an address, or the number of recipients does not fit the addresses.
    pub(crate) fn new(to: &[String], each: u64, numbers: Option<u64>) -> Result<Self, RecipientsError> {
        match to {
            [pattern] if pattern.contains("{}") => {
                let numbers = numbers.unwrap_or(each);
                if numbers < each {
                    return Err(RecipientsError::TooFewNumbers { each });
                }
                let first = (1..=each).map(|number| numbered(pattern, number)).collect::<Result<_, _>>()?;
                if numbers == each {
                    return Ok(Self::Fixed(first));
                }
                Ok(Self::Numbered { pattern: pattern.clone(), each, numbers })
            }
            _ if each > 1 || numbers.is_some() => Err(RecipientsError::NoPattern),
            _ => to.iter().map(|address| recipient(address)).collect::<Result<_, _>>().map(Self::Fixed),
        }
    }

    /// Returns the recipients of one message.
    pub(crate) fn of(&self, number: u64) -> Cow<'_, [Recipient]> {
        match self {
            Self::Fixed(all) => Cow::Borrowed(all),
            Self::Numbered { pattern, each, numbers } => {
                let places = (number * each..(number + 1) * each).map(|place| place % numbers + 1);
                let address = |place| numbered(pattern, place).expect("its first numbers make addresses");
                Cow::Owned(places.map(address).collect())
            }
        }
    }
}

fn numbered(pattern: &str, number: u64) -> Result<Recipient, RecipientsError> {
    recipient(&pattern.replace("{}", &number.to_string()))
}

fn recipient(text: &str) -> Result<Recipient, RecipientsError> {
    let mailbox = text.parse();
    let named = |source| RecipientsError::Address { address: text.to_owned(), source };
    mailbox.map(ForwardPath::Mailbox).map(Recipient::from).map_err(named)
}

/// A message of one size, encoded once.
pub(crate) struct Letter {
    /// Octets of the message, before dot-stuffing.
    pub(crate) size: usize,
    /// The message after its head, as sent over the wire, including the final dot.
    pub(crate) rest: Vec<u8>,
}

/// All messages of a run.
pub(crate) struct Mail {
    pub(crate) from: ReversePath,
    pub(crate) to: Recipients,
    pub(crate) letters: Vec<Letter>,
    /// The cumulative shares of `letters` in percent, in the same order.
    shares: Vec<u64>,
    run: u64,
}

impl Mail {
    /// Creates the messages of a run. `run` distinguishes them from those of other runs.
    pub(crate) fn new(from: ReversePath, to: Recipients, Sizes(sizes): &Sizes, run: u64) -> Self {
        let letter = |&(_, size): &(u64, usize)| Letter { size, rest: rest(&from, size) };
        let letters = sizes.iter().map(letter).collect();
        let mut sum = 0;
        let add = |&(share, _): &(u64, usize)| {
            sum += share;
            sum
        };
        Self { letters, shares: sizes.iter().map(add).collect(), from, to, run }
    }

    /// Returns the index of a message's letter. The same number always gets the same letter, and the shares are met
    /// without a pattern that a server could fall into step with.
    pub(crate) fn letter_of(&self, number: u64) -> usize {
        let mut hash = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let percent = (hash >> 32) % 100;
        self.shares.iter().position(|&share| percent < share).unwrap_or(0)
    }

    /// Returns the head that makes a message unique, so that a server that recognizes repeated mail queues it
    /// anyway.
    pub(crate) fn head_of(&self, number: u64) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        write!(head.as_mut_slice(), "Message-ID: <{:016x}.{number:016x}@bench.invalid>\r\n", self.run)
            .expect("the head has room for two numbers");
        head
    }
}

/// Returns a message of `size` octets as sent over the wire, without its head.
fn rest(from: &ReversePath, size: usize) -> Vec<u8> {
    let sender = match from {
        ReversePath::Null => "postmaster@bench.invalid".to_owned(),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    };
    let mut message = format!("From: <{sender}>\r\nTo: undisclosed-recipients:;\r\n").into_bytes();
    message.extend_from_slice(b"Subject: A message of listgate bench\r\n\r\n");
    let line = b"The quick brown fox jumps over the lazy dog, and again, and once more.\r\n";
    let end = size.saturating_sub(HEAD).max(message.len() + 2);
    while message.len() < end {
        message.extend_from_slice(line);
    }
    message.truncate(end - 2);
    // A message that was cut in the middle of a line end would not have the requested size.
    if message.ends_with(b"\r") {
        message.pop();
        message.push(b'.');
    }
    message.extend_from_slice(b"\r\n");
    encode_message(&message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::Chain;

    fn mail(sizes: &str) -> Mail {
        let to = Recipients::new(&["list@example.com".to_owned()], 1, None).unwrap();
        Mail::new(ReversePath::Null, to, &sizes.parse().unwrap(), 7)
    }

    #[test]
    fn a_message_has_its_size_and_its_own_head() {
        for size in (256..600).chain([4096, 1 << 20]) {
            let mail = mail(&format!("{size}B"));
            let wire = &mail.letters[0].rest;
            assert_eq!(HEAD + wire.len() - b".\r\n".len(), size);
            assert!(wire.ends_with(b"\r\n.\r\n"));
        }
        let mail = mail("4KiB");
        let heads: std::collections::HashSet<_> = (0..1000).map(|number| mail.head_of(number)).collect();
        assert_eq!(heads.len(), 1000);
        assert_eq!(
            mail.head_of(u64::MAX),
            *b"Message-ID: <0000000000000007.ffffffffffffffff@bench.invalid>\r\n"
        );
    }

    #[test]
    fn sizes_occur_in_their_shares() {
        let mail = mail("95%:4KiB,5%:1MiB");
        let large = (0..100_000).filter(|&number| mail.letter_of(number) == 1).count();
        assert!((4_700..5_300).contains(&large), "{large}");
    }

    #[test]
    fn malformed_sizes_are_refused_naming_the_wrong_share() {
        for (text, says) in [
            ("many", "write a size such as 4KiB"),
            ("100B", "a message has 256 octets to 1 GiB"),
            ("95%:4KiB", "the shares add up to 95 %, not to 100 %"),
            ("95%:4KiB,1MiB", "\"1MiB\": write a size with its share, such as 95%:4KiB"),
            ("95%:4KiB,5%:many", "\"5%:many\": write a size such as 4KiB"),
            ("0%:4KiB,100%:1MiB", "\"0%:4KiB\": write a share from 1% to 100%"),
        ] {
            let why = text.parse::<Sizes>().unwrap_err();
            assert_eq!(Chain(&why).to_string(), says, "{text}");
        }
    }

    #[test]
    fn numbered_recipients_are_used_in_rotation() {
        let to = |numbers| Recipients::new(&["l{}@x.example".to_owned()], 2, numbers).unwrap();
        let of =
            |to: &Recipients, number| to.of(number).iter().map(|to| to.path.to_string()).collect::<Vec<_>>();
        assert_eq!(of(&to(None), 5), ["l1@x.example", "l2@x.example"]);
        assert_eq!(of(&to(Some(3)), 1), ["l3@x.example", "l1@x.example"]);
        assert!(Recipients::new(&["l@x.example".to_owned()], 2, None).is_err());
        assert!(Recipients::new(&["l{}@x.example".to_owned()], 2, Some(1)).is_err());
        assert!(Recipients::new(&["not an address".to_owned()], 1, None).is_err());
    }
}
