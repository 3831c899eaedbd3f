//! `listgate bench` against a real gate: what it counts is what is in the queue.

use crate::support::{Server, Site, free_address, stop_listening, until};
use listgate::{Config, ListenAddress};
use serde_json::Value;
use std::collections::HashSet;
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};

const LIST: &str = "mylist@example.com";

fn bench(site: &Site, server: &str, args: &[&str]) -> Output {
    site.listgate(&[&["bench", "--server", server], args].concat())
}

/// Returns the JSON object that a run prints, and its exit code.
fn measured(site: &Site, server: &Server, args: &[&str]) -> (Value, Option<i32>) {
    let output = bench(site, &server.address.to_string(), &[args, &["--json"]].concat());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let object = serde_json::from_str(&stdout)
        .unwrap_or_else(|why| panic!("{why}: {stdout}{}", String::from_utf8_lossy(&output.stderr)));
    (object, output.status.code())
}

fn fails(output: &Output, expected: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

/// Returns how many different values the entries have in this field.
fn distinct(entries: &[Value], field: &str) -> usize {
    entries.iter().map(|entry| entry[field].to_string()).collect::<HashSet<_>>().len()
}

#[test]
fn every_message_counted_is_in_the_queue_and_no_two_are_equal() {
    let site = Site::new();
    for number in 1..=3 {
        site.create(&format!("list{number}@example.com"));
    }
    let server = site.serve(&[]);
    let to = ["--to", "list{}@example.com", "--recipients", "3", "--size", "90%:2KiB,10%:100KiB"];
    for (sent, pipelining) in [(200, "--pipelining"), (400, "--no-pipelining")] {
        let (run, code) = measured(&site, &server, &[&to[..], &["--messages", "200", pipelining]].concat());
        assert_eq!(code, Some(0), "{run}");
        assert_eq!((run["accepted"].as_u64(), run["replies"]["250"].as_u64()), (Some(200), Some(600)));
        let entries = site.json(&["queue", "ls", "in"]);
        assert_eq!((entries.len(), distinct(&entries, "message_id")), (3 * sent, sent));
        let of_size = |octets: u64| {
            let count = entries.iter().filter(|entry| entry["msgdata"]["original_size"] == octets).count();
            count as u64 / 3 * 200 / sent as u64
        };
        for (at, octets) in [(0, 2048), (1, 102_400)] {
            assert_eq!(run["sizes"][at]["accepted"].as_u64(), Some(of_size(octets)), "{run}");
        }
    }
}

#[test]
fn a_refused_recipient_is_counted_and_is_exit_1() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    for pipelining in ["--pipelining", "--no-pipelining"] {
        let to = ["--to", LIST, "nobody@example.com", "--messages", "20", "--sessions", "2", pipelining];
        let (run, code) = measured(&site, &server, &to);
        assert_eq!(code, Some(1));
        assert_eq!(run["refused"], 20, "{run}");
        assert_eq!((run["replies"]["250"].as_u64(), run["replies"]["550"].as_u64()), (Some(20), Some(20)));
    }
    assert_eq!(site.ids("in").len(), 40);
}

#[test]
fn recipient_numbers_rotate_from_message_to_message() {
    let site = Site::new();
    for number in 1..=5 {
        site.create(&format!("list{number}@example.com"));
    }
    let server = site.serve(&[]);
    let to = ["--to", "list{}@example.com", "--recipients", "2", "--numbers", "5", "--messages", "10"];
    assert_eq!(measured(&site, &server, &to).1, Some(0));
    for list in 1..=5 {
        let name = format!("list{list}@example.com");
        let entries = site.json(&["queue", "ls", "in"]);
        assert_eq!(entries.iter().filter(|entry| entry["recipient"] == name).count(), 4, "{name}");
    }
}

#[test]
fn a_rate_is_kept() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let (run, code) = measured(&site, &server, &["--to", LIST, "--rate", "200", "--duration", "1s"]);
    assert_eq!((run["accepted"].as_u64(), code), (Some(200), Some(0)), "{run}");
    let seconds = run["seconds"].as_f64().unwrap();
    assert!(seconds > 0.99, "the last one is due after 0.995 s, and it took {seconds}");
}

#[test]
fn each_message_may_have_a_connection_of_its_own() {
    let site = Site::with_list();
    let server = site.serve(&[]);
    let run = |args: &[&str]| {
        let (run, code) = measured(&site, &server, &[&["--to", LIST, "--messages", "30"], args].concat());
        assert_eq!(code, Some(0), "{run}");
        distinct(&site.json(&["queue", "ls", "in"]), "peer")
    };
    let reused = run(&["--sessions", "2", "--reuse"]);
    assert_eq!(reused, 2);
    assert_eq!(run(&["--one-message-per-connection"]), reused + 30);
}

#[test]
fn a_unix_socket_is_accepted() {
    let site = Site::with_list();
    let listen = vec![format!("unix:{}", site.data().join("socket").display()).parse().unwrap()];
    let gate = site.gate(Config { listen, ..site.config() });
    let address: &ListenAddress = &gate.addresses()[0];
    let output = bench(&site, &address.to_string(), &["--to", LIST, "--messages", "10"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.starts_with("10 messages accepted in ") && stdout.contains("10 times 250"), "{stdout}");
    assert_eq!(site.ids("in").len(), 10);
}

#[test]
fn other_machines_are_refused_without_an_option() {
    // An address for documentation (RFC 5737), which no machine has.
    let output = bench(&Site::new(), "192.0.2.1:24", &["--to", LIST]);
    fails(&output, "192.0.2.1:24 is not an address of this machine; --allow-remote");
}

#[test]
fn a_server_that_is_down_or_refuses_is_named() {
    let site = Site::new();
    let listener = TcpListener::bind(free_address()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let closing_server = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept().unwrap());
        }
        stop_listening(listener);
    });
    let refused = bench(&site, &address, &["--to", LIST, "--sessions", "1"]);
    // If `bench` connected only once, the thread would wait forever without this.
    drop(TcpStream::connect(&address));
    fails(&refused, &format!("{address} ended a session before it took any mail"));
    closing_server.join().unwrap();
    let dead = bench(&site, &address, &["--to", LIST]);
    fails(&dead, &format!("cannot connect to {address}"));
    assert!(dead.stdout.is_empty(), "nothing was measured");
}

/// The server takes one more connection, and then no process listens any more.
#[test]
fn a_server_that_shuts_down_is_retried_once_and_then_given_up() {
    let listener = TcpListener::bind(free_address()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let goes = std::thread::spawn(move || {
        let last = listener.accept().unwrap();
        stop_listening(listener);
        drop(last);
    });
    let output = bench(&Site::new(), &address, &["--to", LIST, "--sessions", "1"]);
    fails(&output, &format!("cannot connect to {address}"));
    goes.join().unwrap();
}

#[test]
fn a_server_that_dies_ends_the_run_and_accepted_mail_is_reported() {
    let site = Site::with_list();
    let mut server = site.serve(&[]);
    let mut command = site.command();
    command.args(["bench", "--json", "--to", LIST, "--duration", "60s", "--server"]);
    command.arg(server.address.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    // A session that sends its second message has read the reply to its first.
    until("some mail is accepted", || site.ids("in").len() > 8);
    server.child.kill().unwrap();
    let output = run.wait_with_output().unwrap();
    fails(&output, &format!("cannot connect to {}", server.address));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    let accepted = run["accepted"].as_u64().unwrap();
    assert!(accepted > 0 && accepted <= site.ids("in").len() as u64, "{run}");
    assert!(run["unanswered"].as_u64().unwrap() > 0, "{run}");
}

#[test]
fn invalid_options_are_usage_errors() {
    let site = Site::new();
    for args in [
        &["--to", LIST, "--size", "1B"][..],
        &["--to", LIST, "--sessions", "0"],
        &["--to", LIST, "--rate", "none"],
        &["--to", LIST, "--messages", "1", "--duration", "1s"],
        &[],
    ] {
        let output = bench(&site, "127.0.0.1:1", args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    fails(&bench(&site, "127.0.0.1:1", &["--to", LIST, "--recipients", "2"]), "{}");
}
