//! Messages on a terminal fit into its 80 columns.

use crate::support::Site;
use crate::terminal::Terminal;

#[test]
#[ignore = "needs script"]
fn errors_and_notes_fit_80_columns() {
    let site = Site::with_list();
    std::fs::write(site.data().join("gate.toml"), "[server]\nport = 24\n").unwrap();
    for (number, (command, expected)) in [
        ("--data-dir nowhere list ls", "nowhere: name another"),
        (
            "--data-dir . list create a-list-join@lists.example.com --owner anne@example.org",
            "it is no longer the -join",
        ),
        ("--data-dir . work in --timeout 5x -- true", "such as 30s or 5m"),
        ("--data-dir . list limit mylist@example.com 0", "use `listgate list close`"),
        ("--config gate.toml config check", "did you mean listen?"),
    ]
    .into_iter()
    .enumerate()
    {
        let output = site.data().join(format!("terminal{number}"));
        let mut terminal = Terminal::start(site.data(), &format!("exec listgate {command}"), &output);
        terminal.wait();
        let printed = terminal.printed();
        let words: Vec<&str> = printed.split_whitespace().collect();
        assert!(words.join(" ").contains(expected), "{printed}");
        assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
    }
    let error = site.listgate(&["--data-dir", "nowhere", "list", "ls"]);
    assert_eq!(String::from_utf8(error.stderr).unwrap().lines().count(), 1, "elsewhere it is one line");
}
