//! What `dev` tells when it is ready: for people, and as one line for programs.

use std::fmt::Write as _;

use lockstep_engine::flows::demo::Demo;
use serde_json::{Value, json};

use crate::tls::LocalCa;

/// Where a twin can be reached.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The issuer, with its trailing slash.
    pub(crate) issuer: String,
    /// The origin of HTTPS.
    pub(crate) https: String,
    /// The origin of plain HTTP.
    pub(crate) http: Option<String>,
}

/// Returns the line of `--json`.
pub(crate) fn json_line(at: &Addresses, ca: &LocalCa, demo: &Demo) -> Value {
    let clients: Vec<Value> = demo
        .clients
        .iter()
        .map(|c| {
            let mut client = json!({
                "name": c.name, "client_id": c.client_id, "app_type": c.app_type, "callbacks": c.callbacks
            });
            if let (Some(secret), Value::Object(map)) = (&c.client_secret, &mut client) {
                map.insert("client_secret".to_owned(), json!(secret));
            }
            client
        })
        .collect();
    let users: Vec<Value> = demo
        .users
        .iter()
        .map(|u| {
            let mut user = json!({"user_id": u.user_id, "email": u.email, "password": u.password});
            if let (Some(secret), Value::Object(map)) = (&u.totp_secret, &mut user) {
                map.insert("totp_secret".to_owned(), json!(secret));
            }
            user
        })
        .collect();
    json!({
        "issuer": at.issuer,
        "https": at.https,
        "http": at.http,
        "ca": ca.file(),
        "management": {
            "client_id": demo.management().client_id, "client_secret": demo.management().client_secret
        },
        "clients": clients,
        "users": users,
    })
}

/// Returns the banner for people.
pub(crate) fn text(at: &Addresses, ca: &LocalCa, demo: &Demo, kept_in: Option<&std::path::Path>) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line("Lockstep twin is ready.\n".to_owned());
    line(format!("  Open       {}/_dev/          playground, outbox, clock, authenticator apps", at.https));
    line(format!("  Account    {}/account        a person's own factors and sessions", at.https));
    line(format!("  Domain     {}", at.https.trim_start_matches("https://")));
    line(format!("  Issuer     {}", at.issuer));
    if let Some(http) = &at.http {
        line(format!("  Plain HTTP {http}"));
    }
    match kept_in {
        Some(folder) => line(format!("  Data       {}", folder.display())),
        None => line("  Data       in memory; gone when this stops (--data DIR keeps it)".to_owned()),
    }
    line("\nDemo users".to_owned());
    for user in &demo.users {
        let factor = match &user.totp_secret {
            Some(secret) => format!("has an authenticator app with the key {secret}"),
            None => "has no second factor yet".to_owned(),
        };
        line(format!("  {:<17} {:<16} {factor}", user.email, user.password));
    }
    line("\nApplications".to_owned());
    for client in &demo.clients {
        let secret = client.client_secret.as_deref().unwrap_or("(public, no secret)");
        line(format!("  {}\n    client id  {}\n    secret     {secret}", client.name, client.client_id));
    }
    line(format!("\nAPI (audience)\n  {}   scopes: {}", demo.api, demo.api_scopes.join(" ")));
    line(format!("\nTrust its certificates\n{}", trust_lines(ca)));
    line("\nStop with Ctrl-C. More: lockstep dev --help".to_owned());
    out.truncate(out.trim_end().len());
    out
}

/// Returns, per runtime, the line that makes it trust the authority.
pub(crate) fn trust_lines(ca: &LocalCa) -> String {
    let file = quoted(&ca.file().display().to_string());
    // Python and Go read one file in place of the system's, so they get the system's authorities and ours together.
    let all = ca.bundle_file().map_or_else(|| file.clone(), |path| quoted(&path.display().to_string()));
    let name = "lockstep-dev-ca";
    [
        format!("  curl            export CURL_CA_BUNDLE={all}"),
        format!("                  (one call: curl --cacert {file} …)"),
        format!("  Node            export NODE_EXTRA_CA_CERTS={file}"),
        format!("  Python          export SSL_CERT_FILE={all} REQUESTS_CA_BUNDLE={all}"),
        format!("  Go              export SSL_CERT_FILE={all}"),
        format!(
            "  Debian, Ubuntu  sudo cp {file} /usr/local/share/ca-certificates/{name}.crt && sudo update-ca-certificates"
        ),
        format!("  Fedora          sudo trust anchor {file}"),
        format!(
            "  macOS           sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {file}"
        ),
        format!("  Windows         certutil -user -addstore Root {file}"),
        format!("  Chromium        certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {name} -i {file}"),
        "  Firefox         Settings, Privacy & Security, View Certificates, Authorities, Import".to_owned(),
    ]
    .join("\n")
}

/// Quotes a path for a POSIX shell if it needs to be.
fn quoted(path: &str) -> String {
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:\\".contains(c));
    if plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_survives_the_shell() {
        assert_eq!(quoted("/home/ana/.cache/lockstep/ca/ca.pem"), "/home/ana/.cache/lockstep/ca/ca.pem");
        assert_eq!(quoted("/home/ana b/it's"), r"'/home/ana b/it'\''s'");
    }
}
