//! Large messages take room on the disk, but not in memory.

use crate::support::{PATIENCE, Peer, Server, Site};
use crate::tools::{answered_at_once, assert_all, message, open, peak_memory, serve, spooled};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const SIZE: usize = 50 * MIB;

#[test]
fn a_message_of_50_mib_to_ten_recipients_is_stored_once_and_not_held_in_memory() {
    let site = site();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n[lmtp]\nmax_message_size = \"60MiB\"\n");
    let grown = grows_by(&site, &server, b"Message-ID: <body@x>\r\n\r\n", &line(b""));
    assert!(grown < 8 * MIB, "VmHWM grew by {} KiB", grown >> 10);
}

#[test]
fn a_header_of_50_mib_is_stored_once_and_not_held_in_memory() {
    let site = site();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n[lmtp]\nmax_message_size = \"60MiB\"\n");
    let grown = grows_by(&site, &server, b"Message-ID: <header@x>\r\n", &line(b"X-Again: "));
    assert!(grown < 8 * MIB, "VmHWM grew by {} KiB", grown >> 10);
}

#[test]
fn a_header_line_of_50_mib_is_stored_once_and_not_held_in_memory() {
    let site = site();
    let server = serve(&site, "[storage]\nmin_free = \"0B\"\n[lmtp]\nmax_message_size = \"60MiB\"\n");
    let grown = grows_by(&site, &server, b"Message-ID: <line@x>\r\nX-Long: ", &[b'x'; 1000]);
    assert!(grown < 8 * MIB, "VmHWM grew by {} KiB", grown >> 10);
}

fn site() -> Site {
    let site = Site::with_list();
    for n in 0..10 {
        site.create(&format!("list{n}@example.com"));
    }
    site
}

/// Returns a line of 1000 octets that starts with `beginning`.
fn line(beginning: &[u8]) -> Vec<u8> {
    let mut line = beginning.to_vec();
    line.resize(998, b'x');
    line.extend_from_slice(b"\r\n");
    line
}

/// Sends `beginning` and 50 MiB of `part` to ten lists. Returns the octets by which peak memory grew beyond
/// what two smaller messages had needed.
fn grows_by(site: &Site, server: &Server, beginning: &[u8], part: &[u8]) -> usize {
    let to: Vec<String> = (0..10).map(|n| format!("list{n}@example.com")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mut peer = Peer::greeted(server.address);
    for size in [100, 100 << 10] {
        assert_all(&peer.deliver("a@example.org", &to, message("<before@x>", size)), "250");
    }
    let (memory, disk, spool) = (peak_memory(server), octets(site), spooled(site).len());
    peer.begin("a@example.org", &to);
    peer.send(beginning);
    let chunk = part.repeat(100);
    for _ in 0..SIZE.div_ceil(chunk.len()) {
        peer.send(&chunk);
    }
    peer.send("\r\n.\r\n");
    let replies: Vec<String> = to.iter().map(|_| peer.reply()).collect();
    assert_all(&replies, "250 2.0.0 Ok: queued as");
    let grown = peak_memory(server) - memory;
    assert_eq!(spooled(site).len(), spool + 1, "one file");
    let disk = octets(site) - disk;
    assert!((SIZE..SIZE + MIB).contains(&disk), "{disk} octets more on the disk");
    let sql =
        "SELECT count(*) FROM entry WHERE delivery = (SELECT max(id) FROM delivery WHERE size > 50000000)";
    let entries: usize = open(site).query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 10);
    grown
}

#[test]
fn ten_thousand_idle_connections_take_less_than_200_mib() {
    const CONNECTIONS: usize = 10_000;
    let files = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files }).unwrap();
    assert!(files.is_none_or(|files| files > 11_000), "too few open files are allowed: raise ulimit -Hn");
    let site = Site::with_list();
    let limits = format!("max_connections = {0}\nmax_connections_per_peer = {0}\n", CONNECTIONS + 100);
    let server = serve(&site, &format!("[storage]\nmin_free = \"0B\"\n[server]\n{limits}"));
    let idle: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).unwrap();
            assert_eq!(greeting, *b"220");
            stream
        })
        .collect();
    let mut peer = Peer::greeted(server.address);
    answered_at_once(&mut peer, "NOOP");
    peer.assert_usable();
    let peak = peak_memory(&server);
    assert!(peak < 200 * MIB, "VmHWM is {} MiB", peak >> 20);
    eprintln!("{} KiB for each connection", (peak >> 10) / idle.len());
}

#[test]
fn a_post_of_40_mib_to_a_thousand_members_is_stored_once_and_not_held_in_memory() {
    let site = Site::new();
    site.stdout(&["list", "create", "mylist@example.com", "--owner", "olga@example.org"]);
    let members: String = (0..1000).map(|n| format!("member{n}@example.org\n")).collect();
    let file = site.data().join("members");
    fs::write(&file, members).unwrap();
    site.stdout(&["member", "import", "mylist@example.com", file.to_str().unwrap()]);
    site.stdout(&["list", "set", "mylist@example.com", "max_message_size=none"]);
    let sink = Sink::start();
    let server = site.distribute(&["--outgoing", &format!("smtp:{}", sink.address)]);
    let mut peer = Peer::greeted(server.address);
    let mut post = |n: u64, size: usize| {
        let header =
            format!("From: member1@example.org\r\nTo: mylist@example.com\r\nMessage-ID: <{n}@x>\r\n\r\n");
        peer.begin("member1@example.org", &["mylist@example.com"]);
        peer.send(header);
        let chunk = line(b"").repeat(100);
        for _ in 0..size.div_ceil(chunk.len()) {
            peer.send(&chunk);
        }
        peer.send(".\r\n");
        assert_all(&[peer.reply()], "250");
        let disk = octets(&site);
        assert!((size..size + 10 * MIB).contains(&disk), "{disk} octets on the disk");
        sink.until(1000 * n);
    };
    post(1, 100 << 10);
    post(2, 100 << 10);
    let (memory, before) = (peak_memory(&server), sink.octets.load(Ordering::SeqCst));
    post(3, 40 * MIB);
    let grown = peak_memory(&server) - memory;
    let octets = sink.octets.load(Ordering::SeqCst) - before;
    assert!((400..420).contains(&(octets >> 20)), "{octets} octets, for ten batches");
    assert!(grown < 8 * MIB, "VmHWM grew by {} KiB", grown >> 10);
    eprintln!("VmHWM was {} KiB, and grew by {} KiB", memory >> 10, grown >> 10);
}

/// A mail server that accepts everything, and counts it.
struct Sink {
    address: SocketAddr,
    recipients: Arc<AtomicU64>,
    octets: Arc<AtomicU64>,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self {
            address: listener.local_addr().unwrap(),
            recipients: Arc::default(),
            octets: Arc::default(),
        };
        let (recipients, octets) = (Arc::clone(&sink.recipients), Arc::clone(&sink.octets));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (recipients, octets) = (Arc::clone(&recipients), Arc::clone(&octets));
                // The connection ends when the server does.
                thread::spawn(move || drop(session(stream.unwrap(), &recipients, &octets)));
            }
        });
        sink
    }

    /// Waits until this many recipients have their copies, for as long as octets arrive.
    fn until(&self, recipients: u64) {
        let (mut last, mut since) = (0, Instant::now());
        while self.recipients.load(Ordering::SeqCst) < recipients {
            let now = self.octets.load(Ordering::SeqCst);
            if now > last {
                (last, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "nothing arrives after {last} octets");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.recipients.load(Ordering::SeqCst), recipients);
    }
}

fn session(mut stream: TcpStream, recipients: &AtomicU64, octets: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone()?);
    stream.write_all(b"220 sink ESMTP\r\n")?;
    let (mut line, mut named, mut is_data) = (Vec::new(), 0, false);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let reply: &[u8] = match line.get(..4).unwrap_or(b"") {
            _ if is_data && line != b".\r\n" => {
                octets.fetch_add(line.len() as u64, Ordering::SeqCst);
                continue;
            }
            _ if is_data => {
                is_data = false;
                recipients.fetch_add(named, Ordering::SeqCst);
                named = 0;
                b"250 taken\r\n"
            }
            b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            b"DATA" => {
                is_data = true;
                b"354 go on\r\n"
            }
            b"RCPT" => {
                named += 1;
                b"250 recipient\r\n"
            }
            b"QUIT" => return stream.write_all(b"221 end\r\n"),
            _ => b"250 fine\r\n",
        };
        stream.write_all(reply)?;
    }
}

/// Returns the total size of the files in the data directory and its spool.
fn octets(site: &Site) -> usize {
    // A file may be removed meanwhile.
    let files = |dir| fs::read_dir(dir).unwrap().filter_map(|file| file.unwrap().metadata().ok());
    let all = files(site.data().to_owned()).chain(files(site.data().join("spool")));
    all.filter(fs::Metadata::is_file).map(|file| usize::try_from(file.len()).unwrap()).sum()
}
