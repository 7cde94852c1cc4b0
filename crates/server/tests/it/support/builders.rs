//! Tenants, applications and people, as a test wants them.

use lockstep_core::assurance::PAPE;
use lockstep_core::crypto::hasher::{self, HashParams};
use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::factors::totp::{self, Parameters, Seed};
use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::factors::webauthn::passkey;
use lockstep_core::factors::{self, EnrolAsk, FactorKind, Input, KeyAsks, Keys, Shown, UserHandle};
use lockstep_core::ids::{AuthenticatorId, ClientGrantId, ClientId, ResourceServerId, UserId};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::client::{Client, with_defaults};
use lockstep_core::model::resource_server::{self, ClientGrant, ResourceServer};
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::{Profile, User};
use lockstep_core::random::{Rng, SystemRng};
use lockstep_engine::store::{
    authenticators, client_grants, clients, connections, passkeys, resource_servers, settings, user_handles,
    users,
};
use serde_json::{Value, json};

use super::app::TestApp;

/// The password of everybody.
pub(crate) const PASSWORD: &str = "Pw-ana-1!";
/// Where the web application gets its answers.
pub(crate) const CALLBACK: &str = "https://app.example/cb";
/// The API of all tests.
pub(crate) const API: &str = "https://api.example/";

/// A person with what is in her pocket.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) phone: Option<AuthenticatorApp>,
}

impl TestApp {
    /// Makes the applications `web` (confidential) and `spa` (public, rotating refresh tokens), and the API.
    pub(crate) async fn with_apps(self) -> Self {
        let common = json!({
            "callbacks": [CALLBACK], "allowed_logout_urls": ["https://app.example/out"],
            "web_origins": ["https://app.example"], "oidc_conformant": true,
        });
        self.client("web", json!({"name": "Web", "app_type": "regular_web"}), &common).await;
        let rotating = json!({
            "name": "Spa", "app_type": "spa",
            "refresh_token": {"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 0,
                              "infinite_token_lifetime": false, "infinite_idle_token_lifetime": false}
        });
        self.client("spa", rotating, &common).await;
        let data = json!({"name": "Example API", "allow_offline_access": true,
            "skip_consent_for_verifiable_first_party_clients": true,
            "scopes": [{"value": "read:a", "description": "Read a"}, {"value": "transfer:b", "description": "Transfer b"}]});
        let api = ResourceServer {
            id: ResourceServerId::new(&mut SystemRng as &mut dyn Rng),
            identifier: API.to_owned(),
            data: resource_server::with_defaults(data.as_object().unwrap().clone()),
            created_at: self.now(),
            updated_at: self.now(),
        };
        let mut tx = self.app.db().write().await.unwrap();
        resource_servers::create(&mut tx, &api).await.unwrap();
        tx.commit().await.unwrap();
        self
    }

    /// Makes the applications `ropg` and `ropg2`, which ask for passwords themselves.
    pub(crate) async fn with_password_grants(self) -> Self {
        let grant = |name: &str| format!("http://auth0.com/oauth/grant-type/{name}");
        let grants = json!([
            "password",
            grant("password-realm"),
            grant("mfa-otp"),
            grant("mfa-oob"),
            grant("mfa-recovery-code"),
            grant("passwordless/otp"),
            "refresh_token",
            "authorization_code",
        ]);
        let rotating = json!({"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 0,
            "infinite_token_lifetime": false, "infinite_idle_token_lifetime": false});
        for id in ["ropg", "ropg2"] {
            let own = json!({"name": id, "app_type": "regular_web", "grant_types": grants, "refresh_token": rotating});
            self.client(id, own, &json!({"callbacks": [CALLBACK], "oidc_conformant": true})).await;
        }
        let mut tx = self.app.db().write().await.unwrap();
        let mut tenant = settings::tenant(&mut tx).await.unwrap();
        tenant.0.set("default_directory", "Username-Password-Authentication");
        settings::save_tenant(&mut tx, &tenant, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        self
    }

    /// Makes an application whose id is its short name, and whose secret is `<id>-secret`.
    pub(crate) async fn client(&self, id: &str, own: Value, common: &Value) {
        let mut data = common.as_object().unwrap().clone();
        data.extend(own.as_object().unwrap().clone());
        let client = Client {
            id: ClientId::parse(id).unwrap(),
            data: with_defaults(data),
            secret: format!("{id}-secret").into(),
            created_at: self.now(),
            updated_at: self.now(),
        };
        let mut tx = self.app.db().write().await.unwrap();
        clients::create(&mut tx, &client).await.unwrap();
        let connection =
            connections::find_by_name(&mut tx, "Username-Password-Authentication").await.unwrap().unwrap();
        connections::enable_client(&mut tx, &connection.id, &client.id).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Lets a machine ask an API for scopes.
    pub(crate) async fn grant(&self, client: &str, audience: &str, scopes: &[&str]) {
        let grant = ClientGrant {
            id: ClientGrantId::new(&mut SystemRng as &mut dyn Rng),
            client: ClientId::parse(client).unwrap(),
            audience: audience.to_owned(),
            subject_type: "client".to_owned(),
            data: json!({"scope": scopes}).as_object().unwrap().clone().into(),
            created_at: self.now(),
        };
        let mut tx = self.app.db().write().await.unwrap();
        client_grants::create(&mut tx, &grant).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Sets how long a rotated refresh token may come again.
    pub(crate) async fn leeway(&self, client: &str, seconds: i64) {
        let mut tx = self.app.db().write().await.unwrap();
        let mut client = clients::find(&mut tx, &ClientId::parse(client).unwrap()).await.unwrap().unwrap();
        client.data.0["refresh_token"]["leeway"] = seconds.into();
        clients::save(&mut tx, &client).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Switches factors on and sets the policy.
    pub(crate) async fn mfa(&self, factors: &[&str], policies: &[&str]) {
        let mut tx = self.app.db().write().await.unwrap();
        let mut guardian: Guardian = settings::guardian(&mut tx).await.unwrap();
        guardian.factors = factors.iter().map(|f| (*f).to_owned()).collect();
        guardian.policies = policies.iter().map(|p| (*p).to_owned()).collect();
        settings::save_guardian(&mut tx, &guardian, self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Makes a user with a password.
    pub(crate) async fn user(&self, email: &str) -> Person {
        let hash = hasher::hash(PASSWORD, HashParams::WEAKEST, &mut SystemRng).unwrap();
        self.user_with(email, Some(hash.as_str())).await
    }

    /// Makes a user without a password.
    pub(crate) async fn user_without_password(&self, email: &str) -> Person {
        self.user_with(email, None).await
    }

    async fn user_with(&self, email: &str, hash: Option<&str>) -> Person {
        let name = email.split('@').next().unwrap();
        let id = UserId::parse(format!("auth0|{name}")).unwrap();
        let user = User {
            email: Some(email.to_owned()),
            email_verified: true,
            profile: Profile {
                name: Some(email.to_owned()),
                nickname: Some(name.to_owned()),
                ..Profile::default()
            },
            ..User::new(id.clone(), "Username-Password-Authentication", self.now())
        };
        let mut tx = self.app.db().write().await.unwrap();
        users::create(&mut tx, &user, hash).await.unwrap();
        tx.commit().await.unwrap();
        Person { id, email: email.to_owned(), phone: None }
    }

    /// Makes a user with a password and an authenticator app.
    pub(crate) async fn user_with_totp(&self, email: &str) -> Person {
        let person = self.user(email).await;
        let seed = Seed::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let phone = AuthenticatorApp::scan("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let id = AuthenticatorId::new(&mut SystemRng as &mut dyn Rng);
        let held = totp::imported(id, person.id.clone(), &Parameters::usual(seed), None, self.now()).unwrap();
        let mut tx = self.app.db().write().await.unwrap();
        authenticators::create(&mut tx, &held).await.unwrap();
        tx.commit().await.unwrap();
        Person { phone: Some(phone), ..person }
    }

    /// Enrols a key for a person, as the pages do; returns what is in the list and the key.
    pub(crate) async fn with_key(&self, person: &Person, model: Model) -> (Authenticator, VirtualKey) {
        let kind = if model.roaming { FactorKind::WebauthnRoaming } else { FactorKind::WebauthnPlatform };
        let (mut env, issuer) = (self.app.env(), self.app.issuer().clone());
        let mut tx = self.app.db().write().await.unwrap();
        let guardian = settings::guardian(&mut tx).await.unwrap();
        let fresh = UserHandle::new(env.rng());
        let handle = user_handles::ensure(&mut tx, &person.id, &fresh).await.unwrap();
        let held = authenticators::list_of_user(&mut tx, &person.id).await.unwrap();
        let ask = EnrolAsk {
            user: person.id.clone(),
            issuer: "Lockstep".into(),
            account: person.email.clone(),
            profile: self.app.config().profile,
            reach: None,
            key: KeyAsks::new(&Keys::of(&issuer, &guardian), Some(&handle), &held, None).of(kind).cloned(),
        };
        let (draft, _) = factors::begin_enrolment(kind, &ask, &mut env).unwrap();
        let Ok(Shown::PublicKey(options)) = factors::shown(&draft) else { panic!("options are shown") };
        let mut key = VirtualKey::new(model);
        let credential = key.create(&options, issuer.origin(), env.rng()).unwrap();
        let enrolled = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut env).unwrap();
        authenticators::create(&mut tx, &enrolled.authenticator).await.unwrap();
        tx.commit().await.unwrap();
        (enrolled.authenticator, key)
    }

    /// Lets people log in by passkeys, with these `passkey_options` beside the usual ones.
    pub(crate) async fn passkeys(&self, options: Value) {
        let enabled = json!({"passkey": {"enabled": true}});
        self.connection_options(json!({"authentication_methods": enabled, "passkey_options": options})).await;
    }

    /// Changes options of the connection, deep ones too.
    pub(crate) async fn connection_options(&self, options: Value) {
        fn merge(into: &mut Value, from: &Value) {
            match from {
                Value::Object(from) => from.iter().for_each(|(name, value)| merge(&mut into[name], value)),
                other => *into = other.clone(),
            }
        }
        let mut tx = self.app.db().write().await.unwrap();
        let name = "Username-Password-Authentication";
        let mut connection = connections::find_by_name(&mut tx, name).await.unwrap().unwrap();
        merge(&mut connection.data.0["options"], &options);
        connections::save(&mut tx, &connection).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Asks for the identifier on a page of its own.
    pub(crate) async fn identifier_first(&self, yes: bool) {
        let mut tx = self.app.db().write().await.unwrap();
        settings::save(&mut tx, "prompts", &json!({"identifier_first": yes}), self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Makes a passkey for a person, as an application would.
    pub(crate) async fn with_passkey(&self, person: &Person, model: Model) -> VirtualKey {
        let (mut env, issuer) = (self.app.env(), self.app.issuer().clone());
        let mut tx = self.app.db().write().await.unwrap();
        let fresh = UserHandle::new(env.rng());
        let handle = user_handles::ensure(&mut tx, &person.id, &fresh).await.unwrap();
        let party = passkey::on_our_pages(&issuer).unwrap();
        let registration = passkey::Registration::draw(party, handle, &mut env);
        let mut key = VirtualKey::new(model);
        let options = registration.options("Lockstep", &person.email);
        let made = key.create(&options, issuer.origin(), env.rng()).unwrap();
        let right = registration.answer(&made.to_string(), &env).unwrap();
        let new = passkeys::Passkey {
            id: AuthenticatorId::new(env.rng()),
            user: person.id.clone(),
            name: None,
            data: right.data,
            sign_count: Some(right.sign_count),
            created_at: env.now,
            enrolled_at: Some(env.now),
        };
        let hash = passkey::credential_hash(made["id"].as_str().unwrap()).unwrap();
        passkeys::create(&mut tx, &new, &hash).await.unwrap();
        tx.commit().await.unwrap();
        key
    }

    /// Blocks or unblocks a user, as an administrator would.
    pub(crate) async fn block(&self, person: &Person, blocked: bool) {
        let mut tx = self.app.db().write().await.unwrap();
        let mut user = users::find(&mut tx, &person.id).await.unwrap().unwrap();
        user.blocked = blocked;
        users::save(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Returns the code that a person's phone shows now.
    pub(crate) fn code(&self, person: &Person) -> String {
        person.phone.as_ref().expect("this person has an authenticator app").code_at(self.now())
    }
}

/// Returns the address of an authorization request of `web`, with further parameters.
pub(crate) fn authorize(more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("client_id", "web"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("state", "st4te"),
    ] {
        if !more.iter().any(|(n, _)| *n == name) {
            query.append_pair(name, value);
        }
    }
    for (name, value) in more {
        query.append_pair(name, value);
    }
    format!("/authorize?{}", query.finish())
}

/// The `acr_values` that asks for a second factor.
pub(crate) const ACR: (&str, &str) = ("acr_values", PAPE);
