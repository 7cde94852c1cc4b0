//! `lockstep factors`: the factors of the tenant, and the policy that asks for them.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::Failure;
use super::management::{Management, table};
use super::server::ServerArgs;

const EXAMPLES: &str = "\
Examples:
  lockstep factors list
  lockstep factors enable otp webauthn-roaming recovery-code
  lockstep factors policy always          everybody is asked at every login
  lockstep factors policy never           only where an application asks (step-up)

A factor asks nobody by itself, and a policy without a factor locks everybody out: `lockstep doctor` tells both.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the factors and the policy
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Enable factors
    Enable {
        /// otp, sms, email, webauthn-roaming, webauthn-platform, recovery-code, push-notification, duo
        #[arg(required = true, value_name = "FACTOR")]
        factors: Vec<String>,
    },
    /// Disable factors; those who have one keep it, and are not asked for it
    Disable {
        /// As for enable
        #[arg(required = true, value_name = "FACTOR")]
        factors: Vec<String>,
    },
    /// Say when people are asked
    Policy {
        /// When
        when: Policy,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// At every login
    Always,
    /// Where an application asks
    Never,
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let api = Management::open(&args.server).await?;
    match args.command {
        Command::List { json } => list(&api, json).await,
        Command::Enable { factors } => switch(&api, &factors, true).await,
        Command::Disable { factors } => switch(&api, &factors, false).await,
        Command::Policy { when } => {
            let policies = match when {
                Policy::Always => json!(["all-applications"]),
                Policy::Never => json!([]),
            };
            api.call(Method::PUT, &["guardian", "policies"], &[], Some(policies)).await?;
            super::print(match when {
                Policy::Always => "Everybody is asked for MFA at every login.",
                Policy::Never => "MFA is asked for where an application asks.",
            });
            Ok(())
        }
    }
}

async fn list(api: &Management, as_json: bool) -> Result<(), Failure> {
    let factors = api.get(&["guardian", "factors"], &[]).await?;
    let policies = api.get(&["guardian", "policies"], &[]).await?;
    if as_json {
        super::print(&serde_json::to_string_pretty(&json!({"factors": factors, "policies": policies}))?);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = factors
        .as_array()
        .into_iter()
        .flatten()
        .map(|factor| {
            let state = if factor["enabled"] == true { "enabled" } else { "disabled" };
            vec![factor["name"].as_str().unwrap_or_default().to_owned(), state.to_owned()]
        })
        .collect();
    super::print(&table(&["FACTOR", "STATE"], &rows));
    let named: Vec<&str> = policies.as_array().into_iter().flatten().filter_map(|p| p.as_str()).collect();
    super::print(&format!(
        "\npolicy: {}",
        if named.is_empty() { "never".to_owned() } else { named.join(", ") }
    ));
    Ok(())
}

async fn switch(api: &Management, factors: &[String], enabled: bool) -> Result<(), Failure> {
    for name in factors {
        let body = Some(json!({"enabled": enabled}));
        api.call(Method::PUT, &["guardian", "factors", name], &[], body).await?;
        super::print(&format!("{name} is {}.", if enabled { "enabled" } else { "disabled" }));
    }
    Ok(())
}
