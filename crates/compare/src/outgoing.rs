//! `cargo xtask bench outgoing`: how fast a post reaches its members, against Postfix's smtp-sink, which stores nothing.
//! In bulk it is compared with GNU Mailman's outgoing at its default settings; with a copy for each member, with Mailman's
//! personalized delivery and with Postfix's smtp-source. Last, the gate's rate while a post goes out. Beside the rates, it
//! prints the processor time of a recipient, which depends less on what else the machine does.

use crate::bench::mailman_program;
use crate::median::median;
use crate::server::{Gate, Scratch, Server, free_address, smtp_source};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use xtask::peers;
use xtask::run::{self, Outcome, command};
use xtask::system;

const ROUNDS: usize = 5;
/// Members of the lists: for bulk, for a copy each, and to keep the way out busy.
const BULK: usize = 10_000;
const PERSONAL: usize = 2_000;
const MANY: usize = 1_000_000;
/// Recipients whom Mailman sends a copy each: it takes seconds for these.
const MAILMANS_PERSONAL: usize = 300;
/// How long a post may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run() -> Outcome {
    peers::install(&["postfix", "python3", "mailman"]);
    let source = system::require("smtp-source", "Postfix")?;
    let sink_program = system::require("smtp-sink", "Postfix")?;
    let scratch = Scratch::new("outgoing")?;
    let sink_address = free_address()?;
    let mut sink = command(&sink_program);
    // It refuses to run as root.
    let user: &[&str] = if system::is_root() { &["-u", "nobody"] } else { &[] };
    sink.args(user).args([&sink_address.to_string(), "1000"]);
    let sink = Server::start(&mut sink, sink_address, &scratch.join("sink.log"))?;
    let site = Site::start(&scratch, sink_address)?;
    let (mut bulk, mut personal, mut single) = (Vec::new(), Vec::new(), Vec::new());
    let (mut of_bulk, mut of_personal) = (Vec::new(), Vec::new());
    println!("4 KiB, recipients per second");
    for round in 1..=ROUNDS {
        let [theirs, theirs_personal] = mailman(&scratch, round, sink_address)?;
        let (ours, time) = site.post("bulk", BULK)?;
        of_bulk.push(time);
        let (ours_personal, time) = site.post("personal", PERSONAL)?;
        of_personal.push(time);
        let since = Instant::now();
        let mut plain = command(&source);
        plain.args(["-s", "4", "-d", "-l", "4096", "-m", &PERSONAL.to_string(), &sink_address.to_string()]);
        run::succeed(&mut plain)?;
        let plain = PERSONAL as f64 / since.elapsed().as_secs_f64();
        println!(
            "  round {round}: bulk {ours:>7.0}, Mailman's {theirs:>6.0}; a copy each {ours_personal:>6.0}, Mailman's \
             {theirs_personal:>3.0}, smtp-source {plain:>6.0}"
        );
        bulk.push(ours / theirs);
        personal.push(ours_personal / theirs_personal);
        single.push(ours_personal / plain);
    }
    for (name, ratios, target) in [
        ("bulk, against Mailman's", bulk, 20.0),
        ("a copy each, against Mailman's personalized", personal, 300.0),
        ("a copy each, against smtp-source", single, 0.6),
    ] {
        verdict(name, ratios, target);
    }
    for (name, times) in [("in bulk", of_bulk), ("with a copy each", of_personal)] {
        println!("processor time of a recipient {name}: median {:.1} µs", median(times.into_iter()));
    }
    site.beside(&source)?;
    site.server.stop()?;
    drop(sink);
    Ok(())
}

fn verdict(name: &str, ratios: Vec<f64>, target: f64) {
    let ratio = median(ratios.into_iter());
    let verdict = if ratio >= target { "met" } else { "missed" };
    println!("{name}: median ratio {ratio:.2}, target {target}: {verdict}");
}

/// Measures Mailman's outgoing: in bulk, and with a copy for each recipient. Returns recipients per second.
fn mailman(scratch: &Scratch, round: usize, sink: SocketAddr) -> Outcome<[f64; 2]> {
    let folder = scratch.join(&format!("mailman-{round}"));
    std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut python = mailman_program(&folder, "python")?;
    python.args(["-c", MAILMAN, &folder.display().to_string(), &sink.port().to_string()]);
    python.args([BULK.to_string(), MAILMANS_PERSONAL.to_string()]);
    let printed = run::output(&mut python)?;
    let rate = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rate| rate.trim().parse().ok()).ok_or_else(|| format!("Mailman printed {printed:?}"))
    };
    Ok([rate("bulk ")?, rate("personal ")?])
}

const MAILMAN: &str = include_str!("bench/peers/mailman_outgoing.py");

/// A Listgate with lists whose posts go to the sink.
struct Site {
    gate: Gate,
    server: Server,
    address: SocketAddr,
    admin: SocketAddr,
    data: PathBuf,
}

impl Site {
    fn start(scratch: &Scratch, sink: SocketAddr) -> Outcome<Self> {
        let gate = Gate::build()?;
        let data = scratch.join("data");
        for (list, members, personal) in
            [("bulk", BULK, "never"), ("personal", PERSONAL, "always"), ("many", MANY, "never")]
        {
            let address = format!("{list}@example.com");
            let listgate = |words: &[&str]| {
                run::succeed(gate.on(&data, &[]).args(words).stdout(Stdio::null()).stderr(Stdio::null()))
            };
            listgate(&["list", "create", &address, "--owner", "owner@example.com"])?;
            let settings = [format!("personal={personal}"), "default_nonmember_action=accept".to_owned()];
            listgate(&["list", "set", &address, &settings[0], &settings[1]])?;
            let file = scratch.join(list);
            let lines: String = (0..members).map(|n| format!("m{n}@example.org\n")).collect();
            std::fs::write(&file, lines).map_err(|error| format!("{}: {error}", file.display()))?;
            listgate(&["member", "import", &address, &file.display().to_string()])?;
        }
        let (address, admin) = (free_address()?, free_address()?);
        let config = scratch.join("listgate.toml");
        let text = format!("[admin]\nlisten = \"{admin}\"\n[outgoing]\nto = \"smtp:{sink}\"\n");
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let mut serve = gate.on(&data, &[]);
        serve.arg("--config").arg(&config).args(["serve", "--listen", &address.to_string()]);
        let server = Server::start(&mut serve, address, &scratch.join("listgate.log"))?;
        Ok(Self { gate, server, address, admin, data })
    }

    /// Sends a post to a list, and returns how many of its members were sent it per second, and the processor time of each
    /// in microseconds. The time runs from the 250 to the last recipient.
    fn post(&self, list: &str, members: usize) -> Outcome<(f64, f64)> {
        let before = self.sent()?;
        let processor = self.processor_time()?;
        self.send(list)?;
        let since = Instant::now();
        while self.sent()? < before + members as f64 {
            if since.elapsed() > PATIENCE {
                return Err(format!("the post to {list} does not reach all members"));
            }
            // Asking costs the gate time, too.
            std::thread::sleep(Duration::from_millis(3));
        }
        let rate = members as f64 / since.elapsed().as_secs_f64();
        Ok((rate, (self.processor_time()? - processor) / 1000.0 / members as f64))
    }

    /// Returns the processor time so far of the threads that send posts and store what became of them, in nanoseconds. The
    /// gate's thread is left out, because it answers the questions of this benchmark.
    fn processor_time(&self) -> Outcome<f64> {
        let folder = format!("/proc/{}/task", self.server.id());
        let failed = |error: std::io::Error| format!("{folder}: {error}");
        let mut sum = 0.0;
        for task in std::fs::read_dir(&folder).map_err(failed)? {
            let task = task.map_err(failed)?.path();
            let name = std::fs::read_to_string(task.join("comm")).map_err(failed)?;
            if matches!(name.trim_end(), "outgoing" | "writer") {
                let times = std::fs::read_to_string(task.join("schedstat")).map_err(failed)?;
                let time = times.split(' ').next().and_then(|time| time.parse::<f64>().ok());
                sum += time.ok_or_else(|| format!("{} has no time", task.display()))?;
            }
        }
        Ok(sum)
    }

    fn send(&self, list: &str) -> Outcome {
        let line = "0123456789abcdef".repeat(4);
        let id = self.sent()?;
        let body = format!("{line}\r\n").repeat(62);
        let message = format!(
            "From: a@example.net\r\nTo: {list}@example.com\r\nMessage-ID: <{id}.{list}@x>\r\n\r\n{body}"
        );
        let file = self.data.with_extension("eml");
        std::fs::write(&file, message).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut send = self.gate.on(&self.data, &[]);
        send.arg("send").arg(&file).args(["--server", &self.address.to_string()]);
        send.args(["--from", "a@example.net", "--to", &format!("{list}@example.com")]);
        run::succeed(send.stdout(Stdio::null()))
    }

    /// Returns how many recipients were sent a post since the start.
    fn sent(&self) -> Outcome<f64> {
        let failed = |error| format!("asking for the metrics: {error}");
        let mut stream = TcpStream::connect(self.admin).map_err(failed)?;
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).map_err(failed)?;
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).map_err(failed)?;
        let sent = "listgate_outgoing_recipients_total{outcome=\"sent\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(sent));
        Ok(line.and_then(|count| count.parse().ok()).unwrap_or(0.0))
    }

    /// Measures the gate's rate alone, and while a post goes to a million members.
    fn beside(&self, source: &Path) -> Outcome {
        const MESSAGES: usize = 5_000;
        let rate = || {
            let since = Instant::now();
            // The command queue has no consumer, so that nothing but the gate works on this mail.
            run::succeed(&mut smtp_source(source, self.address, "bulk-request@example.com", 8, MESSAGES))?;
            Ok::<_, String>(MESSAGES as f64 / since.elapsed().as_secs_f64())
        };
        rate()?;
        let mut ratios = Vec::new();
        for round in 1..=ROUNDS {
            let alone = rate()?;
            let before = self.sent()?;
            self.send("many")?;
            let beside = rate()?;
            if self.sent()? >= before + MANY as f64 {
                return Err("the post went out before the gate was measured".to_owned());
            }
            println!(
                "  round {round}: the gate alone {alone:>6.0}, while a post goes out {beside:>6.0} messages/s"
            );
            ratios.push(beside / alone);
            while self.sent()? < before + MANY as f64 {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        verdict("the gate while a post goes out", ratios, 0.7);
        Ok(())
    }
}
