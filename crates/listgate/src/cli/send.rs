//! `listgate send`: sends a message with an LMTP client.

use super::error::{CliError, SendError};
use super::site::{Site, try_wait};
use crate::file_error::During;
use crate::net::{ClientTls, ListenAddress, MailClient, MailClientError, MailClientSettings, Patience};
use listgate_lmtp::{
    ClientEvent, Closed, Declared, ForwardPath, InvalidAddress, Mailbox, Protocol, Recipient, ReversePath,
    Transaction,
};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args)]
// A file after --to would be taken as another recipient.
#[command(override_usage = "listgate send [OPTIONS] [FILE] --to <ADDRESS>...")]
pub(super) struct Args {
    /// A recipient; may be repeated
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1.., value_parser = recipient)]
    to: Vec<ForwardPath>,
    /// The envelope sender; <> is the null sender
    #[arg(long, value_name = "ADDRESS", default_value = "<>", value_parser = sender)]
    from: ReversePath,
    #[arg(
        help = "The server: 127.0.0.1:8024, [::1]:8024 or unix:/path [default: the first of server.listen]",
        long,
        value_name = "ADDR"
    )]
    server: Option<ListenAddress>,
    /// The message [default: standard input]. Lines may end with LF
    file: Option<PathBuf>,
}

/// The reason a text is not an address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAnAddress {
    #[error("write an address such as user@example.com")]
    Invalid(#[from] InvalidAddress),
    /// An existing file after --to, where only recipients may follow.
    #[error("that is a file: write it before --to")]
    File,
}

fn recipient(text: &str) -> Result<ForwardPath, NotAnAddress> {
    if text.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    let mailbox = mailbox(text).map(ForwardPath::Mailbox);
    mailbox.map_err(|why| if Path::new(text).is_file() { NotAnAddress::File } else { why })
}

pub(super) fn sender(text: &str) -> Result<ReversePath, NotAnAddress> {
    if matches!(text, "" | "<>") { Ok(ReversePath::Null) } else { mailbox(text).map(ReversePath::Mailbox) }
}

fn mailbox(text: &str) -> Result<Mailbox, NotAnAddress> {
    Ok(without_brackets(text).parse()?)
}

/// Returns the address without the angle brackets it has in a header or a log.
pub(super) fn without_brackets(text: &str) -> &str {
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}

/// How long to wait for a connection, and for a reply: as long as a mail server waits after the final dot (RFC 5321
/// section 4.5.3.2.6).
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(30),
    reply: Duration::from_secs(600),
    outcome: Duration::from_secs(600),
};

pub(super) fn run(site: &Site, args: Args) -> Result<ExitCode, CliError> {
    let server = site.server(args.server.clone())?;
    let message = crlf(&read_message(args.file.as_ref())?);
    let to: Vec<Recipient> = args.to.iter().cloned().map(Recipient::from).collect();
    let mail = Mail { from: args.from, to, message };
    try_wait(send(&server, &mail))
}

/// A message with its envelope.
struct Mail {
    from: ReversePath,
    to: Vec<Recipient>,
    message: Vec<u8>,
}

/// Sends a message, and prints a line for each recipient.
async fn send(server: &ListenAddress, mail: &Mail) -> Result<ExitCode, CliError> {
    let failed =
        |why: MailClientError| SendError::Connection { server: server.clone(), source: why.into_io() };
    let settings = MailClientSettings {
        protocol: Protocol::Lmtp,
        name: "localhost".to_owned(),
        tls: ClientTls::Off,
        credentials: None,
        patience: PATIENCE,
    };
    let connected = MailClient::connect(&server.clone().into(), settings).await;
    let mut connection = connected.map_err(failed)?;
    let mut unanswered: Vec<bool> = vec![true; mail.to.len()];
    let mut all_taken = true;
    let mut sent = false;
    let mut out = io::stdout().lock();
    loop {
        let event = match connection.event().await {
            Ok(event) => event,
            // Some servers close the connection without a reply to QUIT. Every recipient has been answered.
            Err(MailClientError::Gone) if sent && !unanswered.contains(&true) => return Ok(exit(all_taken)),
            Err(why) => return Err(failed(why).into()),
        };
        match event {
            ClientEvent::Ready if sent => connection.client().quit(),
            ClientEvent::Ready => {
                sent = true;
                let declared = Declared::of(&mail.message);
                connection.client().send(&Transaction::new(&mail.from, &mail.to, declared));
            }
            ClientEvent::SendBody { .. } => {
                // The next event says why the connection is lost, if it is.
                if connection.body(&mail.message).await.is_ok() {
                    connection.client().end_of_body();
                }
            }
            ClientEvent::Outcome { recipient, reply, .. } => {
                all_taken &= reply.is_positive();
                unanswered[recipient] = false;
                writeln!(out, "{}  {reply}", mail.to[recipient].path)?;
            }
            ClientEvent::StartTls | ClientEvent::Refused { .. } => {
                unreachable!("neither TLS nor a login was asked for")
            }
            ClientEvent::Closed { why: Closed::Quit, .. } => return Ok(exit(all_taken)),
            ClientEvent::Closed { why, .. } => {
                for (to, _) in mail.to.iter().zip(&unanswered).filter(|(_, unanswered)| **unanswered) {
                    writeln!(out, "{}  no reply", to.path)?;
                }
                return Err(SendError::Ended { server: server.clone(), why }.into());
            }
        }
    }
}

fn exit(all_taken: bool) -> ExitCode {
    if all_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_message(file: Option<&PathBuf>) -> Result<Vec<u8>, CliError> {
    match file {
        Some(path) => Ok(fs::read(path).during("read", path)?),
        None => {
            if io::stdin().is_terminal() {
                eprintln!("listgate: type the message, header first; Ctrl-D on a line of its own ends it");
            }
            let mut message = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut message);
            read.map_err(SendError::Input)?;
            Ok(message)
        }
    }
}

/// Converts line ends from LF, as in local files, to CR LF, as LMTP requires.
fn crlf(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 32);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) if !text.ends_with(b"\r") => {
                wire.extend_from_slice(text);
                wire.extend_from_slice(b"\r\n");
            }
            _ => wire.extend_from_slice(line),
        }
    }
    wire
}
