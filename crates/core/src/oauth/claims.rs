//! What tokens say (contract/oidc.md 2.3, 2.4; OpenID Connect Core section 2 and 5; RFC 9068).

use serde_json::{Map, Value, json};

use super::scope::Scopes;
use crate::assurance::Assurance;
use crate::crypto::digest::sha256;
use crate::env::Issuer;
use crate::ids::{ClientId, SessionId};
use crate::model::resource_server::ResourceServer;
use crate::model::user::User;
use crate::time::{Span, Timestamp};

/// Returns the profile claims that these scopes allow: the same for ID token and `/userinfo`.
pub fn profile(user: &User, scopes: &Scopes) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut put = |claim: &str, scope: &str, value: Value| {
        if !value.is_null() && scopes.allow_claim(claim, scope) {
            claims.insert(claim.to_owned(), value);
        }
    };
    let name = user.profile.name.as_deref().or(user.email.as_deref()).unwrap_or_else(|| user.display_name());
    let local = user.email.as_deref().and_then(|e| e.split_once('@')).map(|(local, _)| local);
    put("name", "profile", name.into());
    put("nickname", "profile", json!(user.profile.nickname.as_deref().or(local)));
    put("given_name", "profile", json!(user.profile.given_name));
    put("family_name", "profile", json!(user.profile.family_name));
    put("picture", "profile", json!(user.profile.picture));
    // A string: Auth0 deviates from OpenID Connect's number.
    put("updated_at", "profile", user.updated_at.to_iso().into());
    put("created_at", "created_at", user.created_at.to_iso().into());
    put("identities", "identities", json!(user.identities));
    if user.email.is_some() {
        put("email", "email", json!(user.email));
        put("email_verified", "email", user.email_verified.into());
    }
    if user.phone_number.is_some() {
        put("phone_number", "phone", json!(user.phone_number));
        put("phone_number_verified", "phone", user.phone_verified.into());
    }
    claims
}

/// What an ID token is made of.
#[derive(Debug)]
pub struct IdToken<'a> {
    /// Who we are.
    pub issuer: &'a Issuer,
    /// The application.
    pub client: &'a ClientId,
    /// The person.
    pub user: &'a User,
    /// The granted scopes.
    pub scopes: &'a Scopes,
    /// What was proven.
    pub assurance: &'a Assurance,
    /// The session, where there is one.
    pub session: Option<&'a SessionId>,
    /// The nonce of the `/authorize` request. Never in tokens of other grants: node-auth0 validates one that it finds.
    pub nonce: Option<&'a str>,
    /// The access token that goes through the browser beside it.
    pub access_token: Option<&'a str>,
    /// The code that goes through the browser beside it.
    pub code: Option<&'a str>,
    /// When it is issued.
    pub now: Timestamp,
    /// How long it lives.
    pub lifetime: Span,
}

impl IdToken<'_> {
    /// Returns the claims.
    pub fn claims(&self) -> Value {
        let mut claims = profile(self.user, self.scopes);
        let mut put = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
        put("iss", self.issuer.as_str().into());
        put("sub", self.user.id.as_str().into());
        put("aud", self.client.as_str().into());
        put("iat", self.now.as_secs().into());
        put("exp", (self.now + self.lifetime).as_secs().into());
        if let Some(session) = self.session {
            put("sid", session.as_str().into());
        }
        if let Some(nonce) = self.nonce {
            put("nonce", nonce.into());
        }
        if let Some(token) = self.access_token {
            put("at_hash", left_half(token).into());
        }
        if let Some(code) = self.code {
            put("c_hash", left_half(code).into());
        }
        put_assurance(&mut claims, self.assurance);
        Value::Object(claims)
    }
}

fn put_assurance(claims: &mut Map<String, Value>, assurance: &Assurance) {
    claims.insert("auth_time".to_owned(), assurance.auth_time.into());
    claims.insert("amr".to_owned(), json!(assurance.amr));
    if let Some(acr) = assurance.acr {
        claims.insert("acr".to_owned(), acr.into());
    }
}

/// The left half of the SHA-256, base64url (OpenID Connect Core section 3.1.3.6): all our algorithms end in 256.
fn left_half(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&sha256(text.as_bytes())[..16])
}

/// Who a token speaks for.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A person, and what was proven.
    User(&'a User, &'a Assurance),
    /// The application itself.
    Machine,
}

/// What a JWT access token is made of.
#[derive(Debug)]
pub struct AccessToken<'a> {
    /// Who we are.
    pub issuer: &'a Issuer,
    /// The application.
    pub client: &'a ClientId,
    /// Who it speaks for.
    pub subject: Subject<'a>,
    /// The API.
    pub api: &'a ResourceServer,
    /// The granted scopes.
    pub scopes: &'a Scopes,
    /// What the user's roles allow on the API, where its dialect shows them.
    pub permissions: Option<&'a [String]>,
    /// Auth0's grant type claim: `client-credentials`, `password`, `refresh_token`; none for browser flows.
    pub gty: Option<&'static str>,
    /// A unique id.
    pub jti: &'a str,
    /// When it is issued.
    pub now: Timestamp,
    /// How long it lives.
    pub lifetime: Span,
}

impl AccessToken<'_> {
    /// Returns the header's `typ`.
    pub fn typ(&self) -> &'static str {
        if self.api.is_rfc9068() { "at+jwt" } else { "JWT" }
    }

    /// Returns the claims.
    pub fn claims(&self) -> Value {
        let rfc9068 = self.api.is_rfc9068();
        let mut claims = Map::new();
        let mut put = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
        put("iss", self.issuer.as_str().into());
        put(
            "sub",
            match self.subject {
                Subject::User(user, _) => user.id.as_str().into(),
                Subject::Machine => format!("{}@clients", self.client).into(),
            },
        );
        put("aud", self.audience());
        put("iat", self.now.as_secs().into());
        put("exp", (self.now + self.lifetime).as_secs().into());
        put("jti", self.jti.into());
        put(if rfc9068 { "client_id" } else { "azp" }, self.client.as_str().into());
        if !self.scopes.is_empty() {
            put("scope", self.scopes.to_string().into());
        }
        if let (Some(gty), false) = (self.gty, rfc9068) {
            put("gty", gty.into());
        }
        if let Some(permissions) = self.permissions {
            put("permissions", json!(permissions));
        }
        if let Subject::User(_, assurance) = self.subject {
            put_assurance(&mut claims, assurance);
        }
        Value::Object(claims)
    }

    /// `/userinfo` accepts the token too when openid was granted. It verifies RS256 tokens only, as Auth0's does.
    fn audience(&self) -> Value {
        if self.scopes.has("openid") && self.api.signing_alg() == "RS256" {
            json!([self.api.identifier, self.issuer.userinfo_audience()])
        } else {
            self.api.identifier.as_str().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assurance::{FactorType, Method, MethodName, Methods, Rules, claims};
    use crate::ids::{ResourceServerId, UserId};
    use crate::model::resource_server;
    use crate::model::user::Profile;

    const T: Timestamp = Timestamp::from_secs(1_738_317_600);

    fn ann() -> User {
        User {
            email: Some("ann@example.com".into()),
            email_verified: true,
            profile: Profile { given_name: Some("Ann".into()), ..Profile::default() },
            ..User::new(UserId::trusted("auth0|507f1f77bcf86cd799439011"), "Users", T)
        }
    }

    fn assurance(mfa: bool) -> Assurance {
        let mut methods = Methods::begin(Method::first(MethodName::Pwd, T));
        if mfa {
            methods.record(Method::second(FactorType::Otp, T));
        }
        claims(&methods, T, Rules::default())
    }

    fn api(given: Value) -> ResourceServer {
        ResourceServer {
            id: ResourceServerId::trusted("r"),
            identifier: "https://api.example/".into(),
            data: resource_server::with_defaults(given.as_object().cloned().unwrap()),
            created_at: T,
            updated_at: T,
        }
    }

    #[test]
    fn an_id_token_says_who_how_and_when() {
        let issuer = Issuer::parse("https://login.example.org").unwrap();
        let (user, client, sid) = (ann(), ClientId::trusted("web"), SessionId::trusted("S"));
        let token = IdToken {
            issuer: &issuer,
            client: &client,
            user: &user,
            scopes: &Scopes::trusted("openid email"),
            assurance: &assurance(true),
            session: Some(&sid),
            nonce: Some("n"),
            access_token: None,
            code: None,
            now: T + Span::seconds(5),
            lifetime: Span::hours(10),
        };
        assert_eq!(
            token.claims(),
            json!({
                "iss": "https://login.example.org/", "sub": "auth0|507f1f77bcf86cd799439011", "aud": "web",
                "iat": 1_738_317_605, "exp": 1_738_353_605, "sid": "S", "nonce": "n", "auth_time": 1_738_317_600,
                "acr": "http://schemas.openid.net/pape/policies/2007/06/multi-factor", "amr": ["pwd", "mfa", "otp"],
                "email": "ann@example.com", "email_verified": true
            })
        );
        let plain =
            IdToken { assurance: &assurance(false), nonce: None, session: None, code: Some("c"), ..token };
        let claims = plain.claims();
        assert!(claims.get("acr").is_none() && claims.get("nonce").is_none() && claims.get("sid").is_none());
        assert_eq!(claims["amr"], json!(["pwd"]));
        assert_eq!(claims["c_hash"].as_str().unwrap().len(), 22);
    }

    #[test]
    fn at_hash_is_that_of_the_specification() {
        // OpenID Connect Core, appendix A.3.
        assert_eq!(left_half("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn claims_come_with_their_scope_or_by_their_own_name() {
        let keys = |scopes: &str| {
            profile(&ann(), &Scopes::trusted(scopes)).into_iter().map(|(k, _)| k).collect::<Vec<_>>()
        };
        assert_eq!(keys("openid"), Vec::<String>::new());
        assert_eq!(keys("openid profile"), ["given_name", "name", "nickname", "updated_at"]);
        assert_eq!(keys("nickname email_verified"), ["email_verified", "nickname"]);
        assert_eq!(profile(&ann(), &Scopes::trusted("profile"))["updated_at"], "2025-01-31T10:00:00.000Z");
    }

    #[test]
    fn both_dialects_carry_the_assurance_and_their_own_client_claim() {
        let issuer = Issuer::parse("https://login.example.org").unwrap();
        let (user, client, assurance) = (ann(), ClientId::trusted("web"), assurance(true));
        let (auth0, rfc) = (api(json!({})), api(json!({"token_dialect": "rfc9068_profile"})));
        let scopes = Scopes::trusted("openid read:a");
        let token = AccessToken {
            issuer: &issuer,
            client: &client,
            subject: Subject::User(&user, &assurance),
            api: &auth0,
            scopes: &scopes,
            permissions: None,
            gty: Some("refresh_token"),
            jti: "J",
            now: T,
            lifetime: Span::hours(24),
        };
        let claims = token.claims();
        assert_eq!(token.typ(), "JWT");
        assert_eq!(
            (&claims["azp"], &claims["gty"], claims.get("client_id")),
            (&json!("web"), &json!("refresh_token"), None)
        );
        assert_eq!(claims["aud"], json!(["https://api.example/", "https://login.example.org/userinfo"]));
        let token = AccessToken { api: &rfc, scopes: &Scopes::trusted("read:a"), ..token };
        let claims = token.claims();
        assert_eq!(token.typ(), "at+jwt");
        assert_eq!((&claims["client_id"], claims.get("gty"), claims.get("azp")), (&json!("web"), None, None));
        assert_eq!(
            (&claims["aud"], &claims["amr"]),
            (&json!("https://api.example/"), &json!(["pwd", "mfa", "otp"]))
        );
        let machine =
            AccessToken { subject: Subject::Machine, gty: Some("client-credentials"), api: &auth0, ..token }
                .claims();
        assert_eq!(machine["sub"], "web@clients");
        assert!(["acr", "amr", "auth_time"].iter().all(|c| machine.get(*c).is_none()));
    }
}
