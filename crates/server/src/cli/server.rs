//! Which server a command talks to: the one that is named, or the twin that runs here.

use std::path::PathBuf;

use serde_json::Value;
use url::Url;

use super::{Failure, running, trust};
use crate::tls;

/// How a server is named.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server, such as https://login.example.org; without it, the twin that runs on this machine
    #[arg(long, value_name = "URL", env = "LOCKSTEP_URL", hide_env_values = true)]
    url: Option<String>,
    /// Client id of a machine that may use the Management API
    #[arg(long, value_name = "ID", env = "LOCKSTEP_CLIENT_ID", hide_env_values = true)]
    client_id: Option<String>,
    /// Its secret; better given as LOCKSTEP_CLIENT_SECRET, since others can see a command's arguments
    #[arg(long, value_name = "SECRET", env = "LOCKSTEP_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
    /// Certificate authority (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE", env = "LOCKSTEP_CA")]
    ca: Option<PathBuf>,
}

/// A server, with what it takes to talk to it.
#[derive(Debug)]
pub(crate) struct Server {
    base: Url,
    client_id: Option<String>,
    client_secret: Option<String>,
    ca: Option<PathBuf>,
}

const NO_SERVER: &str = "\
Start a twin with `lockstep dev`, or name a server:
  export LOCKSTEP_URL=https://login.example.org LOCKSTEP_CLIENT_ID=… LOCKSTEP_CLIENT_SECRET=…";

impl Server {
    /// Returns the named server, or the running twin.
    pub(crate) fn find(args: &ServerArgs) -> Result<Self, Failure> {
        let base = args.url.as_deref().map(parse_url).transpose()?;
        let notes = running::list();
        let twin = notes.iter().find(|note| {
            let at = |key: &str| note.get(key).and_then(Value::as_str).and_then(|t| Url::parse(t).ok());
            base.as_ref().is_none_or(|base| [at("https"), at("http")].iter().flatten().any(|url| url == base))
        });
        let text = |path: &str| twin.and_then(|t| t.pointer(path)).and_then(Value::as_str).map(str::to_owned);
        let base = match base.or_else(|| text("/https").and_then(|t| Url::parse(&t).ok())) {
            Some(base) => base,
            None => return Err(Failure::new("no twin is running on this machine").hint(NO_SERVER)),
        };
        // A client id without its own secret must not be paired with the twin's.
        let own = args.client_id.is_some() || args.client_secret.is_some();
        Ok(Self {
            client_id: args.client_id.clone().or_else(|| text("/management/client_id").filter(|_| !own)),
            client_secret: args
                .client_secret
                .clone()
                .or_else(|| text("/management/client_secret").filter(|_| !own)),
            ca: args.ca.clone().or_else(|| text("/ca").map(PathBuf::from)).or_else(|| local_ca(&base)),
            base,
        })
    }

    /// Returns the URL of a path below the server.
    pub(crate) fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|e| Failure::new(format!("{path:?} is no path: {e}")))
    }

    /// Returns a client that trusts what it should.
    pub(crate) fn http(&self) -> Result<reqwest::Client, Failure> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(30));
        if let Some(path) = &self.ca {
            let failed = |e: &dyn std::fmt::Display| Failure::new(format!("{}: {e}", path.display()));
            let pem = std::fs::read(path).map_err(|e| failed(&e))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| failed(&e))?;
            builder = if self.is_local() {
                builder.tls_certs_only(certificates)
            } else {
                builder.tls_certs_merge(certificates)
            };
        }
        Ok(builder.build()?)
    }

    /// Gets a token for the Management API by the client-credentials grant.
    pub(crate) async fn management_token(&self) -> Result<String, Failure> {
        let (Some(id), Some(secret)) = (&self.client_id, &self.client_secret) else {
            return Err(Failure::new(format!("no client id and secret for {}", self.base)).hint(
                "Give --client-id and --client-secret, or LOCKSTEP_CLIENT_ID and LOCKSTEP_CLIENT_SECRET.\n\
                 `lockstep init` makes the first machine client of a server.",
            ));
        };
        // The audience names the issuer, which is not the URL that we use if that is the twin's plain HTTP.
        let http = self.http()?;
        let discovery = self.url(".well-known/openid-configuration")?;
        let document: Value =
            http.get(discovery).send().await.map_err(|e| self.unreachable(&e))?.json().await?;
        let issuer = document.get("issuer").and_then(Value::as_str).unwrap_or(self.base.as_str());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("audience", &format!("{}/api/v2/", issuer.trim_end_matches('/'))),
        ];
        let answer =
            http.post(self.url("oauth/token")?).form(&form).send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        match body.get("access_token").and_then(Value::as_str) {
            Some(token) => Ok(token.to_owned()),
            None => {
                let why = body.get("error_description").or_else(|| body.get("error")).and_then(Value::as_str);
                let why = why.unwrap_or("no reason given");
                Err(Failure::new(format!("{} gave client {id} no token ({status}): {why}", self.base)))
            }
        }
    }

    /// Returns the failure of a request that got no answer.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let failure = Failure::new(format!("cannot reach {}: {cause}", self.base));
        if cause.to_string().contains("certificate") {
            return failure
                .hint("If it has a certificate of a private CA, name that with --ca FILE or LOCKSTEP_CA.");
        }
        failure
    }

    fn is_local(&self) -> bool {
        self.base.host_str().is_some_and(|host| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            tls::is_local_name(host) || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        })
    }
}

/// Parses a server's URL; a bare domain, as the official tools want it, means HTTPS.
fn parse_url(text: &str) -> Result<Url, Failure> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&full).map_err(|e| Failure::new(format!("{text:?} is no URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Failure::new(format!("{text:?} is no URL of a server; write https://login.example.org")));
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The CA of this machine's twins, for a local server of which there is no note.
fn local_ca(base: &Url) -> Option<PathBuf> {
    let path = trust::ca_folder(None).join(tls::CA_FILE);
    (base.host_str().is_some_and(tls::is_local_name) && path.exists()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_domain_means_https() {
        assert_eq!(parse_url("localhost:8443").unwrap().as_str(), "https://localhost:8443/");
        assert_eq!(
            parse_url("http://localhost:8080/api/v2/?x#y").unwrap().as_str(),
            "http://localhost:8080/"
        );
        assert!(parse_url("ftp://example.org").is_err());
        assert!(parse_url("").is_err());
    }
}
