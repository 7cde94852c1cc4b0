//! `lockstep backup`: a copy of the database while the server runs.

use std::path::PathBuf;

use lockstep_engine::config::server::Database;
use lockstep_engine::store::snapshots;

use super::{Failure, config};
use crate::files;

const EXAMPLES: &str = "\
Examples:
  lockstep backup /var/backups/lockstep.db --config /etc/lockstep/lockstep.toml

The copy is whole and of one moment; servers may write meanwhile. To restore it, stop the server and put the copy in
the place of the database file (remove FILE-wal and FILE-shm beside it). Keep the master key apart from the copy: the
copy alone gives nothing secret away, and is of no use without it. PostgreSQL is backed up with pg_dump.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where the copy goes; the file must not be there yet
    #[arg(value_name = "FILE")]
    copy: PathBuf,
    #[command(flatten)]
    config: config::FileArg,
}

/// Makes the copy.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let config = config::load(&args.config.file)?;
    if matches!(config.database, Database::Postgres(..)) {
        return Err(Failure::new("the database is PostgreSQL")
            .hint("Back it up with its own tools: pg_dump --format=custom DATABASE > FILE"));
    }
    let failed = |e: &dyn std::fmt::Display| Failure::new(format!("{}: {e}", args.copy.display()));
    if args.copy.exists() {
        return Err(failed(&"the file is there already"));
    }
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    // Made here and empty, so that it is its owner's alone from the first byte on.
    files::create_private(&args.copy, b"").map_err(|e| failed(&e))?;
    let made = snapshots::copy_to(&db, &args.copy).await;
    db.close().await;
    if let Err(error) = made {
        let _ = std::fs::remove_file(&args.copy);
        return Err(failed(&error));
    }
    let size = std::fs::metadata(&args.copy)?.len();
    super::print(&format!("Wrote {} ({size} bytes).", args.copy.display()));
    Ok(())
}
