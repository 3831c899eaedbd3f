//! A user who may not use the data learns that, and as which user to run the command.

use crate::support::Site;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

const FIX: &str = "run this as the user that the gate runs as, or as root";

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A Mailman site keeps nothing in Listgate's data directory.
#[test]
fn an_unused_data_directory_is_not_named() {
    let site = Site::with_list();
    let elsewhere = tempfile::tempdir().unwrap();
    let cfg = elsewhere.path().join("mailman.cfg");
    let var = elsewhere.path().join("none");
    let site_of_mailman = format!("[mailman]\nlayout: local\n[paths.local]\nvar_dir: {}\n", var.display());
    fs::write(&cfg, site_of_mailman).unwrap();
    chmod(site.data(), 0o000);
    let text = output_of(&site, &["serve", "--mailman", cfg.to_str().unwrap()]);
    chmod(site.data(), 0o700);
    assert!(text.is_none_or(|text| !text.contains("permission denied")));
}

/// Returns all that `listgate ARGS` prints with only the rights that file modes give. Root drops its own with
/// setpriv; `None` if that is not installed.
fn output_of(site: &Site, args: &[&str]) -> Option<String> {
    let listgate = env!("CARGO_BIN_EXE_listgate");
    let mut command = if rustix::process::geteuid().is_root() {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--bounding-set=-dac_override,-dac_read_search", listgate]);
        setpriv
    } else {
        Command::new(listgate)
    };
    let output = command.args(args).env("LISTGATE_DATA_DIR", site.data()).output().ok()?;
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    let all = [output.stdout, output.stderr].concat();
    Some(String::from_utf8(all).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_error_names_the_file_and_who_may_use_it() {
    let site = Site::with_list();
    let closed = [site.data().to_owned(), site.data().join("listgate.db")];
    for path in closed {
        chmod(&path, 0o000);
        for args in [
            &["list", "ls"][..],
            &["list", "create", "other@example.com"],
            &["check", "mylist@example.com"],
            &["serve", "--listen", "127.0.0.1:0"],
            &["work", "in", "--drain", "--", "true"],
            &["backup", "/no/such/directory"],
        ] {
            let Some(text) = output_of(&site, args) else { continue };
            let named = format!("listgate: {}: permission denied: {FIX}", path.display());
            assert!(text.contains(&named), "{args:?}: {text}");
        }
        if let Some(text) = output_of(&site, &["doctor"]) {
            assert!(text.contains(&format!("permission denied fix: {FIX}")), "{text}");
            assert!(!text.contains("make room") && !text.contains("backup"), "{text}");
        }
        chmod(&path, 0o700);
    }
}

/// As with a socket of another user, which may be in use.
#[test]
fn a_socket_without_permission_to_connect_is_left_alone() {
    let site = Site::with_list();
    let socket = site.data().join("socket");
    let _served = UnixListener::bind(&socket).unwrap();
    chmod(&socket, 0o000);
    let text = output_of(&site, &["serve", "--listen", &format!("unix:{}", socket.display())]);
    assert!(text.is_none_or(|text| {
        text.contains("it cannot be found out whether a process serves it: Permission denied")
    }));
    chmod(&socket, 0o700);
    UnixStream::connect(&socket).unwrap();
}
