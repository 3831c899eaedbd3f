//! Tests against Mailman itself, where it is installed, and tests of errors that Listgate explains better.

use super::surroundings::text;
use super::*;
use listgate_test_support::installed;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// A script that prints what Mailman reads in each case. It resolves the links in a given path, as a library does
/// for Mailman, and evaluates the values whose errors Mailman notices only later.
const SCRIPT: &str = r#"
import json, os, sys
from urllib.parse import urlparse
from lazr.config import as_boolean
from mailman.config import config
from mailman.core.initialize import initialize_1, search_for_configuration_file
from mailman.utilities.string import expand
from sqlalchemy.engine import make_url

config.create_paths = False
first = True

def values(case):
    global first
    os.chdir(case['cwd'])
    for name in ('MAILMAN_CONFIG_FILE', 'MAILMAN_VAR_DIR'):
        os.environ.pop(name, None)
    os.environ.update(case['env'])
    cfg = case['cfg'] and os.path.realpath(case['cfg']) or search_for_configuration_file()
    if first:
        first = False
        initialize_1(cfg)
    else:
        config._clear()
        config.filename = None
        config.load(cfg)
    url = expand(config.database.url, None, config.paths)
    os.chdir('/')
    run = lambda path: os.path.abspath(os.path.join(config.VAR_DIR, path))
    if config.database['class'].endswith('SQLiteDatabase'):
        assert urlparse(url).scheme == 'sqlite'
        url = 'sqlite:' + run(make_url(url).database)
    return dict(
        cfg=cfg, database=url, var_dir=config.VAR_DIR,
        queues=[run(config.switchboards[name].queue_directory) for name in ('in', 'command', 'bounces', 'shunt', 'bad')],
        lmtp=[config.mta.lmtp_host, int(config.mta.lmtp_port)],
        verp_delimiter=config.mta.verp_delimiter, site_owner=config.mailman.site_owner,
        lmtp_runner=as_boolean(getattr(config, 'runner.lmtp').start))

for case in json.load(sys.stdin):
    try:
        print(json.dumps(values(case)))
    except (Exception, SystemExit) as why:
        print('null')
        print(case['cfg'], repr(why), file=sys.stderr)
"#;

/// Versions of mailman.cfg that Mailman reads.
const GOOD: [&str; 19] = [
    "",
    "[mailman]\nlayout: fhs\nsite_owner = anne@example.com\n[runner.lmtp]\nstart: no\n",
    "[mailman]\nlayout: dev\n",
    "[mailman]\nlayout: local\n[mta]\nlmtp_host: ::1\nlmtp_port=8025\nverp_delimiter: -\n",
    "[paths.mine]\nvar_dir: /srv/mm\nqueue_dir: ${log_dir}/../q\nlog_dir: $data_dir/log\n[mailman]\nlayout: mine",
    "[paths.here]\nvar_dir: relative/./var\n",
    "[paths.here]\nvar_dir: $cfg_file/../a$$cwd\nbin_dir: /sbin\n",
    "[paths.master]\nvar_dir: /ignored\n[paths.mine]\n[mailman]\nlayout: mine\n[mta]\nnonsense: 1\n[a]\nb: c",
    "[paths.here]\ntemplate_dir: :source:\nbin_dir: $argv/x\n[DEFAULT]\nlmtp_port: 9\n[mta]\n",
    "[database]\nclass: mailman.database.postgresql.PostgreSQLDatabase\nurl: postgresql://mm:p$$w@[::1]/mm\n",
    "[database]\nurl: sqlite:///$VAR_DIR/$QUEUE_DIR/${LOG_DIR}x/$data_dir/$NOPE.db?timeout=30\n",
    "[database]\nurl: sqlite:///lists.db\n",
    "[runner.in]\npath: /q/$name\n[runner.command]\npath: $VAR_DIR/${name}s\n[runner.bounces]\npath: relative/$name",
    "# a\n ; b\n[mailman]\r\nlayout: here\rsite_owner: a@b ; not a comment\n[MTA]\nlmtp_port: 1\n[mta]\nLMTP_PORT: 2\n",
    "  [mta]\n  lmtp_host: a\n  lmtp_port: 3\n[mta]\nlmtp_port: 4\n[mta] x\nverp_delimiter = =\n",
    "[mailman]\nsite_owner: a\n  b\n\n  # c\n  d: e\n\n[runner.lmtp]\nstart: Disabled\n",
    "[meta]\nextends: base/one.cfg\n[mta]\nlmtp_port: 7\n",
    "[meta]\nextends: /base/one.cfg\nunknown: 1\n[mailman]\nlayout: here\n",
    "[runner.extra]\nstart: no\n[runner.lmtp]\nstart: 0\npath: x\n[antispam]\na: b\n[mta]\nlmtp_host:\n",
];

/// Versions of mailman.cfg that Mailman fails with, and the text that our error must contain.
const BAD: [(&str, &str); 16] = [
    ("lmtp_port: 1\n", "line 1"),
    ("[mta]\n\nlmtp_port\n", "line 3"),
    ("[mta]\n= x\n", "line 2"),
    ("[a.b.c]\n", "[a.b.c]"),
    ("[mailman]\nlayout: nowhere\n", "[mailman] layout: nowhere"),
    ("[mailman]\nlayout: master\n", "[mailman] layout"),
    ("[paths.here]\nlog_dir: $nope/log\n", "[paths.here] log_dir: $nope/log"),
    ("[paths.here]\nvar_dir: $queue_dir\n", "[paths.here]"),
    ("[mta]\nlmtp_port: smtp\n", "[mta] lmtp_port: smtp"),
    ("[runner.lmtp]\nstart: maybe\n", "[runner.lmtp] start: maybe"),
    ("[runner.in]\npath:\n", "[runner.in] path"),
    ("[meta]\nextends: nowhere.cfg\n", "[meta] extends: nowhere.cfg"),
    ("[meta]\nextends: mailman.cfg\n", "[meta] extends"),
    ("[database]\nurl: postgresql://localhost/mm\n", "[database] class"),
    ("[database]\nurl: sqlite+pysqlite:////a.db\n", "[database] url"),
    ("[database]\nurl: a.db\n", "[database] url"),
];

/// Creates a folder with a mailman.cfg.
fn site(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("base")).unwrap();
    fs::write(dir.path().join("base/one.cfg"), "[meta]\nextends: ../two.cfg\n[mta]\nlmtp_host: one\n")
        .unwrap();
    let two = "[mailman]\nlayout: fhs\n[mta]\nlmtp_host: two\nlmtp_port: 2\nverp_delimiter: =\n";
    fs::write(dir.path().join("two.cfg"), two).unwrap();
    fs::write(dir.path().join("mailman.cfg"), text).unwrap();
    dir
}

/// The surroundings and the file to read in a test, for Listgate and for Python.
struct Case {
    around: Surroundings,
    cfg: Option<PathBuf>,
}

impl Case {
    fn given(dir: &TempDir) -> Self {
        let cfg = Some(dir.path().join("mailman.cfg"));
        Self { cfg, ..Self::found(dir.path()) }
    }

    fn found(cwd: &Path) -> Self {
        let cwd = text(&cwd.canonicalize().unwrap()).unwrap();
        let home = Some(format!("{cwd}/home").into());
        Self { around: Surroundings { cwd, home, config_file: None, var_dir: None }, cfg: None }
    }

    fn read(&self) -> Result<Site, CfgError> {
        Site::read_in(&self.around, self.cfg.as_deref())
    }

    fn json(&self) -> Value {
        let file = self.around.config_file.as_ref().map(|file| file.to_str().unwrap());
        let env = [
            ("HOME", self.around.home.as_ref().map(|home| home.to_str().unwrap())),
            ("MAILMAN_CONFIG_FILE", file),
            ("MAILMAN_VAR_DIR", self.around.var_dir.as_deref()),
        ];
        let env: Value = env.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        json!({ "cwd": self.around.cwd, "cfg": self.cfg, "env": env })
    }
}

fn values(site: &Site) -> Value {
    let database = match &site.database {
        Database::Sqlite(path) => format!("sqlite:{}", path.display()),
        Database::Postgres(url) => url.clone(),
    };
    let queues: Vec<_> = site.queues.iter().chain(&site.shunt).chain(&site.bad).collect();
    json!({
        "cfg": site.cfg, "database": database, "var_dir": site.var_dir, "queues": queues,
        "lmtp": site.lmtp, "verp_delimiter": site.verp_delimiter, "site_owner": site.site_owner,
        "lmtp_runner": site.lmtp_runner,
    })
}

/// Returns what Mailman reads in each case; null where it fails.
fn mailman(cases: &[Case]) -> Vec<Value> {
    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(input.path(), Value::from_iter(cases.iter().map(Case::json)).to_string()).unwrap();
    let mut python = Command::new(installed("LISTGATE_MAILMAN", "mailman").join("bin/python"));
    let output = python.args(["-c", SCRIPT]).stdin(input.reopen().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split_inclusive(|c| *c == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
#[ignore = "needs mailman"]
fn every_value_equals_mailmans() {
    let dirs = GOOD.map(site);
    let mut cases: Vec<Case> = dirs.iter().map(Case::given).collect();
    cases.push(Case::found(dirs[1].path()));
    cases.push(Case::found(&dirs[1].path().join("base")));
    let folder = site("[mailman]\nlayout: dev\n[mta]\nlmtp_port: 5\n");
    for place in ["base/var/etc/mailman.cfg", "home/.mailman.cfg"] {
        fs::create_dir_all(folder.path().join(place).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(folder.path().join("mailman.cfg"), folder.path().join(place)).unwrap();
    }
    cases.push(Case::found(&folder.path().join("base")));
    let mut at_home = Case::found(&folder.path().join("home"));
    at_home.around.home = Some(at_home.around.cwd.clone().into());
    cases.push(at_home);
    let mut link = Case::found(folder.path());
    link.cfg = Some("base/var/etc/mailman.cfg".into());
    cases.push(link);
    for (file, var_dir) in [("two.cfg", "/elsewhere"), ("", "$cwd/else"), ("mailman.cfg", "")] {
        let mut by_environment = Case::found(folder.path());
        let file = if file.is_empty() { file.into() } else { folder.path().join(file) };
        by_environment.around.config_file = Some(file.into());
        by_environment.around.var_dir = Some(var_dir.to_owned());
        cases.push(by_environment);
    }
    for (case, theirs) in cases.iter().zip(mailman(&cases)) {
        let text = case.cfg.as_ref().map(|cfg| fs::read_to_string(Path::new(&case.around.cwd).join(cfg)));
        let ours = case.read().unwrap_or_else(|why| panic!("{why}\n{text:?}"));
        assert_eq!(values(&ours), theirs, "{:?} {text:?}", case.json());
    }
}

#[test]
#[ignore = "needs mailman"]
fn mailman_refuses_what_we_refuse() {
    let dirs: Vec<TempDir> = BAD.iter().map(|(text, _)| site(text)).chain([site("")]).collect();
    let cases: Vec<Case> = dirs.iter().map(Case::given).collect();
    let mut theirs = mailman(&cases);
    assert!(theirs.pop().unwrap().is_object(), "Mailman fails for another reason");
    for ((text, _), theirs) in BAD.iter().zip(theirs) {
        assert_eq!(theirs, Value::Null, "{text}");
    }
}

#[test]
fn an_error_names_file_section_and_key() {
    for (text, names) in BAD {
        let dir = site(text);
        let why = Case::given(&dir).read().unwrap_err().to_string();
        assert!(why.contains("mailman.cfg") && why.contains(names), "{text}: {why}");
    }
    let dir = site("[meta]\nextends: base/one.cfg\n");
    fs::write(dir.path().join("two.cfg"), "[mta]\nlmtp_port: 65536\n").unwrap();
    let why = Case::given(&dir).read().unwrap_err().to_string();
    assert!(why.contains("two.cfg: [mta] lmtp_port: 65536: is not a port"), "{why}");
}

#[test]
fn settings_that_only_mailman_can_use_are_reported() {
    for (text, names) in [
        (
            "[database]\nclass: mailman.database.mysql.MySQLDatabase\nurl: mysql+pymysql://a@b/c\n",
            "PostgreSQL",
        ),
        ("[paths.here]\nqueue_dir: $argv/q\n[runner.in]\npath: $QUEUE_DIR/in\n", "[runner.in] path"),
        ("[mta]\nverp_delimiter: --\n", "[mta] verp_delimiter: --"),
        ("[database]\nurl: sqlite:///:memory:\n", "[database] url"),
        ("[database]\nurl: sqlite:////a%20b.db\n", "%"),
    ] {
        let why = Case::given(&site(text)).read().unwrap_err().to_string();
        assert!(why.contains(names), "{text}: {why}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let url = "url: postgresql://mm:secret@host/mm\n";
    let why = Case::given(&site(&format!("[database]\n{url}"))).read().unwrap_err().to_string();
    let class = "class: mailman.database.postgresql.PostgreSQLDatabase\n";
    let good = Case::given(&site(&format!("[database]\n{class}{url}"))).read().unwrap();
    let mysql = "[database]\nurl: mysql://mm:secret@host/mm\n";
    let other = Case::given(&site(mysql)).read().unwrap_err().to_string();
    for shown in [why, format!("{good:?}"), other] {
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn the_python_driver_is_removed_from_a_url() {
    let class = "[database]\nclass: mailman.database.postgresql.PostgreSQLDatabase\n";
    for url in ["postgresql+psycopg2://mm@/mm?host=/run", "postgres://mm@/mm?host=/run"] {
        let site = Case::given(&site(&format!("{class}url: {url}\n"))).read().unwrap();
        assert_eq!(site.database, Database::Postgres("postgresql://mm@/mm?host=/run".to_owned()));
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::found(dir.path());
    case.around.config_file = Some("nowhere.cfg".into());
    assert!(matches!(case.read(), Err(CfgError::File(why)) if why.path.ends_with("nowhere.cfg")));
}
