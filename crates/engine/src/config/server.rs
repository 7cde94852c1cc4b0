//! Reading the configuration of `lockstep serve`: a TOML file, and environment variables over it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use lockstep_core::crypto::hasher::HashParams;
use lockstep_core::env::Issuer;
use lockstep_core::factors::RelatedOrigins;
use lockstep_core::factors::webauthn::attestation::{Aaguid, Models};
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::model::settings::Profile;
use lockstep_core::time::Span;

use super::settings::{self, SETTINGS, Setting};
use super::values::{Value, from_toml, from_variable};
use super::{Config, SnsConfig};

/// Everything that `lockstep serve` has to know.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What the tenant has to know.
    pub app: Config,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Certificate chain and key; without them a proxy does TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where the data lives.
    pub database: Database,
    /// What says of which models keys may be.
    pub key_models: Option<KeyModels>,
    /// The file of the master keys.
    pub master_key_file: PathBuf,
    /// The least level of the server's own trace.
    pub trace_level: String,
    /// Whether the trace is JSON.
    pub trace_json: bool,
    /// Variables that look like settings and are none.
    pub unknown_variables: Vec<String>,
}

/// Of which models keys may be, before the file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyModels {
    /// The FIDO metadata.
    pub metadata: PathBuf,
    /// The models; all that are in there if none are named.
    pub allowed: Vec<Aaguid>,
}

impl KeyModels {
    /// Reads the metadata.
    pub fn read(&self) -> Result<Models, Problem> {
        let at = || "webauthn.metadata".to_owned();
        let text = std::fs::read_to_string(&self.metadata)
            .map_err(|error| Problem { at: at(), text: format!("{}: {error}", self.metadata.display()) })?;
        let models = Models::read(&text, &self.allowed)
            .map_err(|error| Problem { at: at(), text: format!("{} {error}", self.metadata.display()) })?;
        if [virtual_maker::ROOT, virtual_maker::BATCH].iter().any(|public| models.trusts(public)) {
            let text = "has the maker of virtual keys, which are for tests: everybody has the private key";
            return Err(Problem { at: at(), text: format!("{} {text}", self.metadata.display()) });
        }
        Ok(models)
    }
}

/// A database, before it is opened.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL and the number of connections.
    Postgres(String, u32),
}

/// Without the URL: it holds a password.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_, connections) => f.debug_tuple("Postgres").field(connections).finish(),
        }
    }
}

/// One thing that is wrong, with the key or variable it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, or the environment variable.
    pub at: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

/// Reads a configuration; returns everything that is wrong with it at once. `folder` is the one that relative file names start from.
pub fn read(
    file: &str,
    folder: &Path,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<ServerConfig, Vec<Problem>> {
    let mut found = Found { folder: folder.to_owned(), ..Found::default() };
    found.read_file(file);
    found.read_variables(variables);
    let config = found.build();
    match config {
        Some(config) if found.problems.is_empty() => Ok(config),
        _ => Err(found.problems),
    }
}

/// Variables that are no settings, but known to the program.
const OTHER_VARIABLES: [&str; 8] = [
    "LOCKSTEP_MASTER_KEY",
    "LOCKSTEP_CONFIG",
    "LOCKSTEP_LOG",
    "LOCKSTEP_CACHE_DIR",
    "LOCKSTEP_URL",
    "LOCKSTEP_CLIENT_ID",
    "LOCKSTEP_CLIENT_SECRET",
    "LOCKSTEP_CA",
];

#[derive(Default)]
struct Found {
    folder: PathBuf,
    values: BTreeMap<&'static str, Value>,
    unknown_variables: Vec<String>,
    problems: Vec<Problem>,
}

impl Found {
    fn problem(&mut self, at: &str, text: impl Into<String>) {
        self.problems.push(Problem { at: at.to_owned(), text: text.into() });
    }

    fn read_file(&mut self, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.read_table("", &table),
            // The message shows the line, which may hold a secret only if somebody wrote one where none belongs.
            Err(error) => self.problem("the file", format!("is not TOML: {}", error.message())),
        }
    }

    fn read_table(&mut self, prefix: &str, table: &toml::Table) {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match (settings::find(&key), value) {
                (Some(setting), value) => match from_toml(setting.kind, value) {
                    Some(value) => drop(self.values.insert(setting.key, value)),
                    None => self.problem(&key, format!("must be {}", setting.kind.describe())),
                },
                (None, toml::Value::Table(inner)) if is_table(&key) => self.read_table(&key, inner),
                (None, _) => self.problem(&key, unknown(&key)),
            }
        }
    }

    fn read_variables(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, text) in variables.filter(|(name, _)| name.starts_with("LOCKSTEP_")) {
            let setting = SETTINGS.iter().find(|s| s.variable() == name);
            match setting {
                Some(setting) => match from_variable(setting.kind, &text) {
                    Some(value) => drop(self.values.insert(setting.key, value)),
                    None => self.problem(&name, format!("must be {}", setting.kind.describe())),
                },
                None if OTHER_VARIABLES.contains(&name.as_str()) || name.starts_with("LOCKSTEP_TEST_") => {}
                // Kubernetes sets such for a service of this name (LOCKSTEP_PORT …), so they must not stop the server.
                None => self.unknown_variables.push(name),
            }
        }
    }

    fn value(&self, key: &'static str) -> Option<Value> {
        let setting: &Setting = settings::find(key).expect("only keys of the table are asked for");
        let default = || {
            let table: toml::Table = format!("value = {}", setting.default?).parse().ok()?;
            from_toml(setting.kind, table.get("value")?)
        };
        self.values.get(key).cloned().or_else(default)
    }

    fn text(&self, key: &'static str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number<T: TryFrom<i64>>(&self, key: &'static str) -> Option<T> {
        match self.value(key)? {
            Value::Number(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    fn file(&self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(|path| self.folder.join(path))
    }

    fn build(&mut self) -> Option<ServerConfig> {
        let issuer = self.issuer();
        let listen: Option<SocketAddr> = self.text("listen").and_then(|t| t.parse().ok());
        let trusted_proxies: Vec<IpAddr> =
            self.texts("trusted_proxies").iter().filter_map(|t| t.parse().ok()).collect();
        let tls = match (self.file("tls.certificate"), self.file("tls.key")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                self.problem("tls.key", "is missing: tls.certificate is set, and it needs its private key");
                None
            }
            (None, Some(_)) => {
                self.problem("tls.certificate", "is missing: tls.key is set, and it needs its certificate");
                None
            }
        };
        if let Some(listen) = listen
            && tls.is_none()
            && trusted_proxies.is_empty()
            && !listen.ip().is_loopback()
        {
            self.problem(
                "listen",
                "would be plain HTTP for the whole network: set tls.certificate and tls.key, or name the proxies that do TLS in \
                 trusted_proxies, or listen on 127.0.0.1",
            );
        }
        let database = self.database();
        let hashing = self.number("hashing.memory_kib").zip(self.number("hashing.passes"));
        let hashing = hashing.and_then(|(memory, passes)| HashParams::new(memory, passes, 1));
        if hashing.is_none() {
            self.problem("hashing", "argon2id does not take these numbers");
        }
        let mut app = Config::new(issuer?);
        app.profile = if self.text("profile")? == "assured" { Profile::Assured } else { Profile::Faithful };
        app.passkey_satisfies_mfa = match self.text("passkey_satisfies_mfa")?.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        app.related_origins = self.related_origins();
        app.expose_primary_domain = self.text("expose_primary_domain")? == "yes";
        let key_models = self.key_models(app.profile);
        app.abandoned_domain = self.text("webauthn.abandoned_domain");
        app.hashing = hashing?;
        if let Some(threads) = self.number("hashing.threads") {
            app.hashing_threads = threads;
        }
        app.hashing_queue = self.number("hashing.queue")?;
        app.log_retention = Span::days(self.number("logs.retention_days")?);
        app.providers.hook_url = self.text("phone.hook_url");
        app.providers.hook_secret = self.text("phone.hook_secret");
        app.providers.sns = self.sns();
        app.providers.twilio_url = self.text("phone.twilio_url")?;
        app.providers.mail_api_url = self.text("mail.api_url");
        app.providers.private_networks = self.text("providers.private_networks")? == "allow";
        app.phone_messages_per_day = self.number("phone.messages_per_day")?;
        app.phone_countries = self.texts("phone.countries");
        Some(ServerConfig {
            app,
            listen: listen?,
            tls,
            trusted_proxies: trusted_proxies.into_iter().map(|ip| ip.to_canonical()).collect(),
            database: database?,
            key_models,
            master_key_file: self.file("master_key.file")?,
            trace_level: self.text("trace.level")?,
            trace_json: self.text("trace.format")? == "json",
            unknown_variables: std::mem::take(&mut self.unknown_variables),
        })
    }

    fn issuer(&mut self) -> Option<Issuer> {
        let Some(text) = self.text("issuer") else {
            // A wrong one was told already.
            if !self.problems.iter().any(|p| p.at == "issuer") {
                self.problem(
                    "issuer",
                    "is missing; it is the URL of this server, such as \"https://login.example.org/\"",
                );
            }
            return None;
        };
        match Issuer::parse(&text) {
            Ok(issuer) if issuer.as_str().starts_with("https://") || issuer.host() == "localhost" => {
                Some(issuer)
            }
            Ok(_) => {
                self.problem(
                    "issuer",
                    "must begin with https://: browsers send the session cookie over TLS only",
                );
                None
            }
            Err(error) => {
                self.problem("issuer", error.to_string());
                None
            }
        }
    }

    fn texts(&self, key: &'static str) -> Vec<String> {
        match self.value(key) {
            Some(Value::List(list)) => list,
            _ => Vec::new(),
        }
    }

    fn related_origins(&mut self) -> RelatedOrigins {
        let key = "webauthn.related_origins";
        let list = self.texts(key);
        RelatedOrigins::parse(list.iter().map(String::as_str)).unwrap_or_else(|error| {
            self.problem(key, error.to_string());
            RelatedOrigins::default()
        })
    }

    fn key_models(&mut self, profile: Profile) -> Option<KeyModels> {
        let (file, list) = ("webauthn.metadata", "webauthn.allowed_aaguids");
        let (metadata, named) = (self.file(file), self.texts(list));
        let mut allowed = Vec::new();
        for text in &named {
            match Aaguid::parse(text) {
                Some(aaguid) => allowed.push(aaguid),
                None => self.problem(
                    list,
                    format!("{text:?} is no AAGUID; one looks like cb69481e-8ff7-4039-93ec-0a2729a154a8"),
                ),
            }
        }
        if metadata.is_none() && !named.is_empty() {
            self.problem(
                file,
                "is missing: webauthn.allowed_aaguids is set, and only the FIDO metadata can show that a key is of a model",
            );
        }
        if profile != Profile::Assured {
            for (key, given) in [(file, metadata.is_some()), (list, !named.is_empty())] {
                if given {
                    self.problem(
                        key,
                        "needs profile = \"assured\": in \"faithful\" no key is asked for its model",
                    );
                }
            }
        }
        metadata.map(|metadata| KeyModels { metadata, allowed })
    }

    fn sns(&mut self) -> Option<SnsConfig> {
        let names = ["phone.sns.region", "phone.sns.access_key_id", "phone.sns.secret_access_key"];
        let [region, access_key_id, secret_access_key] = names.map(|name| self.text(name));
        if let (Some(region), Some(access_key_id), Some(secret_access_key)) =
            (&region, &access_key_id, &secret_access_key)
        {
            if !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                self.problem("phone.sns.region", "is no AWS region; one looks like \"eu-central-1\"");
            }
            return Some(SnsConfig {
                region: region.clone(),
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                sender_id: self.text("phone.sns.sender_id"),
                api_url: self.text("phone.sns.api_url"),
            });
        }
        let given = [region, access_key_id, secret_access_key].map(|value| value.is_some());
        if given.contains(&true) {
            for (name, _) in names.into_iter().zip(given).filter(|(_, given)| !given) {
                self.problem(name, "is missing: Amazon SNS needs its region, a key and the key's secret");
            }
        }
        None
    }

    fn database(&mut self) -> Option<Database> {
        let url = self.text("database.url")?;
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.is_empty() {
                return Some(Database::Sqlite(self.folder.join(path)));
            }
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Database::Postgres(url, self.number("database.connections")?));
        }
        self.problem("database.url", "must begin with \"sqlite:\" and a file name, or with \"postgres://\"");
        None
    }
}

/// Returns whether some setting lies in the table of this name.
fn is_table(key: &str) -> bool {
    SETTINGS.iter().any(|s| s.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn unknown(key: &str) -> String {
    match key {
        "dev" | "json" | "port" | "http_port" => {
            return "belongs to `lockstep dev` and has no place in the configuration of a server".to_owned();
        }
        "master_key" => return "must not stand in the file; see master_key.file".to_owned(),
        _ => {}
    }
    let nearest = SETTINGS.iter().map(|s| (distance(s.key, key), s.key)).min();
    match nearest {
        Some((distance, near)) if distance <= 3 => format!("is no setting; did you mean {near}?"),
        _ => "is no setting; see `lockstep config reference`".to_owned(),
    }
}

/// How many characters have to change to make the one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<ServerConfig, String> {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        read(file, Path::new("/etc/lockstep"), variables)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    const LEAST: &str = "issuer = \"https://login.example.org\"";

    #[test]
    fn the_issuer_is_enough() {
        let config = load(LEAST, &[("PATH", "/bin")]).unwrap();
        assert_eq!(config.app.issuer.as_str(), "https://login.example.org/");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.database, Database::Sqlite("/etc/lockstep/lockstep.db".into()));
        assert_eq!(config.master_key_file, Path::new("/etc/lockstep/master.key"));
        assert_eq!(config.app.hashing, HashParams::default());
        assert!(!config.app.dev);
    }

    #[test]
    fn the_maker_of_virtual_keys_vouches_for_nobody_on_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let read = |root: &[u8]| {
            let mut file = virtual_maker::metadata();
            let certificates = json!([STANDARD.encode(root)]);
            file["entries"][0]["metadataStatement"]["attestationRootCertificates"] = certificates;
            let metadata = folder.path().join("metadata.json");
            std::fs::write(&metadata, file.to_string()).unwrap();
            KeyModels { metadata, allowed: Vec::new() }
                .read()
                .map(drop)
                .map_err(|problem| problem.to_string())
        };
        for public in [virtual_maker::ROOT, virtual_maker::BATCH] {
            assert!(read(public).unwrap_err().contains("virtual keys, which are for tests"));
        }
        let params = rcgen::CertificateParams::default();
        let other = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        read(other.der()).unwrap();
    }

    #[test]
    fn whether_a_passkey_is_mfa_follows_the_profile_unless_it_is_said() {
        for (more, satisfies) in [
            ("", false),
            ("profile = \"assured\"", true),
            ("passkey_satisfies_mfa = \"yes\"", true),
            ("profile = \"assured\"\npasskey_satisfies_mfa = \"no\"", false),
        ] {
            let config = load(&format!("{LEAST}\n{more}"), &[]).unwrap();
            assert_eq!(config.app.rules().passkey_satisfies_mfa, satisfies, "{more}");
        }
    }

    #[test]
    fn a_variable_counts_more_than_the_file() {
        let file = format!("{LEAST}\n[database]\nurl = \"sqlite:a.db\"\n[hashing]\nqueue = 5");
        let config = load(
            &file,
            &[
                ("LOCKSTEP_DATABASE_URL", "postgres://u:hunter2@db/lockstep"),
                ("LOCKSTEP_TRUSTED_PROXIES", "10.0.0.1, ::1"),
                ("LOCKSTEP_LISTEN", "0.0.0.0:80"),
            ],
        )
        .unwrap();
        assert_eq!(config.database, Database::Postgres("postgres://u:hunter2@db/lockstep".to_owned(), 10));
        assert_eq!((config.app.hashing_queue, config.trusted_proxies.len()), (5, 2));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn each_problem_names_its_key_and_all_are_told_at_once() {
        let file = "issuer = \"http://login.example.org\"\nlisten = \"8080\"\n[hashing]\nqueue = \"many\"\nmemory = 5\n[tls]\nkey = \"k\"";
        let told = load(file, &[("LOCKSTEP_PROFILE", "maybe")]).unwrap_err();
        for part in [
            "issuer: must begin with https://",
            "listen: must be an IP address and port",
            "hashing.queue: must be a whole number from 0 to 100000",
            "hashing.memory: is no setting",
            "tls.certificate: is missing",
            "LOCKSTEP_PROFILE: must be",
        ] {
            assert!(told.contains(part), "{part:?} is not in\n{told}");
        }
    }

    #[test]
    fn a_typing_error_is_pointed_at() {
        assert!(load("isuer = \"https://a.example\"", &[]).unwrap_err().contains("did you mean issuer?"));
        let told = load(&format!("{LEAST}\n[databse]\nurl = \"sqlite:a\""), &[]).unwrap_err();
        assert!(told.contains("databse: is no setting"), "{told}");
        assert!(load("issuer", &[]).unwrap_err().contains("the file: is not TOML"));
    }

    #[test]
    fn variables_that_kubernetes_sets_do_not_stop_the_server() {
        let config = load(LEAST, &[("LOCKSTEP_PORT", "tcp://10.0.0.5:443"), ("LOCKSTEP_URL", "x")]).unwrap();
        assert_eq!(config.unknown_variables, ["LOCKSTEP_PORT"]);
    }

    #[test]
    fn a_server_has_no_dev_settings() {
        let told = load(&format!("{LEAST}\ndev = true"), &[]).unwrap_err();
        assert!(told.contains("dev: belongs to `lockstep dev`"), "{told}");
    }

    #[test]
    fn plain_http_for_the_whole_network_needs_a_named_proxy() {
        let file = format!("{LEAST}\nlisten = \"0.0.0.0:8080\"");
        assert!(load(&file, &[]).unwrap_err().starts_with("listen: would be plain HTTP"));
        assert!(load(&format!("{file}\ntrusted_proxies = [\"10.0.0.1\"]"), &[]).is_ok());
        assert!(load(&format!("{file}\n[tls]\ncertificate = \"c\"\nkey = \"k\""), &[]).is_ok());
    }

    #[test]
    fn a_related_origin_that_is_none_is_told() {
        let with = |list: &str| load(&format!("{LEAST}\nwebauthn.related_origins = {list}"), &[]);
        let config = with("[\"https://shop.example.net\"]").unwrap();
        assert!(config.app.related_origins.has("https://shop.example.net"));
        let told = with("[\"https://shop.example.net\", \"https://shop.example.org/login\"]").unwrap_err();
        assert!(
            told.starts_with(
                "webauthn.related_origins: \"https://shop.example.org/login\" is no related origin: write"
            ),
            "{told}"
        );
        let by_variable = [("LOCKSTEP_WEBAUTHN_RELATED_ORIGINS", "https://a.example, https://b.example")];
        assert_eq!(load(LEAST, &by_variable).unwrap().app.related_origins.pages().count(), 2);
    }

    #[test]
    fn models_of_keys_need_the_profile_and_the_metadata() {
        let model = "webauthn.allowed_aaguids = [\"cb69481e-8ff7-4039-93ec-0a2729a154a8\"]";
        let file = "webauthn.metadata = \"fido.jwt\"";
        let with = |lines: &[&str]| load(&[&[LEAST], lines].concat().join("\n"), &[]);
        let assured = "profile = \"assured\"";
        let found = with(&[assured, file, model]).unwrap().key_models.unwrap();
        assert_eq!((found.metadata.to_str(), found.allowed.len()), (Some("/etc/lockstep/fido.jwt"), 1));
        assert_eq!(with(&[assured]).unwrap().key_models, None);
        let told = with(&[file, model]).unwrap_err();
        assert_eq!(told.matches("needs profile = \"assured\"").count(), 2, "{told}");
        let told = with(&[assured, model]).unwrap_err();
        assert!(told.starts_with("webauthn.metadata: is missing"), "{told}");
        let told = with(&[assured, file, "webauthn.allowed_aaguids = [\"yubikey\"]"]).unwrap_err();
        assert!(told.starts_with("webauthn.allowed_aaguids: \"yubikey\" is no AAGUID"), "{told}");
    }

    #[test]
    fn metadata_that_cannot_be_used_are_told_at_start() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str, allowed: Vec<Aaguid>| {
            let metadata = folder.path().join("fido.json");
            std::fs::write(&metadata, text).unwrap();
            KeyModels { metadata, allowed }.read().unwrap_err().to_string()
        };
        assert!(read("{}", vec![]).contains("is no FIDO metadata"));
        let public = virtual_maker::metadata();
        assert!(read(&public.to_string(), vec![]).contains("everybody has the private key"));
        let unknown = Aaguid::new([7; 16]);
        assert!(read(&public.to_string(), vec![unknown]).contains("has no entry for the model 07070707-"));
        let missing = KeyModels { metadata: folder.path().join("none"), allowed: vec![] };
        assert!(missing.read().unwrap_err().to_string().starts_with("webauthn.metadata: "));
    }

    #[test]
    fn half_an_account_at_sns_is_told_and_a_whole_one_hides_its_secret() {
        let told = load(&format!("{LEAST}\n[phone.sns]\nregion = \"eu-west-1\""), &[]).unwrap_err();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("phone.sns.secret_access_key: is missing"), "{told}");
        let keys = [
            ("LOCKSTEP_PHONE_SNS_ACCESS_KEY_ID", "AKID"),
            ("LOCKSTEP_PHONE_SNS_SECRET_ACCESS_KEY", "hunter2"),
        ];
        let config = load(&format!("{LEAST}\nphone.sns.region = \"eu-west-1\""), &keys).unwrap();
        assert_eq!(config.app.providers.sns.as_ref().unwrap().access_key_id, "AKID");
        assert!(!format!("{config:?}").contains("hunter2"));
        let told = load(&format!("{LEAST}\nphone.sns.region = \"evil.example/\""), &keys).unwrap_err();
        assert!(told.contains("no AWS region"), "{told}");
    }

    #[test]
    fn the_sample_file_is_valid_as_it_is_and_with_every_comment_lifted() {
        let sample = settings::sample("https://login.example.org/");
        load(&sample, &[]).unwrap();
        let lifted: String = sample
            .lines()
            .map(|l| l.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(l))
            .collect::<Vec<_>>()
            .join("\n");
        let told = load(&lifted, &[]).unwrap_err();
        let mut wrong: Vec<&str> = told.lines().filter_map(|line| line.split(':').next()).collect();
        wrong.sort_unstable();
        let empty = ["tls.certificate", "tls.key", "webauthn.metadata"];
        assert_eq!(wrong, empty, "only the empty file names are wrong:\n{told}");
    }
}
