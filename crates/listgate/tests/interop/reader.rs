//! A reader of a page, who follows its steps in terminals.

use crate::page::Step;
use crate::support::PATIENCE;
use crate::terminal::{Terminal, agree, has};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const GATE: &str = "127.0.0.1:8024";
pub(crate) const MAIL_SERVER: &str = "aiosmtpd ";
/// The commands that run until Ctrl-C, unless they have `ENDS` among their options.
const LASTING: [&str; 3] = ["listgate serve", "listgate work", MAIL_SERVER];
const ENDS: &str = " --drain ";
/// The commands that show what became of mail, which can take a moment.
const LOOKS: [&str; 6] = [
    "listgate queue ls",
    "listgate queue status",
    "listgate explain",
    "listgate post ls",
    "cat outbox/",
    "grep -",
];

/// What `listgate send` shows of a refused recipient. It then exits with 1; every other command on a page succeeds.
const REFUSAL: &str = "  550 ";

/// Makes the tests run one at a time: the page has only one port for the gate.
static PORT: Mutex<()> = Mutex::new(());

/// A reader who does what the page says.
pub(crate) struct Reader {
    dir: TempDir,
    /// The command that the page has its readers run first in each terminal.
    begin: &'static str,
    /// The terminals in which something runs, in the order in which it was started.
    terminals: Vec<Terminal>,
    _alone: MutexGuard<'static, ()>,
}

impl Reader {
    /// Returns the reader of a page that tells its readers to begin with this command in each terminal.
    pub(crate) fn new(begin: &'static str) -> Self {
        let alone = PORT.lock().unwrap_or_else(PoisonError::into_inner);
        let free = std::net::TcpListener::bind(GATE);
        assert!(free.is_ok(), "the page needs {GATE}; end what listens there and try again");
        let reader = Self { dir: tempfile::tempdir().unwrap(), begin, terminals: Vec::new(), _alone: alone };
        fs::create_dir(reader.checkout()).unwrap();
        reader
    }

    /// Returns the path of the Listgate clone, or of what the page needs of it.
    fn checkout(&self) -> PathBuf {
        self.dir.path().join("listgate")
    }

    /// Returns the page's own directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.checkout().join("tutorial")
    }

    pub(crate) fn follow(&mut self, step: &Step) {
        match step {
            Step::Save { name, text } => fs::write(self.home().join(name), text).unwrap(),
            Step::Run { command, shown } if lasts(command) => {
                let output = self.dir.path().join(format!("terminal-{}", self.terminals.len()));
                // Without `exec`, the shell, which is not interactive, would get Ctrl-C, too.
                let command = format!("{} && exec {command}", self.begin);
                self.terminals.push(Terminal::start(&self.checkout(), &command, &output));
                self.wait_for(shown);
            }
            Step::Run { command, shown } => {
                let looks = LOOKS.iter().any(|look| command.starts_with(look));
                let patience = if looks { PATIENCE } else { Duration::ZERO };
                let end = Instant::now() + patience;
                loop {
                    let (code, printed) = self.run(command);
                    let expected = i32::from(shown.contains(REFUSAL));
                    if code == Some(expected) && agree(shown, &printed) {
                        break;
                    }
                    let why = format!(
                        "{command}\nexits with {code:?} and prints\n{printed}\nthe page shows\n{shown}"
                    );
                    assert!(Instant::now() < end, "{why}");
                }
            }
            Step::Later(shown) => self.wait_for(shown),
        }
    }

    /// Runs a command to its end, and returns its exit code and what it printed.
    pub(crate) fn run(&self, command: &str) -> (Option<i32>, String) {
        let line = format!("{} && {command}", self.begin);
        let mut terminal = Terminal::start(&self.checkout(), &line, &self.dir.path().join("terminal"));
        (terminal.wait(), terminal.printed())
    }

    /// Waits until the terminal in which something was started last prints this.
    fn wait_for(&self, shown: &str) {
        let terminal = self.terminals.last().expect("something runs");
        let end = Instant::now() + PATIENCE;
        while !has(&terminal.printed(), shown) {
            assert!(Instant::now() < end, "printed is\n{}\nthe page shows\n{shown}", terminal.printed());
            sleep(Duration::from_millis(20));
        }
    }

    /// Presses Ctrl-C in every terminal.
    pub(crate) fn leave(mut self) {
        for mut terminal in self.terminals.drain(..).rev() {
            terminal.interrupt();
            assert_eq!(terminal.wait(), Some(0), "{}", terminal.printed());
        }
    }
}

/// Returns whether a command runs until Ctrl-C.
fn lasts(command: &str) -> bool {
    LASTING.iter().any(|lasting| command.starts_with(lasting)) && !command.contains(ENDS)
}
