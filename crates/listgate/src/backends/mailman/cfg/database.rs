//! `[database] class` and `url`.

use super::error::CfgError;
use super::expand::absolute;
use super::paths::{ONLY_MAILMAN_KNOWS, Paths};
use super::settings::Settings;
use crate::backends::mailman::database::Database;

const SQLITE_CLASS: &str = "mailman.database.sqlite.SQLiteDatabase";

/// Reads which database Mailman uses. `run_dir` is the working directory of Mailman's runners.
pub(super) fn read(settings: &Settings, paths: &Paths, run_dir: &str) -> Result<Database, CfgError> {
    let wrong = |why: &str| settings.wrong("database", "url", why);
    let owner = settings.get("mailman", "site_owner");
    let url = paths.expand(settings.get("database", "url"), "site_email", owner);
    let url = url.ok_or_else(|| wrong(ONLY_MAILMAN_KNOWS))?;
    let class = settings.get("database", "class");
    let (scheme, rest) = url.split_once("://").ok_or_else(|| {
        wrong("is not a URL; write one such as sqlite:////var/lib/mailman/mailman.db or postgresql://user@host/name")
    })?;
    match scheme.split('+').next() {
        Some("sqlite") => sqlite(scheme, rest, run_dir).map_err(wrong),
        Some("postgresql" | "postgres") if class == SQLITE_CLASS => Err(settings.wrong(
            "database",
            "class",
            "this is not the class for the PostgreSQL of [database] url; write \
             class: mailman.database.postgresql.PostgreSQLDatabase",
        )),
        Some("postgresql" | "postgres") => Ok(Database::Postgres(format!("postgresql://{rest}"))),
        _ => Err(wrong(
            "Listgate reads Mailman's lists from SQLite and PostgreSQL alone; with another database leave \
             Mailman's own LMTP runner on",
        )),
    }
}

fn sqlite(scheme: &str, rest: &str, run_dir: &str) -> Result<Database, &'static str> {
    if scheme != "sqlite" {
        return Err("Mailman takes no driver here; write sqlite://");
    }
    let path = rest.split('?').next().unwrap_or_default().strip_prefix('/');
    let path = path.ok_or("names a host; write sqlite:////absolute/path")?;
    if path.is_empty() || path == ":memory:" || path.starts_with("file:") {
        return Err("names no file; write sqlite:////absolute/path");
    }
    if path.contains('%') {
        return Err("SQLAlchemy's versions do not agree on what a % means here; name the file without one");
    }
    Ok(Database::Sqlite(absolute(run_dir, path).into()))
}
