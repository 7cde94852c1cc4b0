//! `lockstep reset-mfa`: for the person who lost her phone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_core::time::SystemClock;
use lockstep_engine::app::App;
use lockstep_engine::flows::admin_reset::{self, By};
use serde_json::Value;

use super::server::{self, Server};
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
    let server = Server::find(&args.server)?;
    let (http, token) = (server.http()?, server.management_token().await?);
    let call = async |method: reqwest::Method, url: reqwest::Url| -> Result<Value, Failure> {
        let request =
            http.request(method, url).bearer_auth(&token).header("lockstep-reason", ascii(&args.reason));
        let answer = request.send().await.map_err(|e| server.unreachable(&e))?;
        let (status, text) = (answer.status(), answer.text().await?);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("no reason was given");
        Err(Failure::new(format!("the server answered {}: {message}", status.as_u16())))
    };
    let user = if args.user.contains('|') {
        args.user.clone()
    } else {
        let mut url = server.url("api/v2/users-by-email")?;
        url.query_pairs_mut().append_pair("email", &args.user);
        let found = call(reqwest::Method::GET, url).await?;
        let ids: Vec<&str> =
            found.as_array().into_iter().flatten().filter_map(|user| user["user_id"].as_str()).collect();
        match ids.as_slice() {
            [] => return Err(Failure::new("there is no such user")),
            [one] => (*one).to_owned(),
            several => {
                let text = format!(
                    "several users have this address: give the id of one of them: {}",
                    several.join(", ")
                );
                return Err(Failure::new(text));
            }
        }
    };
    let mut url = server.url("api/v2/users")?;
    url.path_segments_mut()
        .map_err(|()| Failure::new("no URL of a server"))?
        .push(&user)
        .push("authenticators");
    let count = call(reqwest::Method::GET, url.clone()).await?.as_array().map_or(0, Vec::len);
    if args.end_sessions {
        url.query_pairs_mut().append_pair("end_sessions", "true");
    }
    call(reqwest::Method::DELETE, url).await?;
    Ok((user, count))
}

/// A header holds no other characters.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
