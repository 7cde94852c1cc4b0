//! The demo tenant of the twin: applications, an API and users with known names and secrets.
//!
//! Nothing in here is secret: everybody can read this file. `serve` never calls it.

use lockstep_core::env::{Env, Issuer};
use lockstep_core::factors::totp::{self, Parameters, Seed};
use lockstep_core::ids::{AuthenticatorId, ClientGrantId, ClientId, ResourceServerId, UserId};
use lockstep_core::model::client::{self, Client};
use lockstep_core::model::connection::DEFAULT_CONNECTION;
use lockstep_core::model::document::Document;
use lockstep_core::model::management_scopes;
use lockstep_core::model::resource_server::{self, ClientGrant, ResourceServer};
use lockstep_core::model::user::{Profile, User};
use lockstep_core::my_account;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::store::db::{Conn, Db, DbError};
use crate::store::{
    authenticators, client_grants, clients, connections, meta, resource_servers, settings, users,
};

/// The identifier of the demo API.
pub const API: &str = "https://api.example.com/";
/// The scopes of the demo API, with what they mean.
pub const API_SCOPES: [(&str, &str); 3] = [
    ("read:messages", "Read your messages"),
    ("write:messages", "Write messages"),
    ("transfer:funds", "Transfer money"),
];

/// The password of all demo users.
pub const PASSWORD: &str = "Lockstep-demo-1";
/// Its hash, made once: hashing at each start would cost more than the rest of the start.
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$lt9/3LSNkZWOZxNkjF8yyg$XJmQBjUBO1RU0gp2LW6A7fmNuxRJpWq3/YeUcI4K6/M";

/// The user without a second factor.
pub const ANA: &str = "auth0|a1a000000000000000000001";
/// The user with an authenticator app.
pub const BEN: &str = "auth0|be0000000000000000000002";
/// The key of Ben's authenticator app.
pub const BEN_SEED: &str = "LOCKSTEPTWINBENAUTHENTICATORAPP2";

/// The web application that runs on a server.
pub const WEB_APP: &str = "lockstepDemoWebApp00000000000001";
/// The single-page application.
pub const SPA: &str = "lockstepDemoSpa00000000000000002";
/// The machine that may do everything in the Management API.
pub const MANAGEMENT: &str = "lockstepDemoManagement0000000003";
/// The machine that calls the demo API.
pub const SERVICE: &str = "lockstepDemoService0000000000004";
/// The playground under `/_dev/`.
pub const PLAYGROUND: &str = "lockstepDemoPlayground0000000005";

/// Where development servers usually listen: Express, React and Next.js, Vite, Vite preview, Angular, Flask, Vue and others.
const LOCAL_PORTS: [u16; 8] = [3000, 3001, 4173, 4200, 5000, 5173, 8000, 8080];
/// Where the frameworks' official SDKs receive the answer.
const WEB_CALLBACKS: [&str; 4] =
    ["/callback", "/auth/callback", "/api/auth/callback", "/api/auth/callback/auth0"];

/// What the banner tells of the demo tenant.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The applications.
    pub clients: Vec<DemoClient>,
    /// The users.
    pub users: Vec<DemoUser>,
    /// The API's identifier.
    pub api: &'static str,
    /// The API's scopes.
    pub api_scopes: Vec<&'static str>,
}

/// A demo application.
#[derive(Clone, Debug)]
pub struct DemoClient {
    /// Its name.
    pub name: &'static str,
    /// Its client id.
    pub client_id: &'static str,
    /// Its secret; none for a public client.
    pub client_secret: Option<String>,
    /// Its `app_type`.
    pub app_type: &'static str,
    /// Where it may receive answers.
    pub callbacks: Vec<String>,
}

/// A demo user.
#[derive(Clone, Debug)]
pub struct DemoUser {
    /// The user id.
    pub user_id: &'static str,
    /// The address that logs in.
    pub email: &'static str,
    /// The name.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
    /// The key of the authenticator app, if the user has one.
    pub totp_secret: Option<&'static str>,
}

impl Demo {
    /// Returns the demo tenant of an issuer.
    pub fn of(issuer: &Issuer) -> Self {
        let local = |paths: &[&str]| -> Vec<String> {
            let each = LOCAL_PORTS
                .iter()
                .flat_map(|port| paths.iter().map(move |path| format!("http://localhost:{port}{path}")));
            each.collect()
        };
        let client = |name, client_id: &'static str, app_type, callbacks| DemoClient {
            name,
            client_id,
            client_secret: (app_type != "spa").then(|| format!("{client_id}-not-a-secret")),
            app_type,
            callbacks,
        };
        Self {
            clients: vec![
                client("Demo web app", WEB_APP, "regular_web", local(&WEB_CALLBACKS)),
                client("Demo single-page app", SPA, "spa", local(&["", "/", "/callback"])),
                client("Demo management client", MANAGEMENT, "non_interactive", Vec::new()),
                client("Demo service", SERVICE, "non_interactive", Vec::new()),
                client("Playground", PLAYGROUND, "regular_web", vec![issuer.url("_dev/playground/callback")]),
            ],
            users: vec![
                DemoUser {
                    user_id: ANA,
                    email: "ana@example.com",
                    name: "Ana Alvarez",
                    password: PASSWORD,
                    totp_secret: None,
                },
                DemoUser {
                    user_id: BEN,
                    email: "ben@example.com",
                    name: "Ben Bauer",
                    password: PASSWORD,
                    totp_secret: Some(BEN_SEED),
                },
            ],
            api: API,
            api_scopes: API_SCOPES.iter().map(|(scope, _)| *scope).collect(),
        }
    }

    /// Returns the management client.
    pub fn management(&self) -> &DemoClient {
        self.client(MANAGEMENT)
    }

    /// Returns the playground's client.
    pub fn playground(&self) -> &DemoClient {
        self.client(PLAYGROUND)
    }

    fn client(&self, id: &str) -> &DemoClient {
        self.clients.iter().find(|c| c.client_id == id).expect("each client of this file is in `Demo::of`")
    }
}

/// Makes the demo tenant in a database that has its first start behind it, once.
pub async fn seed(db: &Db, env: &mut Env) -> Result<Demo, DbError> {
    let demo = Demo::of(&env.issuer);
    let mut tx = db.write().await?;
    if !meta::create(&mut tx, "demo", &env.now.to_iso()).await? {
        return Ok(demo);
    }
    let connection = connections::find_by_name(&mut tx, DEFAULT_CONNECTION).await?.ok_or(DbError::Missing)?;
    for demo_client in &demo.clients {
        let client = client(demo_client, env);
        clients::create(&mut tx, &client).await?;
        connections::enable_client(&mut tx, &connection.id, &client.id).await?;
    }
    resource_servers::create(&mut tx, &api(env)).await?;
    let everything: Vec<String> = management_scopes::all().collect();
    let audience = env.issuer.management_audience();
    client_grants::create(&mut tx, &grant(MANAGEMENT, &audience, &everything, env)).await?;
    let scopes: Vec<String> = API_SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect();
    client_grants::create(&mut tx, &grant(SERVICE, API, &scopes, env)).await?;
    let my_account = my_account_api(env);
    let scopes: Vec<String> = my_account.scopes().map(str::to_owned).collect();
    for app in [WEB_APP, SPA] {
        let mut grant = grant(app, &my_account.identifier, &scopes, env);
        grant.subject_type = "user".to_owned();
        client_grants::create(&mut tx, &grant).await?;
    }
    resource_servers::create(&mut tx, &my_account).await?;
    for user in &demo.users {
        create_user(&mut tx, user, env).await?;
    }
    save_settings(&mut tx, env).await?;
    tx.commit().await?;
    Ok(demo)
}

fn client(demo: &DemoClient, env: &Env) -> Client {
    let origins: Vec<String> = LOCAL_PORTS.iter().map(|port| format!("http://localhost:{port}")).collect();
    let mut given = Map::new();
    let mut set = |key: &str, value: Value| drop(given.insert(key.to_owned(), value));
    set("name", json!(demo.name));
    set("app_type", json!(demo.app_type));
    set("oidc_conformant", json!(true));
    set("callbacks", json!(demo.callbacks));
    set("jwt_configuration", json!({"alg": "RS256"}));
    let mfa =
        ["mfa-otp", "mfa-oob", "mfa-recovery-code"].map(|g| format!("http://auth0.com/oauth/grant-type/{g}"));
    let mut grants: Vec<String> = match demo.app_type {
        "non_interactive" => vec!["client_credentials".to_owned()],
        "spa" => vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        _ => ["authorization_code", "refresh_token", "client_credentials"].map(str::to_owned).to_vec(),
    };
    if demo.app_type == "non_interactive" {
        set("token_endpoint_auth_method", json!("client_secret_post"));
    } else {
        grants.extend(mfa);
        set("web_origins", json!(origins));
        let mut after_logout = origins.clone();
        after_logout.extend(origins.iter().map(|origin| format!("{origin}/")));
        after_logout.push(env.issuer.url("_dev/playground"));
        set("allowed_logout_urls", json!(after_logout));
    }
    if demo.app_type == "spa" {
        set("token_endpoint_auth_method", json!("none"));
        let refresh = json!({
            "rotation_type": "rotating", "expiration_type": "expiring", "leeway": 0,
            "token_lifetime": 2_592_000, "idle_token_lifetime": 1_296_000,
            "infinite_token_lifetime": false, "infinite_idle_token_lifetime": false
        });
        set("refresh_token", refresh);
    }
    if demo.app_type == "regular_web" {
        set("token_endpoint_auth_method", json!("client_secret_post"));
    }
    set("grant_types", json!(grants));
    Client {
        id: ClientId::trusted(demo.client_id),
        data: client::with_defaults(given),
        secret: Zeroizing::new(
            demo.client_secret.clone().unwrap_or_else(|| format!("{}-unused", demo.client_id)),
        ),
        created_at: env.now,
        updated_at: env.now,
    }
}

fn api(env: &mut Env) -> ResourceServer {
    let scopes: Vec<Value> = API_SCOPES
        .iter()
        .map(|(value, description)| json!({"value": value, "description": description}))
        .collect();
    let mut data = resource_server::with_defaults(Map::new());
    data.set("name", "Demo API");
    data.set("scopes", scopes);
    data.set("allow_offline_access", true);
    data.set("skip_consent_for_verifiable_first_party_clients", true);
    ResourceServer {
        id: ResourceServerId::new(env.rng()),
        identifier: API.to_owned(),
        data,
        created_at: env.now,
        updated_at: env.now,
    }
}

/// The My Account API, which exists where somebody made it.
fn my_account_api(env: &mut Env) -> ResourceServer {
    let mut given = Map::new();
    my_account::fill_in(&mut given);
    ResourceServer {
        id: ResourceServerId::new(env.rng()),
        identifier: env.issuer.my_account_audience(),
        data: resource_server::with_defaults(given),
        created_at: env.now,
        updated_at: env.now,
    }
}

fn grant(client: &str, audience: &str, scopes: &[String], env: &mut Env) -> ClientGrant {
    let mut data = Document::default();
    data.set("scope", scopes.to_vec());
    ClientGrant {
        id: ClientGrantId::new(env.rng()),
        client: ClientId::trusted(client),
        audience: audience.to_owned(),
        subject_type: "client".to_owned(),
        data,
        created_at: env.now,
    }
}

async fn create_user(tx: &mut Conn, demo: &DemoUser, env: &mut Env) -> Result<(), DbError> {
    let id = UserId::trusted(demo.user_id);
    let (given, family) = demo.name.split_once(' ').unwrap_or((demo.name, ""));
    let user = User {
        email: Some(demo.email.to_owned()),
        email_verified: true,
        profile: Profile {
            name: Some(demo.name.to_owned()),
            nickname: demo.email.split('@').next().map(str::to_owned),
            given_name: Some(given.to_owned()),
            family_name: Some(family.to_owned()),
            picture: None,
        },
        ..User::new(id.clone(), DEFAULT_CONNECTION, env.now)
    };
    users::create(tx, &user, Some(PASSWORD_HASH)).await?;
    if let Some(secret) = demo.totp_secret {
        let corrupt = |e: &dyn std::fmt::Display| DbError::Corrupt(format!("demo seed: {e}"));
        let seed = Seed::parse(secret).map_err(|e| corrupt(&e))?;
        let device = AuthenticatorId::new(env.rng());
        let app =
            totp::imported(device, id, &Parameters::usual(seed), None, env.now).map_err(|e| corrupt(&e))?;
        authenticators::create(tx, &app).await?;
    }
    Ok(())
}

async fn save_settings(tx: &mut Conn, env: &Env) -> Result<(), DbError> {
    let mut guardian = settings::guardian(tx).await?;
    guardian.factors = vec!["otp".to_owned(), "recovery-code".to_owned()];
    settings::save_guardian(tx, &guardian, env.now).await?;
    let mut tenant = settings::tenant(tx).await?;
    tenant.0.set("friendly_name", "Lockstep demo");
    tenant.0.set("default_directory", DEFAULT_CONNECTION);
    tenant.0.set("enabled_locales", json!(["en", "es", "fr", "de", "ja", "ar"]));
    settings::save_tenant(tx, &tenant, env.now).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_core::crypto::hasher::{self, HashParams, StoredHash, Verdict};
    use lockstep_core::time::SystemClock;

    use super::*;
    use crate::app::{App, new_master_keys};
    use crate::config::Config;

    #[test]
    fn the_hash_in_this_file_is_of_the_password_and_as_strong_as_new_ones() {
        let stored = StoredHash::parse(PASSWORD_HASH).unwrap();
        let verdict = hasher::verify(PASSWORD, &stored, HashParams::default());
        assert_eq!(verdict, Verdict::Match { rehash: false });
    }

    #[test]
    fn the_printed_key_gives_the_codes_of_the_seeded_authenticator() {
        let seed = Seed::parse(BEN_SEED).unwrap();
        assert_eq!((seed.bytes().len(), seed.base32().as_str()), (20, BEN_SEED));
    }

    #[test]
    fn ids_have_the_shape_of_drawn_ones() {
        let demo = Demo::of(&Issuer::parse("https://localhost:8443/").unwrap());
        assert!(demo.clients.iter().all(|c| c.client_id.len() == 32));
        assert!(demo.users.iter().all(|u| u.user_id.len() == "auth0|".len() + 24));
        assert_eq!(demo.playground().callbacks, ["https://localhost:8443/_dev/playground/callback"]);
    }

    #[tokio::test]
    async fn a_second_start_on_the_same_data_seeds_nothing_twice() {
        let db = Db::memory(new_master_keys()).await.unwrap();
        let config = Config::new(Issuer::parse("https://localhost:8443/").unwrap());
        let app = App::open(config, db, Arc::new(SystemClock)).await.unwrap();
        for _ in 0..2 {
            seed(app.db(), &mut app.env()).await.unwrap();
        }
        let mut conn = app.db().read().await.unwrap();
        let ben = authenticators::list_of_user(&mut conn, &UserId::trusted(BEN)).await.unwrap();
        assert_eq!(ben.len(), 1);
        let (client, audience) = (ClientId::trusted(MANAGEMENT), app.issuer().management_audience());
        let grant = client_grants::find_for(&mut conn, &client, &audience, "client").await;
        assert!(grant.unwrap().unwrap().scopes().any(|s| s == "update:guardian_factors"));
    }
}
