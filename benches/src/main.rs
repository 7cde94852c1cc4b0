//! Load and crash tests of the built `lockstep` binary, over HTTP as a client would. Neither is part of `bin/test`.
//!
//! ```sh
//! cargo build --release -p lockstep && cargo run --release -p lockstep-bench -- load
//! cargo run --release -p lockstep-bench -- crash --rounds 100
//! ```

#![expect(clippy::disallowed_methods, reason = "a stopwatch needs the real clock; nothing is decided here")]
#![expect(clippy::print_stdout, reason = "its figures are for people")]

mod crash;
mod load;
mod people;
mod server;
mod tenant;
mod visitor;

use std::path::PathBuf;

/// What can go wrong: told, and the run ends.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(clap::Parser)]
#[command(name = "lockstep-bench", about = "Load and crash tests of the built lockstep binary")]
struct Args {
    /// The binary under test
    #[arg(long, default_value = "target/release/lockstep", global = true)]
    bin: PathBuf,
    /// PostgreSQL URL of an empty database; left out: a SQLite file
    #[arg(long, global = true)]
    database: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Requests per second, latencies, memory, time to start; beside the machine's own rates
    Load(load::Args),
    /// Kills the server in the middle of logins, again and again, and checks what it promised
    Crash(crash::Args),
    /// Makes many people in a database that is kept
    People(people::Args),
    /// Measures searches, creations and logins among the people that were made
    PeopleLoad(people::LoadArgs),
    /// RS256 signatures a second on the cores that this process may use
    Signatures(load::SignaturesArgs),
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args = <Args as clap::Parser>::parse();
    let kept = |folder: &std::path::Path| server::Place::kept(&args.bin, args.database.clone(), folder);
    let place = || server::Place::new(&args.bin, args.database.clone());
    match args.what {
        What::Load(what) => load::run(place()?, what).await,
        What::Crash(what) => crash::run(place()?, what).await,
        What::People(what) => people::make(kept(&what.folder)?, what).await,
        What::PeopleLoad(what) => people::measure(kept(&what.folder)?, what).await,
        What::Signatures(what) => {
            println!("{}", load::signatures(&what)?);
            Ok(())
        }
    }
}
