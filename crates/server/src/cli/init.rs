//! `lockstep init`: what has to be there before the first `serve`.

use std::path::Path;
use std::sync::Arc;

use lockstep_core::env::Issuer;
use lockstep_core::time::SystemClock;
use lockstep_engine::app::{App, new_master_keys};
use lockstep_engine::config::settings;
use lockstep_engine::flows::first_client;
use serde_json::json;

use super::{Failure, config};
use crate::files;

const EXAMPLES: &str = "\
Examples:
  lockstep init --issuer https://login.example.org        write lockstep.toml, master.key, the database
  lockstep init --config /etc/lockstep/lockstep.toml      with a configuration that is there already
  lockstep init --json                                    the new client as one line of JSON
  lockstep init --new-client --name Deploy                one more machine client, if the first one's secret is lost

What is there already is kept. The secret of the machine client is shown once and cannot be read again.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    config: config::FileArg,
    /// URL by which browsers and applications will reach the server; writes the configuration file if there is none
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Name of the machine client
    #[arg(long, value_name = "NAME", default_value = "First machine client")]
    name: String,
    /// Make a machine client even if the first one was made before
    #[arg(long)]
    new_client: bool,
    /// Print one line of JSON and nothing else on standard output
    #[arg(long)]
    json: bool,
}

/// Prepares the first start.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    super::start_logging("warn", false);
    let file = &args.config.file;
    if let Some(issuer) = &args.issuer {
        write_config(file, issuer)?;
    }
    let config = config::load(file)?;
    if std::env::var_os("LOCKSTEP_MASTER_KEY").is_none() {
        let path = &config.master_key_file;
        let made = files::create_private(path, new_master_keys().to_text().as_bytes())
            .map_err(|e| Failure::new(format!("master_key.file: {}: {e}", path.display())))?;
        if made {
            super::eprint(&format!(
                "Made the master key {}. Keep a copy of it, apart from the database's backups.",
                path.display()
            ));
        }
    }
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    let app = App::open(config.app.clone(), db, Arc::new(SystemClock)).await?;
    let made = first_client::create(&app, &mut app.env(), &args.name, args.new_client).await?;
    app.logs().flush().await;
    app.db().close().await;
    let issuer = app.issuer().as_str();
    let audience = app.issuer().management_audience();
    let Some(client) = made else {
        return Err(Failure::new(format!(
            "{issuer} was prepared before, and its first machine client exists"
        ))
        .hint("Its secret is not shown again. `lockstep init --new-client` makes another client."));
    };
    if args.json {
        let line = json!({
            "issuer": issuer, "audience": audience, "client_id": client.id, "client_secret": client.secret.as_str()
        });
        super::print(&line.to_string());
    } else {
        super::print(&format!(
            "{issuer} is prepared. Machine client for the Management API ({audience}):\n\n  \
             export LOCKSTEP_URL={issuer}\n  export LOCKSTEP_CLIENT_ID={}\n  export LOCKSTEP_CLIENT_SECRET={}\n\n\
             The secret is shown this once. Next:\n\n  lockstep serve --config {}\n  \
             lockstep api put guardian/factors/otp --data '{{\"enabled\": true}}'",
            client.id,
            *client.secret,
            file.display()
        ));
    }
    Ok(())
}

fn write_config(file: &Path, issuer: &str) -> Result<(), Failure> {
    let issuer = Issuer::parse(issuer).map_err(|e| Failure::new(format!("--issuer: {e}")))?;
    if file.exists() {
        let before = config::load(file)?;
        if before.app.issuer == issuer {
            return Ok(());
        }
        return Err(Failure::new(format!(
            "{} is there already, for the issuer {}",
            file.display(),
            before.app.issuer.as_str()
        ))
        .hint("Change the issuer in that file, or leave --issuer out."));
    }
    let made = files::create_private(file, settings::sample(issuer.as_str()).as_bytes())
        .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    if made {
        super::eprint(&format!("Wrote {}.", file.display()));
    }
    Ok(())
}
