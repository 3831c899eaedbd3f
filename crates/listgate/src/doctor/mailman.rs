//! Checks of a GNU Mailman 3 site: its configuration, lists and queues, and whether mail reaches the gate.

use super::finding::{Finding, UNREAD, age, some};
use super::{disk, site, store};
use crate::backends::mailman::cfg::Site;
use crate::backends::mailman::database::{Database, Source};
use crate::backends::mailman::{self, is_own_runner, pck};
use crate::backends::space_at;
use crate::config::Config;
use crate::error_chain::Chain;
use crate::model::Name;
use crate::net::{ListenAddress, greeting};
use crate::socketmap::below_the_queue;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;
use tokio::runtime::Builder;

const SHUNTED: &str = "see why in Mailman's logs; once that is fixed, `mailman unshunt`";
const UNREADABLE: &str =
    "see why in Mailman's logs; no command restores them, but each file contains its message";

pub(super) fn examine<E>(
    site: &Site,
    config: &Config,
    mut report: impl FnMut(Finding) -> Result<(), E>,
) -> Result<(), E> {
    report(read(site))?;
    report(runner(site))?;
    site::listening(config, &site.own_dir(), mailman::holder(site), &mut report)?;
    report(own_dir(site))?;
    report(lists(site))?;
    for (queue, dir) in Name::ALL.into_iter().zip(&site.queues) {
        self::queue(queue, dir).into_iter().try_for_each(&mut report)?;
    }
    let shunt = put_aside("queue shunt", site.shunt.as_deref(), ".pck", SHUNTED);
    let bad = put_aside("queue bad", site.bad.as_deref(), ".psv", UNREADABLE);
    shunt.into_iter().chain(bad).try_for_each(&mut report)?;
    let own = [site.own_dir(), site.var_dir.clone()].into_iter().find(|dir| dir.exists());
    let dirs = site.queues.iter().filter(|dir| dir.exists()).chain(&own);
    if let Some(space) = dirs.map(|dir| space_at(dir, 0)).reduce(|one, other| Ok(one?.least(other?))) {
        report(disk::space(space, config.min_free))?;
    }
    report(store::clock())?;
    report(postfix(site, config))
}

fn read(site: &Site) -> Finding {
    let cfg = site.cfg.as_ref().map_or("no file, Mailman's defaults".into(), |cfg| cfg.to_string_lossy());
    Finding::ok("mailman.cfg", format!("{cfg}; var_dir is {}", site.var_dir.display()))
}

fn runner(site: &Site) -> Finding {
    let check = "LMTP runner";
    if site.lmtp_runner {
        return Finding::wrong(check, "Mailman's own LMTP runner is switched on", site.switch_off());
    }
    // It may run although it is switched off, because Mailman reads that only when it starts.
    let mut addresses = site.lmtp_addresses().unwrap_or_default().into_iter().map(ListenAddress::Tcp);
    let greets = |address: &ListenAddress| greeting(address).is_ok_and(|line| is_own_runner(&line));
    match addresses.find(greets) {
        Some(address) => Finding::wrong(
            check,
            format!("Mailman's own LMTP runner is switched off in mailman.cfg, and still runs at {address}"),
            site.switch_off(),
        ),
        None => Finding::ok(check, "Mailman's own LMTP runner is switched off"),
    }
}

/// Checks the gate's own directory, or the directory in which it will be created.
fn own_dir(site: &Site) -> Finding {
    let check = "own directory";
    let own = site.own_dir();
    let (dir, end) =
        if own.exists() { (&own, "") } else { (&site.var_dir, ": listgate will be created in it") };
    match disk::writable(check, dir) {
        Ok((_, what)) => Finding::ok(check, format!("{what}{end}")),
        Err(finding) => finding,
    }
}

fn lists(site: &Site) -> Finding {
    let check = "lists";
    let (name, fix) = match &site.database {
        Database::Sqlite(path) => {
            (path.to_string_lossy(), "start Mailman, which creates its database, or correct [database] url")
        }
        Database::Postgres(_) => ("PostgreSQL".into(), "start the server, or correct [database] url"),
    };
    match count_lists(&site.database) {
        Ok(0) => Finding::note(
            check,
            format!("there is none in {name}, so no mail is taken"),
            "`mailman create mylist@example.com`",
        ),
        Ok(count) => Finding::ok(check, format!("{count} in {name}")),
        Err(why) => Finding::wrong(check, format!("all mail is deferred with 451: {}", Chain(&*why)), fix),
    }
}

fn count_lists(database: &Database) -> Result<u64, Box<dyn std::error::Error>> {
    let source = Source::open(database)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(source.count_lists())?)
}

fn queue(queue: Name, dir: &Path) -> Vec<Finding> {
    let check = match queue {
        Name::In => "queue in",
        Name::Command => "queue command",
        Name::Bounces => "queue bounces",
    };
    if fs::metadata(dir).is_err_and(|why| why.kind() == io::ErrorKind::NotFound) {
        let fix = "Mailman creates its queues when it starts: start it once";
        return vec![Finding::wrong(check, format!("{} does not exist", dir.display()), fix)];
    }
    let what = match disk::writable(check, dir) {
        Ok((_, what)) => what,
        Err(finding) => return vec![finding],
    };
    let files = match pck::list(dir) {
        Ok(files) => files,
        Err(why) => {
            return vec![Finding::wrong(check, format!("cannot read {what}: {why}"), "see the system's log")];
        }
    };
    let mut findings = Vec::new();
    let waiting: Vec<SystemTime> = files.iter().filter_map(|file| file.time).collect();
    // An entry dated in the future has not waited yet.
    let oldest = waiting.first().map(|time| time.elapsed().unwrap_or_default());
    let found = match oldest {
        None => format!("{what}: nothing waits"),
        Some(oldest) => format!("{what}: {} files, the oldest waits for {}", waiting.len(), age(oldest)),
    };
    findings.push(if oldest.is_some_and(|oldest| oldest > UNREAD) {
        let fix = "check Mailman's runner of this queue: `mailman status`, and Mailman's logs";
        Finding::note(check, found, fix)
    } else {
        Finding::ok(check, found)
    });
    let misnamed = files.into_iter().filter(|file| file.time.is_none());
    let misnamed: Vec<String> = misnamed.map(|file| format!("{}.pck", file.id)).collect();
    if !misnamed.is_empty() {
        findings.push(Finding::wrong(
            check,
            format!("Mailman's runner crashes on files with such names: {}", some(&misnamed)),
            format!("move them out of {}; the names of mail are TIME+DIGEST.pck", dir.display()),
        ));
    }
    findings
}

/// Checks for files that Mailman's runners took out of their queues and did not deliver.
fn put_aside(check: &'static str, dir: Option<&Path>, end: &str, fix: &'static str) -> Option<Finding> {
    let dir = dir.filter(|dir| dir.exists())?;
    let files: io::Result<Vec<_>> = fs::read_dir(dir).and_then(Iterator::collect);
    let is_one = |file: &&fs::DirEntry| file.file_name().as_encoded_bytes().ends_with(end.as_bytes());
    let count = files.map(|files| files.iter().filter(is_one).count());
    let dir = dir.display();
    Some(match count {
        Ok(0) => Finding::ok(check, format!("{dir}: no file was set aside")),
        Ok(count) => Finding::note(check, format!("{dir}: {count} files, which no runner handles"), fix),
        Err(why) => {
            let fix = "run this as the user that the gate runs as, or as root";
            Finding::note(check, format!("cannot read {dir}: {why}"), fix)
        }
    })
}

/// Checks whether Postfix on this machine sends the lists' mail to where the gate listens.
fn postfix(site: &Site, config: &Config) -> Finding {
    let (check, listen) = ("Postfix", &config.listen);
    let (host, port) = &site.lmtp;
    let ours = format!("lmtp:[{host}]:{port}");
    let unknown = |found: String| {
        Finding::note(
            check,
            found,
            format!("make sure that the mail server sends mail for the lists to {ours}"),
        )
    };
    let maps = match Command::new("postconf").args(["-x", "-h", "transport_maps"]).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => return unknown(format!("postconf failed: {}", output.status)),
        Err(why) => return unknown(format!("cannot find out where mail is sent: postconf: {why}")),
    };
    let map = site.transport_map.as_deref().filter(|map| maps.contains(&*map.to_string_lossy()));
    let sent: BTreeSet<String> = match map.map(fs::read_to_string) {
        Some(Ok(text)) => destinations(&text),
        Some(Err(why)) => return unknown(format!("a map of transport_maps = {maps} cannot be read: {why}")),
        None => match words(&maps).find(|word| queries(word, &config.socketmap)) {
            Some(asked) => return Finding::ok(check, format!("transport_maps queries the gate by {asked}")),
            None => written_down(&maps, listen),
        },
    };
    let name = map.map_or_else(|| "transport_maps".into(), Path::to_string_lossy);
    match sent.iter().find(|destination| !listen.iter().any(|address| reaches(destination, address))) {
        Some(elsewhere) => Finding::wrong(
            check,
            format!("{name} sends mail to {elsewhere}, and the gate listens on {}", joined(listen)),
            "set [mta] lmtp_host and lmtp_port to where the gate listens, then `mailman aliases`",
        ),
        None if sent.is_empty() && map.is_some() => unknown(format!("{name} names no list")),
        None if sent.is_empty() => unknown(format!("no map of this site is in transport_maps = {maps:?}")),
        None => Finding::ok(check, format!("{name} sends mail to {}", Vec::from_iter(sent).join(" "))),
    }
}

/// Returns the destinations that start with `lmtp:` at the end of a line of a transport map, without duplicates.
fn destinations(map: &str) -> BTreeSet<String> {
    let lines = map.lines().filter(|line| !line.trim_start().starts_with('#'));
    let last = lines.filter_map(|line| line.split_whitespace().next_back());
    last.filter_map(|word| word.find("lmtp:").map(|at| word[at..].to_owned())).collect()
}

/// Splits transport_maps into the words that may be destinations. Its value is one line, such as
/// `inline:{ { x.example = lmtp:... } ... }, hash:...`.
fn words(maps: &str) -> impl Iterator<Item = &str> {
    maps.split([' ', '\t', '\n', ',', '{', '}', '=']).filter(|word| !word.is_empty())
}

/// Returns the destinations in transport_maps itself that reach the gate, since those of other domains may be
/// elsewhere. Returns all of them if none reaches the gate.
fn written_down(maps: &str, listen: &[ListenAddress]) -> BTreeSet<String> {
    let by_lmtp = |word: &&str| ["lmtp:", "listgate:"].iter().any(|transport| word.starts_with(transport));
    let all: BTreeSet<String> = words(maps).filter(by_lmtp).map(str::to_owned).collect();
    let ours = all.iter().filter(|place| listen.iter().any(|address| reaches(place, address)));
    let ours: BTreeSet<String> = ours.cloned().collect();
    if ours.is_empty() { all } else { ours }
}

/// Returns whether a word such as `socketmap:inet:127.0.0.1:8026:transport` refers to the gate.
fn queries(word: &str, socketmap: &[ListenAddress]) -> bool {
    let place = word.trim_start_matches("proxy:").strip_prefix("socketmap:");
    let place = place.and_then(|place| place.strip_suffix(":transport"));
    place.is_some_and(|place| socketmap.iter().any(|address| reaches(place, address)))
}

/// Returns whether mail to a destination such as `lmtp:[127.0.0.1]:8024` arrives at this address.
fn reaches(destination: &str, address: &ListenAddress) -> bool {
    // `listgate` is the service that `listgate mta postfix` adds to master.cf.
    let place = destination.trim_start_matches("lmtp:").trim_start_matches("listgate:");
    match address {
        ListenAddress::Unix(path) => {
            let named = place.strip_prefix("unix:").map(Path::new);
            named.is_some_and(|named| named == path || named == below_the_queue(path))
        }
        ListenAddress::Tcp(ours) => {
            let Some((host, port)) = place.trim_start_matches("inet:").rsplit_once(':') else { return false };
            let Ok(port) = port.parse::<u16>() else { return false };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let host = host.strip_prefix("ipv6:").unwrap_or(host);
            let mut named = (host, port).to_socket_addrs().into_iter().flatten();
            port == ours.port() && (ours.ip().is_unspecified() || named.any(|named| named == *ours))
        }
    }
}

fn joined(listen: &[ListenAddress]) -> String {
    listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
