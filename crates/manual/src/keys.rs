//! The page `listgate.toml(5)`: the configuration file, from the table of keys.

use crate::file::File;
use crate::page::{Chapter, Page};
use listgate::{KeyEntry, key_entries};

const ABOUT: &str = "\
The option `--config` of `listgate`(1) names the configuration file, which is in TOML. The packages install one as \
`/etc/listgate/listgate.toml`. Without a file, and for each key that the file does not set, the defaults apply.

`listgate config defaults` prints all keys as a file to start from. `listgate config check` reads a file, shows each \
value and where it comes from, and fails with the line if the file has a mistake. A key or a table that does not exist \
is a mistake.";

const VALUES: &str = "\
Sizes are octets, as a number or with a unit in quotes: \"500KiB\", \"50MiB\", \"10GiB\". Times have units and are in \
quotes: \"30s\", \"5m\", \"1h 30m\". A path is relative to the folder of the file. An address to listen on is \
\"127.0.0.1:8024\", \"[::1]:8024\" or \"unix:/path\".

Below, each key is shown with its default. A key after a # is not set by default, and is shown with an example.";

const RELOAD: &str = "\
On SIGHUP, a running gate reads the file again. New connections use the new values of the keys for which this page says \
so, and the log names keys that have changed and need a restart. If the file has a mistake, nothing changes, and the \
log says what the mistake is.";

/// Returns the page.
pub(crate) fn page() -> File {
    let mut page = Page::new("listgate.toml", Chapter::FileFormats, "the configuration file of listgate");
    page.section("DESCRIPTION").paragraphs(ABOUT);
    page.section("VALUES").paragraphs(VALUES);
    page.section("KEYS");
    let mut table = "";
    for key in key_entries() {
        if key.table != table {
            table = key.table;
            page.subsection(&format!("[{table}]"));
        }
        page.term(&key.setting, &explained(&key));
    }
    page.section("RELOADING").paragraphs(RELOAD);
    page.section("FILES");
    page.term(
        "/etc/listgate/listgate.toml",
        "The file that the packages install, and that their service reads.",
    );
    page.section("SEE ALSO").paragraphs("`listgate`(1), `listgate-config`(1), `listgate-serve`(1)");
    page.finish()
}

/// Returns the paragraphs about a key.
fn explained(KeyEntry { kind, remark, about, at_reload, .. }: &KeyEntry) -> String {
    // The documentation is also that of a field in Rust, where a key that is not set is `None`.
    let about = about.replace("`None`:", "Not set:");
    let applies = if *at_reload { "Applies on SIGHUP." } else { "Applies at a restart." };
    let remark = remark.trim_end_matches('.');
    let value = format!("{remark}. Write {kind}. {applies}");
    if about.is_empty() { value } else { format!("{about}\n\n{value}") }
}
