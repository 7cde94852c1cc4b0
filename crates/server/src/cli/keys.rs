//! `lockstep keys`: a new master key, and everything sealed anew with it.

use lockstep_core::random::SystemRng;
use lockstep_engine::flows::reseal;

use super::{Failure, config};
use crate::files;

const EXAMPLES: &str = "\
In this order:
  lockstep keys rotate     a new key in front of the older ones in the key file; copy the file to every server and start them again
  lockstep keys reseal     everything in the database sealed with the new key; servers may run meanwhile
Then remove the older lines from the key file. Backups made before still need them. Run both as the user that the server runs as.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Put a new master key in front of the older ones in the key file
    Rotate(config::FileArg),
    /// Seal everything in the database with the newest master key
    Reseal(config::FileArg),
}

/// Runs a subcommand.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    super::start_logging("warn", false);
    match args.what {
        What::Rotate(file) => rotate(&file),
        What::Reseal(file) => reseal(&file).await,
    }
}

fn rotate(file: &config::FileArg) -> Result<(), Failure> {
    if std::env::var_os("LOCKSTEP_MASTER_KEY").is_some() {
        return Err(Failure::new("the master keys come from LOCKSTEP_MASTER_KEY and not from a file").hint(
            "Write the variable's lines into a file, name it as master_key.file, and unset the variable for this command.",
        ));
    }
    let config = config::load(&file.file)?;
    let path = &config.master_key_file;
    let keys = config::load_master_keys(&config)?.rotated(&mut SystemRng);
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    files::write_private(path, keys.to_text().as_bytes()).map_err(failed)?;
    super::print(&format!(
        "Put the new key {} in front of {} older in {}.\n\n\
         Copy the file to every server and start them again; then run `lockstep keys reseal`.",
        keys.current_id(),
        keys.ids().count() - 1,
        path.display()
    ));
    Ok(())
}

async fn reseal(file: &config::FileArg) -> Result<(), Failure> {
    let config = config::load(&file.file)?;
    let keys = config::load_master_keys(&config)?;
    let (current, older) = (keys.current_id().to_owned(), keys.ids().count() - 1);
    let db = config::open_database(&config, keys).await?;
    let count = reseal::run(&db).await?;
    db.close().await;
    super::print(&format!("Sealed {count} values with the key {current}."));
    if older > 0 {
        super::print(&format!(
            "Nothing in the database needs the {older} older any more: remove their lines from {}. Backups made before still \
             need them.",
            config.master_key_file.display()
        ));
    }
    Ok(())
}
