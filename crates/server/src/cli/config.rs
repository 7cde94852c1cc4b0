//! `lockstep config`: checks and explains the configuration of `serve`; and how the other commands read it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use lockstep_core::crypto::seal::MasterKeys;
use lockstep_core::time::{Clock as _, SystemClock};
use lockstep_engine::config::server::{self, Database, ServerConfig};
use lockstep_engine::config::settings;
use lockstep_engine::store::db::Db;

use super::Failure;
use crate::files;

const EXAMPLES: &str = "\
Examples:
  lockstep config check --config lockstep.toml    tell everything that is wrong with the file
  lockstep config reference                       all settings, their defaults and what they mean
  lockstep config sample > lockstep.toml          a file with every setting as a comment";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration, with the environment variables of this shell
    Check(FileArg),
    /// Print the reference of all settings (Markdown)
    Reference,
    /// Print a configuration file with every setting as a comment
    Sample {
        /// URL by which browsers and applications reach the server
        #[arg(long, value_name = "URL", default_value = "https://login.example.org/")]
        issuer: String,
    },
}

/// Which file it is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FileArg {
    /// The configuration file
    #[arg(long = "config", value_name = "FILE", env = "LOCKSTEP_CONFIG", default_value = "lockstep.toml")]
    pub(crate) file: PathBuf,
}

/// Runs the subcommand.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Check(file) => {
            let config = load(&file.file)?;
            for name in &config.unknown_variables {
                super::eprint(&format!("lockstep: note: {name} is set, but is no setting"));
            }
            load_master_keys(&config)?;
            let mut config = config;
            if let Some(due) = load_key_models(&mut config)? {
                super::eprint(&format!(
                    "lockstep: note: webauthn.metadata: a newer edition was due on {due}"
                ));
            }
            if let Some((certificate, key)) = &config.tls {
                crate::tls::from_files(certificate, key)?;
            }
            super::print(&format!("{} is fine: {}", file.file.display(), config.app.issuer.as_str()));
        }
        Command::Reference => super::print(settings::reference().trim_end()),
        Command::Sample { issuer } => super::print(settings::sample(&issuer).trim_end()),
    }
    Ok(())
}

/// Reads a configuration file and the environment.
pub(crate) fn load(file: &Path) -> Result<ServerConfig, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        // A container may have everything in its environment.
        Err(e)
            if e.kind() == std::io::ErrorKind::NotFound && std::env::var_os("LOCKSTEP_ISSUER").is_some() =>
        {
            String::new()
        }
        Err(e) => {
            return Err(Failure::new(format!("{}: {e}", file.display()))
                .hint("Name the file with --config FILE; `lockstep init --issuer URL` writes a first one."));
        }
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    // A variable that is not UTF-8 is none of ours.
    let variables =
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    server::read(&text, folder, variables).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
        Failure::new(format!("{} cannot be used:\n{}", file.display(), lines.join("\n")))
    })
}

/// Reads the file that says of which models keys may be, if one is named; returns the day on which a newer one was due, if that has passed.
pub(crate) fn load_key_models(config: &mut ServerConfig) -> Result<Option<String>, Failure> {
    let Some(named) = &config.key_models else { return Ok(None) };
    let models = named.read().map_err(|problem| Failure::new(problem.to_string()))?;
    let due = models.overdue(SystemClock.now()).map(str::to_owned);
    config.app.key_models = Some(Arc::new(models));
    Ok(due)
}

/// Reads the master keys from the environment or their file, which must be its owner's alone.
pub(crate) fn load_master_keys(config: &ServerConfig) -> Result<MasterKeys, Failure> {
    if let Ok(text) = std::env::var("LOCKSTEP_MASTER_KEY") {
        return MasterKeys::parse(&text).map_err(|e| Failure::new(format!("LOCKSTEP_MASTER_KEY: {e}")));
    }
    let path = &config.master_key_file;
    let failed =
        |e: &dyn std::fmt::Display| Failure::new(format!("master_key.file: {}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => failed(&"it is not there").hint("`lockstep init` makes it."),
        _ => failed(&e),
    })?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_err(|e| failed(&e))?.permissions().mode();
        // Container platforms mount secrets readable by a group; by everybody is never right.
        if mode & 0o007 != 0 {
            return Err(failed(&"everybody on this machine can read it")
                .hint(format!("Make it its owner's alone: chmod 600 {}", path.display())));
        }
    }
    MasterKeys::parse(&text).map_err(|e| failed(&e))
}

/// Opens the database that the configuration names.
pub(crate) async fn open_database(config: &ServerConfig, keys: MasterKeys) -> Result<Db, Failure> {
    let opened = match &config.database {
        Database::Sqlite(path) => return open_sqlite(path, keys).await,
        Database::Postgres(url, connections) => Db::postgres(url, *connections, keys).await,
    };
    opened.map_err(|e| Failure::new(format!("database.url: {e}")))
}

/// Opens a SQLite file; a new one is its owner's alone, and so are the files that SQLite lays beside it.
pub(crate) async fn open_sqlite(path: &Path, keys: MasterKeys) -> Result<Db, Failure> {
    files::create_private(path, b"").map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    Db::sqlite(path, keys).await.map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}
