//! `lockstep serve`: the server for real users.

use std::sync::Arc;

use lockstep_core::doctor::Severity;
use lockstep_core::time::SystemClock;
use lockstep_engine::app::App;
use lockstep_engine::flows::doctor::{self, Outbox};
use lockstep_engine::worker::{cleanup, counts, delivery, jobs, keys as key_worker, streams};

use super::{Failure, config};
use crate::http::{Web, WebSettings};
use crate::listen::{self, Door};
use crate::tls;

const EXAMPLES: &str = "\
Examples:
  lockstep init --issuer https://login.example.org    once: keys, database, first machine client, lockstep.toml
  lockstep config check                               tells everything that is wrong with lockstep.toml
  lockstep serve --config /etc/lockstep/lockstep.toml

Each setting can be given by an environment variable too: LOCKSTEP_DATABASE_URL for database.url.
It stops on SIGTERM or Ctrl-C after the running requests, for ten seconds at most. Readiness: GET /health.
Nothing of `lockstep dev` is reachable in it: no demo users, no clock, no outbox page.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    config: config::FileArg,
    #[command(flatten)]
    refused: DevFlags,
}

/// Flags of `dev` that somebody may carry over; told apart from typing errors, so that the refusal can say why.
#[derive(Debug, clap::Args)]
struct DevFlags {
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "", help = "Refused: only for dev")]
    data: Option<String>,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    json: bool,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    dev: bool,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    port: Option<String>,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    http_port: Option<String>,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    host: Option<String>,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    profile: Option<String>,
    #[arg(long, hide = true, help = "Refused: only for dev")]
    attested_keys: bool,
}

impl DevFlags {
    fn given(&self) -> Option<&'static str> {
        [
            ("--data", self.data.is_some()),
            ("--json", self.json),
            ("--dev", self.dev),
            ("--port", self.port.is_some()),
            ("--http-port", self.http_port.is_some()),
            ("--host", self.host.is_some()),
            ("--profile", self.profile.is_some()),
            ("--attested-keys", self.attested_keys),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }
}

/// Runs the server until it is stopped.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    if let Some(flag) = args.refused.given() {
        return Err(Failure::new(format!("serve does not take {flag}: that is for `lockstep dev`")).hint(
            "A server for real users is set up by its configuration file; see `lockstep config reference`.",
        ));
    }
    let mut config = config::load(&args.config.file)?;
    super::start_logging(&config.trace_level, config.trace_json);
    config::load_key_models(&mut config)?;
    let keys = config::load_master_keys(&config)?;
    let tls = config.tls.as_ref().map(|(chain, key)| tls::from_files(chain, key)).transpose()?;
    let listener = std::net::TcpListener::bind(config.listen)
        .map_err(|e| Failure::new(format!("listen: cannot listen on {}: {e}", config.listen)))?;
    let db = config::open_database(&config, keys).await?;
    let app = App::open(config.app.clone(), db, Arc::new(SystemClock)).await?;
    for finding in doctor::examine(&app, Outbox::Sent).await? {
        if finding.severity != Severity::Note {
            tracing::warn!(code = finding.code, "{}; {}", finding.text, finding.remedy);
        }
    }
    let [phone, mail] = delivery::start(app.clone());
    let workers = [
        cleanup::start(app.clone()),
        counts::start(app.clone()),
        jobs::start(app.clone()),
        phone,
        mail,
        key_worker::start(app.clone()),
        streams::start(app.clone()),
    ];
    let settings = WebSettings { trusted_proxies: config.trusted_proxies.clone() };
    let router = crate::http::router(Web::new(app.clone(), settings));
    let scheme = if tls.is_some() { "HTTPS" } else { "HTTP" };
    let door = Door::new(listener, tls)?;
    tracing::info!(
        listen = %config.listen, issuer = app.issuer().as_str(),
        "Serving {} by {scheme} on {}", app.issuer().as_str(), config.listen
    );
    listen::serve(vec![door], router, listen::stop_signal()).await;
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    tracing::info!("Stopped");
    app.logs().flush().await;
    app.db().close().await;
    Ok(())
}
