//! The engine within `listgate serve`, and the commands that take it into account.

use crate::support::{Server, Site, until};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;

const LIST: &str = "mylist@example.com";

/// Writes a configuration file with these lines, and returns its path.
fn configured(site: &Site, toml: &str) -> PathBuf {
    let file = site.data().join("listgate.toml");
    fs::write(&file, toml).unwrap();
    file
}

fn stderr(site: &Site, args: &[&str]) -> String {
    let output = site.listgate(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn serve(site: &Site, file: &str, options: &[&str]) -> Server {
    let mut command = site.command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "json", "--config", file]).args(options);
    Server::start({
        command.stderr(Stdio::piped());
        command
    })
}

/// Stops a server and returns the lines of its log.
fn logged(mut server: Server) -> Vec<String> {
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    log.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn mail_is_decided_when_the_engine_is_on_and_stays_in_its_queue_when_it_is_off() {
    let site = Site::with_list();
    site.stdout(&["member", "add", LIST, "anne@example.org"]);
    let file = configured(
        &site,
        "[engine]\nenabled = true\n[storage]\nmin_free = 0\n[log]\nmask_addresses = true\n",
    );
    let file = file.to_str().unwrap();
    for (options, left) in [(&[][..], 0), (&["--no-engine"], 5)] {
        let server = serve(&site, file, options);
        let mut peer = server.peer();
        peer.command("LHLO x");
        for (n, (from, to)) in [
            ("anne@example.org", LIST),
            ("bob@example.org", LIST),
            ("bob@example.org", "mylist-owner@example.com"),
            ("", "mylist-bounces@example.com"),
            ("bob@example.org", "mylist-join@example.com"),
        ]
        .into_iter()
        .enumerate()
        {
            let message = format!("From: {from}\r\nTo: {to}\r\nMessage-ID: <{n}-{left}@x>\r\n\r\nHello.\r\n");
            assert_eq!(&peer.deliver(from, &[to], message)[0][..3], "250");
        }
        let waiting =
            || ["in", "bounces", "command"].map(|queue| site.ids(queue).len()).iter().sum::<usize>();
        until("all mail is where it belongs", || waiting() == left);
        let log = logged(server);
        for (message, why) in [
            ("post held", "b***@example.org is not a member"),
            ("command asked", "b***@example.org has to confirm that they join"),
        ] {
            let lines: Vec<_> = log.iter().filter(|line| line.contains(message)).collect();
            assert_eq!(lines.len(), if left == 0 { 1 } else { 0 }, "{message}");
            assert!(lines.iter().all(|line| line.contains(why) && !line.contains("bob@")), "{lines:?}");
        }
    }
}

#[test]
fn the_engine_and_commands_do_not_work_the_same_queue() {
    let site = Site::with_list();
    let file = configured(&site, "[engine]\nenabled = true\n");
    let work = |queue| ["work", queue, "--drain", "--config", file.to_str().unwrap(), "--", "true"];
    for queue in ["in", "bounces", "command"] {
        let said = stderr(&site, &work(queue)).replace('\n', " ");
        let expected = format!("the engine works the queue `{queue}`; to work it with commands");
        assert!(said.contains(&expected) && said.contains("engine.enabled = false"), "{said}");
    }
    configured(&site, "[engine]\nenabled = false\n");
    for queue in ["in", "bounces", "command"] {
        site.stdout(&work(queue));
    }
}

#[test]
fn a_list_needs_someone_who_reads_the_mail_to_its_owners() {
    let site = Site::new();
    let file = configured(&site, "[engine]\nenabled = true\n");
    let create = |address| ["list", "create", address, "--config", file.to_str().unwrap()];
    let said = stderr(&site, &create(LIST)).replace('\n', " ");
    assert!(said.contains("no one would get mail to the owners of mylist@example.com"), "{said}");
    assert!(said.contains("--owner") && said.contains("site.owner"), "{said}");
    site.stdout(&[&create(LIST)[..], &["--owner", "olga@example.org"]].concat());
    configured(&site, "[engine]\nenabled = true\n[site]\nowner = \"site@example.org\"\n");
    site.stdout(&create("other@example.com"));
}
