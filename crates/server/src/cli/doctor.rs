//! `lockstep doctor`: half-configurations, and what to do about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_core::time::SystemClock;
use lockstep_engine::app::App;
use lockstep_engine::flows::doctor::{self, Outbox};
use serde_json::{Value, json};

use super::server::{self, Server};
use super::{Failure, config};

const EXAMPLES: &str = "\
Examples:
  lockstep doctor                              the running twin
  lockstep doctor --config lockstep.toml       a server, from its database
  lockstep doctor --config lockstep.toml --json

It looks for settings that are right by themselves and cannot work together: a policy without a factor that can be
used, a factor that nobody is asked for, codes that no provider carries, applications that see passwords, keys that
end. The exit code is 1 if it found an error; warnings and notes leave it at 0.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Look into the database of the server with this configuration file, instead of asking the running twin
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: server::ServerArgs,
}

/// Prints what is found.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let findings = match &args.config {
        Some(file) => from_database(file).await?,
        None => from_twin(&args.server).await?,
    };
    let errors = findings.iter().filter(|finding| finding["severity"] == "error").count();
    if args.json {
        super::print(&serde_json::to_string_pretty(&findings)?);
    } else if findings.is_empty() {
        super::print("Nothing to complain about.");
    } else {
        let text: Vec<String> = findings.iter().map(in_words).collect();
        super::print(&text.join("\n\n"));
    }
    match errors {
        0 => Ok(()),
        1 => Err(Failure::new("1 error")),
        more => Err(Failure::new(format!("{more} errors"))),
    }
}

async fn from_twin(args: &server::ServerArgs) -> Result<Vec<Value>, Failure> {
    let server = Server::find(args)?;
    let answer = server.http()?.get(server.url("_dev/api/doctor")?).send().await;
    let answer = answer.map_err(|e| server.unreachable(&e))?;
    if !answer.status().is_success() {
        return Err(Failure::new(format!("the server answered {}", answer.status()))
            .hint("Only a twin is examined over the network. For a server, give --config FILE."));
    }
    Ok(answer.json().await?)
}

async fn from_database(file: &Path) -> Result<Vec<Value>, Failure> {
    let mut config = config::load(file)?;
    config::load_key_models(&mut config)?;
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    let app = App::open(config.app.clone(), db, Arc::new(SystemClock)).await?;
    let findings = doctor::examine(&app, Outbox::Sent).await?;
    app.db().close().await;
    Ok(findings.into_iter().map(|finding| json!(finding)).collect())
}

fn in_words(finding: &Value) -> String {
    let text = |name: &str| finding[name].as_str().unwrap_or_default();
    format!("{}: {} [{}]\n  {}", text("severity"), text("text"), text("code"), text("remedy"))
}
