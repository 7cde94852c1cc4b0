//! The table of all settings of `lockstep serve`: key, kind, default, meaning. The file's parser, the environment's names and the
//! reference in `docs/CONFIG.md` all come from it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file, with dots for tables: `database.url`.
    pub key: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What counts if it is left out, as it would stand in the file; none: see the text.
    pub default: Option<&'static str>,
    /// What it means.
    pub doc: &'static str,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text but the empty one.
    Text,
    /// A whole number within these bounds.
    Number(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A file; if relative, beside the configuration file.
    File,
    /// An IP address and a port.
    Socket,
    /// A list of IP addresses.
    Addresses,
    /// A list of texts.
    Texts,
}

impl Setting {
    /// Returns the environment variable that overrides it: `database.url` is `LOCKSTEP_DATABASE_URL`.
    pub fn variable(&self) -> String {
        format!("LOCKSTEP_{}", self.key.replace('.', "_").to_uppercase())
    }
}

impl Kind {
    /// Returns what it takes, in words.
    pub fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::OneOf(words) => words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" or "),
            Self::File => "a file name, relative to the configuration file".to_owned(),
            Self::Socket => "an IP address and port, such as \"127.0.0.1:8080\"".to_owned(),
            Self::Addresses => "a list of IP addresses".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
        }
    }
}

/// All settings, in the order of the reference.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "issuer",
        kind: Kind::Text,
        default: None,
        doc: "Required. The URL by which browsers and applications reach the server, scheme and host only, such as \
              \"https://login.example.org/\". Tokens name it as their issuer, and links and redirects are made from it, never from \
              a request's Host header. Applications use its host as their Auth0 domain. Changing it later makes all tokens and \
              the identifier of the Management API invalid.",
    },
    Setting {
        key: "profile",
        kind: Kind::OneOf(&["faithful", "assured"]),
        default: Some("\"faithful\""),
        doc: "Which behaviour counts where Auth0 and the standards disagree: \"faithful\" follows Auth0's documentation, \
              \"assured\" follows NIST SP 800-63B-4 and OWASP ASVS 5.",
    },
    Setting {
        key: "passkey_satisfies_mfa",
        kind: Kind::OneOf(&["by-profile", "yes", "no"]),
        default: Some("\"by-profile\""),
        doc: "Whether a login by a passkey that verified its user (PIN, fingerprint, face) is multi-factor by itself. By profile it \
              is in \"assured\" and is not in \"faithful\": Auth0 asks for a second factor after a passkey too. A passkey \
              that did not verify its user never is.",
    },
    Setting {
        key: "webauthn.related_origins",
        kind: Kind::Texts,
        default: Some("[]"),
        doc: "Origins on other domains that may ask for passkeys of this server's domain: web pages (\"https://shop.example.net\", no \
              path), which must be among the web_origins or allowed_origins of their application too, and Android applications \
              (\"android:apk-key-hash:\" and the SHA-256 of the signing certificate, base64url). Compared whole. The pages are served at \
              /.well-known/webauthn, where browsers look them up (WebAuthn Level 3, section 5.11), always on port 443 of the issuer's \
              host. Browsers stop at the fifth registrable name (\"example\" of example.net and example.org is one), and those without \
              this feature refuse such a page. Whoever owns one of these origins can ask your people for their passkeys.",
    },
    Setting {
        key: "webauthn.metadata",
        kind: Kind::File,
        default: None,
        doc: "A file of the FIDO metadata service: the BLOB as it is downloaded, or its payload as JSON. With it, a new security key, key of \
              the device or passkey has to prove its model: by an attestation of the format packed, signed by the maker that the file names, \
              of a model that no report calls revoked or compromised. Others are refused, also those of providers that copy passkeys between \
              devices, which prove nothing, and those with formats tpm, android-key, apple and fido-u2f. The file is believed as it is (get it \
              from https://mds3.fidoalliance.org by yourself; the signature of a BLOB is not looked at) and read at start. Keys that were \
              enrolled before, or come in by the Management API, are not asked. In the profile \"assured\" only.",
    },
    Setting {
        key: "webauthn.allowed_aaguids",
        kind: Kind::Texts,
        default: Some("[]"),
        doc: "The models that may be enrolled, by AAGUID (\"cb69481e-8ff7-4039-93ec-0a2729a154a8\"); empty: all that the metadata know. Each \
              must be in webauthn.metadata, since without proof an AAGUID is only what a key says of itself.",
    },
    Setting {
        key: "webauthn.abandoned_domain",
        kind: Kind::Text,
        default: None,
        doc: "The host of a former issuer. Security keys and passkeys answer to the domain that they were made for and to no other, so a \
              server whose issuer has moved does not start while somebody has such keys. Set to that host, it starts and they are given up: \
              their owners log in another way and enrol again.",
    },
    Setting {
        key: "listen",
        kind: Kind::Socket,
        default: Some("\"127.0.0.1:8080\""),
        doc: "The address and port to listen on. It speaks HTTPS if tls.certificate and tls.key are set, else plain HTTP.",
    },
    Setting {
        key: "tls.certificate",
        kind: Kind::File,
        default: None,
        doc: "The certificate chain in PEM, the server's own certificate first. Left out, TLS is the work of a proxy in front.",
    },
    Setting {
        key: "tls.key",
        kind: Kind::File,
        default: None,
        doc: "The private key of the certificate, in PEM.",
    },
    Setting {
        key: "trusted_proxies",
        kind: Kind::Addresses,
        default: Some("[]"),
        doc: "The proxies in front. Only a request that comes from one of these addresses may say by X-Forwarded-For who the \
              end user is; limits, logs and risk decisions depend on that. Required to listen on plain HTTP elsewhere than on \
              the loopback address.",
    },
    Setting {
        key: "database.url",
        kind: Kind::Text,
        default: Some("\"sqlite:lockstep.db\""),
        doc: "Where the data lives: \"sqlite:FILE\" (made if it is not there; a relative name lies beside the configuration file), \
              or \"postgres://USER:PASSWORD@HOST/DATABASE\" for several servers on one database.",
    },
    Setting {
        key: "database.connections",
        kind: Kind::Number(1, 1000),
        default: Some("10"),
        doc: "How many PostgreSQL connections this server holds at most. SQLite needs no such number.",
    },
    Setting {
        key: "master_key.file",
        kind: Kind::File,
        default: Some("\"master.key\""),
        doc: "The file of the keys that seal secrets in the database (lines ID:BASE64, newest first); `lockstep init` makes it. \
              Only its owner may be able to read it. Keep a copy apart from the database's backups: without it they cannot be \
              read. The variable LOCKSTEP_MASTER_KEY may hold the lines themselves instead.",
    },
    Setting {
        key: "expose_primary_domain",
        kind: Kind::OneOf(&["no", "yes"]),
        default: Some("\"no\""),
        doc: "Whether the Management API lists the issuer's host as a custom domain that is ready. Some commands of Auth0's tools (of the \
              CLI: universal-login templates update and universal-login customize; of Terraform: the page template of auth0_branding) do \
              nothing until they see one. The Deploy CLI then exports a custom domain too, and accepts it back.",
    },
    Setting {
        key: "hashing.memory_kib",
        kind: Kind::Number(8192, 4_194_304),
        default: Some("19456"),
        doc: "Memory that argon2id takes for each password, in KiB. The default is what OWASP recommends. Stored hashes of \
              another strength are renewed at the next login.",
    },
    Setting {
        key: "hashing.passes",
        kind: Kind::Number(1, 64),
        default: Some("2"),
        doc: "How often argon2id goes over that memory.",
    },
    Setting {
        key: "hashing.threads",
        kind: Kind::Number(1, 1024),
        default: None,
        doc: "How many passwords are hashed at a time; as many as the machine has cores if left out. Each takes memory_kib.",
    },
    Setting {
        key: "hashing.queue",
        kind: Kind::Number(0, 100_000),
        default: Some("256"),
        doc: "How many passwords may wait for their turn. Beyond that, logins are answered with 503 and Retry-After.",
    },
    Setting {
        key: "phone.countries",
        kind: Kind::Texts,
        default: Some("[]"),
        doc: "The countries that text messages and calls may go to: calling codes (\"1\" is all of +1) or regions (\"US\"). Empty: \
              all. Premium, shared-cost and satellite numbers are refused always. Who has such a number is asked for another method.",
    },
    Setting {
        key: "phone.messages_per_day",
        kind: Kind::Number(1, 100_000_000),
        default: Some("10000"),
        doc: "How many text messages and calls the tenant sends in a day, so that nobody can run up a bill: at the limit no more go \
              out until some hours have passed, and the log says so (limit_phone).",
    },
    Setting {
        key: "phone.hook_url",
        kind: Kind::Text,
        default: None,
        doc: "Where text messages and calls are handed to, if the tenant's phone provider is \"phone-message-hook\" or \"custom\": a POST \
              of JSON (id, message_type, recipient, text, code, language, user_id), signed in the header Lockstep-Signature \
              (sha256=HMAC of the body). Any 2xx accepts it; 429 and 5xx are tried again within the code's five minutes.",
    },
    Setting { key: "phone.hook_secret", kind: Kind::Text, default: None, doc: "The key of that signature." },
    Setting {
        key: "phone.twilio_url",
        kind: Kind::Text,
        default: Some("\"https://api.twilio.com\""),
        doc: "Twilio's API. Another address is of use for a stand-in in tests.",
    },
    Setting {
        key: "phone.sns.region",
        kind: Kind::Text,
        default: None,
        doc: "The AWS region of Amazon SNS, such as \"eu-central-1\". With it and a key, SNS carries text messages where the tenant \
              has chosen no provider of its own (selected-provider \"auth0\", the default). SNS makes no calls.",
    },
    Setting {
        key: "phone.sns.access_key_id",
        kind: Kind::Text,
        default: None,
        doc: "The access key of an IAM user who may do sns:Publish, and best nothing else.",
    },
    Setting {
        key: "phone.sns.secret_access_key",
        kind: Kind::Text,
        default: None,
        doc: "The secret of that key.",
    },
    Setting {
        key: "phone.sns.sender_id",
        kind: Kind::Text,
        default: None,
        doc: "The name that people see as the sender, of one to eleven letters and digits. Some countries show none, and some want it \
              registered with AWS first.",
    },
    Setting {
        key: "phone.sns.api_url",
        kind: Kind::Text,
        default: None,
        doc: "Where SNS is called, instead of at the address of the region. Of use for a stand-in in tests.",
    },
    Setting {
        key: "mail.api_url",
        kind: Kind::Text,
        default: None,
        doc: "Where mail providers with an HTTP API (sendgrid, mailgun, mandrill, sparkpost, resend, ses, ms365, azure_cs) are called, \
              instead of at their own addresses. Of use for a relay, or a stand-in in tests.",
    },
    Setting {
        key: "providers.private_networks",
        kind: Kind::OneOf(&["refuse", "allow"]),
        default: Some("\"refuse\""),
        doc: "Whether providers and hooks may be at private addresses and plain HTTP. Refused, an address that somebody typed into a \
              setting cannot reach into the server's own network.",
    },
    Setting {
        key: "logs.retention_days",
        kind: Kind::Number(1, 3650),
        default: Some("30"),
        doc: "How long the tenant's log records are kept.",
    },
    Setting {
        key: "trace.level",
        kind: Kind::OneOf(&["error", "warn", "info", "debug", "trace"]),
        default: Some("\"info\""),
        doc: "How much the server writes about itself to standard error. LOCKSTEP_LOG takes finer filters, such as \
              \"info,lockstep::listen=debug\". Never a password, code, token, mail address or IP address is written.",
    },
    Setting {
        key: "trace.format",
        kind: Kind::OneOf(&["text", "json"]),
        default: Some("\"text\""),
        doc: "Lines for people, or one JSON object a line for a log collector.",
    },
];

/// Returns the setting of a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.key == key)
}

/// Returns the reference, `docs/CONFIG.md`.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    for setting in SETTINGS {
        let default = match setting.default {
            Some(default) => format!("default `{default}`"),
            None => "no default".to_owned(),
        };
        out.push_str(&format!(
            "\n## {}\n\n{}; {default}; environment `{}`.\n\n{}\n",
            setting.key,
            capital(&setting.kind.describe()),
            setting.variable(),
            wrapped(setting.doc)
        ));
    }
    out
}

/// Returns a configuration file for an issuer, with every other setting as a comment.
pub fn sample(issuer: &str) -> String {
    let mut out = String::from(
        "# Configuration of Lockstep. Every setting has its default unless it is set here or by an environment variable.\n\
         # Check it with: lockstep config check --config lockstep.toml\n",
    );
    for setting in SETTINGS {
        for line in wrapped(setting.doc).lines() {
            out.push_str(&format!("\n# {line}"));
        }
        match (setting.key, setting.default) {
            ("issuer", _) => out.push_str(&format!("\nissuer = \"{issuer}\"\n")),
            (key, Some(default)) => out.push_str(&format!("\n#{key} = {default}\n")),
            (key, None) => out.push_str(&format!("\n#{key} = {}\n", example(setting))),
        }
    }
    out
}

fn example(setting: &Setting) -> &'static str {
    match setting.kind {
        Kind::Number(..) => "2",
        Kind::Text if setting.key == "phone.sns.region" => "\"eu-central-1\"",
        Kind::Text => "\"…\"",
        _ => "\"\"",
    }
}

const INTRODUCTION: &str = "\
# Configuration

`lockstep serve --config lockstep.toml` reads these settings. `lockstep init` writes a first file, and `lockstep config check`
tells everything that is wrong with one. Each setting can be given by an environment variable too, which then counts more than
the file; lists are written with commas. Keys with a dot may be written as they are (`database.url = \"…\"`) or in a table
(`[database]`, `url = \"…\"`). `lockstep dev` needs no configuration and reads none.

This page is made from the code: `lockstep config reference > docs/CONFIG.md`.
";

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 110 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_docs_is_the_one_made_from_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIG.md");
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == reference(), "run: lockstep config reference > docs/CONFIG.md");
    }

    #[test]
    fn no_two_settings_share_a_key_or_a_variable() {
        for (n, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[n + 1..].iter().all(|s| s.variable() != setting.variable()), "{}", setting.key);
        }
    }
}
