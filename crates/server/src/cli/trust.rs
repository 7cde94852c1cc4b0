//! `lockstep trust`: how to make programs trust the local certificate authority.

use std::path::PathBuf;

use lockstep_core::time::{Clock as _, SystemClock};

use super::{Failure, banner};
use crate::files;
use crate::tls::LocalCa;

const EXAMPLES: &str = "\
Examples:
  lockstep trust                  print the lines for every runtime
  lockstep trust --path           print the path of the CA certificate only
  curl --cacert \"$(lockstep trust --path)\" https://localhost:8443/.well-known/openid-configuration

The CA is made on this machine at the first start and kept in the cache folder (or in the folder given with
--data). Its certificate is limited to localhost and to names under .localhost, .test and .internal, so trusting
it cannot endanger other sites.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print the path of the CA certificate and nothing else
    #[arg(long)]
    path: bool,
    /// The data folder of the twin, if it was started with --data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Returns the folder of the authority: beside the data, or this person's cache.
pub(crate) fn ca_folder(data: Option<&std::path::Path>) -> PathBuf {
    let folder = data.map_or_else(files::cache_folder, PathBuf::from).join("ca");
    // The lines to trust it are copied into shells that stand elsewhere.
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Prints the lines.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let ca = LocalCa::load_or_make(&ca_folder(args.data.as_deref()), SystemClock.now())?;
    if args.path {
        super::print(&ca.file().display().to_string());
        return Ok(());
    }
    ca.write_bundle()?;
    super::print(&banner::trust_lines(&ca));
    Ok(())
}
