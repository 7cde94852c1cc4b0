//! The one maker of HTTP clients.
//!
//! What an administrator wrote as an address must not reach into our own network: names are resolved here and private addresses refused,
//! unless the server's configuration says otherwise; redirects are not followed, since they would lead around that.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::SendError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How long an exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why an address is not called.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It is not https.
    #[error("the address has to begin with https://")]
    NotHttps,
    /// It is in a private network.
    #[error("the address is in a private network, and providers.private_networks is \"refuse\"")]
    Private,
    /// The client could not be made.
    #[error("no HTTP client: {0}")]
    Failed(#[from] reqwest::Error),
}

/// Returns a client for an address. `private`: whether private networks and plain http are allowed.
pub fn client(url: &str, private: bool) -> Result<reqwest::Client, ClientError> {
    let parsed = url::Url::parse(url).map_err(|_| ClientError::NotHttps)?;
    if !private && parsed.scheme() != "https" {
        return Err(ClientError::NotHttps);
    }
    let literal = match parsed.host() {
        Some(url::Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(url::Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        Some(url::Host::Domain(_)) => None,
        None => return Err(ClientError::NotHttps),
    };
    if !private && literal.is_some_and(|ip| !is_public(ip)) {
        return Err(ClientError::Private);
    }
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")));
    if !private {
        builder = builder.https_only(true).dns_resolver(std::sync::Arc::new(PublicOnly));
    }
    Ok(builder.build()?)
}

/// Returns what an exchange failed of, without the address: it may hold a key.
pub fn unreachable(error: reqwest::Error) -> SendError {
    let error = error.without_url();
    SendError::ForNow(if error.is_timeout() {
        "the provider did not answer in time".to_owned()
    } else {
        format!("the provider cannot be reached: {error}")
    })
}

/// Returns the host of an address with its port, as it stands in the header `Host`: signatures are over it.
pub fn authority(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Says that an answer was no yes. 429 and everything of theirs may pass; the rest will be refused again.
pub fn refused(who: &str, status: reqwest::StatusCode, code: &str) -> SendError {
    let why = match code {
        "" => format!("{who} answered {}", status.as_u16()),
        code => format!("{who} answered {} ({code})", status.as_u16()),
    };
    if status.is_server_error() || status.as_u16() == 429 {
        SendError::ForNow(why)
    } else {
        SendError::ForGood(why)
    }
}

/// Resolves names to public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = all.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Box::from("the name leads into a private network, or nowhere"));
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Returns whether an address is out in the world.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let testing = a == 198 && (18..20).contains(&b);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_multicast()
                || a == 0
                || a >= 240
                || shared
                || testing)
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            let local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            // 64:ff9b::/96 leads to IPv4 addresses through a gateway.
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || local || first == 0x64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_not_called() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "2606:4700:4700::1111", "172.32.0.1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
        assert!(matches!(client("https://169.254.169.254/latest", false), Err(ClientError::Private)));
        assert!(matches!(client("http://hooks.example/", false), Err(ClientError::NotHttps)));
        assert!(
            client("https://hooks.example/", false).is_ok() && client("http://127.0.0.1:1/", true).is_ok()
        );
    }
}
