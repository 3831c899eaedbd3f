//! A machine of its own, for programs that use fixed paths and ports.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a command may take, or what it waits for. A whole Mailman takes a while to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A shell of root in namespaces of its own, which `machine.sh` has prepared. Whatever was started in it ends
/// when it is dropped.
pub(crate) struct Machine {
    dir: TempDir,
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Machine {
    /// Starts a machine. `usr` has the directories that are /usr, topmost first, and `python` is the path of a
    /// Python.
    pub(crate) fn start(usr: &str, python: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let memory = dir.path().join("memory");
        fs::create_dir(&memory).unwrap();
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "--pid", "--mount-proc", "--fork", "--kill-child", "bash", "-s"]);
        unshare.arg(memory).args([usr, python]);
        unshare.env_clear().env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let mut shell = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        input.write_all(include_bytes!("machine.sh")).unwrap();
        let mut machine = Self { dir, shell, input, output };
        machine.run("true");
        machine
    }

    /// Runs a command as it is typed into a terminal. Returns its exit code and what it prints.
    pub(crate) fn result_of(&mut self, command: &str) -> (i32, String) {
        let [script, printed] = ["script", "printed"].map(|name| self.dir.path().join(name));
        fs::write(&script, format!("{command}\n")).unwrap();
        let patience = PATIENCE.as_secs();
        let (script, shown) = (script.display(), printed.display());
        writeln!(self.input, "timeout {patience} sh {script} < /dev/null > {shown} 2>&1 || code=$?").unwrap();
        writeln!(self.input, "echo ${{code:-0}}; unset code").unwrap();
        let mut code = String::new();
        self.output.read_line(&mut code).unwrap();
        let printed = fs::read_to_string(printed).unwrap_or_default();
        let code = code.trim().parse();
        (code.unwrap_or_else(|_| panic!("the machine has ended at {command}: {printed}")), printed)
    }

    /// Runs a command, which must succeed, and returns what it prints.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let (code, printed) = self.result_of(command);
        assert_eq!(code, 0, "{command}\n{printed}");
        printed
    }

    /// Starts a command that goes on while others run. What it prints goes to the file. Returns its process id.
    pub(crate) fn spawn(&mut self, command: &str, output: &str) -> String {
        self.run(&format!("{command} > {output} 2>&1 & echo $!")).trim().to_owned()
    }

    /// Saves a file.
    pub(crate) fn save(&mut self, path: &str, text: &str) {
        let source: PathBuf = self.dir.path().join("saved");
        fs::write(&source, text).unwrap();
        self.run(&format!("cp {} {path}", source.display()));
    }

    /// Waits until a command succeeds.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, command: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (code, printed) = self.result_of(command);
            if code == 0 {
                return;
            }
            assert!(Instant::now() < end, "{command}: not in time\n{printed}");
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
