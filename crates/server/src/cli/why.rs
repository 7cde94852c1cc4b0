//! `lockstep why`: the decision records in words.

use std::path::PathBuf;
use std::sync::Arc;

use lockstep_core::time::SystemClock;
use lockstep_engine::app::App;
use lockstep_engine::flows::twin;
use serde_json::Value;

use super::server::{self, Server};
use super::{Failure, config};

const EXAMPLES: &str = "\
Examples:
  lockstep why ana@example.com                               the last decisions about a user of the running twin
  lockstep why \"auth0|a1a000000000000000000001\"
  lockstep why hKFo2SBKaUZ0VTl4dGVkZ0FLQ0pyT2pSYmZp          one login: the `state` in the address of its pages
  lockstep why ana@example.com --config lockstep.toml        of a server, read from its database

For each decision it says whether a second factor was asked for, who demanded it, what was found, and what would
have been enough.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A login transaction, a user id, or a mail address
    #[arg(value_name = "TRANSACTION|USER")]
    id: String,
    /// Read the database of the server with this configuration file, instead of asking the running twin
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the records as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: server::ServerArgs,
}

/// Prints the decisions.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let records = match &args.config {
        Some(file) => from_database(file, &args.id).await?,
        None => from_twin(&args.server, &args.id).await?,
    };
    if args.json {
        super::print(&serde_json::to_string_pretty(&records)?);
        return Ok(());
    }
    if records.is_empty() {
        return Err(Failure::new(format!("no decision about {:?} is on record", args.id))
            .hint("Give a login transaction (the `state` in the address of its pages), a user id, or a mail address."));
    }
    let text: Vec<String> = records.iter().map(in_words).collect();
    super::print(&text.join("\n\n"));
    Ok(())
}

async fn from_twin(args: &server::ServerArgs, id: &str) -> Result<Vec<Value>, Failure> {
    let server = Server::find(args)?;
    let mut url = server.url("_dev/api/decisions/")?;
    url.path_segments_mut().map_err(|()| Failure::new("no URL of a server"))?.pop_if_empty().push(id);
    let answer = server.http()?.get(url).send().await.map_err(|e| server.unreachable(&e))?;
    if !answer.status().is_success() {
        return Err(Failure::new(format!("the server answered {}", answer.status()))
            .hint("Only a twin tells its decisions over the network. For a server, give --config FILE."));
    }
    Ok(answer.json().await?)
}

async fn from_database(file: &std::path::Path, id: &str) -> Result<Vec<Value>, Failure> {
    let config = config::load(file)?;
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    let app = App::open(config.app.clone(), db, Arc::new(SystemClock)).await?;
    let records = twin::decisions(&app, id).await?;
    app.db().close().await;
    Ok(records.iter().map(twin::describe).collect())
}

fn in_words(record: &Value) -> String {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or("nobody yet");
    let mut out = format!(
        "{}  client {}  user {}\n  transaction {}",
        text("created_at"),
        text("client_id"),
        text("user_id"),
        text("transaction")
    );
    for line in record.get("words").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        out.push_str("\n  ");
        out.push_str(line);
    }
    out
}
