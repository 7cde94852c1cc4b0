//! The command line: one file a command.

mod api;
mod backup;
mod banner;
mod completions;
mod config;
mod dev;
mod doctor;
mod factors;
mod import;
mod init;
mod keys;
mod logs;
mod man;
mod management;
mod reset_mfa;
mod running;
mod serve;
mod server;
mod signing_keys;
mod trust;
mod users;
mod why;

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const ABOUT: &str = "Self-hosted multi-factor authentication and step-up that speaks Auth0's wire protocol.";

const AFTER_HELP: &str = "\
Start here:
  lockstep dev                          run the twin: demo users, real pages, https://localhost:8443
  lockstep trust                        how to make curl, Node, Python, Go or your browser trust it
  lockstep api get guardian/factors     ask the Management API of the running twin

In production:
  lockstep init --issuer https://login.example.org    keys, database, first machine client
  lockstep serve --config lockstep.toml               run the server
  lockstep doctor --config lockstep.toml              find what cannot work

Lockstep is an independent project and not affiliated with Auth0 or Okta.";

/// The arguments of the command.
#[derive(Debug, Parser)]
#[command(name = "lockstep", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a twin of your tenant on this machine, for development and tests
    Dev(dev::Args),
    /// Run the server for real users
    Serve(serve::Args),
    /// Prepare the first start of a server: keys, database, first machine client
    Init(init::Args),
    /// Bring users over from another system
    Import(import::Args),
    /// Change the master key, and the keys that sign tokens
    Keys(keys::Args),
    /// Call the Management API
    Api(api::Args),
    /// Tell how to make programs and browsers trust the twin's certificates
    Trust(trust::Args),
    /// List, show, create, block and delete users
    Users(users::Args),
    /// Enable factors, and say when they are asked for
    Factors(factors::Args),
    /// List the tenant's log, or follow it
    Logs(logs::Args),
    /// Explain why a login was asked for a second factor, or was not
    Why(why::Args),
    /// Take all second factors away from a person who lost them
    ResetMfa(reset_mfa::Args),
    /// Find settings that cannot work together, and say what to do
    Doctor(doctor::Args),
    /// Copy the database of a server while it runs
    Backup(backup::Args),
    /// Check the configuration file, or print its reference
    Config(config::Args),
    /// Print the completion script of your shell
    Completions(completions::Args),
    /// Print or write the manual pages
    Man(man::Args),
}

/// Why a command failed, in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Returns a failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: 1 }
    }

    /// Adds what the person can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Dev(args) => block_on(dev::run(args)),
        Command::Serve(args) => block_on(serve::run(args)),
        Command::Init(args) => block_on(init::run(args)),
        Command::Import(args) => block_on(import::run(args)),
        Command::Keys(args) => block_on(keys::run(args)),
        Command::Api(args) => block_on(api::run(args)),
        Command::Trust(args) => trust::run(&args),
        Command::Users(args) => block_on(users::run(args)),
        Command::Factors(args) => block_on(factors::run(args)),
        Command::Doctor(args) => block_on(doctor::run(args)),
        Command::Backup(args) => block_on(backup::run(args)),
        Command::Man(args) => man::run(&args),
        Command::Logs(args) => block_on(logs::run(args)),
        Command::Why(args) => block_on(why::run(args)),
        Command::ResetMfa(args) => block_on(reset_mfa::run(args)),
        Command::Config(args) => config::run(args),
        Command::Completions(args) => completions::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprint(&format!("lockstep: {}", failure.message));
            }
            if let Some(hint) = failure.hint {
                eprint(&hint);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Writes a line to standard output. A reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub(crate) fn eprint(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Sends the server's own trace to standard error: `LOCKSTEP_LOG` says how much of it.
pub(crate) fn start_logging(default: &str, json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LOCKSTEP_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal());
    let builder = builder.with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first one's settings.
    let _ = if json { builder.json().try_init() } else { builder.compact().try_init() };
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_explains_itself() {
        let mut command = Cli::command();
        command.build();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no description", sub.get_name());
            assert!(sub.get_after_help().is_some(), "{} has no examples", sub.get_name());
            for arg in sub.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {} has no help", sub.get_name(), arg.get_id());
            }
        }
    }
}
