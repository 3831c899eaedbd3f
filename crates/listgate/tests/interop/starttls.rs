//! STARTTLS with other people's programs: certificates are verified on both sides, and mail waits if one is missing.

use crate::exim::Exim;
use crate::mta::Postfix;
use crate::support::tls::Authority;
use crate::support::{Server, Site, until};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A gate with a certificate, for a name.
struct Encrypted {
    site: Site,
    authority: Authority,
    server: Server,
}

impl Encrypted {
    /// Starts a gate that admits everyone from this machine.
    fn open(name: &str) -> Self {
        Self::start(name, "")
    }

    /// Starts a gate that admits only peers with a certificate.
    fn closed(name: &str) -> Self {
        Self::start(name, "client_ca = \"ca.pem\"\n[server]\nallow = [\"192.0.2.1\"]\n")
    }

    fn start(name: &str, toml: &str) -> Self {
        let (site, authority) = (Site::with_list(), Authority::new());
        authority.issue(name).write(site.data());
        fs::write(site.data().join("ca.pem"), authority.pem()).unwrap();
        // A mail server runs as a user of its own.
        fs::set_permissions(site.data(), Permissions::from_mode(0o755)).unwrap();
        let file = site.data().join("listgate.toml");
        fs::write(&file, format!("[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{toml}")).unwrap();
        let server = site.serve(&["--config", file.to_str().unwrap()]);
        Self { site, authority, server }
    }

    /// Returns the path of a file in the data directory.
    fn path(&self, name: &str) -> String {
        self.site.data().join(name).display().to_string()
    }

    /// Writes a certificate that `authority` has signed for a mail server, with its key, into a directory.
    fn client_certificate(&self, authority: &Authority, name: &str) -> String {
        let dir = self.site.data().join(name);
        fs::create_dir(&dir).unwrap();
        authority.issue("mx.example.net").write(&dir);
        dir.display().to_string()
    }

    fn assert_queued(&self, id: &str) {
        let entries = || self.site.json(&["queue", "ls", "--message-id", &format!("<{id}>")]);
        until("the mail arrives", || !entries().is_empty());
        assert_eq!(entries()[0]["transport"], "LMTPS/TCP");
    }

    fn assert_empty(&self) {
        assert!(self.site.json(&["queue", "ls"]).is_empty(), "nothing is queued");
    }
}

/// Returns main.cf's lines for a gate with a certificate for lists.example.com, or for a file that is not its authority.
fn verified(ca: &str) -> String {
    format!(
        "lmtp_tls_security_level = secure\nlmtp_tls_CAfile = {ca}\n\
         lmtp_tls_secure_cert_match = lists.example.com\nlmtp_tls_loglevel = 1\n"
    )
}

/// Returns main.cf's lines for a certificate of Postfix's own.
fn certified(dir: &str) -> String {
    format!("lmtp_tls_cert_file = {dir}/cert.pem\nlmtp_tls_key_file = {dir}/key.pem\n")
}

#[test]
#[ignore = "needs postfix"]
fn postfix_verifies_the_gate() {
    let gate = Encrypted::open("lists.example.com");
    let postfix = Postfix::start(gate.server.address, &verified(&gate.path("ca.pem")));
    postfix.smtp().send(&["mylist@example.com"], "tls@example.org");
    postfix.logged(&["Verified TLS connection established to 127.0.0.1"]);
    gate.assert_queued("tls@example.org");
}

#[test]
#[ignore = "needs postfix"]
fn postfix_keeps_mail_for_a_gate_that_it_cannot_verify() {
    let gate = Encrypted::open("other.example.com");
    let postfix = Postfix::start(gate.server.address, &verified(&gate.path("ca.pem")));
    postfix.smtp().send(&["mylist@example.com"], "tls@example.org");
    postfix.logged(&["status=deferred", "Server certificate not verified"]);
    gate.assert_empty();
}

#[test]
#[ignore = "needs postfix"]
fn postfix_is_admitted_by_its_certificate_and_keeps_mail_without_one() {
    let gate = Encrypted::closed("lists.example.com");
    let tls = verified(&gate.path("ca.pem"));
    let stranger = gate.client_certificate(&Authority::new(), "stranger");
    let opportunistic = "lmtp_tls_security_level = may\n".to_owned();
    for (lines, reason) in [
        (String::new(), "451 4.7.0 Must issue a STARTTLS command first (in reply to MAIL FROM command)"),
        (tls.clone(), "451 4.7.1 Your network is not in server.allow, and you showed no certificate"),
        (tls.clone() + &certified(&stranger), "status=deferred"),
        // After the failed handshake, Postfix tries without TLS.
        (opportunistic + &certified(&stranger), "451 4.7.0 Must issue a STARTTLS command first"),
    ] {
        let postfix = Postfix::start(gate.server.address, &lines);
        postfix.smtp().send(&["mylist@example.com"], "kept@example.org");
        postfix.logged(&["to=<mylist@example.com>", "status=deferred", reason]);
        assert!(!postfix.log().contains("status=bounced"), "{}", postfix.log());
        gate.assert_empty();
    }
    let own = gate.client_certificate(&gate.authority, "own");
    let postfix = Postfix::start(gate.server.address, &(tls + &certified(&own)));
    postfix.smtp().send(&["mylist@example.com"], "tls@example.org");
    gate.assert_queued("tls@example.org");
}

/// The lines of a transport. Exim verifies the name by which its router knows the host: here its address. Without
/// `tls_verify_hosts`, it would go on with a gate that it cannot verify.
const TRANSPORT: &str = "  hosts_require_tls = *\n  tls_verify_certificates = CA\n  tls_verify_hosts = *\n";

#[test]
#[ignore = "needs exim4"]
fn exim_verifies_the_gate() {
    let gate = Encrypted::open("127.0.0.1");
    let transport = TRANSPORT.replace("CA", &gate.path("ca.pem"));
    let exim = Exim::in_front_of(gate.server.address, "example.com", "", &transport);
    exim.smtp().send(&["mylist@example.com"], "tls@example.org");
    gate.assert_queued("tls@example.org");
    until("Exim logs the verified certificate", || exim.log().contains(" CV=yes "));
}

#[test]
#[ignore = "needs exim4"]
fn exim_defers_mail_for_a_gate_that_it_cannot_verify() {
    let gate = Encrypted::open("lists.example.com");
    let transport = TRANSPORT.replace("CA", &gate.path("ca.pem"));
    let exim = Exim::in_front_of(gate.server.address, "example.com", "", &transport);
    let mut smtp = exim.smtp();
    smtp.command("MAIL FROM:<anne@example.org>", "250");
    smtp.command("RCPT TO:<mylist@example.com>", "451");
    gate.assert_empty();
}

#[test]
#[ignore = "needs exim4"]
fn exim_is_admitted_by_its_certificate_and_defers_mail_without_one() {
    let gate = Encrypted::closed("127.0.0.1");
    let tls = TRANSPORT.replace("CA", &gate.path("ca.pem"));
    let certified =
        |dir: &str| format!("  tls_certificate = {dir}/cert.pem\n  tls_privatekey = {dir}/key.pem\n");
    let stranger = gate.client_certificate(&Authority::new(), "stranger");
    for transport in
        ["  hosts_avoid_tls = *\n", &tls, &(tls.clone() + &certified(&stranger)), &certified(&stranger)]
    {
        let exim = Exim::in_front_of(gate.server.address, "example.com", "", transport);
        let mut smtp = exim.smtp();
        smtp.command("MAIL FROM:<anne@example.org>", "250");
        smtp.command("RCPT TO:<mylist@example.com>", "451");
        gate.assert_empty();
    }
    let own = gate.client_certificate(&gate.authority, "own");
    let exim = Exim::in_front_of(gate.server.address, "example.com", "", &(tls + &certified(&own)));
    exim.smtp().send(&["mylist@example.com"], "tls@example.org");
    gate.assert_queued("tls@example.org");
}

const SCRIPT: &str = r#"
import smtplib, ssl, sys
port, ca, own = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=ca)
if own:
    context.load_cert_chain(own + "/cert.pem", own + "/key.pem")
message = "Subject: by smtplib\r\nMessage-ID: <tls@example.org>\r\n\r\n"
with smtplib.LMTP("127.0.0.1", port, local_hostname="client.example") as lmtp:
    lmtp.starttls(context=context)
    assert lmtp.sendmail("anne@example.org", ["mylist@example.com"], message) == {}
    assert not lmtp.has_extn("starttls")
"#;

fn python(gate: &Encrypted, own: &str) -> (bool, String) {
    let port = gate.server.address.port().to_string();
    let output =
        Command::new("python3").args(["-c", SCRIPT, &port, &gate.path("ca.pem"), own]).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[ignore = "needs python3"]
fn smtplib_starts_tls() {
    let gate = Encrypted::closed("127.0.0.1");
    let (taken, said) = python(&gate, "");
    assert!(!taken && said.contains("4.7.1 Your network is not in server.allow"), "{said}");
    let own = gate.client_certificate(&gate.authority, "own");
    let (taken, said) = python(&gate, &own);
    assert!(taken, "{said}");
    gate.assert_queued("tls@example.org");
}

#[test]
#[ignore = "needs python3"]
fn smtplib_refuses_a_gate_with_another_name() {
    let gate = Encrypted::open("lists.example.com");
    let (taken, said) = python(&gate, "");
    assert!(!taken && said.contains("CERTIFICATE_VERIFY_FAILED"), "{said}");
    gate.assert_empty();
}

#[test]
#[ignore = "needs swaks, perl-ssleay"]
fn swaks_starts_tls() {
    let gate = Encrypted::closed("lists.example.com");
    let own = gate.client_certificate(&gate.authority, "own");
    let port = gate.server.address.port().to_string();
    let swaks = |more: &[&str]| {
        let mut command = Command::new("swaks");
        command.args(["--protocol", "LMTP", "--server", "127.0.0.1", "--port", &port]);
        command.args([
            "--helo",
            "client.example",
            "--from",
            "anne@example.org",
            "--to",
            "mylist@example.com",
        ]);
        command.args(["--header", "Message-Id: <tls@example.org>"]).args(more);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (taken, said) = swaks(&[]);
    assert!(!taken && said.contains("451 4.7.0 Must issue a STARTTLS command first"), "{said}");
    let tls = ["-tls", "--tls-verify", "--tls-ca-path", &gate.path("ca.pem")];
    let (taken, said) = swaks(&tls);
    assert!(!taken && said.contains("451 4.7.1 Your network is not in server.allow"), "{said}");
    let [certificate, key] =
        ["cert.pem", "key.pem"].map(|name| Path::new(&own).join(name).display().to_string());
    let (taken, said) = swaks(&[&tls as &[&str], &["--tls-cert", &certificate, "--tls-key", &key]].concat());
    assert!(taken && said.contains("=== TLS started"), "{said}");
    gate.assert_queued("tls@example.org");
}
