//! `lockstep man`: the help of every command as manual pages.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::{Cli, Failure};

const EXAMPLES: &str = "\
Examples:
  lockstep man | man -l -                          read the first page here
  lockstep man /usr/local/share/man/man1           write a page for each command, then: man lockstep-users";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A folder for the pages of all commands; without it the first page is printed
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Prints or writes the pages.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let command = Cli::command().disable_help_flag(false);
    match &args.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)?;
            super::print(&format!("Wrote the pages to {}.", folder.display()));
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            super::print(String::from_utf8_lossy(&page).trim_end());
        }
    }
    Ok(())
}
