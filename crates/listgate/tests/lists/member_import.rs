//! `listgate member import`: files of members, with all their mistakes.

use crate::support::Site;
use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LIST: &str = "mylist@example.com";

fn import(site: &Site, file: &str, options: &[&str]) -> Output {
    let path = site.data().join("members");
    fs::write(&path, file).unwrap();
    site.listgate(&[&["member", "import", LIST, path.to_str().unwrap()], options].concat())
}

fn text(octets: &[u8]) -> &str {
    str::from_utf8(octets).unwrap()
}

fn count(site: &Site) -> u64 {
    site.json(&["list", "show", LIST])[0]["members"].as_u64().unwrap()
}

#[test]
fn all_valid_lines_are_imported_and_every_other_line_is_named() {
    let site = Site::with_list();
    site.stdout(&["member", "add", LIST, "there@example.org"]);
    let file = "address,name,city,own_posts\r\n\
                Anne@Example.org,Anne Person,Bonn,no\r\n\
                bob,Bob,,\r\n\
                \r\n\
                There@example.org,,,\r\n\
                anne@example.ORG,,,\r\n\
                carl@example.org,\"C, Carl\",,\r\n\
                mylist@example.com,,,\r\n";
    let output = import(&site, file, &[]);
    assert_eq!(output.status.code(), Some(1), "lines were refused");
    assert_eq!(
        text(&output.stdout),
        "line 1: not used: city\n\
         line 5: There@example.org is a member already\n\
         line 6: anne@example.ORG is in line 2\n\
         mylist@example.com: 2 added, 1 there already, 1 in the file twice, 2 refused\n"
    );
    let refused: Vec<&str> = text(&output.stderr).lines().collect();
    assert!(refused[0].starts_with("line 3: refused: bob,Bob,,: write an address such as"), "{refused:?}");
    assert!(refused[1].starts_with("line 8: refused: mylist@example.com,,,:"), "{refused:?}");
    let anne = &site.json(&["member", "show", LIST, "anne@example.org"])[0];
    assert_eq!((&anne["address"], &anne["name"]), (&"Anne@Example.org".into(), &"Anne Person".into()));
    assert_eq!(anne["own_posts"], false);
    assert_eq!(site.json(&["member", "show", LIST, "carl@example.org"])[0]["name"], "C, Carl");
    assert_eq!(count(&site), 3);
}

#[test]
fn importing_again_is_harmless() {
    let site = Site::with_list();
    let file = "anne@example.org\nBob B <bob@example.org>\n";
    let output = import(&site, file, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "mylist@example.com: 2 added\n");
    site.stdout(&["member", "set", LIST, "bob@example.org", "delivery=off", "name=Robert"]);
    let output = import(&site, file, &[]);
    assert_eq!(output.status.code(), Some(0), "a member that is there is not an error");
    assert!(text(&output.stdout).ends_with("mylist@example.com: 0 added, 2 there already\n"));
    let bob = &site.json(&["member", "show", LIST, "bob@example.org"])[0];
    assert_eq!((&bob["delivery"], &bob["name"]), (&"off".into(), &"Robert".into()));
}

#[test]
fn a_dry_run_reports_the_same_and_changes_nothing() {
    let site = Site::with_list();
    site.stdout(&["member", "add", LIST, "bob@example.org"]);
    let file = "anne@example.org\nbob@example.org\nanne@example.org\ncarl\n";
    let dry = import(&site, file, &["--dry-run"]);
    assert_eq!((dry.status.code(), count(&site)), (Some(1), 1));
    let wet = import(&site, file, &[]);
    assert_eq!((wet.status.code(), count(&site)), (Some(1), 2));
    assert_eq!(dry.stderr, wet.stderr);
    let dry = text(&dry.stdout).replace("would be added", "added");
    assert_eq!(dry.replace(" (--dry-run: nothing was changed)", ""), text(&wet.stdout));
}

#[test]
fn owners_are_imported_by_their_role() {
    let site = Site::with_list();
    import(&site, "anne@example.org\n", &["--role", "owner"]);
    let owners = site.json(&["member", "ls", LIST, "--role", "owner"]);
    assert_eq!((owners.len(), count(&site)), (2, 0), "with the one that the list was created with");
}

#[test]
fn a_file_or_list_that_does_not_exist_is_an_error() {
    let site = Site::with_list();
    for (args, part) in [
        (["member", "import", LIST, "/no/file"], "cannot open /no/file"),
        (["member", "import", "no@example.com", "-"], "no@example.com does not exist"),
    ] {
        let output = site.listgate(&args);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
}

/// What was imported stays; the rest follows when it is run again.
#[test]
fn an_interrupted_import_keeps_what_it_has_and_says_how_far_it_got() {
    let site = Site::with_list();
    let lines: Vec<String> = (0..2500).map(|n| format!("m{n}@example.org\n")).collect();
    let mut command = site.command();
    command.args(["member", "import", LIST, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines[..2100].concat().as_bytes()).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while count(&site) < 2000 {
        assert!(Instant::now() < end, "{} are there", count(&site));
        sleep(Duration::from_millis(50));
    }
    // It waits for more, which does not come.
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "mylist@example.com: 2000 added\n");
    let stderr = text(&output.stderr);
    assert_eq!(
        stderr,
        "listgate: stopped after line 2000; what was imported stays. Run it again for the rest\n"
    );
    drop(stdin);
    let output = import(&site, &lines.concat(), &[]);
    assert!(text(&output.stdout).ends_with(": 500 added, 2000 there already\n"));
    assert_eq!(count(&site), 2500);
}

/// A gate takes mail between the commits of an import.
#[test]
fn members_are_imported_while_a_gate_runs() {
    let site = Site::with_list();
    let gate = site.gate(site.config());
    let lines: String = (0..5000).map(|n| format!("m{n}@example.org\n")).collect();
    assert!(import(&site, &lines, &[]).status.success());
    gate.stop().unwrap();
    assert_eq!(count(&site), 5000);
}
