//! `listgate backup`

use super::error::CliError;
use super::site::Site;
use crate::backends::sqlite::backup::{Copied, backup};
use crate::operations;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The directory of the copy; it must be new or empty
    dir: PathBuf,
}

pub(super) fn run(site: &Site, args: &Args) -> Result<ExitCode, CliError> {
    let instead = "copy its var_dir and its queue_dir, and dump its database";
    let data = operations::own_data(site.config()?, "backups", instead)?;
    let Copied { lists, entries, spool_files, octets } = backup(&data, &args.dir)?;
    let mut out = io::stdout().lock();
    writeln!(out, "copied {} to {}", data.absolute().display(), args.dir.display())?;
    writeln!(out, "  lists        {lists}")?;
    writeln!(out, "  entries      {entries}")?;
    writeln!(out, "  spool files  {spool_files}")?;
    writeln!(out, "  octets       {octets}")?;
    Ok(ExitCode::SUCCESS)
}
