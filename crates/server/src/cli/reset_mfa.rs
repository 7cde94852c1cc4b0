//! `lockstep reset-mfa`: for the person who lost her phone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_core::time::SystemClock;
use lockstep_engine::app::App;
use lockstep_engine::flows::admin_reset::{self, By};

use super::management::Management;
use super::server;
use super::{Failure, config};

const EXAMPLES: &str = "\
Examples:
  lockstep reset-mfa ana@example.com --reason \"lost her phone, ticket 4711, called back\"
  lockstep reset-mfa \"auth0|a1a000000000000000000001\" --reason \"stolen laptop\" --end-sessions
  lockstep reset-mfa ana@example.com --reason \"...\" --config lockstep.toml    in a server's database

Be sure who asks: whoever gets this done owns the account with a password alone. All second factors and remembered
browsers go in one step, the reason stands in the tenant log, and the person is told by mail. Passkeys stay.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A user id, or a mail address that one user has
    #[arg(value_name = "USER")]
    user: String,
    /// Why; kept in the tenant log
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// End the person's sessions and refresh tokens too
    #[arg(long)]
    end_sessions: bool,
    /// Work in the database of the server with this configuration file, instead of calling a running server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    server: server::ServerArgs,
}

/// Resets somebody.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (user, count) = match &args.config {
        Some(file) => in_database(file, &args).await?,
        None => by_api(&args).await?,
    };
    super::print(&match count {
        0 => format!("{user} had no second factor; remembered browsers are forgotten."),
        1 => format!("{user}: 1 second factor removed."),
        more => format!("{user}: {more} second factors removed."),
    });
    Ok(())
}

async fn in_database(file: &Path, args: &Args) -> Result<(String, usize), Failure> {
    let config = config::load(file)?;
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    let app = App::open(config.app.clone(), db, Arc::new(SystemClock)).await?;
    let by = By { client: None, reason: Some(args.reason.clone()), end_sessions: args.end_sessions };
    let done = admin_reset::reset(&app, &args.user, &by).await;
    app.db().close().await;
    let (user, count) = done?;
    Ok((user.to_string(), count))
}

async fn by_api(args: &Args) -> Result<(String, usize), Failure> {
    let api = Management::open(&args.server).await?.because(&args.reason);
    let user = api.user_id(&args.user).await?;
    let path = ["users", user.as_str(), "authenticators"];
    let count = api.get(&path, &[]).await?.as_array().map_or(0, Vec::len);
    let query: &[(&str, &str)] = if args.end_sessions { &[("end_sessions", "true")] } else { &[] };
    api.call(reqwest::Method::DELETE, &path, query, None).await?;
    Ok((user, count))
}
