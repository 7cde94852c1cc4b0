//! `lockstep dev`: the twin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockstep_core::crypto::seal::MasterKeys;
use lockstep_core::env::{Env, Issuer};
use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::model::settings::Profile;
use lockstep_core::time::{Clock as _, SystemClock};
use lockstep_engine::app::{App, new_master_keys};
use lockstep_engine::config::Config;
use lockstep_engine::flows::management::actions;
use lockstep_engine::flows::{demo, twin};
use lockstep_engine::store::db::Db;

use super::banner::{self, Addresses};
use super::{Failure, config, running, signing_keys, trust};
use crate::files;
use crate::http::dev::{self, Twin, TwinClock};
use crate::http::{Web, WebSettings};
use crate::listen::{self, Door};
use crate::tls::LocalCa;

/// The port of HTTPS unless another is chosen.
pub(crate) const PORT: u16 = 8443;
/// The port of plain HTTP unless another is chosen.
const HTTP_PORT: u16 = 8080;

/// The file in the data folder that tells whose data it is.
const ISSUER_FILE: &str = "issuer";

const EXAMPLES: &str = "\
Examples:
  lockstep dev                            https://localhost:8443, in memory, with demo users
  lockstep dev --data ./twin              keep everything in ./twin
  lockstep dev --port 0 --json            for test scripts: free ports, one line of JSON when ready
  lockstep dev --host login.acme.test     be known by that name (it must point to this machine)
  lockstep dev --profile assured --attested-keys    only keys of a proven model can be enrolled
  lockstep dev --bind 0.0.0.0 --host lockstep    in a container that others reach as \"lockstep\"

It makes a certificate authority on this machine at its first start; `lockstep trust` tells how to trust it.
The demo users, client ids and secrets are the same at every start, and public: never expose a twin.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Port of HTTPS; 0 picks a free one, and one for plain HTTP too
    #[arg(long, value_name = "N", default_value_t = PORT)]
    port: u16,
    /// Port of plain HTTP, 8080 if that is free; 0 picks a free one
    #[arg(long, value_name = "N")]
    http_port: Option<u16>,
    /// Do not listen on plain HTTP
    #[arg(long, conflicts_with = "http_port")]
    no_http: bool,
    /// Address to listen on; the default is the loopback addresses only
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Name by which the twin is reached; the first one becomes the issuer (repeatable)
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Folder that keeps data, keys and CA; without it the twin lives in memory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which behaviour counts where Auth0 and the standards disagree
    #[arg(long, value_enum, default_value_t = ProfileArg::Faithful)]
    profile: ProfileArg,
    /// Enrol only keys whose maker vouches for them, as webauthn.metadata does on a server: those of the kind "attested-key"
    #[arg(long)]
    attested_keys: bool,
    /// List the twin's own domain as a custom domain, as expose_primary_domain does on a server: some tools want to see one
    #[arg(long)]
    expose_primary_domain: bool,
    /// Print one line of JSON when ready, and nothing else on standard output
    #[arg(long)]
    json: bool,
}

/// The profiles, as arguments.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ProfileArg {
    /// Auth0's behaviour
    Faithful,
    /// NIST SP 800-63B-4 and OWASP ASVS 5
    Assured,
}

/// Runs the twin until it is stopped.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    super::start_logging("lockstep=warn,lockstep_engine=warn,lockstep_core=warn", false);
    let now = SystemClock.now();
    let ca = LocalCa::load_or_make(&trust::ca_folder(args.data.as_deref()), now)?;
    let tls = ca.server_config(&args.host, now)?;
    let (https, port) = bind_https(
        args.bind,
        args.data.as_deref().filter(|_| args.port == 0).map_or(args.port, port_before),
    )?;
    let (http, http_port) = bind_http(&args)?;

    let name = args.host.first().map_or("localhost", String::as_str);
    let issuer = Issuer::parse(&format!("https://{name}:{port}/"))?;
    let db = open_database(args.data.as_deref(), &issuer).await?;
    let clock = Arc::new(TwinClock::default());
    let mut env = Env::new(now, issuer.clone());
    signing_keys::import(&db, &mut env).await?;
    let mut settings = Config::new(issuer.clone());
    settings.dev = true;
    settings.expose_primary_domain = args.expose_primary_domain;
    if matches!(args.profile, ProfileArg::Assured) {
        settings.profile = Profile::Assured;
    }
    if args.attested_keys {
        if settings.profile != Profile::Assured {
            return Err(Failure::new(
                "--attested-keys needs --profile assured: in faithful no key is asked for its model",
            ));
        }
        let models = Models::read(&virtual_maker::metadata().to_string(), &[])?;
        settings.key_models = Some(Arc::new(models));
    }
    let app = App::open(settings, db, Arc::clone(&clock) as Arc<_>).await?;
    actions::warn_of_bound(&app).await?;
    // Lists go by age, and begin with what every tenant has.
    env.now = SystemClock.now();
    let demo = demo::seed(app.db(), &mut env).await?;
    twin::snapshot(&app, twin::SEED).await?;

    let web = Web::new(app.clone(), WebSettings::default());
    let server = crate::http::router(web.clone());
    let router = server.clone().merge(dev::routes(Twin::new(web, server, clock)));
    // A browser that once saw it on localhost would refuse plain HTTP from every other development server there.
    let router = router.layer(axum::middleware::map_response(without_hsts));

    let bound =
        https.first().map_or_else(|| Ok((Ipv4Addr::LOCALHOST, port).into()), TcpListener::local_addr)?;
    let mut doors = Vec::new();
    for listener in https {
        doors.push(Door::new(listener, Some(Arc::clone(&tls)))?);
    }
    for listener in http {
        doors.push(Door::new(listener, None)?);
    }
    let at = Addresses {
        https: issuer.origin().to_owned(),
        http: http_port.map(|port| format!("http://{name}:{port}")),
        issuer: issuer.as_str().to_owned(),
    };
    let line = banner::json_line(&at, &ca, &demo);
    let note = running::Note::leave(bound, &line);
    if args.json {
        super::print(&line.to_string());
    } else {
        super::print(&banner::text(&at, &ca, &demo, args.data.as_deref()));
    }
    let worker = lockstep_engine::worker::jobs::start(app.clone());
    listen::serve(doors, router, listen::stop_signal()).await;
    worker.abort();
    drop(note);
    app.logs().flush().await;
    app.db().close().await;
    Ok(())
}

async fn without_hsts(mut response: axum::response::Response) -> axum::response::Response {
    response.headers_mut().remove(http::header::STRICT_TRANSPORT_SECURITY);
    response
}

/// Kept data belongs to its issuer, port included: the port that was free at the first start is wanted again.
fn port_before(folder: &Path) -> u16 {
    let issuer = std::fs::read_to_string(folder.join(ISSUER_FILE)).unwrap_or_default();
    url::Url::parse(issuer.trim()).ok().and_then(|url| url.port_or_known_default()).unwrap_or(0)
}

fn bind_https(address: Option<IpAddr>, port: u16) -> Result<(Vec<TcpListener>, u16), Failure> {
    bind(address, port).map_err(|e| {
        Failure::new(format!("cannot listen on port {port}: {e}"))
            .hint("Is another twin running? `lockstep dev --port 0` picks a free port, `--port N` that one.")
    })
}

fn bind_http(args: &Args) -> Result<(Vec<TcpListener>, Option<u16>), Failure> {
    if args.no_http {
        return Ok((Vec::new(), None));
    }
    let bound = match args.http_port {
        Some(port) => bind(args.bind, port).map_err(|e| {
            Failure::new(format!("cannot listen on port {port}: {e}"))
                .hint("`--http-port 0` picks a free port, `--no-http` does without plain HTTP.")
        })?,
        None if args.port == 0 => bind(args.bind, 0)?,
        // Nobody asked for 8080, and on a developer's machine something often has it.
        None => bind(args.bind, HTTP_PORT).or_else(|_| bind(args.bind, 0))?,
    };
    Ok((bound.0, Some(bound.1)))
}

/// Listens on an address, or on both loopback addresses with the same port: some programs take `localhost` for the one, some for the
/// other.
fn bind(address: Option<IpAddr>, port: u16) -> std::io::Result<(Vec<TcpListener>, u16)> {
    if let Some(address) = address {
        let listener = TcpListener::bind(SocketAddr::new(address, port))?;
        let port = listener.local_addr()?.port();
        return Ok((vec![listener], port));
    }
    let mut tries = 0;
    loop {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let bound = v4.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, bound)) {
            Ok(v6) => return Ok((vec![v4, v6], bound)),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && (port != 0 || tries >= 16) => {
                return Err(e);
            }
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => tries += 1,
            // A machine without IPv6.
            Err(_) => return Ok((vec![v4], bound)),
        }
    }
}

async fn open_database(folder: Option<&Path>, issuer: &Issuer) -> Result<Db, Failure> {
    let Some(folder) = folder else { return Ok(Db::memory(new_master_keys()).await?) };
    let failed = |path: &Path, e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    files::make_private_folder(folder).map_err(|e| failed(folder, e))?;
    let note = folder.join(ISSUER_FILE);
    match std::fs::read_to_string(&note) {
        Ok(before) if before.trim() != issuer.as_str() => {
            return Err(Failure::new(format!(
                "{} belongs to the issuer {}, but this start would be {issuer}",
                folder.display(),
                before.trim(),
                issuer = issuer.as_str()
            ))
            .hint("Start with the same --port and --host as before, or with another folder."));
        }
        Ok(_) => {}
        Err(_) => files::write(&note, issuer.as_str().as_bytes()).map_err(|e| failed(&note, e))?,
    }
    let key_file = folder.join("master.key");
    let made = new_master_keys().to_text();
    files::create_private(&key_file, made.as_bytes()).map_err(|e| failed(&key_file, e))?;
    let text = std::fs::read_to_string(&key_file).map_err(|e| failed(&key_file, e))?;
    let keys = MasterKeys::parse(&text).map_err(|e| Failure::new(format!("{}: {e}", key_file.display())))?;
    config::open_sqlite(&folder.join("lockstep.db"), keys).await
}
