//! `lockstep keys`: a new master key, and everything sealed anew with it; the keys that sign tokens.

use lockstep_core::env::Env;
use lockstep_core::random::SystemRng;
use lockstep_core::time::{Clock as _, SystemClock};
use lockstep_engine::flows::{reseal, signing_keys};

use super::{Failure, config};
use crate::files;

const EXAMPLES: &str = "\
In this order:
  lockstep keys rotate     a new key in front of the older ones in the key file; copy the file to every server and start them again
  lockstep keys reseal     everything in the database sealed with the new key; servers may run meanwhile
Then remove the older lines from the key file. Backups made before still need them. Run both as the user that the server runs as.

The keys that sign tokens are others:
  lockstep keys signing rotate       the next key signs from now on; tokens signed before stay good
  lockstep keys signing revoke KID   what a replaced key has signed is refused from now on
Servers that run follow within a second.";

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
    /// List, rotate or revoke the keys that sign tokens
    Signing {
        #[command(subcommand)]
        what: Signing,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Signing {
    /// List the signing keys: the one that signs, the next one, and those that did
    List(config::FileArg),
    /// Put the next key in the place of the one that signs
    Rotate(config::FileArg),
    /// Revoke a key that was replaced: nothing that it signed is accepted any more
    Revoke {
        /// The key's id, as `lockstep keys signing list` shows it
        kid: String,
        #[command(flatten)]
        file: config::FileArg,
    },
}

/// Runs a subcommand.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    super::start_logging("warn", false);
    match args.what {
        What::Rotate(file) => rotate(&file),
        What::Reseal(file) => reseal(&file).await,
        What::Signing { what } => signing(what).await,
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

async fn signing(what: Signing) -> Result<(), Failure> {
    let (Signing::List(file) | Signing::Rotate(file) | Signing::Revoke { file, .. }) = &what;
    let config = config::load(&file.file)?;
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    let mut env = Env::new(SystemClock.now(), config.app.issuer.clone());
    match &what {
        Signing::List(_) => {
            for key in signing_keys::list(&db).await? {
                let since = key.revoked_at.or(key.rotated_at).unwrap_or(key.created_at).to_iso();
                super::print(&format!("{:<22} {:<6} {:<9} {since}", key.kid, key.algorithm, key.state));
            }
        }
        Signing::Rotate(_) => {
            let key = signing_keys::rotate(&db, &mut env).await?;
            super::print(&format!(
                "{} signs from now on, and there is a new next key. Tokens signed before stay good until you revoke their key:\n\
                 `lockstep keys signing list`, then `lockstep keys signing revoke KID`.",
                key.kid
            ));
        }
        Signing::Revoke { kid, .. } => {
            signing_keys::revoke(&db, &env, kid).await?;
            super::print(&format!("Revoked {kid}. Tokens that it signed are refused from now on."));
        }
    }
    db.close().await;
    Ok(())
}
