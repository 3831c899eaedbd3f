//! `listgate-manual FOLDER` writes Listgate's manual pages and shell completions into a folder.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: listgate-manual FOLDER");
        return ExitCode::from(2);
    };
    match listgate_manual::write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("listgate-manual: cannot write to {}: {why}", folder.display());
            ExitCode::FAILURE
        }
    }
}
